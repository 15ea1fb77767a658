"""Whether a head's answers go with the classes beyond luck, however many images each class has:
what a share of right answers does not tell of few images, or where one class is nearly all.
"""

import numpy as np

MOST_LUCK = 4.0  # standard errors: the best of a hundred epochs is within 3
LEAST_LOSS = 0.97  # of the best constant answer's log-loss: a head below it has learnt something
_LEAST_VARIANCE = 1e-12  # less is rounding
_ROUNDING = 1e-5  # of a probability


def is_beyond_luck(predicted: np.ndarray, log_prob: np.ndarray, labels: np.ndarray) -> bool:
    """predicted, labels: int [v]; log_prob: of the true class, float [v]. By which are right or, of
    two classes, by their order, whatever the answers are calibrated to."""
    found = max(_standard_errors(predicted, labels), _order(log_prob, labels))
    return found > MOST_LUCK


def is_evenly_lower(log_prob: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the log-loss, all classes counted alike, is below that of one answer to all."""
    counts = np.bincount(labels)
    there, sums = counts > 0, np.bincount(labels, log_prob)
    balanced = -float((sums[there] / counts[there]).mean())
    return balanced < LEAST_LOSS * float(np.log(there.sum()))


def _order(log_prob: np.ndarray, labels: np.ndarray) -> float:
    """By how many standard errors the images of one of two classes are given more of it than those
    of the other, beyond chance (Mann and Whitney 1947); 0 of more classes. What differs by rounding
    is even."""
    classes, which = np.unique(labels, return_inverse=True)
    if len(classes) != 2:
        return 0.0
    given = np.exp(log_prob.astype(np.float64))
    ours, theirs = given[which == 1], np.sort(1 - given[which == 0])
    below = np.searchsorted(theirs, ours - _ROUNDING, side="left")
    even = np.searchsorted(theirs, ours + _ROUNDING, side="right") - below
    above = float((below + even / 2).mean()) / len(theirs)
    pairs = 12 * len(ours) * len(theirs)
    return (above - 0.5) / float(np.sqrt((len(labels) + 1) / pairs))


def _standard_errors(predicted: np.ndarray, labels: np.ndarray) -> float:
    """By how many more answers are right than if the same were dealt to the images by chance; 0
    where all are of one class, whatever its share."""
    count, size = len(labels), 1 + max(predicted.max(), labels.max())
    given, true = (np.bincount(each, minlength=size) / count for each in (predicted, labels))
    by_chance = float(given @ true)
    variance = by_chance + by_chance**2 - float(given @ true**2 + true @ given**2)
    if count < 2 or variance < _LEAST_VARIANCE:
        return 0.0
    more = float((predicted == labels).mean()) - by_chance
    return more / float(np.sqrt(variance / (count - 1)))
