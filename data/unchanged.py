"""Whether an augmentation changes any picture of a dataset: it alone is painted, at the ends of its
range and at random, on a dozen pictures, and on more where none of them changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.augmentation_record import AugmentationValues
from data.augmentations import AUGMENTATIONS, visible_value
from data.extremes import augment_to, extremes
from data.geometry import Images
from data.messages import literal
from data.own_augmentations import is_from_outside
from data.value_forms import Value
from data.views import augment

FEW, MANY = 12, 200  # pictures painted
OFTEN = 100  # pictures drawn by what is from outside, which takes milliseconds for each
MOST_LOOKED_AT, MOST_BYTES = 2000, 1 << 27  # of pictures in which colour is looked for
AT_ONCE = 64
RARE = 0.01  # chance of taking for never what is rare


@dataclass(frozen=True)
class Sample:
    """Pictures that augmentations are tried on. images: uint8 [n, s, s, 3]; order: int64 [k], those
    that may be painted, in an order drawn at random; options: what augmentations act with; seed: of
    random draws."""

    images: Images
    order: np.ndarray
    options: AugmentationValues
    seed: int

    @property
    def size(self) -> int:
        return int(self.images.shape[1])

    @cached_property
    def few(self) -> Images:
        return np.asarray(self.images[self.order[:FEW]])

    @cached_property
    def _colourful(self) -> np.ndarray:
        """bool, of the first of `order`: whether a picture is not grey."""
        most = max(FEW, MOST_BYTES // (3 * self.size**2))
        rows = self.order[: min(MOST_LOOKED_AT, most)]
        chunks = (
            self.images[rows[start : start + AT_ONCE]] for start in range(0, len(rows), AT_ONCE)
        )
        return np.concatenate([(each != each[..., :1]).any(axis=(1, 2, 3)) for each in chunks])

    @property
    def is_grey(self) -> bool:
        return not self._colourful.any()

    def many(self, count: int) -> Images:
        """Pictures with colours first, if there are any."""
        count = min(count, max(FEW, MOST_BYTES // (3 * self.size**2)))
        ranked = np.argsort(~self._colourful, kind="stable")
        return np.asarray(self.images[self.order[ranked[:count]]])


def why_unchanged(name: str, values: Sequence[object], sample: Sample) -> str:
    """Why an augmentation changes no picture at any of its values, weak to strong; "" where it
    changes one, where no value is meant to, and where that may be chance."""
    record = AUGMENTATIONS[name]
    meant = [value for value in map(record.parse, values) if value != record.identity]
    on = [value for value in meant if record.is_on(value)]
    shown = [value for value in on if visible_value(name, value, sample.size) is not None]
    if not on:
        return record.idle(meant[-1]) if meant else ""
    if not shown:
        return f"{literal(on[-1])} is too little to show at {sample.size} x {sample.size} pixels"
    if _changes(sample.few, name, reversed(shown), sample):
        return ""
    pictures, ends = sample.many(FEW if is_from_outside(name) else MANY), (shown[-1], shown[0])
    if _changes(pictures, name, ends, sample):
        return ""
    if sample.is_grey and _changes(_tinted(pictures), name, ends, sample):
        return "the pictures are grey, and it changes colours alone"
    if not is_from_outside(name):
        return f"it leaves {len(pictures)} of them as they are"
    strongest = shown[-1]
    never = not _may_be_rare(strongest, 0.0) and all(
        (drawn == images).all() for images, drawn in _drawn_often(name, strongest, sample)
    )
    return f"it leaves {OFTEN} of them as they are" if never else ""


def same_ends(name: str, values: Sequence[object], sample: Sample) -> tuple[Value, Value] | None:
    """The weakest and the strongest value of an augmentation from outside, where it draws the same
    pictures at either: what is searched is not what it acts by. None elsewhere, and where that may
    be chance."""
    record = AUGMENTATIONS[name]
    on = [value for value in map(record.parse, values) if record.is_on(value)]
    if len(on) < 2 or on[0] == on[-1] or _may_be_rare(on[-1], on[0]):
        return None
    weak, strong = (_drawn_often(name, value, sample) for value in (on[0], on[-1]))
    is_same = all((one[1] == two[1]).all() for one, two in zip(weak, strong, strict=True))
    return (on[0], on[-1]) if is_same else None


def _may_be_rare(value: Value, other: Value) -> bool:
    """Whether, if the values were probabilities, as many draws could well show no difference."""
    apart = abs(float(value) - float(other))  # type: ignore[arg-type]
    return apart < 1 and (1 - apart) ** OFTEN > RARE


def _drawn_often(name: str, value: Value, sample: Sample) -> Iterator[tuple[Images, Images]]:
    """Pictures, and what is drawn of them, OFTEN in all; the first few first."""
    images, picks = sample.few, np.arange(len(sample.few))
    for view in range(-(-OFTEN // len(images))):
        yield images, augment(images, picks, {**sample.options, name: value}, sample.seed, view)


def _changes(images: Images, name: str, values: Iterable[Value], sample: Sample) -> bool:
    """Whether one of the images comes out otherwise at one of the values."""
    return any((each != images).any() for each in _painted(images, name, values, sample))


def _painted(
    images: Images, name: str, values: Iterable[Value], sample: Sample
) -> Iterator[Images]:
    """The images at each end of each value, and drawn at random."""
    picks, options = np.arange(len(images)), sample.options
    for value in values:
        for end in reversed(extremes(name, value, options)):
            yield augment_to(images, picks, end, options)
        yield augment(images, picks, {**options, name: value}, sample.seed, 0)


def _tinted(images: Images) -> Images:
    """Grey pictures with a colour for each level."""
    levels = images[..., 0]
    return np.stack([levels, levels // 2, 255 - levels], axis=-1)
