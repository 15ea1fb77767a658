"""What effects recommend: how strong each augmentation, and which of them together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import Model
from search.evidence.intervals import ratios_by_luck, standard_errors
from search.evidence.measurements import Measurements

_DECIMALS = 9  # of effects that are ranked: what the last digits of sums say is not theirs
_MOST_OF = 0.8  # of the best gain, that the strength recommended keeps


@dataclass(frozen=True)
class Strengths:
    """Which strengths of one augmentation are not shown to be worse than the best.

    best, sensible: indices of the axis's values: the best as estimated; the weakest strength
    that keeps four fifths of its gain. first, last: ends of the range about the best, among values.
    """

    best: int
    sensible: int
    first: int
    last: int


def strengths(
    measured: Measurements, model: Model, axis: Axis, beside: Combination, seed: int
) -> Strengths:
    """Holds the truly best strength searched in 95 of 100 searches: a strength is left out where
    some other is shown to be better, against the largest one-sided t of all others (confidence set
    of the best, by inverting the test; after Hsu 1984)."""
    points = [beside.having(axis.name, value, axis.values[0]) for value in axis.values]
    count = len(points)
    pairs = [(other, this) for this in range(count) for other in range(count) if other != this]
    asked = model.contrasts([(points[other], points[this]) for other, this in pairs])
    errors = standard_errors(measured, asked).reshape(count, count - 1)
    gains = (asked.weights @ measured.scores).reshape(count, count - 1)
    by_luck = ratios_by_luck(measured, asked, seed).reshape(-1, count, count - 1).max(axis=2)
    kept = (gains / errors).max(axis=1) <= np.quantile(by_luck, 0.95, axis=0)
    effects = np.array([0.0, *(-gains[1:, 0])]).round(_DECIMALS)
    best = int(effects.argmax())
    return Strengths(best, _sensible(effects), *about(best, kept))


def about(best: int, kept: np.ndarray) -> tuple[int, int]:
    """The first and the last of those that are kept next to one another about the best."""
    left_out = [index for index in np.flatnonzero(~kept) if index != best]
    first = max((index + 1 for index in left_out if index < best), default=0)
    last = min((index - 1 for index in left_out if index > best), default=len(kept) - 1)
    return int(first), int(last)


def _sensible(effects: np.ndarray) -> int:
    """The weakest of strengths, the first changing nothing, that keeps most of the best gain."""
    gains = effects - effects[0]
    return int(np.argmax(gains >= _MOST_OF * gains.max()))


def propose(
    measured: Measurements, model: Model, axes: Sequence[Axis] | None = None
) -> Combination:
    """The setting the model expects most of, an augmentation at a time until none gains. axes:
    those to set; all by default.

    Each is set to the weakest strength that keeps most of its best gain, and left out where
    that gain is no larger than its standard error.
    """
    found = NOTHING
    for _ in range(4):
        before = found
        for axis in model.axes if axes is None else axes:
            points = [found.having(axis.name, value, axis.values[0]) for value in axis.values]
            effects = model.effects(points, measured.scores).round(_DECIMALS)
            best = points[int(effects.argmax())]
            gain = model.contrasts([(best, points[0])])
            worth = effects.max() - effects[0] > standard_errors(measured, gain)[0]
            found = points[_sensible(effects) if worth else 0]
        if found == before:
            break
    return found
