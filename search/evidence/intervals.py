"""Simultaneous intervals over a declared family of contrasts of trainings.

A contrast is a row of weights over all trainings of a search; its estimate, its standard error and
its correlation with every other follow from `measurements`. One critical value serves the whole
family: the 95th percentile of its largest |t| under the joint distribution (Westfall and Young
1993, single step), so that many contrasts that rise and fall together are not many tests, and
picking any one of them by its result is paid for.
"""

from dataclasses import dataclass

import numpy as np

from search.evidence.measurements import Measurements

POWER = 0.8
NUM_DRAWS = 10_000


@dataclass(frozen=True)
class Contrasts:
    """What is asked. weights: float64 [J, T], rows summing to 0 within each stage.

    model_cov: float64 [J, J], what a model's own error adds to the covariance of the estimates;
    None: nothing, the contrasts are of trainings alone. if_high: bool [J], contrasts that are told
    only where their result is the highest of many, so that only errors upwards are paid for: who
    is chosen for being high errs downwards no more often than any one that is declared.
    """

    weights: np.ndarray
    model_cov: np.ndarray | None = None
    if_high: np.ndarray | None = None


@dataclass(frozen=True)
class Intervals:
    """Of J contrasts, in the objective's units, more being better. All float64 [J].

    critical: what |t| exceeds for any contrast of the family in 5 % of searches; the intervals are
    `effects` -+ critical x `errors`. detectable: the true effect whose interval clears zero 4 times
    in 5.
    """

    effects: np.ndarray
    errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    detectable: np.ndarray
    critical: float


def simultaneous(
    measured: Measurements,
    asked: Contrasts,
    seed: int,
    level: float = 0.95,
    num_draws: int = NUM_DRAWS,
) -> Intervals:
    """Estimates with intervals that hold all their truths together in 95 of 100 searches.

    The luck of heads is known from few of them, and few groups of images tell their own spread
    badly; both are drawn again as unsure as they are (chi-square) when the critical value is found,
    which takes the place of degrees of freedom.
    """
    from scipy.special import ndtri  # half a second to import

    joint = _Joint.of(measured, asked)
    ratios = joint.ratios(measured, num_draws, seed)
    critical = float(np.quantile(_largest(ratios, asked.if_high), level))
    effects = asked.weights @ measured.scores
    errors = joint.errors
    least, most = measured.bounds
    return Intervals(
        effects=effects,
        errors=errors,
        low=np.maximum(effects - critical * errors, least),
        high=np.minimum(effects + critical * errors, most),
        detectable=(critical + float(ndtri(POWER))) * errors,
        critical=critical,
    )


def ratios_by_luck(measured: Measurements, asked: Contrasts, seed: int) -> np.ndarray:
    """float64 [NUM_DRAWS // 4, J]: t of every contrast, signed, were each truly 0."""
    return _Joint.of(measured, asked).ratios(measured, NUM_DRAWS // 4, seed)


def standard_errors(measured: Measurements, asked: Contrasts) -> np.ndarray:
    """float64 [J]."""
    return _Joint.of(measured, asked).errors


@dataclass(frozen=True)
class _Joint:
    """What estimates err by. images, fixed: float64 [J, J], what resampled images give, and what is
    not in doubt; errors: float64 [J], of all together, as estimated."""

    weights: np.ndarray
    images: np.ndarray
    fixed: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(cls, measured: Measurements, asked: Contrasts) -> "_Joint":
        weights = asked.weights
        images = weights @ measured.image_cov @ weights.T
        fixed = (weights * measured.single) @ weights.T
        if asked.model_cov is not None:
            fixed = fixed + asked.model_cov
        heads = weights**2 @ measured.luck.variance
        errors = np.sqrt(np.diag(images) + np.diag(fixed) + heads)
        return cls(weights, images, fixed, errors)

    def ratios(self, measured: Measurements, num_draws: int, seed: int) -> np.ndarray:
        """Luck's variance, and images' where they come in few groups, as they may be in truth, over
        what they were estimated to be."""
        rng = np.random.default_rng(seed)
        by_images = _normal(self.images, num_draws, rng)
        if measured.image_df < 400:
            free = measured.image_df
            by_images = by_images * np.sqrt(free / rng.chisquare(free, by_images.shape))
        lucks = np.sqrt(measured.luck.draws(num_draws, rng))
        by_luck = (rng.standard_normal(lucks.shape) * lucks) @ self.weights.T
        moved = by_images + _normal(self.fixed, num_draws, rng) + by_luck
        return moved / np.maximum(self.errors, np.finfo(np.float64).tiny)


def _normal(covariance: np.ndarray, num_draws: int, rng: np.random.Generator) -> np.ndarray:
    """float64 [num_draws, J]."""
    root = _root(covariance)
    return rng.standard_normal((num_draws, root.shape[1])) @ root.T


def _largest(ratios: np.ndarray, if_high: np.ndarray | None) -> np.ndarray:
    errs = np.abs(ratios)
    return (errs if if_high is None else np.where(if_high, ratios, errs)).max(axis=1)


def _root(covariance: np.ndarray) -> np.ndarray:
    """float64 [J, rank]: times its transpose the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * max(float(values[-1]), 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])
