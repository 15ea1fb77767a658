"""Whether two ways to compute features would lead heads to the same answers.

A network in 8-bit integers moves single features by a sixth, and the same pictures are still told
apart by the same sums of them. So features are judged by what a linear head makes of them: ridge
regression on the classes, trained on either, scored on pictures that it has not seen.
"""

import numpy as np

FOLDS = 5
RIDGE = 0.1  # times the mean square of a picture's features


def head_agreement(
    features: np.ndarray, reference: np.ndarray, labels: np.ndarray, pictures: np.ndarray
) -> float:
    """The squared correlation, 0 to 1, of the scores that heads on either give to pictures that
    they have not seen; nan where the scores do not vary.

    features, reference: [n, d]; labels: int [n]; pictures: int [n], the same number for rows of one
    photograph, which are left out together.
    """
    fold = pictures % FOLDS
    ours, theirs = (
        _scores(each.astype(np.float64), labels, fold) for each in (features, reference)
    )
    ours, theirs = (each - each.mean(axis=0) for each in (ours, theirs))
    scale = (ours**2).sum() * (theirs**2).sum()
    return float((ours * theirs).sum() ** 2 / scale) if scale > 0 else float("nan")


def _scores(features: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """[n, classes]: of each row, by ridge regression on the rows of the other folds (in its dual
    form, since there are fewer rows than features)."""
    wanted = np.eye(labels.max() + 1)[labels]
    scores = np.zeros_like(wanted)
    for number in range(FOLDS):
        held_out = fold == number
        centre, level = features[~held_out].mean(axis=0), wanted[~held_out].mean(axis=0)
        known = features[~held_out] - centre
        products = known @ known.T
        penalty = RIDGE * np.trace(products) / len(products) + np.finfo(np.float32).tiny
        duals = np.linalg.solve(
            products + penalty * np.eye(len(products)), wanted[~held_out] - level
        )
        scores[held_out] = (features[held_out] - centre) @ known.T @ duals + level
    return scores
