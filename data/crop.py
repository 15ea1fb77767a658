"""Random resized crop: a part of each picture, stretched to its size. How it is drawn, its matrix,
its words, and how other libraries write it.

Szegedy et al., "Going deeper with convolutions", CVPR 2015: a share of the area and a ratio of the
sides are drawn, and a place within the picture.
"""

import numpy as np

from data.augmentation_record import (
    LAST,
    Augmentation,
    CodeStep,
    SettingToWrite,
    call,
    lacking,
    pair,
)
from data.geometry import Floats, scaling, shift
from data.moves import SEEN_PIXELS
from data.value_forms import Number

INSIDE = 1 - 1e-9  # of the way to the border: rounding must not read beyond it
TOP_LEFT, BOTTOM_RIGHT = (LAST, 0.5, 0.0, 0.0), (LAST, 0.5, LAST, LAST)


def part(units: Floats, size: int, most: float, ratio: float) -> Floats:
    """Of a part of the picture: its width and height as shares, how far its centre lies right of
    and below the picture's in pixels, and the same from -1 to 1, as far as it can: [k, 6].

    The area is uniform in (1 - most, 1]. The ratio of the sides is as likely one way as the other,
    up to `ratio` and to what fits.
    """
    area = 1 - units[:, 0] * most
    lean = (2 * units[:, 1] - 1) * np.minimum(np.log(ratio), -np.log(area))
    sides = np.sqrt(area)[:, None] * np.exp(lean[:, None] * [0.5, -0.5])
    place = 2 * units[:, 2:] - 1
    return np.hstack([sides, place * INSIDE * (1 - sides) * (size - 1) / 2, place])


def _words(numbers: Floats, value: float) -> str:
    across = "left" if numbers[4] < 0 else "right"
    down = "top" if numbers[5] < 0 else "bottom"
    return f"{numbers[0] * numbers[1]:.3g} of the area, {down} {across}"


def _shape(setting: SettingToWrite) -> tuple[str, str]:
    most = setting.settings["crop_ratio"]
    return f"scale={pair(1 - setting.value, 1)}", f"ratio={pair(1 / most, most)}"


def _rarer(setting: SettingToWrite) -> tuple[str, ...]:
    return (f"{setting.name}: nearly whole pictures are rarer, for fewer ratios fit them",)


def _torchvision(setting: SettingToWrite) -> CodeStep:
    code = call("v2.RandomResizedCrop", str(setting.size), *_shape(setting))
    return CodeStep(code, (), _rarer(setting))


def _albumentations(setting: SettingToWrite) -> CodeStep:
    size = f"size=({setting.size}, {setting.size})"
    code = call("A.RandomResizedCrop", size, *_shape(setting), "p=1.0")
    return CodeStep(code, (), _rarer(setting))


CROP_OPTIONS: tuple[Augmentation, ...] = (
    Augmentation(
        name="crop_ratio",
        stream=32,
        identity=1.33,
        form=Number(1, 4),
        unit="times",
        about="How much longer than the other a side of `crop_range`'s part may be.",
        examples=(1.0, 1.33, 3.0),
        shown_with={"crop_range": 0.7},
    ),
)

CROP = Augmentation(
    name="crop_range",
    stream=31,
    identity=0.0,
    form=Number(0, 0.99),
    unit="share of the area cut off",
    about="Cuts out a part, smaller than the picture by up to this, and stretches it to its size.",
    examples=(0.2, 0.5, 0.9),
    options=("crop_ratio",),
    drawn_with=("crop_ratio",),
    draw=part,
    matrix=lambda drawn: shift(drawn[:, 2], drawn[:, 3]) @ scaling(drawn[:, 0], drawn[:, 1]),
    ends=lambda value: (TOP_LEFT, BOTTOM_RIGHT),
    words=_words,
    step=lambda value, size: SEEN_PIXELS / size,  # a side no shorter than this moves it no further
    exports={
        "keras": lacking("Keras crops to one size and does not stretch"),
        "torchvision": _torchvision,
        "albumentations": _albumentations,
    },
)
