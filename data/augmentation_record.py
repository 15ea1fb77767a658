"""The shape of an augmentation's record: all that anybody asks of an augmentation, how it is
exported included.

The records themselves stand beside what draws and paints them, in `moves`, `colours` and
`policies`; the table of them, and what a set of settings means, is `augmentations`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from data.errors import UserError
from data.geometry import Floats, Images
from data.messages import literal
from data.value_forms import Value, ValueForm

AugmentationValues = Mapping[str, Any]
Units = tuple[float, float, float, float]

CODE_WIDTH = 96  # of a line of exported code, its indentation not counted
LAST = float(np.nextafter(1, 0))  # the largest uniform draw
BOTH_ENDS: tuple[Units, ...] = ((0.0, 0.0, 0.0, 0.0), (LAST, LAST, 0.0, 0.0))
FIRST_END: tuple[Units, ...] = BOTH_ENDS[:1]
STRONG_END: tuple[Units, ...] = ((LAST, 0.5, 0.5, 0.5),)


@dataclass(frozen=True)
class SettingToWrite:
    """An augmentation that is on. settings: every augmentation's value. size: the side of the
    images, in pixels."""

    name: str
    value: Any
    settings: Mapping[str, Any]
    size: int

    def refused(self, why: str) -> "CodeStep":
        """The step of what the library cannot express."""
        return CodeStep(lacks=(f"{self.name} {self.value} ({why})",))


@dataclass(frozen=True)
class CodeStep:
    """One step of exported code.

    remarks: comments, on units for the most part. caveats: what comes out differently; comments
    too, and told to whoever asked. lacks: what of it the library cannot express, and why; empty
    where it can.
    """

    code: str = ""
    remarks: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


StepWriter = Callable[[SettingToWrite], CodeStep]


@dataclass(frozen=True)
class Motion:
    """How far an augmentation moves a picture at most, for libraries that move it once for all.

    degrees: turned, either way. across, down: shifted in pixels, either way. lean: sheared in
    degrees, either way. factors: zoomed, least and most; above 1 the picture shrinks.
    """

    degrees: float = 0.0
    across: float = 0.0
    down: float = 0.0
    lean: float = 0.0
    factors: tuple[float, float] = (1.0, 1.0)

    def __add__(self, other: "Motion") -> "Motion":
        return Motion(
            self.degrees + other.degrees,
            self.across + other.across,
            self.down + other.down,
            self.lean + other.lean,
            (self.factors[0] * other.factors[0], self.factors[1] * other.factors[1]),
        )


def _always(value: Any) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One setting of an experiment file: an augmentation, or an option of some.

    How it is written: `form` parses it, `identity` (in canonical spelling) changes nothing, `unit`,
    `about` (a sentence) and `examples` (weak to strong) are for people.

    How it is drawn: `stream` numbers its random draws: given once, never changed, never reused.
    `draw(units [k, 4], size, value, *drawn_with)` gives the numbers of k images, [k, p]. `options`
    names the settings that it acts with besides its own, which go wherever it goes; `drawn_with`
    those of them that `draw` reads; `reads_options(value)` tells whether they show at all.

    How it is painted: one that moves pictures turns the numbers into matrices [k, 3, 3] (`matrix`);
    another paints uint8 images [k, s, s, 3] in place (`paint`), and says where it reads from
    (`moves`, [k, 2, 3], or `reads`, x and y [s, s] of one image's numbers) or what share it covers
    (`covers`, [k]) if it does either. One that is not
    drawn is an option: `matters(settings)` tells whether others let it show, `shown_with` are
    settings that do.

    How it is judged and told: `idle(value)` why a value changes no picture though it is not the
    identity, or ""; `ends(value)` gives the uniform draws at its extremes; `words(numbers [p],
    value)` says one image's numbers in the setting's unit; `step(value, size)` is the least
    difference from the identity that shows in a picture of `size` pixels a side.

    How it is exported: `exports` holds a writer for each target; a target without one cannot
    express it. `motion(value, size)` is for targets that move pictures once for all, instead.
    """

    name: str
    stream: int
    identity: Value
    form: ValueForm
    unit: str = ""
    about: str
    examples: tuple[Value, ...]
    options: tuple[str, ...] = ()
    drawn_with: tuple[str, ...] = ()
    reads_options: Callable[[Any], bool] = _always
    draw: Callable[..., Floats] | None = None
    matrix: Callable[[Floats], Floats] | None = None
    paint: Callable[[Images, Floats], None] | None = None
    moves: Callable[[Floats, int], Floats] | None = None
    reads: Callable[[Floats, int], tuple[Floats, Floats]] | None = None
    covers: Callable[[Floats, int], Floats] | None = None
    matters: Callable[[AugmentationValues], bool] = _always
    shown_with: AugmentationValues = field(default_factory=dict)
    idle: Callable[[Any], str] = lambda value: ""
    ends: Callable[[Any], tuple[Units, ...]] = lambda value: BOTH_ENDS
    words: Callable[[Floats, Any], str] | None = None
    step: Callable[[float, int], float] | None = None
    exports: Mapping[str, StepWriter] = field(default_factory=dict)
    motion: Callable[[Any, int], Motion] | None = None

    @property
    def kind(self) -> Literal["geometric", "pixel", "option"]:
        if self.draw is None:
            return "option"
        return "geometric" if self.matrix else "pixel"

    @property
    def numeric(self) -> bool:
        """Whether {min, max} can search it; a pair, a flag or a choice is searched by a list of
        values."""
        return self.form.numeric

    def parse(self, value: object) -> Value:
        """The value in its one canonical spelling. Raises UserError saying what was received and
        what is allowed."""
        try:
            return self.form.parse(value)
        except ValueError as error:
            received = f"{self.name}: received {literal(value)}"
            raise UserError(f"{received}; allowed: {self.form.allowed}") from error

    def is_on(self, value: Value) -> bool:
        """Whether a parsed value can change any picture."""
        return value != self.identity and not self.idle(value)

    def numbers(self, units: Floats, size: int, settings: AugmentationValues) -> Floats:
        """What is drawn for k images, [k, p], from uniform draws [k, 4] and every setting's value.
        Raises ValueError for an option."""
        if self.draw is None:
            raise ValueError(f"{self.name} is an option; nothing is drawn for it")
        options = (settings[option] for option in self.drawn_with)
        return self.draw(units, size, settings[self.name], *options)

    def describe(self, numbers: Floats, value: Value) -> str:
        """One image's numbers, [p], in words: `rotation_range -40 degrees`."""
        words = self.words(numbers, value) if self.words else f"{numbers[0]:+.3g} {self.unit}"
        return f"{self.name} {words}"


