"""Where an output pixel is read from: rotation, shift, shear, zoom and flips as matrices, their
product, and the one warp.

Coordinates are (x, y) = (column, row) in pixels, the first pixel's centre at 0. A matrix maps an
output pixel to the place in the input it is read from, as in ImageDataGenerator. Which of them an
augmentation uses, and what it draws for them, is `moves`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]

LINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
BEYOND_THE_PICTURE = -2.0  # a coordinate all of whose neighbours lie outside the image
SMOOTH_BORDERS = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT}
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
# OpenCV's names of them, after `cv2.BORDER_`.
BORDERS = {"nearest": "REPLICATE", "constant": "CONSTANT", "reflect": "REFLECT", "wrap": "WRAP"}


@dataclass(frozen=True)
class Fill:
    """What stands where nothing of the image is: `mode` of FILL_MODES, and the grey level `value`
    (0-255) for constant."""

    mode: str = "nearest"
    value: int = 0


def single_threaded() -> None:
    """One OpenCV thread a call: images are spread over our own threads, and two pools would fight
    for the cores."""
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)


def rotation(degrees: Floats) -> Floats:
    """[k] -> [k, 3, 3]."""
    angle = np.deg2rad(degrees)
    return _matrices(
        len(angle),
        {
            (0, 0): np.cos(angle),
            (0, 1): -np.sin(angle),
            (1, 0): np.sin(angle),
            (1, 1): np.cos(angle),
        },
    )


def shift(x: Floats, y: Floats) -> Floats:
    """Pixels [k], [k] -> [k, 3, 3]."""
    return _matrices(len(x), {(0, 2): x, (1, 2): y})


def shear(degrees: Floats) -> Floats:
    """[k] -> [k, 3, 3]. ImageDataGenerator's: it shortens the height by the cosine as it leans."""
    angle = np.deg2rad(degrees)
    return _matrices(len(angle), {(0, 1): -np.sin(angle), (1, 1): np.cos(angle)})


def scaling(x: Floats, y: Floats) -> Floats:
    """Factors [k], [k] -> [k, 3, 3]; above 1 the picture shrinks, -1 mirrors it."""
    return _matrices(len(x), {(0, 0): x, (1, 1): y})


def fold(parts: Sequence[Floats], size: int) -> Floats:
    """The product of [k, 3, 3] parts, first part outermost, about the centre of a size x size
    image: [k, 2, 3]."""
    centre = size / 2 - 0.5
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = centre, -centre
    product = parts[0]
    for part in parts[1:]:
        product = product @ part
    folded: Floats = there @ product @ back
    return folded[:, :2, :]


def source_coordinates(matrix: Floats, size: int) -> tuple[Floats, Floats]:
    """Where each output pixel of a [2, 3] matrix is read: x and y, float64 [size, size] each.

    Summed in SciPy's order (offset, row, column), so that a pixel on the very edge falls on the
    same side as there.
    """
    steps = np.arange(size, dtype=np.float64)
    x = (matrix[0, 2] + steps * matrix[0, 1])[:, None] + (steps * matrix[0, 0])[None, :]
    y = (matrix[1, 2] + steps * matrix[1, 1])[:, None] + (steps * matrix[1, 0])[None, :]
    return x, y


def outside(x: Floats, y: Floats, size: int, margin: float = 0.0) -> NDArray[np.bool_]:
    """Which coordinates lie over `margin` pixels beyond the centres of the edge pixels, and so are
    fill."""
    first, last = -margin, size - 1 + margin
    return (x < first) | (x > last) | (y < first) | (y > last)


def warp(
    images: Images, picks: NDArray[np.int64], matrices: Floats, fill: Fill, out: Images
) -> None:
    """Reads images[picks[i]] through matrices[i] into out[i] by bilinear interpolation, rounded to
    the nearest level.

    `nearest` and `reflect` are one OpenCV warp an image; OpenCV 5 interpolates in float32 with no
    table of fractions, and is within 0.01 of a level of float64 before rounding. `constant` and
    `wrap` go through coordinates in float64, about half as fast: SciPy, whose pictures
    ImageDataGenerator makes, does not interpolate past the edge in the first, and repeats with
    period size - 1 in the second, neither of which OpenCV's borders do.
    """
    border = SMOOTH_BORDERS.get(fill.mode)
    if border is None:
        _warp_by_coordinates(images, picks, matrices, fill, out)
        return
    side = (out.shape[2], out.shape[1])
    for source, matrix, target in zip(picks.tolist(), matrices, out, strict=True):
        cv2.warpAffine(
            images[source], matrix, side, target, LINEAR, border, hint=cv2.ALGO_HINT_ACCURATE
        )


def _warp_by_coordinates(
    images: Images, picks: NDArray[np.int64], matrices: Floats, fill: Fill, out: Images
) -> None:
    for source, matrix, target in zip(picks.tolist(), matrices, out, strict=True):
        read_at(images[source], *source_coordinates(matrix, out.shape[1]), fill, target)


def read_at(image: Images, x: Floats, y: Floats, fill: Fill, out: Images) -> None:
    """Reads an image [s, s, 3] at x and y, [s, s] each, into another by bilinear interpolation;
    what lies outside is filled as `warp` does."""
    border = SMOOTH_BORDERS.get(fill.mode)
    if border is None:
        border = cv2.BORDER_CONSTANT
        x, y = (_wrapped if fill.mode == "wrap" else _blanked)(x, y, len(image))
    near_x, near_y = x.astype(np.float32, copy=False), y.astype(np.float32, copy=False)
    cv2.remap(image, near_x, near_y, cv2.INTER_LINEAR, out, border, (fill.value,) * 3)


def _blanked(x: Floats, y: Floats, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    blank = outside(x, y, size)
    near_x, near_y = x.astype(np.float32), y.astype(np.float32)
    near_x[blank] = BEYOND_THE_PICTURE
    return near_x, near_y


def _wrapped(x: Floats, y: Floats, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    last = float(size - 1)
    near_x, near_y = (
        np.where(
            v < 0,
            v + last * (np.floor(-v / last) + 1),
            np.where(v > last, v - last * np.floor(v / last), v),
        )
        for v in (x, y)
    )
    return near_x.astype(np.float32), near_y.astype(np.float32)


def _matrices(count: int, entries: dict[tuple[int, int], Floats]) -> Floats:
    matrices = np.tile(np.eye(3), (count, 1, 1))
    for (row, column), values in entries.items():
        matrices[:, row, column] = values
    return matrices
