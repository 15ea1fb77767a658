"""What the luck of heads adds to each training's score, estimated from all trainings of a search
together, as far as they agree."""

from dataclasses import dataclass

import numpy as np

from search.evidence.evaluation import per_image
from search.evidence.spread import assumed_head_variance
from search.experiment.answers import Predictions
from search.experiment.trial import Objective

# What is known of luck before any head was trained counts as this many degrees of freedom.
PRIOR_DF = 2.0
# A setting may ruin some of its heads and not others: how often, beforehand, and how many times the
# others' variance it gives.
_WILD = 0.005
_TIMES = 10.0
_PASSES = 2  # which are wild depends on what the others' luck is


@dataclass(frozen=True)
class Luck:
    """What the luck of heads adds to the variance of each training's score. All float64 [T].

    own: from the heads of its own setting, in all rounds; pooled: from the heads of all trainings
    but the wild, and what was known beforehand, scaled to this one's number of heads. Both hold
    `noise`, the part that resampled images account for already. wild: the probability that its
    setting's heads differ by far more than those of others, so that they alone are believed.
    own_df 0: nothing was seen and `pooled` is assumed. pooled_df 0: it is not in doubt.
    """

    own: np.ndarray
    pooled: np.ndarray
    noise: np.ndarray
    wild: np.ndarray
    own_df: np.ndarray
    pooled_df: float

    @property
    def variance(self) -> np.ndarray:
        mixed = self.wild * self.own + (1 - self.wild) * self.pooled
        return np.maximum(0.0, mixed - self.noise)

    def draws(self, num_draws: int, rng: np.random.Generator) -> np.ndarray:
        """float64 [num_draws, T]: what `variance` may be in truth, as unsure as so few heads leave
        it (scaled inverse chi-square). Noise is known from many images, and taken off each."""
        pooled, own = np.broadcast_to(self.pooled, (num_draws, len(self.pooled))), self.own
        if self.pooled_df:
            pooled = pooled * self.pooled_df / rng.chisquare(self.pooled_df, (num_draws, 1))
            free = self.own_df + PRIOR_DF
            own = own * free / rng.chisquare(free, pooled.shape)
        is_wild = rng.random(pooled.shape) < self.wild
        return np.maximum(0.0, np.where(is_wild, own, pooled) - self.noise)


@dataclass(frozen=True)
class Reduced:
    """parts: float64 [units]; heads: float64 [seeds, folds]; noise: of the score; see `Luck`."""

    score: float
    parts: np.ndarray
    heads: np.ndarray
    noise: float | None
    weights: np.ndarray


def assumed_luck(
    first: Predictions, labels: np.ndarray, objective: Objective, head_spread: float
) -> float:
    """The variance of a single head, before any was seen twice."""
    return assumed_head_variance(per_image(first, labels, objective), head_spread) / 2


def luck_of(stages: list[str], settings: list[str], reduced: list[Reduced], assumed: float) -> Luck:
    """Trainings of a stage and heads of a (seed, fold) as rows and columns: what is left of a
    head's mean beyond its row and its column is its own luck, and noise of its images."""
    # a score's share of one head's variance
    per_head = np.array([float((each.weights**2).sum()) / len(each.heads) for each in reduced])
    own, noise, df, apart = _by_stage(stages, reduced)
    if not df.any():
        none = np.zeros(len(reduced))
        return Luck(own, assumed * per_head, none, none, none, PRIOR_DF)
    noise = float(df @ (noise / per_head) / df.sum()) * per_head
    setting = np.unique(settings, return_inverse=True)[1]
    own_df = np.bincount(setting, df)[setting]
    summed = np.bincount(setting, df * own / per_head)[setting]
    own = summed / np.maximum(own_df, 1e-9) * per_head
    wild = (np.bincount(setting, apart)[setting] > 0).astype(float)
    for _ in range(_PASSES):
        counted = df * (1 - wild)
        seen_df = float(counted.sum())
        seen = float(counted @ (own / per_head)) * per_head
        pooled = (seen + PRIOR_DF * (noise + assumed * per_head)) / (seen_df + PRIOR_DF)
        least = np.maximum(pooled, np.finfo(np.float64).tiny)
        wild = np.where(own_df > 0, _wild(np.minimum(own / least, _TIMES**3), own_df), 0.0)
    return Luck(own, pooled, noise, wild, own_df, seen_df + PRIOR_DF)


