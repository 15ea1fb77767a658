"""The augmentations that bend pictures as no affine transform can: perspective, elastic. How each
is drawn and painted, its words, and how other libraries write it.

They act after the affine warp, with an interpolation of their own, and share its fill. Elastic:
Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003.
"""

from collections.abc import Callable
from math import pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from data.augmentation_record import (
    LAST,
    STRONG_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    call,
    lacking,
    number,
)
from data.geometry import BORDERS, FILL_MODES, Fill, Floats, Images, read_at
from data.moves import FILL, SEEN_PIXELS, fill_of
from data.seeded import SEEDS, random_normals
from data.value_forms import Number

HALF_DRAW = 2**26  # a uniform draw of 53 bits is two, of 26 and 27
CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])  # from the top left one clockwise
# Beyond two thirds, a corner may come to lie within the triangle of the others.
MOST_PERSPECTIVE = 0.6
NARROW_TOP = ((HALF_DRAW - 1) / HALF_DRAW, (HALF_DRAW - 1) / HALF_DRAW, 0.0, 0.0)
LOW_LEFT = (LAST / HALF_DRAW, 0.0, 0.0, LAST / HALF_DRAW)

CELLS = 24  # of the field, a side
MARGIN = 8  # cells that are blurred into the field from around it
BLUR = 2  # cells
SMOOTHNESS = BLUR / CELLS  # the same, of the side


def corners(units: Floats, size: int, most: float, mode: str, level: int) -> Floats:
    """How far each corner moves inwards, in pixels, across and down, clockwise from the top left
    one, each uniform in [0, most * half the side); then the fill: [k, 10]."""
    first = np.floor(units * HALF_DRAW)
    inwards = np.stack([first / HALF_DRAW, units * HALF_DRAW - first], axis=-1)
    return np.hstack([inwards.reshape(-1, 8) * most * size / 2, _fill(len(units), mode, level)])


def bends(units: Floats, size: int, typical: float, mode: str, level: int) -> Floats:
    """How far pixels move, in pixels (root mean square, across and down alike), a seed, the fill:
    [k, 4]."""
    far = np.full(len(units), typical * size)
    seed = np.floor(units[:, 0] * SEEDS)
    return np.hstack([np.stack([far, seed], axis=1), _fill(len(units), mode, level)])


def _fill(count: int, mode: str, level: int) -> Floats:
    return np.tile([float(FILL_MODES.index(mode)), float(level)], (count, 1))


def read_perspective(numbers: Floats, size: int) -> tuple[Floats, Floats]:
    """Where each pixel is read once the corners have moved: x and y, [size, size] each."""
    places = CORNERS * (size - 1)
    moved = places + (1 - 2 * CORNERS) * numbers[:8].reshape(4, 2)
    matrix = cv2.getPerspectiveTransform(moved.astype(np.float32), places.astype(np.float32))
    steps = np.arange(size, dtype=np.float64)
    x, y, depth = (row[0] * steps + row[1] * steps[:, None] + row[2] for row in matrix)
    behind = depth <= 1e-6  # beyond the horizon
    depth[behind] = 1
    x[behind] = y[behind] = -size
    return np.clip(x / depth, -size, 2 * size), np.clip(y / depth, -size, 2 * size)


def read_elastic(numbers: Floats, size: int) -> tuple[Floats, Floats]:
    """Where each pixel is read: its place, and a smooth field of normal numbers."""
    side = CELLS + 2 * MARGIN
    fields = random_normals(numbers[1], 2 * side**2).reshape(2, side, side)
    unit = numbers[0] * 2 * BLUR * sqrt(pi)  # blurring divides the spread by this
    steps = np.arange(size, dtype=np.float64)
    x, y = (_smooth(field, size) * unit for field in fields)
    return steps + x, steps[:, None] + y


def _smooth(field: NDArray[np.float32], size: int) -> Floats:
    inner = cv2.GaussianBlur(field, (0, 0), BLUR)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.asarray(cv2.resize(inner, (size, size), interpolation=cv2.INTER_CUBIC), np.float64)


def _by(read: Callable[[Floats, int], tuple[Floats, Floats]]) -> Callable[[Images, Floats], None]:
    """What paints images read at such places, filled as the last two numbers say."""

    def paint(images: Images, drawn: Floats) -> None:
        for image, numbers in zip(images, drawn, strict=True):
            fill = Fill(FILL_MODES[int(numbers[-2])], int(numbers[-1]))
            painted = np.empty_like(image)
            read_at(image, *read(numbers, len(image)), fill, painted)
            image[...] = painted

    return paint


