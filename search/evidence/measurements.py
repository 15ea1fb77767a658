"""All trainings of a search, reduced to what intervals are made of.

A training becomes its score, the covariance of that score with every other training's over images
(or groups of them), and the luck of its heads, which is `luck`'s.
What is claimed from them is in `intervals`, `curves` and `answer`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from search.evidence.evaluation import paired_difference, per_image, true_labels
from search.evidence.luck import Luck, Reduced, assumed_luck, luck_of
from search.evidence.resampling import stratum_of, unit_scale
from search.evidence.spread import ASSUMED_HEAD_SPREAD, head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES
from search.experiment.trial import Objective

MOST_UNITS = 8192  # beyond, images are summed in bundles: memory stays flat


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
    """One training's answers. stage: names those it shares folds and head seeds with. setting:
    names those of the same setting, in any stage; empty: none is."""

    name: str
    stage: str
    predictions: Predictions
    setting: str = ""


def measure(
    trainings: Iterable[Training],
    labels: np.ndarray,
    objective: Objective,
    groups: np.ndarray | None = None,
    head_spread: float = ASSUMED_HEAD_SPREAD,
) -> Measurements:
    """Reduces trainings one at a time; an iterator is read once.

    labels, groups: of the whole Dataset; groups: int, images of one are resampled together.
    head_spread: of a pair of heads, as `ASSUMED_HEAD_SPREAD` is, before any was trained.
    Raises ValueError where trainings scored different images, or those of a stage in other folds
    or with other numbers of seeds.
    """
    names, stages, settings, reduced = [], [], [], []
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
        settings.append(training.setting or training.name)
        reduced.append(_reduce(found, first, labels, objective, units))
    if units is None:
        raise ValueError("no training to measure")
    parts = np.stack([each.parts for each in reduced])
    sizes = np.array([len(each.heads) for each in reduced])
    changes = OBJECTIVES[objective].changes(labels[units.images])
    assumed = assumed_luck(next(iter(firsts.values())), labels, objective, head_spread)
    return Measurements(
        names=tuple(names),
        stages=tuple(stages),
        scores=np.array([each.score for each in reduced]),
        image_cov=parts @ parts.T,
        image_df=float(units.df),
        luck=luck_of(stages, settings, reduced, assumed),
        single=float((changes**2).mean()) / units.count**2 / sizes / 2,
        bounds=OBJECTIVES[objective].bounds,
    )


@dataclass(frozen=True)
class _Units:
    """What is drawn again: images, groups, or bundles of either.

    stratum: int [n]; unit: int [n]; scale: float64 [n], `unit_scale`. count: images or groups,
    before they are bundled.
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
        stratum = np.unique(stratum_of(true), return_inverse=True)[1]
        which = np.arange(len(true)) if groups is None else groups[predictions.images]
        distinct, codes = np.unique(which, return_inverse=True)
        unit = codes % MOST_UNITS
        df = max(len(np.unique(unit)) - len(np.unique(stratum)), 1)
        scale = unit_scale(stratum, unit)
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
) -> Reduced:
    values = per_image(found, labels, objective)
    codes = np.unique(found.fold, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    heads = np.stack([np.bincount(codes, weights=row) for row in values]) / sizes
    noise = None
    if first is not None:
        difference = paired_difference(found, first, labels, objective)
        noise = head_errors(difference, found.fold, found.groups).image_noise / 2
    mean = values.mean(axis=0)
    return Reduced(float(mean.mean()), units.parts(mean), heads, noise, sizes / sizes.sum())