def _by_stage(
    stages: list[str], reduced: list[Reduced]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each training the variance of its score from its own heads, the noise in it, its degrees
    of freedom, and whether it is apart; all 0 where it is alone in its stage."""
    own, noise, df, apart = (np.zeros(len(reduced)) for _ in range(4))
    for stage in sorted(set(stages)):
        rows = np.array([index for index, each in enumerate(stages) if each == stage])
        if len(rows) > 1:
            trainings = [reduced[row] for row in rows]
            own[rows], df[rows], apart[rows] = _stage_luck(trainings)
            told = [each.noise for each in trainings if each.noise is not None]
            noise[rows] = float(np.mean(told))
    return own, noise, df, apart


def _wild(ratios: np.ndarray, df: np.ndarray) -> np.ndarray:
    """float64: how likely heads are wild whose variance is `ratios` times the others'."""
    odds = df / 2 * (ratios * (1 - 1 / _TIMES) - np.log(_TIMES))  # the logarithm, by chi-squares
    return 1 / (1 + (1 - _WILD) / _WILD * np.exp(-np.minimum(odds, 500.0)))


def _stage_luck(trainings: list[Reduced]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each training of a stage: the variance of its score from its heads, noise of images
    included, and its df; and which differ so much that the others are told without them."""
    apart = _apart(trainings)
    tame = [each for each, out in zip(trainings, apart, strict=True) if not out]
    found, free = _own_luck(tame)
    own, df = np.zeros(len(trainings)), np.full(len(trainings), free)
    own[~apart] = found
    for row in np.flatnonzero(apart):
        own[row] = _own_luck([*tame, trainings[row]])[0][-1]
    return own, df, apart


def _apart(trainings: list[Reduced]) -> np.ndarray:
    """bool [trainings]: that are wild, more likely than not, by the median of all."""
    from scipy.special import chdtri  # half a second to import

    heads = np.stack([each.heads for each in trainings])
    weights = trainings[0].weights
    count, seeds, folds = heads.shape
    df = (seeds - 1) * folds if seeds > 1 else folds - 1
    if count < 4 or not df:
        return np.zeros(count, bool)
    own = heads.mean(axis=1, keepdims=True) if seeds > 1 else (heads @ weights)[..., None]
    left = heads - own
    left -= np.median(left, axis=0)
    squares = (weights**2 * left**2).sum(axis=(1, 2))
    typical = max(float(np.median(squares)), np.finfo(np.float64).tiny)
    return _wild(squares / typical * float(chdtri(df, 0.5)) / df, np.full(count, df)) > 0.5


def _own_luck(trainings: list[Reduced]) -> tuple[np.ndarray, float]:
    """Variance of each one's score from its heads, noise of images included; df of each."""
    heads = np.stack([each.heads for each in trainings])
    weights = trainings[0].weights
    count, seeds, folds = heads.shape
    by_training = count / (count - 1)
    if seeds > 1:
        left = heads - heads.mean(axis=1, keepdims=True)
        left -= left.mean(axis=0)
        squares = (weights**2 * (left**2).sum(axis=1)).sum(axis=1) / seeds / (seeds - 1)
        return squares * by_training, (seeds - 1) * folds / by_training
    if folds > 1:
        left = heads[:, 0] - (heads[:, 0] @ weights)[:, None]
        left -= left.mean(axis=0)
        squares = (weights**2 * left**2).sum(axis=1) * folds / (folds - 1)
        return squares * by_training, (folds - 1) / by_training
    return np.zeros(count), 0.0
