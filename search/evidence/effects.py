"""The effect of any setting, read from every training of a search.

What a setting does is taken apart: for each augmentation a main effect with curvature, for each two
a pair effect, for three or more together what is left. Main effects are left as they are; the
others are shrunk. An augmentation departs from its straight line, and several from their sum, in
proportion to what they do alone: those that do nothing have nothing to be mistaken about. What
several do together is curved too: one that helps in the middle of its range and hurts at its end
overlaps with others in the middle alone. How large the proportions are is learnt from the trainings
(restricted likelihood), beginning with what real images showed. Overlaps are of one sign: the more
is gained, the less is added, which all have in common as a bend of their sum. Every figure is then
a contrast of all trainings, weighted, whose error `intervals` knows: images and heads as measured,
and what the model may still get wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.intervals import Contrasts
from search.evidence.measurements import Measurements

# Of curvature, and of what augmentations do together: the proportions tried, and the one likeliest
# beforehand. On real images effects alone and beside others differ by as much as they are large.
_PROPORTIONS = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
_USUAL = (0.5, 1.0)
_DOUBT = 1.0  # standard deviation of a proportion's logarithm beforehand
_REST = 0.5  # of three and more together, over what two are
_CURVED = 0.5  # of what goes together: curvature's variance, over that of a straight line
_CEILINGS = (0.25, 0.5, 1.0, 2.0)  # that sums may bend towards, over the largest size
_BEND = 3.0  # standard deviation of how much of a bend there is: nearly whatever is measured
_LEAST_SIZE = 0.25  # of any augmentation, over the root mean square of all
_OUTSIDE = 100.0  # times the variance of main effects: a control is as it was measured
_WIDE = 3.0  # main effects may be this many times what the settings tried differed by
_READINGS = 2  # of sizes: the first, which takes all to be alike, reads idle ones too large


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
    noise, base = _noise(measured), measured.stage_columns()
    largest = max(_spread(measured, points), _typical_error(noise))
    parts = _Parts(tuple(axes), np.full(len(axes), largest), (_WIDE * largest) ** 2)
    for _ in range(_READINGS):
        model = _fitted(parts, points, measured.scores, noise, base)
        parts = replace(parts, sizes=_sizes(model, measured.scores, noise))
    return _fitted(parts, points, measured.scores, noise, base)


def _fitted(
    parts: "_Parts",
    points: Sequence[Combination],
    scores: np.ndarray,
    noise: np.ndarray,
    base: np.ndarray,
) -> Model:
    blocks = parts.between(points, points)
    proportions = _proportions(scores, noise + blocks[0], blocks[1:], base)
    variances = np.array([1.0, *proportions])
    solved = _projected(np.tensordot(variances, blocks, axes=1) + noise, base)
    return Model(parts, tuple(points), variances, solved)


def _sizes(model: Model, scores: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """float64 [axes]: the root mean square of each one's effects alone, less what noise gives: its
    own and, as far as all of them together are no larger than that, all (James and Stein 1961).
    What the model leaves unknown of them counts. Below zero where it hurts on average."""
    found = np.array([_squares(model, axis, scores, noise) for axis in model.axes])
    seen, by_noise, unknown, means = found.reshape(-1, 4).T
    beyond = max(0.0, 1 - by_noise.sum() / max(seen.sum(), np.finfo(np.float64).tiny))
    sizes = np.sqrt(beyond * (np.maximum(0.0, seen - by_noise) + unknown))
    return np.where(means < 0, -sizes, sizes)


def _squares(
    model: Model, axis: Axis, scores: np.ndarray, noise: np.ndarray
) -> tuple[float, float, float, float]:
    """The mean square of an augmentation's effects alone, what noise gives of it, what is unknown
    of it, and their mean."""
    alone = [NOTHING.having(axis.name, value, axis.values[0]) for value in axis.values[1:]]
    if not alone:
        return 0.0, 0.0, 0.0, 0.0
    asked = model.contrasts([(point, NOTHING) for point in alone])
    unknown = 0.0 if asked.model_cov is None else float(np.diag(asked.model_cov).mean())
    by_noise = ((asked.weights @ noise) * asked.weights).sum(axis=1)
    effects = asked.weights @ scores
    return float((effects**2).mean()), float(by_noise.mean()), unknown, float(effects.mean())


@dataclass(frozen=True)
class _Parts:
    """The parts of an effect, each by its covariance between settings: straight lines, levels and
    how their sum bends; curvature; two and more together. sizes: float64 [axes], of each one's
    effect alone: two depart from their sum by about the root of their sizes' product. wide: the
    variance of straight lines and levels."""

    axes: tuple[Axis, ...]
    sizes: np.ndarray
    wide: float

    def between(self, points: Sequence[Combination], others: Sequence[Combination]) -> np.ndarray:
        """float64 [3, points, others]."""
        shape = len(points), len(others)
        lines, curved, sized, pairs = (np.zeros(shape) for _ in range(4))
        together = np.ones(shape)
        largest, relative = self._relative
        for axis, size in zip(self.axes, relative, strict=True):
            rows, columns = axis.terms(points), axis.terms(others)
            straight = rows[:, axis.is_main] @ columns[:, axis.is_main].T
            waves = rows[:, ~axis.is_main] @ columns[:, ~axis.is_main].T
            either = size * (straight + _CURVED * waves)
            lines += straight
            curved += size**2 * waves
            pairs += sized * either
            sized += either
            together *= 1 + either
        outside = np.array([[p.outside == o.outside != "" for o in others] for p in points])
        rest = _REST**2 * (together - 1 - sized - pairs)
        bent = _BEND**2 * (self._bends(points).T @ self._bends(others))
        free = self.wide * (lines + _OUTSIDE * outside) + largest**2 * bent
        return np.stack([free, largest**2 * curved, largest**2 * (pairs + rest)])

    @property
    def _relative(self) -> tuple[float, np.ndarray]:
        """The largest size, and all over it, none too small."""
        squares = self.sizes**2
        sizes = np.sqrt(squares + _LEAST_SIZE**2 * squares.mean()) if len(squares) else squares
        largest = max(float(sizes.max(initial=0.0)), np.finfo(np.float64).tiny)
        return largest, sizes / largest

    def _bends(self, points: Sequence[Combination]) -> np.ndarray:
        """float64 [bends, points]: what the sum of those that help, and of those that hurt, falls
        short of itself where it approaches a ceiling, each ceiling as likely as the others."""
        totals = np.zeros((2, len(points)))
        for axis, size in zip(self.axes, self.sizes / self._relative[0], strict=True):
            strength = np.abs(axis.terms(points)[:, axis.is_main]).sum(axis=1)
            totals[int(size < 0)] += abs(size) * strength
        short = [totals + ceiling * np.expm1(-totals / ceiling) for ceiling in _CEILINGS]
        return np.concatenate(short) / np.sqrt(len(_CEILINGS))


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
    """What searched settings differ by from no augmentation (root mean square); in a stage without
    it as it is now, from the first training."""
    bases: dict[str, float] = {}
    for row, stage in enumerate(measured.stages):
        if points[row] == NOTHING or stage not in bases:
            bases[stage] = float(measured.scores[row])
    effects = [
        score - bases[stage]
        for score, stage, point in zip(measured.scores, measured.stages, points, strict=True)
        if stage in bases and point != NOTHING and not point.outside
    ]
    return float(np.sqrt(np.mean(np.square(effects)))) if effects else 0.0


def _proportions(
    scores: np.ndarray, fixed: np.ndarray, blocks: np.ndarray, base: np.ndarray
) -> np.ndarray:
    """float64 [2]: squares of the proportions of curvature and of what goes together, averaged over
    what is likely beforehand and by the trainings."""
    grid = np.array(list(product(_PROPORTIONS, repeat=len(blocks))))
    beforehand = -((np.log(grid / _USUAL) / _DOUBT) ** 2).sum(axis=1) / 2
    logs = _log_likelihoods(fixed + np.tensordot(grid**2, blocks, axes=1), base, scores)
    shares = np.exp(logs + beforehand - (logs + beforehand).max())
    return shares @ grid**2 / shares.sum()


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
