"""Effect against strength, read from every training of a search.

What a setting does is taken apart: for each augmentation a main effect with curvature, for each two
that are seen together a pair effect, for three or more together what is left. How large curvature,
pairs and rest are is estimated from the trainings (restricted likelihood) and shrinks them; main
effects are left as they are. Every figure is then a contrast of all trainings, weighted, whose
error `intervals` knows: images and heads as measured, and what the model may still get wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import log, pi, sqrt
from typing import Any

import numpy as np

from search.evidence.intervals import Contrasts, ratios_by_luck, standard_errors
from search.evidence.measurements import Measurements

_WAVES = 4  # of a curve's departure from a straight line; smoother ones are likelier
_SCALES = (
    0.0,
    0.25,
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
)  # of curvature, pairs and rest, over an effect's error
# The least that curvature, pairs and rest are taken for, over what settings differ by beyond error:
# on real images effects alone and beside others differ by as much as they are large. Trainings of
# many together do not show it: weaker main effects, all of them, explain those as well.
_LEAST = np.array([0.15, 1.0, 0.25])
_DECIMALS = 9  # of effects that are ranked: what the last digits of sums say is not theirs
_MOST_OF = 0.8  # of the best gain, that the strength recommended keeps
_OUTSIDE = 100.0  # times the variance of main effects: a control is as it was measured
_WIDE = 3.0  # main effects may be this many times what the settings tried differed by


@dataclass(frozen=True)
class Axis:
    """One searched augmentation. values: those a curve shows, the one that changes nothing first.

    places: each value's distance from changing nothing, over the furthest one's; None where values
    are levels without order (pairs, names). is_log: distances are of logarithms.
    """

    name: str
    values: tuple[Any, ...]
    places: tuple[float, ...] | None = None
    is_log: bool = False

    @classmethod
    def of_numbers(
        cls, name: str, values: Iterable[float], identity: float = 0.0, is_log: bool = False
    ) -> "Axis":
        """Of numbers searched, at their distance from the one that changes nothing."""
        bare = cls(name, (identity,), (0.0,), is_log)
        ordered = sorted({*values} - {identity}, key=lambda value: abs(bare._distance(value)))
        far = abs(bare._distance(ordered[-1]))
        places = (0.0, *(bare._distance(value) / far for value in ordered))
        return cls(name, (identity, *ordered), places, is_log)

    def _distance(self, value: Any) -> float:
        return float(log(value / self.values[0]) if self.is_log else value - self.values[0])

    def terms(self, value: Any) -> np.ndarray:
        """float64 [terms]: what the value counts in each of the axis's effects."""
        if self.places is None:
            return np.array([float(value == level) for level in self.values[1:]])
        place = self.place(value)
        waves = np.arange(1, _WAVES + 1)
        return np.concatenate([[place], np.sin(pi * waves * place) / waves**2])

    def terms_of(self, points: Sequence["Combination"]) -> np.ndarray:
        """float64 [points, terms]."""
        values = [dict(point.values).get(self.name, self.values[0]) for point in points]
        return np.stack([self.terms(value) for value in values])

    @property
    def is_main(self) -> np.ndarray:
        """bool [terms]: straight lines and levels, which are not shrunk."""
        if self.places is None:
            return np.ones(len(self.values) - 1, bool)
        return np.arange(_WAVES + 1) == 0

    def place(self, value: Any) -> float:
        """0 where nothing is changed, 1 or -1 at the furthest value searched."""
        return self._distance(value) / abs(self._distance(self.values[-1]))


@dataclass(frozen=True)
class Combination:
    """A setting: the augmentations that are on, each at its value; or, by its label, one outside
    what is searched (a control)."""

    values: tuple[tuple[str, Any], ...] = ()
    outside: str = ""

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Combination":
        return cls(tuple(sorted(values.items())))

    def having(self, name: str, value: Any, identity: Any) -> "Combination":
        """The same with one augmentation at another value; taken out where that changes
        nothing."""
        rest = {key: each for key, each in self.values if key != name}
        return Combination.of(rest if value == identity else {**rest, name: value})


