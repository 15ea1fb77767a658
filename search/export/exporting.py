"""What an exporter is given and gives back: a policy, steps with their remarks, and the code they
make together.

The exporters themselves are in `export`'s table. Nothing here knows a library.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any

from data.augmentations import active, complete

SHIFTS = ("width_shift_range", "height_shift_range")
AFFINE = ("rotation_range", *SHIFTS, "shear_range", "zoom_range")
CUT_INSIDE = "cutout: the square stays inside the picture; ours may be cut off at the border"
CUT_OFF = (
    "channel_shift_range: levels are cut off at 0 and 255, not at the picture's own least and "
    "largest"
)
LEANS = (
    "shear_range: by the angle's tangent, leaving the height as it is; ours by its sine and cosine"
)
WHOLE_PIXELS = "width_shift_range, height_shift_range: whole pixels, and not scaled by the zoom"
WIDTH = 96  # of a comment, its indentation not counted


@dataclass(frozen=True)
class Policy:
    """An augmentation to be exported. title: what it is, for the first comment. size: the side of
    the images, in pixels."""

    title: str
    augmentation: dict[str, Any]
    size: int

    @property
    def active(self) -> dict[str, Any]:
        """Only what changes pictures."""
        return active(self.augmentation)

    @property
    def full(self) -> dict[str, Any]:
        """Every augmentation's value."""
        return complete(self.augmentation)

    @property
    def fill(self) -> tuple[str, int]:
        """fill_mode and cval."""
        return self.full["fill_mode"], self.full["cval"]

    def shift_pixels(self, name: str) -> float:
        """The furthest that a shift goes. An int n draws whole pixels below n."""
        value = self.full[name]
        if isinstance(value, int):
            return float(max(value - 1, 0))
        return float(value * self.size if value < 1 else value)

    def draws_whole_pixels(self, name: str) -> bool:
        return isinstance(self.full[name], int)


@dataclass(frozen=True)
class Step:
    """One step of the exported code.

    names: the augmentations that it stands for. remarks: comments, on units for the most part.
    caveats: what comes out differently; comments too, and told to whoever asked. lacks: what of it
    the library cannot express, and why; empty where it can.
    """

    names: tuple[str, ...]
    code: str = ""
    remarks: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


Writer = Callable[[Policy, Any], Step]  # an augmentation's value to its step


class CannotExpress(Exception):
    """The library has nothing for a part of the policy. lacks: each such part, and why."""

    def __init__(self, lacks: Sequence[str]) -> None:
        super().__init__("; ".join(lacks))
        self.lacks = tuple(lacks)


@dataclass(frozen=True)
class Exported:
    """code: as text. caveats: a line each, what the code does differently."""

    code: str
    caveats: tuple[str, ...] = ()


def zoom_ends(value: float | list[float]) -> tuple[float, float]:
    """The least and the largest factor; above 1 the picture shrinks."""
    return (value[0], value[1]) if isinstance(value, list) else (1 - value, 1 + value)


def steps_of(policy: Policy, writers: Mapping[str, Writer]) -> list[Step]:
    """The steps of every augmentation that is on and that `writers` knows, in our order."""
    return [
        writers[name](policy, value) for name, value in policy.active.items() if name in writers
    ]


def plain(name: str, code: str) -> Writer:
    """The writer of a step that needs no value and no remark."""
    return lambda policy, value: Step((name,), code)


def lacking(name: str, why: str) -> Writer:
    """The writer of what a library has nothing for."""
    return lambda policy, value: missing(name, value, why)


def missing(name: str, value: Any, why: str) -> Step:
    """A step that cannot be expressed."""
    return Step((name,), lacks=(f"{name} {value} ({why})",))


def unmoved(policy: Policy) -> tuple[str, ...]:
    """What cannot be expressed by shifts in whole pixels: those that round to none."""
    return tuple(
        f"{name} {value} (it shifts by whole pixels, and this is "
        f"{number(policy.shift_pixels(name))} px)"
        for name, value in policy.active.items()
        if name in SHIFTS and round(policy.shift_pixels(name)) == 0
    )


def number(value: float) -> str:
    """A number as code, to six digits."""
    return f"{float(value):.6g}"


def pair(low: float, high: float) -> str:
    return f"({number(low)}, {number(high)})"


def call(function: str, *arguments: str) -> str:
    """A call as an item of a list, an argument a line where one line would be long."""
    line = f"{function}({', '.join(arguments)}),"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), "),"])


def written(
    policy: Policy, head: str, opening: str, steps: Sequence[Step], closing: str, empty: str
) -> Exported:
    """Code: a title, `head` (imports), `opening`, the steps a line each under their comments,
    `closing`.

    empty: stands for all of it but the head where the policy is no augmentation. Raises
    CannotExpress: code that leaves a part out would train something else.
    """
    if lacks := [lack for step in steps for lack in step.lacks]:
        raise CannotExpress(lacks)
    caveats = tuple(caveat for step in steps for caveat in step.caveats)
    parts = [_comment(policy.title), head, ""]
    if any(step.code for step in steps):
        body = "\n".join(map(_step_text, steps))
        parts += [opening, indent(body, "    " * (2 if opening.count("\n") else 1)), closing]
    else:
        parts += [empty]
    return Exported("\n".join(parts) + "\n", caveats)


def _step_text(step: Step) -> str:
    comments = [_comment(remark) for remark in step.remarks]
    comments += [_comment(f"Differs: {caveat}") for caveat in step.caveats]
    return "\n".join([*comments, *([step.code] if step.code else [])])


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(text, WIDTH, break_long_words=False))
