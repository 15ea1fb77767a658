"""Cutout and random erasing: a mid-grey square, or a rectangle of noise or one colour, somewhere in
each picture. How they are drawn and painted, their words, and how other libraries write them.

Cutout: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout",
2017: a square of fixed side, its centre anywhere in the image, cut off at the border. Random
erasing: Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation", AAAI 2020: a share of
the area and a ratio of the sides are drawn, and a place within the picture.
"""

import numpy as np

from data.augmentation_record import (
    STRONG_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    call,
    number,
    pair,
)
from data.geometry import Floats, Images
from data.seeded import SEEDS, random_bytes
from data.value_forms import Choice, Number

MID_GREY = 127  # what zero is after the usual centring of pixels
MOST_RATIO = 3.3  # of the longer side to the shorter, as in the paper
NOISE = "noise"
FILL_LEVELS = {"grey": MID_GREY, "black": 0, "white": 255}
FILLS = (NOISE, *FILL_LEVELS)


def cut_out(images: Images, drawn: Floats) -> None:
    """Sets the rectangle drawn[:, :4] (left, top, right, bottom; the last two excluded) to
    mid-grey."""
    for image, (left, top, right, bottom) in zip(
        images, drawn.astype(np.int64).tolist(), strict=True
    ):
        image[top:bottom, left:right] = MID_GREY


def square(units: Floats, size: int, side: float) -> Floats:
    """The rectangle `cut_out` takes, [k, 4], for a square of side * size pixels centred on one of
    the size * size pixels."""
    width = round(side * size)
    first = np.floor(units[:, :2] * size) - width // 2
    return np.clip(np.concatenate([first, first + width], axis=1), 0, size)


def share_cut(drawn: Floats, size: int) -> Floats:
    """The share of pixels under the rectangle, [k]."""
    share: Floats = (drawn[:, 2] - drawn[:, 0]) * (drawn[:, 3] - drawn[:, 1]) / size**2
    return share


def _cut_inside(setting: SettingToWrite) -> str:
    return f"{setting.name}: the square stays inside the picture; ours may be cut off at the border"


def _keras_cutout(setting: SettingToWrite) -> CodeStep:
    area = number(setting.value**2)
    return CodeStep(
        f"layers.RandomErasing(factor=(1.0, 1.0), scale=({area}, {area}), fill_value=127),",
        (f"{number(setting.value)} of the side: Keras counts in areas",),
        (_cut_inside(setting),),
    )


def _torchvision_cutout(setting: SettingToWrite) -> CodeStep:
    if round(setting.value * setting.size) >= setting.size:
        return setting.refused(
            "RandomErasing leaves a picture as it is rather than erase a whole side of it"
        )
    area = number(setting.value**2)
    return CodeStep(
        f"v2.RandomErasing(p=1.0, scale=({area}, {area}), ratio=(1.0, 1.0), value=127),",
        (f"{setting.value:g} of the side: counted in areas",),
        (_cut_inside(setting),),
    )


def _albumentations_cutout(setting: SettingToWrite) -> CodeStep:
    side = setting.value  # as a float: an int would be pixels
    sides = [f"hole_{name}_range={(side, side)}" for name in ("height", "width")]
    code = call("A.CoarseDropout", "num_holes_range=(1, 1)", *sides, "fill=127", "p=1.0")
    return CodeStep(code, (), (_cut_inside(setting),))


CUTOUT = Augmentation(
    name="cutout",
    stream=13,
    identity=0.0,
    form=Number(0, 1),
    unit="fraction of the side",
    about="Covers one square in mid-grey.",
    examples=(0.1, 0.25, 0.5),
    draw=square,
    paint=cut_out,
    covers=share_cut,
    ends=lambda value: ((0.5, 0.5, 0.0, 0.0),),
    words=lambda numbers, value: f"{value:.3g} of the side",
    step=lambda value, size: 0.5 / size,  # half a pixel, which is rounded to none
    exports={
        "keras": _keras_cutout,
        "torchvision": _torchvision_cutout,
        "albumentations": _albumentations_cutout,
    },
)