NOTHING = Combination()


@dataclass(frozen=True)
class Model:
    """A fitted one. solved: float64 [T, T], from scores to what each training counts."""

    parts: "_Parts"
    points: tuple[Combination, ...]
    variances: np.ndarray
    solved: np.ndarray

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.parts.axes

    def contrasts(self, pairs: Sequence[tuple[Combination, Combination]]) -> Contrasts:
        """Of each pair, the first setting's effect less the second's."""
        known = {point: row for row, point in enumerate(dict.fromkeys(sum(pairs, ())))}
        to_trained = self._covariance(list(known), self.points)
        to_asked = self._covariance(list(known), list(known))
        more, less = ([known[pair[side]] for pair in pairs] for side in (0, 1))
        across = to_trained[more] - to_trained[less]
        weights = across @ self.solved
        own = to_asked[more] - to_asked[less]
        return Contrasts(weights, self._left(own[:, more] - own[:, less], across, weights))

    def _left(self, own: np.ndarray, across: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Of the effects themselves, what weights of trainings leave unknown of them, were the
        trainings measured without error."""
        trained = self._covariance(self.points, self.points)
        shared = across @ weights.T
        return own - shared - shared.T + weights @ trained @ weights.T

    def effects(self, points: Sequence[Combination], scores: np.ndarray) -> np.ndarray:
        """float64 [points]: against no augmentation, without intervals."""
        return self._covariance(points, self.points) @ self.solved @ scores

    def _covariance(
        self, points: Sequence[Combination], others: Sequence[Combination]
    ) -> np.ndarray:
        return np.tensordot(self.variances, self.parts.between(points, others), axes=1)


def fit(measured: Measurements, axes: Sequence[Axis], points: Sequence[Combination]) -> Model:
    """points: the setting of each training, in their order.

    Trainings of several stages are put together by an intercept of each stage: only differences
    inside a stage count.
    """
    parts = _Parts.of(axes, points)
    noise = _noise(measured)
    base = measured.stage_columns()
    unit = _typical_error(noise)
    spread = _spread(measured, points)
    wide = _WIDE * max(spread, unit)
    blocks = parts.between(points, points)
    fixed = noise + wide**2 * blocks[0]
    scales = _estimate_scales(measured.scores, fixed, blocks[1:], base, unit)
    scales = np.maximum(scales, _LEAST * sqrt(max(spread**2 - unit**2, 0.0)))
    variances = np.concatenate([[wide], scales]) ** 2
    solved = _projected(np.tensordot(variances, blocks, axes=1) + noise, base)
    return Model(parts, tuple(points), variances, solved)


@dataclass(frozen=True)
class _Parts:
    """The parts of an effect, each by its covariance between settings: straight lines and levels;
    curvature; pairs; three and more together. sizes: float64 [4], by which the last three are
    divided, for a variance near 1 among the settings trained."""

    axes: tuple[Axis, ...]
    sizes: np.ndarray

    @classmethod
    def of(cls, axes: Sequence[Axis], points: Sequence[Combination]) -> "_Parts":
        bare = cls(tuple(axes), np.ones(4))
        of_each = np.stack([np.diag(block) for block in bare.between(points, points)])
        counts = np.maximum((of_each > 0).sum(axis=1), 1)
        sizes = np.maximum(of_each.sum(axis=1) / counts, 1e-12)
        return cls(bare.axes, np.concatenate([[1.0], sizes[1:]]))

    def between(self, points: Sequence[Combination], others: Sequence[Combination]) -> np.ndarray:
        """float64 [4, points, others]."""
        shape = len(points), len(others)
        lines, curved, pairs = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        together = np.ones(shape)
        for axis in self.axes:
            rows, columns = axis.terms_of(points), axis.terms_of(others)
            straight = rows[:, axis.is_main] @ columns[:, axis.is_main].T
            curved += rows[:, ~axis.is_main] @ columns[:, ~axis.is_main].T
            pairs += lines * straight
            lines += straight
            together *= 1 + straight
        outside = np.array([[p.outside == o.outside != "" for o in others] for p in points])
        rest = together - 1 - lines - pairs
        blocks = np.stack([lines + _OUTSIDE * outside, curved, pairs, rest])
        return blocks / self.sizes[:, None, None]


def _noise(measured: Measurements) -> np.ndarray:
    """float64 [T, T]: of the scores. Where images are few beside trainings, or come in few groups,
    their covariances are too rough to weight by, and an equal one takes their place."""
    own = np.diag(measured.luck.variance + measured.single)
    count = len(measured.scores)
    images = measured.image_cov
    if count > 1:
        shared = (images.sum() - np.trace(images)) / (count * (count - 1))
        alike = np.full_like(images, shared)
        np.fill_diagonal(alike, np.trace(images) / count)
        rough = min(1.0, 10 * count / measured.image_df)
        images = rough * alike + (1 - rough) * images
    return images + own + 1e-12 * np.eye(count)


def _typical_error(noise: np.ndarray) -> float:
    """Of a difference of two trainings."""
    count = len(noise)
    if count < 2:
        return float(np.sqrt(noise[0, 0]))
    shared = (noise.sum() - np.trace(noise)) / (count * (count - 1))
    return float(np.sqrt(2 * max(np.trace(noise) / count - shared, 1e-12)))


def _spread(measured: Measurements, points: Sequence[Combination]) -> float:
    """What searched settings differ by from no augmentation (root mean square)."""
    bases = {
        stage: float(measured.scores[row])
        for row, stage in enumerate(measured.stages)
        if points[row] == NOTHING
    }
    effects = [
        score - bases[stage]
        for score, stage, point in zip(measured.scores, measured.stages, points, strict=True)
        if stage in bases and point != NOTHING and not point.outside
    ]
    return float(np.sqrt(np.mean(np.square(effects)))) if effects else 0.0


def _estimate_scales(
    scores: np.ndarray, fixed: np.ndarray, blocks: np.ndarray, base: np.ndarray, unit: float
) -> np.ndarray:
    """float64 [3]: sizes of curvature, pairs and rest, their squares averaged over a grid of
    `unit`s by restricted likelihood. An average, because the likeliest is too often nought."""
    grid = unit * np.array(list(product(*(_SCALES if b.any() else (0.0,) for b in blocks))))
    logs = _log_likelihoods(fixed + np.tensordot(grid**2, blocks, axes=1), base, scores)
    shares = np.exp(logs - logs.max())
    return np.sqrt(shares @ grid**2 / shares.sum())


def _log_likelihoods(stacked: np.ndarray, base: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """float64 [grid], restricted: of what is left of the scores beside the stages' intercepts."""
    free = np.linalg.svd(base, full_matrices=True)[0][:, base.shape[1] :]
    roots = np.linalg.cholesky(free.T @ stacked @ free)
    left = np.linalg.solve(
        roots, np.broadcast_to((free.T @ scores)[:, None], (*roots.shape[:-1], 1))
    )[..., 0]
    logs = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    return -logs - (left**2).sum(axis=1) / 2


def _projected(covariance: np.ndarray, base: np.ndarray) -> np.ndarray:
    """The inverse of a covariance, less what the stages' intercepts take up."""
    inverse = np.linalg.inv(covariance)
    part = inverse @ base
    return inverse - part @ np.linalg.solve(base.T @ part, part.T)


@dataclass(frozen=True)
class Strengths:
    """Which strengths of one augmentation are not shown to be worse than the best.

    best, sensible: indices of the axis's values: the best as estimated; the weakest strength
    that keeps four fifths of its gain. first, last: ends of the range, among values.
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
    within = [*np.flatnonzero(kept), best]
    return Strengths(best, _sensible(effects), int(min(within)), int(max(within)))


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
