"""Each augmentation at the ends of its range: fixed draws, a label in the unit of the experiment
file, the pictures, and how far they go: how much is fill, how far pixels move, whether any changed.

For contact sheets, `check` and `preview`. Whether a label survives is for a person, and for the
accuracy of a model on `augment_to`'s pictures, to say. Random views are `views`.
"""

from dataclasses import dataclass

import numpy as np

from data import geometry
from data.augmentation_record import AugmentationValues, Units
from data.augmentations import AUGMENTATIONS, check_name, complete, idle, options_of
from data.geometry import Floats, Images
from data.value_forms import Value
from data.views import Indices, check_picks, paint, plan_pictures

# Policies read the nearest pixel: fill begins half a pixel past the centre of the edge pixel.
NEAREST_MARGIN = 0.5
MOST_PAINTED = 64  # of a dataset, to measure what an extreme does to its images


@dataclass(frozen=True)
class Extreme:
    """One augmentation at one end of its range: the settings that turn it on alone, and the uniform
    draws that lead there."""

    name: str
    value: Value
    label: str
    units: Units

    def draws(self, num_images: int) -> Floats:
        """The fixed draws of some images, [num_images, 4]: what `draw` takes from `units`."""
        return np.tile(np.array(self.units), (num_images, 1))


def extremes(
    name: str, value: object, options: AugmentationValues | None = None
) -> tuple[Extreme, ...]:
    """The ends of one augmentation's range, labelled in the unit of the experiment file; none for
    the identity or an option.

    `options` are the settings that it acts with. Raises UserError as `complete` does.
    """
    full = complete({**(options or {}), check_name(name): value})
    record, parsed = AUGMENTATIONS[name], full[name]
    if record.draw is None or parsed == record.identity:
        return ()
    found: dict[str, Extreme] = {}
    for units in record.ends(parsed):
        # A side of 1 pixel leaves fractions of the side as they are written.
        numbers = record.numbers(np.array([units]), 1, full)
        label = record.describe(numbers[0], parsed)
        found.setdefault(label, Extreme(name, parsed, label, units))
    return tuple(found.values())


def augment_to(
    images: Images, indices: Indices, extreme: Extreme, options: AugmentationValues | None = None
) -> Images:
    """The images at one end of one augmentation's range; `options` are the settings that it acts
    with."""
    picks = check_picks(images, indices)
    settings = {**(options or {}), extreme.name: extreme.value}
    return paint(
        images, picks, plan_pictures(settings, images.shape[1], lambda _: extreme.draws(len(picks)))
    )


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


def label_safety(images: Images, settings: AugmentationValues) -> tuple[LabelSafety, ...]:
    """Each augmentation of `settings` alone, at each of its extremes.

    images: uint8 [n, s, s, 3], of which MOST_PAINTED, evenly spread, are painted. A setting that
    was written and changes nothing is told too, by its remark. Raises UserError where a setting is
    not allowed.
    """
    full = complete(settings)
    reasons = idle(settings)
    count = min(MOST_PAINTED, len(images))
    picks = np.unique(np.linspace(0, len(images) - 1, count).astype(np.int64))
    options = options_of(settings)
    return tuple(
        _measure(images, picks, extreme, options, reasons.get(name, ""))
        for name, value in full.items()
        for extreme in extremes(name, value, options)
    )


def _measure(
    images: Images, picks: np.ndarray, extreme: Extreme, options: AugmentationValues, reason: str
) -> LabelSafety:
    fill_share, mean_shift = _reach(extreme, images.shape[1], options)
    painted = augment_to(images, picks, extreme, options)
    unchanged = float((painted == images[picks]).all(axis=(1, 2, 3)).mean())
    remark = reason or ("changed 0 pixels" if unchanged == 1 else "")
    return LabelSafety(extreme.name, extreme.label, fill_share, mean_shift, unchanged, remark)


def _reach(extreme: Extreme, size: int, options: AugmentationValues) -> tuple[float, float]:
    """The share of fill and the mean displacement in pixels of an image of `size` pixels a side."""
    record = AUGMENTATIONS[extreme.name]
    numbers = record.numbers(extreme.draws(1), size, {**options, extreme.name: extreme.value})
    if record.covers is not None:
        return float(record.covers(numbers, size)[0]), 0.0
    if record.matrix is not None:
        return _read(geometry.fold([record.matrix(numbers)], size)[0], size, margin=0.0)
    if record.moves is not None:
        return _read(record.moves(numbers, size)[0], size, NEAREST_MARGIN)
    if record.reads is not None:
        return _reached(*record.reads(numbers[0], size), size, margin=0.0)
    return 0.0, 0.0


def _read(matrix: Floats, size: int, margin: float) -> tuple[float, float]:
    return _reached(*geometry.source_coordinates(matrix, size), size, margin)


def _reached(x: Floats, y: Floats, size: int, margin: float) -> tuple[float, float]:
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(x - columns, y - rows).mean()
    return float(geometry.outside(x, y, size, margin).mean()), float(distance)
