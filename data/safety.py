"""How far an augmentation goes at its extremes: how much is fill, how far pixels move, whether any
changed.

Measured on the matrices and on painted pictures, for `check` and `preview`. Whether a label
survives is for a person, and for the accuracy of a model on `extremes.augment_to`'s pictures, to
say.
"""

from dataclasses import dataclass

import numpy as np

from data import geometry
from data.augmentations import AUGMENTATIONS, complete, idle, options_of
from data.extremes import Extreme, augment_to, extremes
from data.geometry import Floats, Images
from data.records import Settings

# Policies read the nearest pixel: fill begins half a pixel past the centre of the edge pixel.
NEAREST_MARGIN = 0.5


@dataclass(frozen=True)
class LabelSafety:
    """One augmentation at one extreme.

    fill_share: of the pixels, made up by the fill mode or cut out. mean_shift_pixels: how far from
    its place a pixel is read, on average. unchanged_share: of the images, left as they are. remark:
    what is wrong with the setting, or "".
    """

    name: str
    label: str
    fill_share: float
    mean_shift_pixels: float
    unchanged_share: float
    remark: str


def label_safety(
    images: Images, settings: Settings, num_images: int = 64
) -> tuple[LabelSafety, ...]:
    """Each augmentation of `settings` alone, at each of its extremes.

    images: uint8 [n, s, s, 3], of which `num_images`, evenly spread, are painted. A setting that
    was written and changes nothing is told too, by its remark. Raises UserError where a setting is
    not allowed.
    """
    full = complete(settings)
    reasons = idle(settings)
    picks = np.unique(
        np.linspace(0, len(images) - 1, min(num_images, len(images))).astype(np.int64)
    )
    options = options_of(settings)
    return tuple(
        _measure(images, picks, extreme, options, reasons.get(name, ""))
        for name, value in full.items()
        for extreme in extremes(name, value, options)
    )


def _measure(
    images: Images, picks: np.ndarray, extreme: Extreme, options: Settings, reason: str
) -> LabelSafety:
    fill_share, mean_shift = _reach(extreme, images.shape[1], options)
    painted = augment_to(images, picks, extreme, options)
    unchanged = float((painted == images[picks]).all(axis=(1, 2, 3)).mean())
    remark = reason or ("changed 0 pixels" if unchanged == 1 else "")
    return LabelSafety(extreme.name, extreme.label, fill_share, mean_shift, unchanged, remark)


def _reach(extreme: Extreme, size: int, options: Settings) -> tuple[float, float]:
    """The share of fill and the mean displacement in pixels of an image of `size` pixels a side."""
    record = AUGMENTATIONS[extreme.name]
    assert record.draw is not None  # an extreme is of something drawn
    numbers = record.draw(
        extreme.draws(1), size, extreme.value, *(options[name] for name in record.drawn_with)
    )
    if record.covers is not None:
        return float(record.covers(numbers, size)[0]), 0.0
    if record.matrix is not None:
        return _read(geometry.fold([record.matrix(numbers)], size)[0], size, margin=0.0)
    if record.moves is not None:
        return _read(record.moves(numbers, size)[0], size, NEAREST_MARGIN)
    return 0.0, 0.0


def _read(matrix: Floats, size: int, margin: float) -> tuple[float, float]:
    x, y = geometry.source_coordinates(matrix, size)
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(x - columns, y - rows).mean()
    return float(geometry.outside(x, y, size, margin).mean()), float(distance)