def _perspective_words(numbers: Floats, value: float) -> str:
    """The sides that are shorter, from numbers in shares of the side: `top 0.6 as long`."""
    across, down = numbers[:8].reshape(4, 2).T
    lengths = {
        "top": 1 - across[0] - across[1],
        "right": 1 - down[1] - down[2],
        "bottom": 1 - across[2] - across[3],
        "left": 1 - down[3] - down[0],
    }
    shorter = [f"{side} {length:.3g}" for side, length in lengths.items() if length < 0.9995]
    return f"{', '.join(shorter)} as long" if shorter else "as it is"


def _level(setting: SettingToWrite) -> int | None:
    """The level that fills; None where a picture is continued instead."""
    fill = fill_of(setting.settings)
    return fill.value if fill.mode == "constant" else None


def _keras_perspective(setting: SettingToWrite) -> CodeStep:
    level = _level(setting)
    if level is None:
        return setting.refused("Keras's RandomPerspective needs fill_mode constant")
    scale = f"scale={number(setting.value)}"
    code = call("layers.RandomPerspective", "factor=(1.0, 1.0)", scale, f"fill_value={level:.1f}")
    caveat = (
        f"{setting.name}: corners move in and out, by their distance from the top left one, which "
        "stays where it is"
    )
    return CodeStep(code, (), (caveat,))


def _torchvision_perspective(setting: SettingToWrite) -> CodeStep:
    level = _level(setting)
    if level is None:
        return setting.refused("torchvision's RandomPerspective needs fill_mode constant")
    if setting.value * (setting.size // 2) < 1:
        return setting.refused("torchvision moves corners by whole pixels")
    values = (number(setting.value), "p=1.0", f"fill={level}")
    return CodeStep(call("v2.RandomPerspective", *values), (), (f"{setting.name}: whole pixels",))


def _alpha(setting: SettingToWrite) -> tuple[float, float, str]:
    """What uniform noise from -1 to 1, blurred, is multiplied by; the blur in pixels; a remark."""
    sigma = SMOOTHNESS * setting.size
    alpha = setting.value * setting.size * sqrt(3) * 2 * sigma * sqrt(pi)
    return alpha, sigma, f"{number(setting.value)} of {setting.size} px, root mean square"


def _torchvision_elastic(setting: SettingToWrite) -> CodeStep:
    level = _level(setting)
    if level is None:
        return setting.refused("torchvision's ElasticTransform needs fill_mode constant")
    alpha, sigma, remark = _alpha(setting)
    # There, half a picture is 1.
    values = (f"alpha={number(2 * alpha)}", f"sigma={number(sigma)}", f"fill={level}")
    return CodeStep(call("v2.ElasticTransform", *values), (remark,))


def _albumentations_elastic(setting: SettingToWrite) -> CodeStep:
    fill = fill_of(setting.settings)
    alpha, sigma, remark = _alpha(setting)
    values = [f"alpha={number(alpha)}", f"sigma={number(sigma)}"]
    values += ['noise_distribution="uniform"', f"border_mode=cv2.BORDER_{BORDERS[fill.mode]}"]
    values += [f"fill={fill.value}"] if fill.mode == "constant" else []
    return CodeStep(call("A.ElasticTransform", *values, "p=1.0"), (remark,))


DISTORTIONS: tuple[Augmentation, ...] = (
    Augmentation(
        name="perspective_range",
        stream=33,
        identity=0.0,
        form=Number(0, MOST_PERSPECTIVE),
        unit="of half the side",
        about="Moves each corner inwards, across and down, by up to this, and the picture with it.",
        examples=(0.1, 0.3, 0.6),
        options=FILL,
        drawn_with=FILL,
        draw=corners,
        paint=_by(read_perspective),
        reads=read_perspective,
        ends=lambda value: (NARROW_TOP, LOW_LEFT),
        words=_perspective_words,
        step=lambda value, size: 2 * SEEN_PIXELS / size,
        exports={
            "keras": _keras_perspective,
            "torchvision": _torchvision_perspective,
            "albumentations": lacking("Albumentations moves corners outwards, and shows no fill"),
        },
    ),
    Augmentation(
        name="elastic",
        stream=34,
        identity=0.0,
        form=Number(0, 0.2),
        unit="of the side",
        about="Bends pictures as if drawn on rubber: pixels move this far, root mean square.",
        examples=(0.01, 0.03, 0.08),
        options=FILL,
        drawn_with=FILL,
        draw=bends,
        paint=_by(read_elastic),
        reads=read_elastic,
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"{value:.3g} of the side",
        step=lambda value, size: SEEN_PIXELS / 4 / size,  # few pixels move four times as far
        exports={
            "keras": lacking(
                "Keras draws one strength for a whole batch, and ties the smoothness to it"
            ),
            "torchvision": _torchvision_elastic,
            "albumentations": _albumentations_elastic,
        },
    ),
)
