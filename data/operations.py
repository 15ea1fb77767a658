"""The fourteen operations that TrivialAugment and RandAugment share, in one table: Pillow calls,
and each paper's strengths.

As published, geometric operations read the nearest pixel and fill with black, and shear leans about
the top left corner. Which operation an image gets, and how strong, is drawn in `policies`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Coefficients = tuple[float, float, float, float, float, float]
TOP = 30  # magnitudes are 0..30


@dataclass(frozen=True)
class StrengthScale:
    """Strengths from magnitude 0 (`start`) to 30 (`stop`), evenly spaced; reflected about `mirror`
    for half the images.

    whole: the fraction is dropped, as in the published code. of_side: `stop` is a share of the
    image's side.
    """

    start: float
    stop: float
    mirror: float | None = None
    whole: bool = False
    of_side: bool = False

    def strength(self, magnitude: float, reflected: bool, size: int) -> float:
        span = (self.stop - self.start) * magnitude / TOP * (size if self.of_side else 1)
        value = self.start + (int(span) if self.whole else span)
        return 2 * self.mirror - value if reflected and self.mirror is not None else value


@dataclass(frozen=True)
class Operation:
    """`apply(image, strength)`; where it moves pixels, `matrix(strength, size)` says where from, as
    Pillow's AFFINE data.

    neutral: the strength that changes nothing, None where there is none. The scales are the two
    papers' ranges.
    """

    name: str
    unit: str
    wide: StrengthScale
    rand: StrengthScale
    apply: Callable[[Image.Image, float], Image.Image]
    neutral: float | None = None
    matrix: Callable[[float, int], Coefficients] | None = None


def _turn(degrees: float, size: int) -> Coefficients:
    """Counter-clockwise about the centre, as Pillow's rotate; which is what applies it."""
    cos, sin, half = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), size / 2
    return cos, -sin, half - cos * half + sin * half, sin, cos, half - sin * half - cos * half


def _enhancer(name: str, enhance: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    def apply(picture: Image.Image, strength: float) -> Image.Image:
        return enhance(picture).enhance(strength)

    return Operation(
        name, "times", StrengthScale(0.01, 2.0), StrengthScale(1, 1.9, mirror=1), apply, neutral=1.0
    )


def _affine(
    name: str,
    unit: str,
    scales: tuple[StrengthScale, StrengthScale],
    matrix: Callable[[float, int], Coefficients],
) -> Operation:
    def apply(picture: Image.Image, strength: float) -> Image.Image:
        moved = matrix(strength, picture.width)
        return picture.transform(picture.size, Image.Transform.AFFINE, moved)

    return Operation(name, unit, *scales, apply, neutral=0.0, matrix=matrix)


_NONE = StrengthScale(0, 0)
_LEAN = StrengthScale(0, 0.99, mirror=0), StrengthScale(0, 0.3, mirror=0)
# AutoAugment's 150 pixels were of 331.
_MOVE = (
    StrengthScale(0, 32, mirror=0, whole=True),
    StrengthScale(0, 150 / 331, mirror=0, of_side=True),
)

# The order is part of the draws: a new operation would change every policy's pictures, so none is
# added.
OPERATIONS = (
    Operation("identity", "", _NONE, _NONE, lambda picture, _: picture),
    Operation("auto contrast", "", _NONE, _NONE, lambda picture, _: ImageOps.autocontrast(picture)),
    Operation("equalize", "", _NONE, _NONE, lambda picture, _: ImageOps.equalize(picture)),
    Operation(
        "rotate",
        "degrees",
        StrengthScale(0, 135, mirror=0, whole=True),
        StrengthScale(0, 30, mirror=0),
        lambda picture, degrees: picture.rotate(degrees),
        neutral=0.0,
        matrix=_turn,
    ),
    Operation(
        "solarize",
        "threshold",
        StrengthScale(256, 0, whole=True),
        StrengthScale(256, 0, whole=True),
        lambda picture, threshold: ImageOps.solarize(picture, int(threshold)),
        neutral=256.0,
    ),
    _enhancer("color", ImageEnhance.Color),
    Operation(
        "posterize",
        "bits",
        StrengthScale(8, 2, whole=True),
        StrengthScale(8, 4, whole=True),
        lambda picture, bits: ImageOps.posterize(picture, int(bits)),
        neutral=8.0,
    ),
    _enhancer("contrast", ImageEnhance.Contrast),
    _enhancer("brightness", ImageEnhance.Brightness),
    _enhancer("sharpness", ImageEnhance.Sharpness),
    _affine("shear x", "times", _LEAN, lambda factor, _: (1, factor, 0, 0, 1, 0)),
    _affine("shear y", "times", _LEAN, lambda factor, _: (1, 0, 0, factor, 1, 0)),
    _affine("translate x", "pixels", _MOVE, lambda pixels, _: (1, 0, pixels, 0, 1, 0)),
    _affine("translate y", "pixels", _MOVE, lambda pixels, _: (1, 0, 0, 0, 1, pixels)),
)
