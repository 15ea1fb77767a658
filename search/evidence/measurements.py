"""All trainings of a search, reduced to what intervals are made of.

A training becomes its score, the covariance of that score with every other training's over images
(or groups of them), and the luck of its heads. The luck is estimated from all trainings together.
What is claimed from them is in `intervals`, `curves` and `answer`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from search.evidence.evaluation import paired_difference, per_image, true_labels
from search.evidence.spread import assumed_head_variance, head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES
from search.experiment.trial import Objective

MOST_UNITS = 8192  # beyond, images are summed in bundles: memory stays flat
_WILD = 0.001
_SMALLEST_STRATUM = 5  # classes with fewer images are centred together


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
class Measurements:
    """What T trainings measured, all on the same images. More is better.

    stages: which trainings share folds and head seeds; only inside a stage does their common luck
    cancel. scores: float64 [T]. image_cov: float64 [T, T], of the scores as images are drawn again.
    image_df: units less strata. single: float64 [T], what one image more would add whose answer
    changed: no change among few images is no certainty (after Agresti and Min 2005).
    """

    names: tuple[str, ...]
    stages: tuple[str, ...]
    scores: np.ndarray
    image_cov: np.ndarray
    image_df: float
    luck: Luck
    single: np.ndarray
    bounds: tuple[float, float]

    def stage_columns(self) -> np.ndarray:
        """float64 [T, stages]: 1 where a training is of a stage."""
        kinds = sorted(set(self.stages))
        return np.array([[float(stage == kind) for kind in kinds] for stage in self.stages])

    def contrast(self, more: str, less: str) -> np.ndarray:
        """float64 [T]: weights of one training less another of the same stage."""
        first, second = self.names.index(more), self.names.index(less)
        if self.stages[first] != self.stages[second]:
            raise ValueError(
                f"{more} and {less} are of two stages: they share neither folds nor seeds"
            )
        weights = np.zeros(len(self.names))
        weights[first] += 1.0
        weights[second] -= 1.0
        return weights


@dataclass(frozen=True)
class Training:
    """One training's answers. stage: names those it shares folds and head seeds with."""

    name: str
    stage: str
    predictions: Predictions


@dataclass(frozen=True)
class _Reduced:
    """parts: float64 [units]; heads: float64 [seeds, folds]; noise: of the score; see `Luck`."""

    score: float
    parts: np.ndarray
    heads: np.ndarray
    noise: float | None
    weights: np.ndarray


def measure(
    trainings: Iterable[Training],
    labels: np.ndarray,
    objective: Objective,
    groups: np.ndarray | None = None,
) -> Measurements:
    """Reduces trainings one at a time; an iterator is read once.

    labels, groups: of the whole Dataset; groups: int, images of one are resampled together.
    Raises ValueError where trainings scored different images, or those of a stage in other folds
    or with other numbers of seeds.
    """
    names, stages, reduced = [], [], []
    firsts: dict[str, Predictions] = {}
    units: _Units | None = None
    for training in trainings:
        found = training.predictions
        units = units or _Units.of(found, labels, groups)
        if not np.array_equal(units.images, found.images):
            raise ValueError(f"training {training.name} scored other images than the first")
        first = firsts.get(training.stage)
        firsts.setdefault(training.stage, found)
        names.append(training.name)
        stages.append(training.stage)
        reduced.append(_reduce(found, first, labels, objective, units))
    if units is None:
        raise ValueError("no training to measure")
    parts = np.stack([each.parts for each in reduced])
    sizes = np.array([len(each.heads) for each in reduced])
    changes = OBJECTIVES[objective].changes(labels[units.images])
    return Measurements(
        names=tuple(names),
        stages=tuple(stages),
        scores=np.array([each.score for each in reduced]),
        image_cov=parts @ parts.T,
        image_df=float(units.df),
        luck=_luck(stages, reduced, _assumed(next(iter(firsts.values())), labels, objective)),
        single=float((changes**2).mean()) / units.count**2 / sizes / 2,
        bounds=OBJECTIVES[objective].bounds,
    )


@dataclass(frozen=True)
class _Units:
    """What is drawn again: images, groups, or bundles of either.

    stratum: int [n]; unit: int [n]; scale: float64 [n], which mends that m units vary about their
    own mean by (m-1)/m. count: images or groups, before they are bundled.
    """

    images: np.ndarray
    stratum: np.ndarray
    unit: np.ndarray
    scale: np.ndarray
    df: int
    count: int

    @classmethod
    def of(
        cls, predictions: Predictions, labels: np.ndarray, groups: np.ndarray | None
    ) -> "_Units":
        true = true_labels(predictions, labels)
        counts = np.bincount(true)
        small = (counts > 0) & (counts < _SMALLEST_STRATUM)
        if 0 < counts[small].sum() < _SMALLEST_STRATUM < len(true):
            small[np.where(small | (counts == 0), len(true) + 1, counts).argmin()] = True
        codes = np.where(small, len(counts), np.arange(len(counts)))[true]
        stratum = np.unique(codes, return_inverse=True)[1]
        which = np.arange(len(true)) if groups is None else groups[predictions.images]
        distinct, codes = np.unique(which, return_inverse=True)
        unit = codes % MOST_UNITS
        pairs = np.unique(np.stack([stratum, unit]), axis=1)
        members = np.bincount(pairs[0])
        scale = np.sqrt(members / np.maximum(members - 1, 1))[stratum]
        df = max(len(np.unique(unit)) - len(members), 1)
        return cls(predictions.images, stratum, unit, scale, df, len(distinct))

    def parts(self, values: np.ndarray) -> np.ndarray:
        """float64 [units]: each unit's share in the mean of `values` [n], about its stratum's."""
        means = np.bincount(self.stratum, weights=values) / np.bincount(self.stratum)
        centred = (values - means[self.stratum]) * self.scale
        return np.bincount(self.unit, weights=centred) / len(values)


def _reduce(
    found: Predictions,
    first: Predictions | None,
    labels: np.ndarray,
    objective: Objective,
    units: _Units,
) -> _Reduced:
    values = per_image(found, labels, objective)
    codes = np.unique(found.fold, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    heads = np.stack([np.bincount(codes, weights=row) for row in values]) / sizes
    noise = None
    if first is not None:
        difference = paired_difference(found, first, labels, objective)
        noise = head_errors(difference, found.fold, found.groups).image_noise / 2
    mean = values.mean(axis=0)
    return _Reduced(float(mean.mean()), units.parts(mean), heads, noise, sizes / sizes.sum())


def _assumed(first: Predictions, labels: np.ndarray, objective: Objective) -> float:
    """The variance of a single head, where none was seen twice."""
    return assumed_head_variance(per_image(first, labels, objective)) / 2


def _luck(stages: list[str], reduced: list[_Reduced], assumed: float) -> Luck:
    """Trainings of a stage and heads of a (seed, fold) as rows and columns: what is left of a
    head's mean beyond its row and its column is its own luck, and noise of its images."""
    count = len(reduced)
    own, noise, df, wild = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count, bool)
    per_head = np.array(
        [float((each.weights**2).sum()) / len(each.heads) for each in reduced]
    )  # a score's share of one head's variance
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


def _wild(trainings: list[_Reduced]) -> np.ndarray:
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


def _own_luck(trainings: list[_Reduced]) -> tuple[np.ndarray, float]:
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
