"""The shape of an augmentation's record, and the ways of turning uniform draws into its numbers.

The table of records, and what a set of settings means, is `augmentations`. Nothing here touches an
image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.values import Bounds, Form, Value, parse_value

Floats = NDArray[np.float64]
Settings = Mapping[str, Any]
Units = tuple[float, float, float, float]

SEEN_PIXELS = (
    0.1  # a shift below a tenth of a pixel changes less than the rounding to whole grey levels does
)
LAST = float(np.nextafter(1, 0))  # the largest uniform draw
BOTH_ENDS: tuple[Units, ...] = ((0.0, 0.0, 0.0, 0.0), (LAST, LAST, 0.0, 0.0))
FIRST_END: tuple[Units, ...] = BOTH_ENDS[:1]


def _always(value: Any) -> bool:
    return True


@dataclass(frozen=True)
class Augmentation:
    """One setting of an experiment file.

    `stream` numbers its random draws: given once, never changed, never reused. `draw(units [k, 4],
    size, value, *drawn_with)` gives the numbers of k images, [k, p]. `options` names the settings
    that it acts with besides its own, which go wherever it goes; `drawn_with` those of them that
    `draw` reads. A geometric record turns the numbers into matrices [k, 3, 3] (`matrix`); a pixel
    record paints uint8 images [k, s, s, 3] in place (`paint`), and says where it reads from
    (`moves`, [k, 2, 3]) or what share it covers (`covers`, [k]) if it does either.

    `matters(settings)` tells of an option whether anything reads it; `changes(value)` whether any
    picture can change; `uncovers(value)` whether fill can show; `ends(value)` gives the uniform
    draws at its extremes; `words(numbers [p], value)` says one image's numbers in the setting's
    unit; `step(value, size)` is the least difference from the identity that shows in a picture of
    `size` pixels a side.
    """

    name: str
    stream: int
    identity: Value
    unit: str
    form: Form
    kind: Literal["geometric", "pixel", "option"]
    draw: Callable[..., Floats] | None = None
    matrix: Callable[[Floats], Floats] | None = None
    paint: Callable[[NDArray[np.uint8], Floats], None] | None = None
    moves: Callable[[Floats, int], Floats] | None = None
    covers: Callable[[Floats, int], Floats] | None = None
    options: tuple[str, ...] = ()
    drawn_with: tuple[str, ...] = ()
    matters: Callable[[Settings], bool] = _always
    changes: Callable[[Any], bool] = _always
    uncovers: Callable[[Any], bool] = _always
    ends: Callable[[Any], tuple[Units, ...]] = lambda value: BOTH_ENDS
    words: Callable[[Floats, Any], str] | None = None
    step: Callable[[float, int], float] | None = None

    @property
    def bounds(self) -> Bounds:
        """The least and the largest number, or every choice."""
        return self.form.bounds

    @property
    def numeric(self) -> bool:
        """Whether {min, max} can search it; a pair, a flag or a choice is searched by a list of
        values."""
        return self.form.numeric

    def parse(self, value: object) -> Value:
        """The value in its one canonical spelling. Raises UserError saying what was received and
        what is allowed.
        """
        return parse_value(self.name, self.form, value)

    def is_on(self, value: Value) -> bool:
        """Whether a parsed value can change any picture."""
        return value != self.identity and self.changes(value)

    def describe(self, numbers: Floats, value: Value) -> str:
        """One image's numbers, [p], in words: `rotation_range -40 degrees`."""
        words = self.words(numbers, value) if self.words else f"{numbers[0]:+.3g} {self.unit}"
        return f"{self.name} {words}"


def symmetric(units: Floats, size: int, limit: float) -> Floats:
    """Uniform in [-limit, limit)."""
    return (2 * units[:, :1] - 1) * limit


def pixels(units: Floats, size: int, value: float | int) -> Floats:
    """ImageDataGenerator's shift: below 1 a fraction of the side, from 1 on pixels; an int n gives
    0 .. n-1, random sign.
    """
    position = 2 * units[:, :1] - 1
    if isinstance(value, int):
        return np.sign(position) * np.minimum(np.floor(np.abs(position) * value), value - 1) + 0.0
    return position * (value * size if value < 1 else value)


def between(units: Floats, size: int, pair: list[float]) -> Floats:
    """Uniform in [pair[0], pair[1])."""
    return pair[0] + units[:, :1] * (pair[1] - pair[0])


def zoom_pair(value: float | list[float]) -> tuple[float, float]:
    """The least and largest factor; a number z is [1 - z, 1 + z]."""
    return (value[0], value[1]) if isinstance(value, list) else (1 - value, 1 + value)


def zoom(units: Floats, size: int, value: float | list[float]) -> Floats:
    """A factor for x and one for y, apart, as ImageDataGenerator draws them: [k, 2]."""
    low, high = zoom_pair(value)
    return low + units[:, :2] * (high - low)


def coin(units: Floats, size: int, value: bool) -> Floats:
    """-1 (mirrored) for half of the images, 1 for the others."""
    return np.where(units[:, :1] < 0.5, -1.0, 1.0)


def pixel_step(value: float, size: int) -> float:
    """Of a shift: a tenth of a pixel, as a fraction of the side where the value is one."""
    return SEEN_PIXELS / size if value < 1 else SEEN_PIXELS


def zoom_step(value: float, size: int) -> float:
    """The factor that moves the edge by a tenth of a pixel."""
    return 2 * SEEN_PIXELS / size


def turn_step(value: float, size: int) -> float:
    """Degrees that move the corner by a tenth of a pixel."""
    return float(np.degrees(np.sqrt(2) * SEEN_PIXELS / size))


def shear_step(value: float, size: int) -> float:
    """Degrees that move the edge by a tenth of a pixel."""
    return float(np.degrees(2 * SEEN_PIXELS / size))


def level_step(value: float, size: int) -> float:
    """Half a grey level."""
    return 0.5


def factor_step(value: float, size: int) -> float:
    """The factor that changes the brightest pixel by half a grey level."""
    return 0.5 / 255


def side_step(value: float, size: int) -> float:
    """A square of half a pixel, which is rounded to none."""
    return 0.5 / size