def symmetric(units: Floats, size: int, limit: float) -> Floats:
    """Uniform in [-limit, limit)."""
    return (2 * units[:, :1] - 1) * limit


def between(units: Floats, size: int, pair: list[float]) -> Floats:
    """Uniform in [pair[0], pair[1])."""
    return pair[0] + units[:, :1] * (pair[1] - pair[0])


def up_to(units: Floats, size: int, limit: float) -> Floats:
    """Uniform in [0, limit)."""
    return units[:, :1] * limit


def whole_up_to(units: Floats, size: int, most: int) -> Floats:
    """A whole number from 0 to `most`, each as likely."""
    return np.floor(units[:, :1] * (most + 1))


def times(numbers: Floats, value: Value) -> str:
    """A factor in words."""
    return f"{numbers[0]:.3g} times"


def plain(code: str) -> StepWriter:
    """The writer of a step that needs no value and no remark."""
    return lambda setting: CodeStep(code)


def lacking(why: str) -> StepWriter:
    """The writer of what a library has nothing for."""
    return lambda setting: setting.refused(why)


def as_argument(setting: SettingToWrite) -> CodeStep:
    """For ImageDataGenerator, whose arguments most of our settings are."""
    return CodeStep(f"{setting.name}={setting.value!r},")


def number(value: float) -> str:
    """A number as code, to six digits."""
    return f"{float(value):.6g}"


def pair(low: float, high: float) -> str:
    return f"({number(low)}, {number(high)})"


def choice_of(transform: str, values: str) -> str:
    """torchvision's draw of one of many transforms, for those of one strength: `transform` of each
    `value` in `values`, as code."""
    return call("v2.RandomChoice", f"[{transform} for value in {values}]")


def call(function: str, *arguments: str) -> str:
    """A call as an item of a list, an argument a line where one line would be long."""
    line = f"{function}({', '.join(arguments)}),"
    if len(line) <= CODE_WIDTH:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), "),"])
