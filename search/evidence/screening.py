"""Settings laid out so that each augmentation is on in some trials and off in others, apart from
the others."""

from functools import lru_cache

import numpy as np

_CANDIDATES = 400  # Latin hypercubes; the one with the fewest faults is taken
_EXCHANGES = 50  # rows of the others that are tried in the place of one that is repeated
_SHARE_ON = 0.6  # of the points, a range
_WEAKEST = 0.1  # of a range that is on: weaker says as little as off


@lru_cache(maxsize=8)
def screening_points(
    num_points: int, levels: tuple[int | None, ...], seed: int, options: tuple[int, ...] = ()
) -> np.ndarray:
    """float64 [num_points, dimensions] in [0, 1), not to be written to: of many Latin hypercubes,
    seeded, the one of no constant column and no repeated row whose columns are least alike.

    levels: of each dimension the number of its values, None where it is a range. Whether an
    augmentation is on at all is balanced apart from how strong it is: with d ranges all drawn from
    0 to 1 single augmentations would be seen among many others alone. A flag is on in about half of
    the points, a range in `_SHARE_ON` of them, spread evenly from weak to strong; elsewhere it
    is 0. A row is repeated only where all that differ are there, and a column constant only where
    there is one point. No point is 0 throughout: no augmentation is trained as a control already.
    options: dimensions that change nothing where all others are 0.
    """
    if num_points < 1 or not levels:
        raise ValueError(f"{num_points} points over {len(levels)} dimensions: 1 or more of each")
    rng = np.random.default_rng(seed)
    changing = [number for number in range(len(levels)) if number not in options]
    changing = changing or list(range(len(levels)))
    laid = [_laid_out(num_points, levels, rng, changing) for _ in range(_CANDIDATES)]
    points = _with_new_rows(min(laid, key=_faults), laid)
    points.setflags(write=False)
    return points


def _laid_out(
    num_points: int, levels: tuple[int | None, ...], rng: np.random.Generator, changing: list[int]
) -> np.ndarray:
    """changing: dimensions of which one is on in each row."""
    from scipy.stats import qmc  # half a second to import

    spread = qmc.LatinHypercube(len(levels), rng=rng).random(num_points)
    columns = [_column(spread[:, i], count) for i, count in enumerate(levels)]
    points = np.stack(columns, axis=1)
    for row in np.flatnonzero(~(points[:, changing] > 0).any(axis=1)):
        column = changing[int(rng.integers(len(changing)))]
        top = levels[column]
        points[row, column] = 0.5 if top is None else (top - 0.5) / top
    return points


def _faults(points: np.ndarray) -> tuple[int, int, float]:
    """The worst first: what is never or always on, rows that are there already, likeness."""
    constant = np.ptp(points, axis=0) == 0
    return int(constant.sum()), len(_repeated(points)), _likeness(points, constant)


def _repeated(points: np.ndarray) -> list[int]:
    """Rows that an earlier one is like."""
    _, first = np.unique(points, axis=0, return_index=True)
    return sorted(set(range(len(points))) - set(first.tolist()))


def _likeness(points: np.ndarray, constant: np.ndarray) -> float:
    """The largest correlation of two columns, either way: 0 tells all augmentations apart."""
    centred = points - points.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    unlike = centred / np.maximum(size, 1e-12)
    return float(np.abs(unlike.T @ unlike - np.diag(~constant)).max())


def _with_new_rows(points: np.ndarray, laid: list[np.ndarray]) -> np.ndarray:
    """With rows of the other designs in the place of repeated ones, as long as there are new
    ones."""
    repeated = _repeated(points)
    if not repeated:
        return points
    used = set(map(tuple, points.tolist()))
    others = {row: None for design in laid for row in map(tuple, design.tolist())}
    new = [row for row in others if row not in used]
    for number in repeated[: len(new)]:
        tried = [_exchanged(points, number, row) for row in new[:_EXCHANGES]]
        points = min(tried, key=_faults)
        new.remove(tuple(points[number].tolist()))
    return points


def _exchanged(points: np.ndarray, number: int, row: tuple[float, ...]) -> np.ndarray:
    exchanged = points.copy()
    exchanged[number] = row
    return exchanged


def _column(spread: np.ndarray, count: int | None) -> np.ndarray:
    """From even draws in [0, 1) to strengths; of k values, the middle of each one's k-th part."""
    if count is None:
        within = (spread - (1 - _SHARE_ON)) / _SHARE_ON
        return np.where(within >= 0, _WEAKEST + (1 - _WEAKEST) * within, 0.0)
    chosen = np.floor(spread * count)
    return np.where(chosen > 0, (chosen + 0.5) / count, 0.0)
