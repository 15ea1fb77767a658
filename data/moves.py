"""The augmentations that move pictures: rotation, shifts, shear, zoom, and the fill they share. How
each is drawn, its matrix, its words, and how other libraries write it.

ImageDataGenerator's names, units and distributions. One difference is meant: ImageDataGenerator
(Keras 3.15) moves pictures down by `width_shift_range` and sideways by `height_shift_range`; here
each does what its name says.
"""

from math import radians, sin
from typing import Any

import numpy as np

from data.augmentation_record import (
    Augmentation,
    AugmentationValues,
    CodeStep,
    Motion,
    SettingToWrite,
    StepWriter,
    as_argument,
    number,
    pair,
    symmetric,
)
from data.geometry import FILL_MODES, Fill, Floats, rotation, scaling, shear, shift
from data.value_forms import Choice, Number, Shift, Whole, Zoom

# A shift below a tenth of a pixel changes less than the rounding to whole grey levels does.
SEEN_PIXELS = 0.1

# What a picture that was moved is filled with.
FILL_OPTIONS: tuple[Augmentation, ...] = (
    Augmentation(
        name="fill_mode",
        stream=14,
        identity="nearest",
        form=Choice(FILL_MODES),
        about="What is shown where a picture was moved away.",
        examples=("nearest", "reflect", "wrap"),
        shown_with={"rotation_range": 40},
        exports={"imagedatagenerator": as_argument},
    ),
    Augmentation(
        name="cval",
        stream=15,
        identity=0,
        form=Whole(0, 255, rounds=True),
        unit="grey level",
        about="The colour of `fill_mode: constant`.",
        examples=(0, 127, 255),
        matters=lambda settings: bool(settings["fill_mode"] == "constant"),
        shown_with={"rotation_range": 40, "fill_mode": "constant"},
        exports={"imagedatagenerator": as_argument},
    ),
)
FILL = tuple(option.name for option in FILL_OPTIONS)


def fill_of(settings: AugmentationValues) -> Fill:
    """Of every augmentation's value."""
    return Fill(settings["fill_mode"], settings["cval"])


def pixels(units: Floats, size: int, value: float | int) -> Floats:
    """ImageDataGenerator's shift: below 1 a fraction of the side, from 1 on pixels; an int n gives
    0 .. n-1, random sign."""
    position = 2 * units[:, :1] - 1
    if isinstance(value, int):
        return np.sign(position) * np.minimum(np.floor(np.abs(position) * value), value - 1) + 0.0
    return position * (value * size if value < 1 else value)


def most_pixels(value: float | int, size: int) -> float:
    """The furthest that a shift goes. An int n draws whole pixels below n."""
    if isinstance(value, int):
        return float(max(value - 1, 0))
    return float(value * size if value < 1 else value)


def zoom_ends(value: float | list[float]) -> tuple[float, float]:
    """The least and largest factor; a number z is [1 - z, 1 + z]."""
    return (value[0], value[1]) if isinstance(value, list) else (1 - value, 1 + value)


def zoom(units: Floats, size: int, value: float | list[float]) -> Floats:
    """A factor for x and one for y, apart, as ImageDataGenerator draws them: [k, 2]."""
    low, high = zoom_ends(value)
    return low + units[:, :2] * (high - low)


def _shift_step(value: float, size: int) -> float:
    """A tenth of a pixel, as a fraction of the side where the value is one."""
    return SEEN_PIXELS / size if value < 1 else SEEN_PIXELS


def _idle_shift(value: float | int) -> str:
    if not isinstance(value, int) or value > 1:
        return ""
    return f"the int {value} draws only 0 pixels and changes 0 pixels; write 1.0 or more"


def _shift_words(numbers: Floats, value: float | int) -> str:
    return f"{numbers[0]:+.3g} {'of the side' if value < 1 else 'px'}"


def _keras_fill(setting: SettingToWrite) -> str:
    fill = fill_of(setting.settings)
    level = f", fill_value={number(fill.value)}" if fill.mode == "constant" else ""
    return f'fill_mode="{fill.mode}"{level}'


def _keras_rotation(setting: SettingToWrite) -> CodeStep:
    degrees = setting.value
    code = f"layers.RandomRotation({number(degrees / 360)}, {_keras_fill(setting)}),"
    return CodeStep(code, (f"{number(degrees)} degrees: Keras counts in turns of 360",))


def _keras_shift(factors: str) -> StepWriter:
    """factors: RandomTranslation's two, with `{}` for the share of the side."""

    def write(setting: SettingToWrite) -> CodeStep:
        most, size = most_pixels(setting.value, setting.size), setting.size
        both = factors.format(number(min(most / size, 1)))
        whole = isinstance(setting.value, int)
        return CodeStep(
            f"layers.RandomTranslation({both}, {_keras_fill(setting)}),",
            (f"{number(most)} px of {size}: Keras counts in fractions of the side",),
            (f"{setting.name}: any shift instead of whole pixels",) if whole else (),
        )

    return write


