"""Random erasing: a rectangle somewhere in each picture, filled with noise or one colour. How it is
drawn and painted, its words, and how other libraries write it.

Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation", AAAI 2020: a share of the area
and a ratio of the sides are drawn, and a place within the picture.
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
from data.cutout import MID_GREY, share_cut
from data.geometry import Floats, Images
from data.seeded import SEEDS, random_bytes
from data.value_forms import Choice, Number

MOST_RATIO = 3.3  # of the longer side to the shorter, as in the paper
NOISE = "noise"
FILL_LEVELS = {"grey": MID_GREY, "black": 0, "white": 255}
FILLS = (NOISE, *FILL_LEVELS)


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


def _keras(setting: SettingToWrite) -> CodeStep:
    fill = _fill(setting)
    filled = [] if fill == NOISE else [f"fill_value={FILL_LEVELS[fill]}"]
    code = call(
        "layers.RandomErasing", "factor=(1.0, 1.0)", f"scale={pair(0, setting.value)}", *filled
    )
    noise = ", and its noise is normal" if fill == NOISE else ""
    caveat = f"{setting.name}: Keras draws width and height apart, in any ratio{noise}"
    return CodeStep(code, (), (caveat,))


def _torchvision(setting: SettingToWrite) -> CodeStep:
    fill = _fill(setting)
    if fill == NOISE:
        return setting.refused("RandomErasing's noise is for pictures of floats, not of levels")
    shape = f"scale={pair(0, setting.value)}, ratio={pair(1 / MOST_RATIO, MOST_RATIO)}"
    return CodeStep(f"v2.RandomErasing(p=1.0, {shape}, value={FILL_LEVELS[fill]}),")


def _albumentations(setting: SettingToWrite) -> CodeStep:
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
    exports={"keras": _keras, "torchvision": _torchvision, "albumentations": _albumentations},
)
