"""Looking at a search before it ends, planned beforehand.

Each look spends a part of the 5 % that a search may be wrong, little at first (O'Brien and Fleming
1979, by the spending function of Lan and DeMets 1983). The parts are added up rather than tied
together by the correlation of looks: the whole family of `intervals` is looked at each time, for
which no table exists, and the sum costs 2 % of an interval's width at two looks. So the intervals
of all looks hold their truths together, and an interval that has decided is kept as it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from math import sqrt

import numpy as np

from search.evidence.intervals import Intervals

FUTILE_BELOW = 0.05  # the chance of a verdict at the end, below which a contrast is given up


@dataclass(frozen=True)
class PlannedLook:
    """fraction: of all trainings that will be there, 1 for the last look. level: of the intervals
    then."""

    fraction: float
    level: float


class Decision(Enum):
    """Of one contrast at a look."""

    KNOWN = "its verdict is known"
    FUTILE = "no verdict is likely any more"
    OPEN = "it needs the rest"


def plan_looks(fractions: Sequence[float], alpha: float = 0.05) -> tuple[PlannedLook, ...]:
    """Levels whose errors add up to `alpha`. fractions: rising, the last one 1.

    Raises ValueError for others.
    """
    from scipy.special import ndtr, ndtri  # half a second to import

    rising = all(before < after for before, after in pairwise([0.0, *fractions]))
    if not fractions or fractions[-1] != 1 or not rising:
        raise ValueError(f"looks at {list(fractions)}: give rising fractions that end with 1")
    z = float(ndtri(1 - alpha / 2))
    spent = [0.0, *(float(2 * (1 - ndtr(z / sqrt(fraction)))) for fraction in fractions)]
    parts = [after - before for before, after in pairwise(spent)]
    return tuple(PlannedLook(f, 1 - part) for f, part in zip(fractions, parts, strict=True))


def decide(
    found: Intervals, look: PlannedLook, last_critical: float, negligible: float
) -> tuple[Decision, ...]:
    """Of each contrast. last_critical: what |t| will have to exceed at the end; about the value of
    this look where the level is 0.95.

    Known: the interval clears zero, or lies within -+ negligible. Futile: were the effect as
    estimated, the interval would clear zero at the end less than 1 time in 20, and would do so
    even if it were two standard errors larger less than once in two. Giving up can make no false
    verdict.
    """
    known = (found.low > 0) | (found.high < 0)
    known |= (found.low >= -negligible) & (found.high <= negligible)
    errors = np.maximum(found.errors, np.finfo(np.float64).tiny)
    size = np.abs(found.effects) / errors
    at_end = [_chance(size, size + more, look.fraction, last_critical) for more in (0.0, 2.0)]
    futile = (at_end[0] < FUTILE_BELOW) & (at_end[1] < 0.5)
    return tuple(
        Decision.KNOWN if is_known else Decision.FUTILE if is_futile else Decision.OPEN
        for is_known, is_futile in zip(known, futile, strict=True)
    )


def _chance(now: np.ndarray, true: np.ndarray, fraction: float, critical: float) -> np.ndarray:
    """float64 [J]: of |t| above `critical` at the end, from t `now` and a true one `true`, both on
    the scale of this look (Brownian motion with drift)."""
    from scipy.special import ndtr

    if fraction >= 1:
        return (np.abs(now) > critical).astype(np.float64)
    left = 1 - fraction
    middle = now * sqrt(fraction) + true / sqrt(fraction) * left
    upper = ndtr((middle - critical) / sqrt(left))
    return upper + ndtr((-critical - middle) / sqrt(left))