def _generator_shift(theirs: str, way: str) -> StepWriter:
    """What a person writes, and what moves pictures that way in Keras 3.15."""
    return lambda setting: CodeStep(
        f"{theirs}={setting.value!r},",
        (
            f"Exchanged on purpose: in Keras 3.15 ImageDataGenerator's {theirs} moves pictures "
            f"{way}, as {setting.name} does in the experiment file. Exchange them back where a "
            "later version has mended that",
        ),
    )


def _keras_shear(setting: SettingToWrite) -> CodeStep:
    degrees = setting.value
    factor = number(sin(radians(degrees)))
    return CodeStep(
        f"layers.RandomShear(x_factor=(0.0, {factor}), {_keras_fill(setting)}),",
        (f"{number(degrees)} degrees: Keras counts in sines, either way",),
        (
            f"{setting.name}: Keras leans pictures about their corner, not their centre, and "
            "leaves their height as it is",
        ),
    )


def _keras_zoom(setting: SettingToWrite) -> CodeStep:
    low, high = zoom_ends(setting.value)
    if high > 2:
        return setting.refused("Keras shrinks no further than to a half")
    factor = pair(max(low - 1, -0.999), high - 1)
    factors = f"height_factor={factor}, width_factor={factor}"
    return CodeStep(
        f"layers.RandomZoom({factors}, {_keras_fill(setting)}),",
        (
            f"{number(low)} to {number(high)} times: Keras takes the factor less 1, above 0 "
            "shrinks",
            "Both factors, or x and y would be zoomed alike",
        ),
    )


def _shift(name: str, stream: int, side: str, about: str, **its_own: Any) -> Augmentation:
    return Augmentation(
        name=name,
        stream=stream,
        identity=0.0,
        form=Shift(),
        unit=f"of the {side} below 1, px from 1 on",
        about=about,
        examples=(0.05, 0.1, 0.3),
        options=FILL,
        draw=pixels,
        idle=_idle_shift,
        words=_shift_words,
        step=_shift_step,
        **its_own,
    )


MOVES: tuple[Augmentation, ...] = (
    Augmentation(
        name="rotation_range",
        stream=1,
        identity=0.0,
        form=Number(0, 360),
        unit="degrees",
        about="Turns by an angle up to this, either way.",
        examples=(10, 30, 90),
        options=FILL,
        draw=symmetric,
        matrix=lambda drawn: rotation(drawn[:, 0]),
        # what moves the corner by as little as is seen
        step=lambda value, size: float(np.degrees(np.sqrt(2) * SEEN_PIXELS / size)),
        exports={"keras": _keras_rotation, "imagedatagenerator": as_argument},
        motion=lambda value, size: Motion(degrees=value),
    ),
    _shift(
        "width_shift_range",
        2,
        "width",
        "Moves sideways by up to this, either way.",
        matrix=lambda drawn: shift(drawn[:, 0], np.zeros(len(drawn))),
        exports={
            "keras": _keras_shift("height_factor=0.0, width_factor={}"),
            "imagedatagenerator": _generator_shift("height_shift_range", "sideways"),
        },
        motion=lambda value, size: Motion(across=most_pixels(value, size)),
    ),
    _shift(
        "height_shift_range",
        3,
        "height",
        "Moves up or down by up to this.",
        matrix=lambda drawn: shift(np.zeros(len(drawn)), drawn[:, 0]),
        exports={
            "keras": _keras_shift("height_factor={}, width_factor=0.0"),
            "imagedatagenerator": _generator_shift("width_shift_range", "up and down"),
        },
        motion=lambda value, size: Motion(down=most_pixels(value, size)),
    ),
    Augmentation(
        name="shear_range",
        stream=4,
        identity=0.0,
        form=Number(0, 89),
        unit="degrees",
        about="Slants by an angle up to this, either way.",
        examples=(5, 15, 45),
        options=FILL,
        draw=symmetric,
        matrix=lambda drawn: shear(drawn[:, 0]),
        # what moves the edge by as little as is seen
        step=lambda value, size: float(np.degrees(2 * SEEN_PIXELS / size)),
        exports={"keras": _keras_shear, "imagedatagenerator": as_argument},
        motion=lambda value, size: Motion(lean=value),
    ),
    Augmentation(
        name="zoom_range",
        stream=5,
        identity=0.0,
        form=Zoom(),
        unit="times; above 1 the picture shrinks",
        about="Scales width and height, each by its own factor from this range.",
        examples=(0.1, 0.3, 0.5),
        options=FILL,
        reads_options=lambda value: zoom_ends(value)[1] > 1,
        draw=zoom,
        matrix=lambda drawn: scaling(drawn[:, 0], drawn[:, 1]),
        words=lambda numbers, value: f"{numbers[0]:.3g}, {1 / numbers[0]:.2g} times as large",
        step=lambda value, size: 2 * SEEN_PIXELS / size,  # moves the edge by as little as is seen
        exports={"keras": _keras_zoom, "imagedatagenerator": as_argument},
        motion=lambda value, size: Motion(factors=zoom_ends(value)),
    ),
)
# below 1 a fraction, from 1 on pixels
SHIFTS = tuple(record.name for record in MOVES if isinstance(record.form, Shift))
