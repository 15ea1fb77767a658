"""Effect against strength, read from every training of a search.

What a setting does is taken apart: for each augmentation a main effect with curvature, for each two
that are seen together a pair effect, for three or more together what is left. How large curvature,
pairs and rest are is estimated from the trainings (restricted likelihood) and shrinks them; main
effects are left as they are. Every figure is then a contrast of all trainings, weighted, whose
error `intervals` knows: images and heads as measured, and what the model may still get wrong.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from math import pi
from typing import Any

import numpy as np

from search.evidence.intervals import Contrasts, ratios_by_luck, standard_errors
from search.evidence.measurements import Measurements

_WAVES = 4  # of a curve's departure from a straight line; smoother ones are likelier
_SCALES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # of curvature, pairs and rest, over an effect's error
_WIDE = 3.0  # main effects may be this many times what the settings tried differed by


@dataclass(frozen=True)
class Axis:
    """One searched augmentation. values: those a curve shows, the one that changes nothing first.

    places: each value's distance from changing nothing, 0 to 1; None where values are levels
    without order (pairs, names).
    """

    name: str
    values: tuple[Any, ...]
    places: tuple[float, ...] | None = None

    @classmethod
    def of_numbers(cls, name: str, values: Iterable[float], identity: float = 0.0) -> "Axis":
        """Of numbers searched, at their distance from the one that changes nothing."""
        ordered = sorted({*values} - {identity}, key=lambda value: abs(value - identity))
        most = abs(ordered[-1] - identity)
        places = (0.0, *(abs(value - identity) / most for value in ordered))
        return cls(name, (identity, *ordered), places)

    def terms(self, value: Any) -> np.ndarray:
        """float64 [terms]: what the value counts in each of the axis's effects."""
        if self.places is None:
            return np.array([float(value == level) for level in self.values[1:]])
        place = self.place(value)
        waves = np.arange(1, _WAVES + 1)
        return np.concatenate([[place], np.sin(pi * waves * place) / waves**2])

    @property
    def is_main(self) -> np.ndarray:
        """bool [terms]: straight lines and levels, which are not shrunk."""
        if self.places is None:
            return np.ones(len(self.values) - 1, bool)
        return np.arange(_WAVES + 1) == 0

    def place(self, value: Any) -> float:
        """0 where nothing is changed, 1 at the strongest value searched, 1 for every level."""
        if self.places is None:
            return float(value != self.values[0])
        far = abs(self.values[-1] - self.values[0])
        return abs(value - self.values[0]) / far


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
    """A fitted one. weights: float64 [features, T], from scores to features; misfit: float64
    [features, features], the root of what is left unknown of them, transposed."""

    axes: tuple[Axis, ...]
    features: Callable[[Combination], np.ndarray] = field(repr=False)
    weights: np.ndarray
    misfit: np.ndarray

    def contrasts(self, pairs: Sequence[tuple[Combination, Combination]]) -> Contrasts:
        """Of each pair, the first setting's effect less the second's."""
        known = {point: self.features(point) for pair in pairs for point in pair}
        asked = np.stack([known[more] - known[less] for more, less in pairs])
        left = asked @ self.misfit
        return Contrasts(asked @ self.weights, left @ left.T)

    def effects(self, points: Sequence[Combination], scores: np.ndarray) -> np.ndarray:
        """float64 [points]: against no augmentation, without intervals."""
        base = self.features(NOTHING)
        asked = np.stack([self.features(point) - base for point in points])
        return asked @ self.weights @ scores


def fit(
    measured: Measurements,
    axes: Sequence[Axis],
    points: Sequence[Combination],
    asked: Sequence[Combination] = (),
) -> Model:
    """points: the setting of each training, in their order. asked: settings not among them that
    will be asked about.

    Trainings of several stages are put together by an intercept of each stage: only differences
    inside a stage count.
    """
    basis = _Basis.of(axes, [*points, *asked])
    rows = np.stack([basis.features(point) for point in points])
    noise = _noise(measured)
    base = measured.stage_columns()
    unit = _typical_error(noise)
    wide = _WIDE * max(_spread(measured, points), unit)
    scales = _estimate_scales(measured.scores, rows, base, noise, basis, wide, unit)
    prior = basis.prior(wide, unit * scales)
    solved = _projected(rows * prior @ rows.T + noise, base)
    weights = (prior[:, None] * rows.T) @ solved
    misfit = (weights @ rows - np.eye(len(prior))) * np.sqrt(prior)
    return Model(tuple(axes), basis.features, weights, misfit)


