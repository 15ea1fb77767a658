"""Settings laid out so that every trial tells about every augmentation."""

import numpy as np

_CANDIDATES = 400  # Latin hypercubes; the one whose columns are least alike is taken
_SHARE_ON = 0.6  # of the points, a range
_WEAKEST = 0.1  # of a range that is on: weaker says as little as off


def screening_points(num_points: int, levels: tuple[int | None, ...], seed: int) -> np.ndarray:
    """float64 [num_points, dimensions] in [0, 1): the Latin hypercube of many, seeded,
    whose columns are least alike.

    levels: of each dimension the number of its values, None where it is a range. Whether an
    augmentation is on at all is balanced apart from how strong it is: with d ranges all drawn from
    0 to 1 single augmentations would be seen among many others alone. A flag is on in half of the
    points, a range in `_SHARE_ON` of them, spread evenly from weak to strong; elsewhere it is 0. No
    point is 0 throughout: no augmentation is trained as a control already.
    """
    if num_points < 1 or not levels:
        raise ValueError(f"{num_points} points over {len(levels)} dimensions: 1 or more of each")
    rng = np.random.default_rng(seed)
    laid = [_laid_out(num_points, levels, rng) for _ in range(_CANDIDATES)]
    return min(laid, key=_likeness)


def _laid_out(
    num_points: int, levels: tuple[int | None, ...], rng: np.random.Generator
) -> np.ndarray:
    from scipy.stats import qmc  # half a second to import

    spread = qmc.LatinHypercube(len(levels), rng=rng).random(num_points)
    columns = [_column(spread[:, i], count) for i, count in enumerate(levels)]
    points = np.stack(columns, axis=1)
    for row in np.flatnonzero(~(points > 0).any(axis=1)):
        column = int(rng.integers(len(levels)))
        top = levels[column]
        points[row, column] = 0.5 if top is None else (top - 0.5) / top
    return points


def _likeness(points: np.ndarray) -> float:
    """The largest correlation of two columns, either way: 0 tells all augmentations apart."""
    centred = points - points.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    unlike = centred / np.maximum(size, 1e-12)
    return float(np.abs(unlike.T @ unlike - np.diag(size > 0)).max())


def _column(spread: np.ndarray, count: int | None) -> np.ndarray:
    """From even draws in [0, 1) to strengths; of k values, the middle of each one's k-th part."""
    if count is None:
        within = (spread - (1 - _SHARE_ON)) / _SHARE_ON
        return np.where(within >= 0, _WEAKEST + (1 - _WEAKEST) * within, 0.0)
    chosen = np.floor(spread * count)
    return np.where(chosen > 0, (chosen + 0.5) / count, 0.0)
