"""A setting's searched values, as written in an experiment file: `{min, max[, step][, sampling]}`,
`[a, b, ...]` or `{choices: [a, b, ...]}`.

Knows neither which settings exist nor KerasTuner; `sections` reads with it and `space` hands it to
the algorithms.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from data.messages import literal
from data.value_forms import hashable, is_number

RANGE_KEYS = ("min", "max", "step", "sampling")
SAMPLING = ("linear", "log")
SHOWN, MOST_SHOWN = 6, 10  # values of a range that a curve shows; of one in few steps all
SEARCHED_TITLE = "searched: "  # how the titles of their schemas begin
# Of a searched float: finer differences mean nothing, and tables stay readable.
SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True)
class Range:
    """Numbers from `minimum` to `maximum`, both included, in steps where `step` is given."""

    minimum: float
    maximum: float
    step: float | None = None
    log: bool = False
    integer: bool = False

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The least and the largest value that may be tried: steps may end before `maximum`."""
        # Floats where floats are drawn: a shift of 1 (int) moves nothing, and one of 1.0 does.
        kind = int if self.integer else float
        return (kind(self.minimum), kind(self.maximum) if self.step is None else self.within(1.0))

    @property
    def num_values(self) -> int | None:
        """How many values a grid holds; None where there is no step to count by."""
        step = self.step or (1 if self.integer else None)
        return None if step is None else math.floor((self.maximum - self.minimum) / step + 1e-9) + 1

    @property
    def grid(self) -> tuple[float, ...]:
        """The values that `num_values` counts."""
        step = self.step or 1
        return tuple(self.minimum + place * step for place in range(self.num_values or 0))

    def within(self, share: float) -> float | int:
        """The value so far along, 0 the least and 1 the largest."""
        low, high = self.minimum, self.maximum
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        if self.step is not None:
            steps = min(round((value - low) / self.step), (self.num_values or 1) - 1)
            value = low + steps * self.step
        return round(value) if self.integer else float(value)

    def spread(self) -> list[float | int]:
        """All values, where they are few; else some, from the least to the largest."""
        count = self.num_values if self.num_values and self.num_values <= MOST_SHOWN else SHOWN
        return list(dict.fromkeys(self.within(place / (count - 1)) for place in range(count)))

    @property
    def middle(self) -> float | int:
        """On its steps, where it has some."""
        if self.step is not None:
            return self.within(0.5)
        low, high = self.minimum, self.maximum
        middle = (low * high) ** 0.5 if self.log else (low + high) / 2
        return round(middle) if self.integer else middle

    def proposed(self, value: float) -> float:
        """A value as an algorithm is given it."""
        return value

    def tried(self, proposal: Any) -> float | int:
        """What is tried where an algorithm proposes this."""
        return int(proposal) if self.integer else float(f"{proposal:.{SIGNIFICANT_DIGITS}g}")

    def typed(self, value: float) -> float | int:
        return int(value) if self.integer else float(value)

    def as_written(self) -> dict[str, Any]:
        """As an experiment file has it."""
        step = {} if self.step is None else {"step": self.step}
        sampling = {"sampling": "log"} if self.log else {}
        return {"min": self.minimum, "max": self.maximum, **step, **sampling}


@dataclass(frozen=True)
class Choices:
    """A list of values, in the order written."""

    values: tuple[Any, ...]

    @property
    def extremes(self) -> tuple[Any, ...]:
        return self.values

    @property
    def num_values(self) -> int:
        return len(self.values)

    @property
    def grid(self) -> tuple[Any, ...]:
        return self.values

    @property
    def middle(self) -> Any:
        """The first, as there is no middle."""
        return self.values[0]

    def proposed(self, value: object) -> str:
        """A value as an algorithm is given it: KerasTuner's Choice takes one scalar type and no
        lists; JSON text carries any of ours."""
        return json.dumps(value)

    def tried(self, proposal: Any) -> Any:
        """What is tried where an algorithm proposes this."""
        return json.loads(proposal)

    def typed(self, value: object) -> Any:
        """A pair as a tuple."""
        return hashable(value)

    def as_written(self) -> dict[str, Any]:
        """As an experiment file has it."""
        return {"choices": list(self.values)}


Dimension = Range | Choices


