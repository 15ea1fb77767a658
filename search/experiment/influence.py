"""Figures of a set of answers that are no means: macro-F1 and AUC. Each is given as itself and as
parts, one per image, whose mean it is: itself plus the image's influence on it (Hampel 1974), by
which it varies as images do.
"""

import numpy as np


def macro_f1(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean F1 of the classes that have an image here: of each 2 r / (t + p), r images rightly given
    the class, t of it, p given it. predicted, true: int [n]. 0 without images."""
    if not len(true):
        return 0.0
    _, f1, present = _f1(predicted, true)
    return float(f1[present].mean())


def f1_parts(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64 [..., n] of answers int [..., n]. By the delta method: an image of class t given p
    moves F1_t by (2 [t = p] - F1_t) n / (t + p) and F1_p by -F1_p n / (t + p), each class with its
    own t + p.
    """
    rows = [_f1_parts(row, true) for row in predicted.reshape(-1, len(true))]
    return np.array(rows, np.float64).reshape(predicted.shape)


def _f1_parts(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    both, f1, present = _f1(predicted, true)
    as_given = np.where(present[predicted], f1[predicted] / both[predicted], 0.0)
    moved = (2.0 * (predicted == true) - f1[true]) / both[true] - as_given
    parts: np.ndarray = f1[present].mean() + len(true) / present.sum() * moved
    return parts


def _f1(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each class: images of it and given it, its F1, and whether it has an image."""
    classes = int(max(predicted.max(), true.max())) + 1
    right = np.bincount(true[predicted == true], minlength=classes)
    of_it = np.bincount(true, minlength=classes)
    both = np.maximum(of_it + np.bincount(predicted, minlength=classes), 1)
    return both, 2 * right / both, of_it > 0


def f1_flip(true: np.ndarray) -> np.ndarray:
    """float64 [n]: by how much a part changes where one of all right answers becomes wrong, by any
    other class."""
    counts = np.bincount(true)
    present = counts > 0
    moved = np.where(present, len(true) / (2 * np.maximum(counts, 1)), 0.0)
    others = (moved.sum() - moved) / max(present.sum() - 1, 1)
    flips: np.ndarray = ((moved + others) / present.sum())[true]
    return flips


def macro_auc(scores: np.ndarray, true: np.ndarray) -> float:
    """Mean over classes of the area under the ROC curve of one against the rest: how often an image
    of the class has a higher score for it than another image has, ties counting half. scores: float
    [n, classes], true: int [n]. Of those classes that have images here and are not all; 0.5 without
    one.
    """
    areas = [of_it.mean() for _, of_it, _ in _components(scores, true)]
    return float(np.mean(areas)) if areas else 0.5


def auc_parts(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64 [..., n] of scores [..., n, classes]. Each image's share of pairs won, as DeLong,
    DeLong and Clarke-Pearson (1988) have it; of an image of a class it moves AUC by n / t times its
    distance from AUC, of others by n / (n - t), t images of the class.
    """
    rows = [_auc_parts(row, true) for row in scores.reshape(-1, *scores.shape[-2:])]
    return np.array(rows, np.float64).reshape(scores.shape[:-1])


def _auc_parts(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    if np.isnan(scores).any():
        raise ValueError(
            "predictions hold NaN probabilities; such a trial has failed and has no effect"
        )
    parts, count = np.zeros(len(true)), 0
    for is_it, of_it, of_others in _components(scores, true):
        area, share = of_it.mean(), is_it.mean()
        parts[is_it] += area + (of_it - area) / share
        parts[~is_it] += area + (of_others - area) / (1 - share)
        count += 1
    return parts / count if count else np.full(len(true), 0.5)


def _components(
    scores: np.ndarray, true: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each class with images here that are not all: which are of it, bool [n], and the share of
    pairs won by each image of it and by each of the others."""
    found = []
    for label in np.flatnonzero(np.bincount(true)):
        is_it = true == label
        if not is_it.all():
            own, others = scores[is_it, label], scores[~is_it, label]
            found.append((is_it, _beaten(own, others), 1 - _beaten(others, own)))
    return found


def _beaten(values: np.ndarray, rivals: np.ndarray) -> np.ndarray:
    """Share of the rivals that each value exceeds, ties counting half."""
    ranked = np.sort(rivals)
    below, up_to = (np.searchsorted(ranked, values, side) for side in ("left", "right"))
    share: np.ndarray = (below + up_to) / 2 / len(rivals)
    return share


def auc_doubt(true: np.ndarray) -> np.ndarray:
    """float64 [n]: by how much an image's part changes where it loses one more pair, with an image
    of every other class."""
    counts = np.bincount(true)
    others = len(true) - counts
    pair = np.where(counts * others > 0, len(true) / np.maximum(counts * others, 1), 0.0)
    changes: np.ndarray = np.full(len(true), pair.sum() / max(np.count_nonzero(pair), 1))
    return changes
