"""What the luck of heads adds to each training's score, estimated from all trainings of a search
together, as far as they agree."""

from dataclasses import dataclass

import numpy as np

from search.evidence.evaluation import per_image
from search.evidence.spread import assumed_head_variance
from search.experiment.answers import Predictions
from search.experiment.trial import Objective

_WILD = 0.001


@dataclass(frozen=True)
class Luck:
    """What the luck of heads adds to the variance of each training's score. All float64 [T].

    own: from the training's own heads; pooled: from the heads of all trainings but the wild,
    scaled to this one's number of heads. Both hold `noise`, the part that resampled images account
    for already. own_share: how far `own` is believed: 0 where trainings differ in luck no more than
    so few heads must, 1 of a wild training. pooled_df 0: nothing was seen and `pooled` is assumed.
    """

    own: np.ndarray
    pooled: np.ndarray
    noise: np.ndarray
    own_share: np.ndarray
    own_df: float
    pooled_df: float

    @property
    def variance(self) -> np.ndarray:
        return self._believed(self.own, self.pooled)

    def draws(self, num_draws: int, rng: np.random.Generator) -> np.ndarray:
        """float64 [num_draws, T]: what so few heads might have given for `variance`."""
        pooled = np.broadcast_to(self.pooled, (num_draws, len(self.pooled)))
        own = np.zeros(1)
        if self.pooled_df:
            free = self.pooled_df
            pooled = pooled * (rng.chisquare(free, num_draws) / free)[:, None]
        if self.own_share.any():
            shape = (num_draws, len(self.own))
            centre = self.own_share * self.own + (1 - self.own_share) * self.pooled
            own = centre * rng.chisquare(self.own_df, shape) / self.own_df
        return self._believed(own, pooled)

    def _believed(self, own: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        mixed = self.own_share * own + (1 - self.own_share) * pooled
        return np.maximum(0.0, mixed - self.noise)


@dataclass(frozen=True)
class Reduced:
    """parts: float64 [units]; heads: float64 [seeds, folds]; noise: of the score; see `Luck`."""

    score: float
    parts: np.ndarray
    heads: np.ndarray
    noise: float | None
    weights: np.ndarray


def assumed_luck(first: Predictions, labels: np.ndarray, objective: Objective) -> float:
    """The variance of a single head, where none was seen twice."""
    return assumed_head_variance(per_image(first, labels, objective)) / 2


def luck_of(stages: list[str], reduced: list[Reduced], assumed: float) -> Luck:
    """Trainings of a stage and heads of a (seed, fold) as rows and columns: what is left of a
    head's mean beyond its row and its column is its own luck, and noise of its images."""
    count = len(reduced)
    own, noise, df, wild = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count, bool)
    # a score's share of one head's variance
    per_head = np.array([float((each.weights**2).sum()) / len(each.heads) for each in reduced])
    for stage in sorted(set(stages)):
        rows = np.array([index for index, each in enumerate(stages) if each == stage])
        if len(rows) > 1:
            wild[rows] = _wild([reduced[row] for row in rows])
            tame = rows[~wild[rows]]
            own[tame], df[tame] = _own_luck([reduced[row] for row in tame])
            for row in rows[wild[rows]]:
                own[row] = _own_luck([reduced[each] for each in (*tame, row)])[0][-1]
            seen = [value for row in rows if (value := reduced[row].noise) is not None]
            noise[rows] = float(np.mean(seen))
    if not df.any():
        none = np.zeros(count)
        return Luck(own, assumed * per_head, none, none, 0.0, 0.0)
    pooled = float(df @ (own / per_head) / df.sum()) * per_head
    noise = float(df @ (noise / per_head) / df.sum()) * per_head
    own = np.where((df > 0) | wild, own, pooled)
    typical = float(np.median(df[df > 0]))
    share = _own_share(own[df > 0] / pooled[df > 0], typical) if pooled.any() else 0.0
    return Luck(own, pooled, noise, np.where(wild, 1.0, share), typical, float(df.sum()))


def _wild(trainings: list[Reduced]) -> np.ndarray:
    """bool [trainings]: whose heads differ by far more than most trainings' do, as where a setting
    ruins some and not others. In one of 1000 searches where all have the same luck."""
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
    most = float(chdtri(df, _WILD / count) / chdtri(df, 0.5))
    return squares > most * np.median(squares)


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


def _own_share(ratios: np.ndarray, df: float) -> float:
    """How far each training's own mean square is believed beside the pooled one: the share of its
    scatter that its few heads do not explain (moments; Smyth 2004 has the prior)."""
    if len(ratios) < 4:
        return 0.0
    by_chance = 2 / df
    beyond = max(0.0, float(ratios.var(ddof=1)) - by_chance) / (1 + by_chance)
    prior_df = 4 + 2 / beyond if beyond else np.inf
    return float(df / (df + prior_df))
