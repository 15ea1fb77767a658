"""Plain figures that the page shows: a confusion matrix, an interval of one accuracy, how far two
rankings agree."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, spearmanr

from data.groups import effective_size
from search.experiment.answers import Predictions
from search.experiment.objectives import SHOWN_ANYWAY
from search.experiment.trial import TrialResult

FEWEST = 3  # settings below which a rank correlation says nothing


def confusion_matrix(
    predictions: Predictions, labels: np.ndarray, num_classes: int, kept: int
) -> tuple[tuple[int, ...], ...]:
    """Images as the model of the seed `kept` answers them; rows are true classes, columns the
    classes given."""
    pairs = labels[predictions.images].astype(np.int64) * num_classes + predictions.predicted[kept]
    counts = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return tuple(tuple(row) for row in counts.tolist())


def independent_images(predictions: Predictions, labels: np.ndarray) -> float:
    """How many images that have nothing in common tell an accuracy as well as these.

    Without groups, all. Else by the design effect, the variance of a mean of groups over that of
    single images (Kish 1965), but no fewer than if those of a group were always answered alike.
    labels: int [images of the Dataset].
    """
    groups, count = predictions.groups, len(predictions.images)
    if groups is None:
        return float(count)
    right = (predictions.predicted == labels[predictions.images]).mean(axis=0)
    off = right - right.mean()
    number = np.unique(groups, return_inverse=True)[1]
    of_groups = np.bincount(number, weights=off)
    num_groups = len(of_groups)
    if num_groups < 2 or not off.any():
        return effective_size(groups)
    design = float(of_groups @ of_groups / (off @ off)) * num_groups / (num_groups - 1)
    return float(np.clip(count / design if design else count, effective_size(groups), count))


def wilson_interval(accuracy: float, num_images: float) -> tuple[float, float]:
    """Wilson's score interval (1927), at 95 %, for an accuracy measured on `num_images` images,
    which have nothing in common (`independent_images`)."""
    z = norm.ppf(0.975)
    centre = (accuracy + z**2 / (2 * num_images)) / (1 + z**2 / num_images)
    half = (
        z
        / (1 + z**2 / num_images)
        * np.sqrt(accuracy * (1 - accuracy) / num_images + z**2 / (4 * num_images**2))
    )
    low, high = float(centre - half), float(centre + half)
    # rounding leads a hair beyond
    return max(0.0, min(low, accuracy)), min(1.0, max(high, accuracy))


def accuracy_of(
    result: TrialResult | None, num_images: float, optimistic: bool = False
) -> tuple[float, tuple[float, float]] | None:
    """A trial's accuracy with its interval; None where it has none.

    num_images: scored, where the result does not say how many that have nothing in common.
    optimistic: of `optimistic_metrics`.
    """
    if result is None:
        return None
    accuracy = (result.optimistic_metrics if optimistic else result.metrics).get(SHOWN_ANYWAY)
    if accuracy is None:
        return None
    return accuracy, wilson_interval(accuracy, result.num_independent or num_images)


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs, or where all scores on a side
    tie."""
    if len(first) < FEWEST or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(spearmanr(first, second).statistic)
