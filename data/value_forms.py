"""What may be written as a setting's value: a number, a pair, a flag, one of a list. Each form
parses, or says what it allows.

Forms know ranges and types; which augmentation has which form, and what the number does, is in the
augmentation's record.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol, TypeGuard

Value = float | int | bool | str | list[float]
Searched = dict[str, float] | list[Any]
WIDEST_SHIFT = 2048.0  # pixels: the largest image the project reads


class ValueForm(Protocol):
    """How a setting is written. `numeric`: {min, max} can search it."""

    @property
    def numeric(self) -> bool: ...

    @property
    def allowed(self) -> str: ...

    @property
    def searched(self) -> Searched:
        """How it is searched, as an example."""
        ...

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a value."""
        ...

    def parse(self, value: object) -> Value:
        """The value in its one canonical spelling. Raises ValueError where it is not allowed."""
        ...


@dataclass(frozen=True)
class _Ranged:
    low: float
    high: float


@dataclass(frozen=True)
class Number(_Ranged):
    """A finite number from `low` to `high`, parsed to float."""

    numeric: bool = True

    @property
    def allowed(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    @property
    def searched(self) -> Searched:
        return {"min": self.low, "max": float(f"{self.low + (self.high - self.low) / 4:.2g}")}

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def parse(self, value: object) -> float:
        return _within(value, self.low, self.high)


@dataclass(frozen=True)
class Whole(_Ranged):
    """A whole number from `low` to `high`; 10.0 is read as 10 and 10.5 is refused, rounded if
    `rounds`."""

    rounds: bool = False
    numeric: bool = True

    @property
    def allowed(self) -> str:
        return f"a {'' if self.rounds else 'whole '}number from {self.low} to {self.high}"

    @property
    def searched(self) -> Searched:
        return {"min": self.low, "max": self.low + (self.high - self.low) // 2}

    @property
    def schema(self) -> dict[str, Any]:
        kind = "number" if self.rounds else "integer"
        return {"type": kind, "minimum": self.low, "maximum": self.high}

    def parse(self, value: object) -> int:
        number = _within(value, self.low, self.high)
        if not self.rounds and number != int(number):
            raise ValueError("not whole")
        return round(number)


@dataclass(frozen=True)
class Shift:
    """A float: a fraction below 1, pixels from 1 on. A whole number n of type int stays one: it
    draws whole pixels below n."""

    numeric: bool = True

    @property
    def allowed(self) -> str:
        return (
            f"a number from 0 to {WIDEST_SHIFT:g} (a fraction of the side below 1, pixels from 1 "
            "on; an int n draws whole pixels from -(n-1) to n-1)"
        )

    @property
    def searched(self) -> Searched:
        return {"min": 0.0, "max": 0.2}

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": WIDEST_SHIFT}

    def parse(self, value: object) -> float | int:
        number = _within(value, 0, WIDEST_SHIFT)
        return int(number) if isinstance(value, Integral) and number > 0 else number


@dataclass(frozen=True)
class NumberPair(_Ranged):
    """Two numbers from `low` to `high`, the lesser first; null is `neutral` twice
    (ImageDataGenerator's)."""

    neutral: float
    numeric: bool = False

    @property
    def allowed(self) -> str:
        return f"a pair [a, b] with {self.low:g} <= a <= b <= {self.high:g}"

    @property
    def searched(self) -> Searched:
        return [[self.neutral, self.neutral], [0.8, 1.2]]

    @property
    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.low, "maximum": self.high}
        pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
        return {"anyOf": [pair, {"type": "null"}]}

    def parse(self, value: object) -> list[float]:
        if value is None:
            return [self.neutral, self.neutral]
        if not _is_pair(value):
            raise ValueError("not a pair")
        items: Any = value
        first, second = (_within(item, self.low, self.high) for item in items)
        if first > second:
            raise ValueError("not in order")
        return [first, second]


@dataclass(frozen=True)
class Zoom:
    """A number z for [1 - z, 1 + z], or a pair. A pair symmetric about 1 is the number, so that
    each range has one spelling."""

    number: Number = Number(0.0, 0.99)
    pair: NumberPair = NumberPair(0.01, 10.0, 1.0)
    numeric: bool = True

    @property
    def allowed(self) -> str:
        return f"{self.number.allowed} (z means [1-z, 1+z]), or {self.pair.allowed}"

    @property
    def searched(self) -> Searched:
        return {"min": 0.0, "max": 0.3}

    @property
    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.number.schema, self.pair.schema["anyOf"][0]]}

    def parse(self, value: object) -> float | list[float]:
        if not _is_pair(value):
            return self.number.parse(value)
        low, high = self.pair.parse(value)
        symmetric = math.isclose(1 - low, high - 1, rel_tol=0, abs_tol=1e-12)
        return round(high - 1, 12) if symmetric else [low, high]


@dataclass(frozen=True)
class Flag:
    """true or false; 0 and 1 are refused, for a number here is most often a range set on the wrong
    line."""

    numeric: bool = False

    @property
    def allowed(self) -> str:
        return "true or false"

    @property
    def searched(self) -> Searched:
        return [False, True]

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def parse(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("not a flag")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]
    numeric: bool = False

    @property
    def allowed(self) -> str:
        return ", ".join(self.options)

    @property
    def searched(self) -> Searched:
        return list(self.options[:2])

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def parse(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise ValueError("not an option")
        return value


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a finite number that a float holds: no flag, no infinity, no int of 400
    digits."""
    # bool is a number to Python, but `rotation_range: yes` is a mistake.
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _within(value: object, low: float, high: float) -> float:
    if not is_number(value):
        raise ValueError("not a finite number")
    if not low <= float(value) <= high:
        raise ValueError("out of range")
    return float(value) + 0.0  # -0.0 becomes 0.0: one spelling


def _is_pair(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2


def hashable(value: Any) -> Any:
    """A pair as a tuple, however it was read."""
    return tuple(value) if isinstance(value, list) else value