def erase(images: Images, drawn: Floats) -> None:
    """Fills the rectangle drawn[:, :4] (left, top, right, bottom; the last two excluded) with the
    level drawn[:, 4], or with uniform noise from the seed drawn[:, 5] where that is below 0."""
    for image, (*edges, level, seed) in zip(images, drawn.tolist(), strict=True):
        left, top, right, bottom = map(int, edges)
        hole = image[top:bottom, left:right]
        hole[...] = level if level >= 0 else random_bytes(seed, hole.size).reshape(hole.shape)


def rectangle(units: Floats, size: int, most: float, fill: str) -> Floats:
    """What `erase` takes, [k, 6]: an area in [0, most) of the picture's, a ratio of the sides as
    likely one way as the other, sides in whole pixels, within the picture."""
    area = units[:, 0] * most
    ratio = (2 * units[:, 1] - 1) * np.minimum(np.log(MOST_RATIO), -np.log(area + 1e-12))
    sides = np.sqrt(area)[:, None] * np.exp(ratio[:, None] * [0.5, -0.5])
    sides = np.clip(np.rint(sides * size), 0, size)
    first = np.floor(units[:, 2:] * (size + 1 - sides))
    filled = np.full((len(units), 1), FILL_LEVELS.get(fill, -1.0))
    seed = np.floor(units[:, 3:] * SEEDS)
    return np.hstack([first, first + sides, filled, seed])


def _fill(setting: SettingToWrite) -> str:
    return str(setting.settings["erasing_fill"])


def _keras_erasing(setting: SettingToWrite) -> CodeStep:
    fill = _fill(setting)
    filled = [] if fill == NOISE else [f"fill_value={FILL_LEVELS[fill]}"]
    code = call(
        "layers.RandomErasing", "factor=(1.0, 1.0)", f"scale={pair(0, setting.value)}", *filled
    )
    noise = ", and its noise is normal" if fill == NOISE else ""
    caveat = f"{setting.name}: Keras draws width and height apart, in any ratio{noise}"
    return CodeStep(code, (), (caveat,))


def _torchvision_erasing(setting: SettingToWrite) -> CodeStep:
    fill = _fill(setting)
    if fill == NOISE:
        return setting.refused("RandomErasing's noise is for pictures of floats, not of levels")
    shape = f"scale={pair(0, setting.value)}, ratio={pair(1 / MOST_RATIO, MOST_RATIO)}"
    return CodeStep(f"v2.RandomErasing(p=1.0, {shape}, value={FILL_LEVELS[fill]}),")


def _albumentations_erasing(setting: SettingToWrite) -> CodeStep:
    fill = _fill(setting)
    filled = '"random"' if fill == NOISE else FILL_LEVELS[fill]
    ratio = f"ratio={pair(1 / MOST_RATIO, MOST_RATIO)}"
    code = call("A.Erasing", f"scale={pair(0, setting.value)}", ratio, f"fill={filled}", "p=1.0")
    caveats = [f"{setting.name}: wide rectangles are drawn more often than high ones"]
    if setting.value > 1 / MOST_RATIO:
        least = number(1 / MOST_RATIO)
        caveats += [f"{setting.name}: Albumentations erases no more than {least} of the area"]
    return CodeStep(code, (), tuple(caveats))


ERASING_OPTIONS: tuple[Augmentation, ...] = (
    Augmentation(
        name="erasing_fill",
        stream=30,
        identity=NOISE,
        form=Choice(FILLS),
        about="What `erasing_range` fills its rectangle with: noise, or one colour.",
        examples=FILLS,
        shown_with={"erasing_range": 0.5},
    ),
)


ERASING = Augmentation(
    name="erasing_range",
    stream=29,
    identity=0.0,
    form=Number(0, 1),
    unit="share of the area",
    about="Erases one rectangle, of up to this share of the picture.",
    examples=(0.1, 0.3, 0.6),
    options=("erasing_fill",),
    drawn_with=("erasing_fill",),
    draw=rectangle,
    paint=erase,
    covers=share_cut,
    ends=lambda value: STRONG_END,
    words=lambda numbers, value: f"{value:.3g} of the area",
    step=lambda value, size: 0.25 / size**2,  # half a pixel by half a pixel, rounded to none
    exports={
        "keras": _keras_erasing,
        "torchvision": _torchvision_erasing,
        "albumentations": _albumentations_erasing,
    },
)
