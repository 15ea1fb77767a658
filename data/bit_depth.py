"""Pixels of more than 8 bits per channel, brought to 8 bits by one scale for a whole dataset, by
what is used of the range.

A scale of each image's own would make a dark picture bright; the file's 16 bits say nothing, since
cameras and scanners store 10, 12 or 14 bits in them. How files hold them is `deep_pixels`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data.dataset_notes import DepthScale
from data.errors import BadImage, UserError
from data.messages import plural

NumberKind = Literal["whole numbers", "floats"]
Whites = Mapping[str, float]  # the value that becomes 255, by kind

BITS = (8, 10, 12, 14, 16)
# Hot pixels and markers reach the end of any range: so many of an image's values, rounded up, do
# not count.
UNCOUNTED = 1000
EXPECTED_VALUES = (
    "expected 0..255 or 0..65535, or floats of 0..1 or 0..255; save it with 8 or 16 bits per "
    "channel"
)
DEPTH_RANGES: Mapping[str, str] = {
    "floats": "allowed: floats of 0..1 or of 0..255, all images alike; clip them to 0..1, or "
    "multiply those of 0..1 by 255",
    "whole numbers": "allowed: 8, 10, 12, 14 or 16 bits, all images alike; multiply them up to one "
    "of these, such as 0..255",
}
MOST_PICTURES_SAMPLED = 200
FAINT = 16  # an image below this part of the white has fewer than 16 of the 256 steps


@dataclass(frozen=True)
class Level:
    """How far up an image's values go: all but one in UNCOUNTED are at most `value`."""

    kind: NumberKind
    value: float

    @property
    def white(self) -> float:
        """The least of the usual ranges that holds it: 2^bits - 1 for whole numbers, 1 or 255 for
        floats.

        One step beyond the range (4096, 256/255) is rounding, and is cut.
        """
        if self.kind == "floats":
            return 1.0 if self.value * 255 <= 256 else 255.0
        return next(2**bits - 1 for bits in BITS if self.value <= 2**bits)


def check_bounds(values: np.ndarray) -> None:
    """Raise BadImage for values that are negative, not finite, or beyond 65535 (floats: 255).

    Nobody knows what is black and white in them. values: whole numbers or floats of any shape but
    an empty one.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= (255 if values.dtype.kind == "f" else 65535)):
        raise BadImage(f"values from {low:g} to {high:g}; {EXPECTED_VALUES}")


def check_value_range(images: np.ndarray, what: str) -> None:
    """Raise UserError unless the values can become 8 bits, judged over the whole array."""
    if images.dtype.kind not in "biuf":
        raise UserError(
            f"{what} is of {images.dtype}; expected whole numbers of 0..255, or floats of 0..1 or "
            "0..255"
        )
    if images.dtype in (np.uint8, bool) or not images.size:
        return
    try:
        check_bounds(images)
    except BadImage as error:
        raise UserError(f"{what} has {error}") from error


def level_of(values: np.ndarray) -> Level:
    """The level of one image's values. Raises BadImage as `check_bounds`."""
    check_bounds(values)
    place = max(0, values.size - 1 - -(-values.size // UNCOUNTED))
    level = float(np.partition(values, place, axis=None)[place])
    return Level("floats" if values.dtype.kind == "f" else "whole numbers", level)


def eight_bits(values: np.ndarray, white: float) -> np.ndarray:
    """uint8 of the same shape: `white` and all above it become 255, 0 stays 0."""
    if values.dtype.kind != "f":
        table = np.rint(np.arange(65536) * 255 / white).clip(0, 255).astype(np.uint8)
        return table[values]
    return np.rint(values.astype(np.float64) * (255 / white)).clip(0, 255).astype(np.uint8)


def scales_of(levels: Iterable[tuple[str, Level]]) -> dict[str, DepthScale]:
    """The scale of each kind among the images, (name, level) each."""
    by_kind: dict[str, list[tuple[str, Level]]] = defaultdict(list)
    for name, level in levels:
        by_kind[level.kind].append((name, level))
    return {kind: _scale(named) for kind, named in sorted(by_kind.items())}


def check_depth_ranges(
    levels: Sequence[tuple[str, str, Level]], scales: Mapping[str, DepthScale]
) -> None:
    """Raise UserError where most images of a split would come out nearly black: they are of another
    range than the highest. levels: (split, name, level) of each image of more than 8 bits per
    channel."""
    by_part: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for split, name, level in levels:
        by_part[split, level.kind].append((name, level.value))
    for (split, kind), named in by_part.items():
        scale = scales[kind]
        faint = [(value, name) for name, value in named if value and _is_faint(value, scale.white)]
        if 2 * len(faint) > len(named):
            value, name = max(faint)
            raise UserError(
                f"{len(faint)} of {plural(len(named), 'image')} in {split} would come out nearly "
                f"black: they go up to {value:g} or less ({kind}; {name}), and {scale.name} goes "
                f"up to {scale.level:g}, so that white is {scale.white:g}; {DEPTH_RANGES[kind]}"
            )


def check_not_black(images: np.ndarray) -> None:
    """Raise UserError where every image is nearly black: its 8 bits hold a smaller range, such as
    0..1 or 0..16. images: uint8 [n, s, s, 3], perhaps mapped; a few tell where they are not."""
    some = np.unique(np.linspace(0, len(images) - 1, MOST_PICTURES_SAMPLED).astype(int))
    if any(int(images[place].max()) >= FAINT + 1 for place in some):
        return
    highest = max(int(image.max()) for image in images)
    if highest <= FAINT:
        raise UserError(
            f"all {plural(len(images), 'image')} would come out nearly black: their values go up "
            f"to {highest} of 255; multiply them up to 0..255"
        )


def _is_faint(value: float, white: float) -> bool:
    return value * FAINT <= white * 256 / 255  # 16 of 255 is faint: sklearn's digits end there


def _scale(named: list[tuple[str, Level]]) -> DepthScale:
    name, highest = max(named, key=lambda each: each[1].value)
    faint = sum(_is_faint(level.value, highest.white) for _, level in named)
    return DepthScale(
        white=highest.white, count=len(named), level=highest.value, name=name, faint=faint
    )
