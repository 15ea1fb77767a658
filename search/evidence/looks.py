"""Looking at a search before it ends, planned beforehand.

Each look spends a part of the 5 % that a search may be wrong, little at first (O'Brien and Fleming
1979, by the spending function of Lan and DeMets 1983). The parts are added up rather than tied
together by the correlation of looks: the whole family of `intervals` is looked at each time, for
which no table exists, and the sum costs 2 % of an interval's width at two looks. So the intervals
of all looks hold their truths together, and an interval that has decided is kept as it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt


@dataclass(frozen=True)
class PlannedLook:
    """fraction: of all trainings that will be there, 1 for the last look. level: of the intervals
    then."""

    fraction: float
    level: float


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
