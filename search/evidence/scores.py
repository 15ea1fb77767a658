"""Plain figures of one set of predictions that the page shows: a confusion matrix, an interval of
one accuracy."""

import numpy as np
from scipy.stats import norm

from search.experiment.answers import Predictions


def confusion_matrix(
    predictions: Predictions, labels: np.ndarray, num_classes: int
) -> tuple[tuple[int, ...], ...]:
    """Images as the first seed's model answers them, which is the one that is kept; rows are true
    classes, columns the classes given."""
    pairs = labels[predictions.images].astype(np.int64) * num_classes + predictions.predicted[0]
    counts = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return tuple(tuple(row) for row in counts.tolist())


def wilson_interval(accuracy: float, num_images: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) for an accuracy measured on `num_images` images, which have
    nothing in common (`Predictions.num_independent`)."""
    z = norm.ppf(0.5 + level / 2)
    centre = (accuracy + z**2 / (2 * num_images)) / (1 + z**2 / num_images)
    half = (
        z
        / (1 + z**2 / num_images)
        * np.sqrt(accuracy * (1 - accuracy) / num_images + z**2 / (4 * num_images**2))
    )
    low, high = float(centre - half), float(centre + half)
    return max(0.0, min(low, accuracy)), min(
        1.0, max(high, accuracy)
    )  # rounding leads a hair beyond
