"""What simulations count: shares with their intervals, and intervals with their widths."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        z, n = 1.96, self.total
        centre = (self.value + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(self.value * (1 - self.value) / n + z * z / (4 * n * n))
        return centre - half, centre + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count} of {self.total}: {self.value:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Widths:
    """Intervals that hold the truth, and how wide they are over normal ones of the true
    variance."""

    hold: Share
    ratio: float

    def __str__(self) -> str:
        return f"{self.hold}; {self.ratio:.2f} times the normal width"


def generators(count: int, seed: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, number]) for number in range(count))