def parse_dimension(raw: Any, accepts: Callable[[Any], bool]) -> Dimension | None:
    """The dimension that `raw` describes, or None where `raw` is one fixed value.

    accepts: whether a value is valid for this setting alone. It settles what a list of numbers
    means (a pair such as `brightness_range: [0.8, 1.2]` is one value; `[[1, 1], [0.8, 1.2]]` are
    two) and whether a range is of whole numbers. Raises ValueError saying what is wrong.
    """
    if isinstance(raw, dict):
        # {last: 0} is a value, and a wrong one, of a setting that takes {last: 1}.
        return None if accepts(dict.fromkeys(raw, 1)) else _parse_mapping(raw, accepts)
    if not isinstance(raw, list):
        return None
    each_is_valid = bool(raw) and all(accepts(value) for value in raw)
    if accepts(raw):
        if each_is_valid:
            pair = literal(raw)
            raise ValueError(
                f"{pair} may be a pair or two values to search; write {{choices: {pair}}} for the "
                f"two values, {{choices: [{pair}, [1, 1]]}} for pairs"
            )
        return None
    return _choices(raw)


def _parse_mapping(raw: dict, accepts: Callable[[Any], bool]) -> Dimension:
    if set(raw) == {"choices"} and isinstance(raw["choices"], list):
        return _choices(raw["choices"])
    unknown = sorted(set(map(str, raw)) - set(RANGE_KEYS))
    if unknown or not {"min", "max"} <= set(raw):
        raise ValueError(
            f"received {literal(raw)}; allowed: {{min: A, max: B}}, with step: S or sampling: log "
            "where wanted, or {choices: [A, B]}"
        )
    for key in ("min", "max", "step"):
        _check_number(key, raw.get(key))
    return _range(raw, integer=_is_whole(raw) and not accepts(raw["min"] + 0.5))


def _is_whole(raw: dict) -> bool:
    return all(isinstance(raw[key], int) for key in ("min", "max"))


def _check_number(key: str, value: Any) -> None:
    if key == "step" and value is None:
        return
    if not is_number(value):
        raise ValueError(f"{key}: received {literal(value)}; allowed: a number, such as {key}: 1")


def _range(raw: dict, integer: bool) -> Range:
    low, high, step = raw["min"], raw["max"], raw.get("step")
    sampling = raw.get("sampling", "linear")
    if sampling not in SAMPLING:
        raise ValueError(f"sampling: received {literal(sampling)}; allowed: linear, log")
    if low == high:
        raise ValueError(
            f"min and max are both {low}: one point is no range; write the value {low} itself"
        )
    if low > high:
        raise ValueError(f"min {low} is above max {high}; exchange them")
    if step is not None and not 0 < step <= high - low:
        raise ValueError(
            f"step is {step}; it must be above 0 and at most max - min = {high - low:g}"
        )
    if integer and step is not None and step != int(step):
        raise ValueError(f"step is {step}; this setting takes whole numbers")
    if sampling == "log" and low <= 0:
        raise ValueError(f"min is {low}; with sampling: log it must be above 0")
    if sampling == "log" and step is not None:
        raise ValueError("step cannot be combined with sampling: log; leave one out")
    return Range(low, high, step, sampling == "log", integer)


def _choices(values: Sequence[Any]) -> Choices:
    if len(values) < 2:
        raise ValueError(
            f"received {literal(list(values))}, which leaves nothing to choose; give two values or "
            "more, or the value without brackets"
        )
    seen = [json.dumps(value, sort_keys=True) for value in values]
    repeated = sorted({text for text in seen if seen.count(text) > 1})
    if repeated:
        received = f"received {literal(list(values))}"
        raise ValueError(
            f"{received}, in which {', '.join(repeated)} stands twice; list each value once"
        )
    return Choices(tuple(values))


def searched_schemas(fixed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The JSON Schemas of what `parse_dimension` reads. fixed: those of one value, any of which it
    may be."""
    value = {"anyOf": fixed} if len(fixed) > 1 else fixed[0]
    listed = {"type": "array", "items": value, "minItems": 2, "uniqueItems": True}
    numbers = [each for each in fixed if each.get("type") in ("integer", "number")]
    ranges = [
        _mapping_schema(
            "a range",
            {
                **dict.fromkeys(("min", "max"), number),
                "step": {"type": [number["type"], "null"], "exclusiveMinimum": 0},
                "sampling": {"enum": list(SAMPLING)},
            },
            ["min", "max"],
        )
        for number in numbers
        if "enum" not in number
    ]
    choices = _mapping_schema("values", {"choices": listed}, ["choices"])
    return [*ranges, {"title": f"{SEARCHED_TITLE}values", **listed}, choices]


def _mapping_schema(title: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "title": f"{SEARCHED_TITLE}{title}",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
