"""The null floor: what the best of many trials would show if none differed from no augmentation.

Works from the predictions of the search phase alone and trains nothing. A single trial's interval
is in `evaluation`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from search.evidence.evaluation import paired_difference, per_image
from search.evidence.spread import (
    ASSUMED_HEAD_SPREAD,
    HeadErrors,
    assumed_head_variance,
    head_errors,
)
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.settings import Frozen

# images flipped one by one; beyond, in groups: memory stays flat, the floor moves by about 1 %
_MOST_UNITS = 8192
_MOST_SIGNS = 4_000_000  # signs drawn at once, float32: 16 MB


class NullFloor(Frozen):
    """The best of `num_trials` effects if none were real, in the objective's units: its mean, its
    95th percentile."""

    mean: float
    p95: float
    num_trials: int


@dataclass(frozen=True)
class Flips:
    """How often differences change places, and from which seed."""

    seed: int
    count: int = 2000


def null_floor(
    pairs: Iterable[tuple[Predictions, Predictions]],
    baseline: Predictions,
    labels: np.ndarray,
    objective: Objective,
    flips: Flips,
    head_spread: float = ASSUMED_HEAD_SPREAD,
) -> NullFloor:
    """Flips the signs of the paired differences and takes the best trial's mean, each time.

    If nothing differed, trial and baseline could change places. For an image they do so in all
    trials together: one sign an image, so that trials that err alike stay alike, and the baseline's
    own luck counts once. But images scored by one head share its error and cannot change places
    alone. So the heads' errors, as far as images do not explain them, are flipped beside them: one
    normal multiplier a head, the same for all trials. The explained part is pooled over trials,
    each having few heads. With one seed and one fold the spread of heads is assumed, as in
    `paired_effect`, half of it the baseline's. Each trial's own effect is taken out first, so that
    one that hurts badly does not look like noise.

    pairs: each trial that the winner was picked from beside what it is compared with, which is
    `baseline`, or another where it had less to train with; all in the same folds and seeds. An
    iterator is read once. Raises ValueError where there are none, or for other images, folds or
    seeds.
    """
    group = _groups(baseline)
    sums, heads = [], []
    for trial, own in pairs:
        difference = paired_difference(trial, own, labels, objective)
        values = difference.mean(axis=0)
        sums.append(
            np.bincount(group, weights=values - values.mean()).astype(np.float32) / len(values)
        )
        heads.append(head_errors(difference, baseline.fold, baseline.groups))
    if not sums:
        raise ValueError("a null floor of no trials; give at least one")
    rng = np.random.default_rng(flips.seed)
    means = _flipped(np.stack(sums), flips.count, rng)
    if heads[0].df:
        means += rng.standard_normal((flips.count, len(heads[0].contributions))) @ _head_part(heads)
    else:
        half = assumed_head_variance(per_image(baseline, labels, objective), head_spread) / 2
        means += np.sqrt(half) * rng.standard_normal(means.shape)
        means -= np.sqrt(half) * rng.standard_normal((flips.count, 1))
    best = means.max(axis=1)
    mean, p95 = float(best.mean()), float(np.quantile(best, 0.95))
    record = OBJECTIVES[objective]
    left = record.sign * record.best - float(per_image(baseline, labels, objective).mean())
    most = min(record.bounds[1], max(left, 0.0))  # no accuracy is above 1
    return NullFloor(mean=min(mean, most), p95=min(p95, most), num_trials=len(sums))


def _groups(baseline: Predictions) -> np.ndarray:
    """int [n]: which images are flipped together. In steps, because images are sorted by class."""
    groups = baseline.images if baseline.groups is None else baseline.groups
    return np.unique(groups, return_inverse=True)[1] % _MOST_UNITS


def _flipped(sums: np.ndarray, num_flips: int, rng: np.random.Generator) -> np.ndarray:
    """float64 [num_flips, trials]: each trial's sum over its groups [trials, groups] under random
    signs."""
    num_groups = sums.shape[1]
    rows = max(_MOST_SIGNS // num_groups, 1)
    parts = []
    for start in range(0, num_flips, rows):
        signs = rng.integers(0, 2, size=(min(rows, num_flips - start), num_groups), dtype=np.int8)
        parts.append((signs.astype(np.float32) * 2 - 1) @ sums.T)
    return np.concatenate(parts).astype(np.float64)


def _head_part(heads: list[HeadErrors]) -> np.ndarray:
    """float64 [heads, trials]: what each head adds to each trial's mean, less what images
    explain."""
    ratios = [h.raw_variance / h.image_noise for h in heads if h.image_noise > 0]
    own_share = (
        max(0.0, 1 - 1 / float(np.mean(ratios))) if ratios and any(ratios) else float(not ratios)
    )
    return np.sqrt(own_share) * np.stack([h.contributions for h in heads], axis=1)