@dataclass(frozen=True)
class _Basis:
    """The features of settings. kinds: int [features]: 0 main, 1 curvature, 2 pair, 3 rest."""

    axes: tuple[Axis, ...]
    pairs: tuple[tuple[str, str], ...]
    rests: tuple[Combination, ...]
    outsiders: tuple[str, ...]
    kinds: np.ndarray

    @classmethod
    def of(cls, axes: Sequence[Axis], points: Sequence[Combination]) -> "_Basis":
        seen = {tuple(sorted(pair)) for p in points for pair in combinations(dict(p.values), 2)}
        pairs = tuple(sorted((first, second) for first, second in seen))
        rests = tuple(dict.fromkeys(p for p in points if len(p.values) > 2))
        outsiders = tuple(sorted({p.outside for p in points} - {""}))
        mains = np.concatenate([np.where(axis.is_main, 0, 1) for axis in axes])
        numbers = (len(outsiders), len(pairs), len(rests))
        kinds = np.concatenate([mains, np.repeat((0, 2, 3), numbers)])
        return cls(tuple(axes), pairs, rests, outsiders, kinds)

    def features(self, point: Combination) -> np.ndarray:
        values = dict(point.values)
        terms = [axis.terms(values.get(axis.name, axis.values[0])) for axis in self.axes]
        places = {
            axis.name: axis.place(values.get(axis.name, axis.values[0])) for axis in self.axes
        }
        outside = [float(point.outside == name) for name in self.outsiders]
        pairs = [places[first] * places[second] for first, second in self.pairs]
        rests = [float(point == rest) for rest in self.rests]
        return np.concatenate([*terms, outside, pairs, rests])

    def prior(self, wide: float, scales: np.ndarray) -> np.ndarray:
        """float64 [features]: variances."""
        return np.concatenate([[wide], scales])[self.kinds] ** 2


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
    """What settings differ by from no augmentation of the same stage (root mean square)."""
    bases = {
        stage: float(measured.scores[row])
        for row, stage in enumerate(measured.stages)
        if points[row] == NOTHING
    }
    effects = [
        score - bases[stage]
        for score, stage, point in zip(measured.scores, measured.stages, points, strict=True)
        if stage in bases and point != NOTHING
    ]
    return float(np.sqrt(np.mean(np.square(effects)))) if effects else 0.0


def _estimate_scales(
    scores: np.ndarray,
    rows: np.ndarray,
    base: np.ndarray,
    noise: np.ndarray,
    basis: _Basis,
    wide: float,
    unit: float,
) -> np.ndarray:
    """float64 [3], in `unit`s: sizes of curvature, pairs and rest, their squares averaged over a
    grid by restricted likelihood. An average, because the likeliest is too often nought."""
    used = [bool((basis.kinds == kind).any()) for kind in (1, 2, 3)]
    grid = np.array(list(product(*(_SCALES if each else (0.0,) for each in used))))
    blocks = [(rows[:, basis.kinds == kind]) @ rows[:, basis.kinds == kind].T for kind in range(4)]
    fixed = noise + wide**2 * blocks[0]
    squares = (unit * grid) ** 2
    stacked = fixed + np.tensordot(squares, np.stack(blocks[1:]), axes=1)
    logs = _log_likelihoods(stacked, base, scores)
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

    best, sensible: indices of the axis's values: the best as estimated; the smallest strength
    estimated within one standard error of it. first, last: ends of the range, among values.
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
    effects = np.array([0.0, *(-gains[1:, 0])])
    best = int(effects.argmax())
    errors = standard_errors(measured, model.contrasts([(points[best], point) for point in points]))
    near = [i for i in range(count) if effects[best] - effects[i] <= errors[i] and kept[i]]
    on = [index for index in near if index > 0] if best > 0 else near
    within = [*np.flatnonzero(kept), best]
    return Strengths(best, min(on, default=best), int(min(within)), int(max(within)))


def propose(measured: Measurements, model: Model) -> Combination:
    """The setting the model expects most of, an augmentation at a time until none gains.

    Each is set to the smallest strength expected within one standard error of its best, and left
    out where leaving it out is expected to be no worse.
    """
    found = NOTHING
    for _ in range(4):
        before = found
        for axis in model.axes:
            points = [found.having(axis.name, value, axis.values[0]) for value in axis.values]
            effects = model.effects(points, measured.scores)
            best = int(effects.argmax())
            errors = standard_errors(
                measured, model.contrasts([(points[best], point) for point in points])
            )
            near = np.flatnonzero(effects[best] - effects <= errors)
            smallest = min((int(i) for i in near if i > 0), default=best)
            found = points[smallest if best > 0 else 0]
        if found == before:
            break
    return found
