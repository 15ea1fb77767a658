"""Features of some images, read by rows: kept in memory where they are few, read from the disk as
they are needed where they are many.

What is read does not depend on which of the two it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

RESIDENT_BYTES = (
    400_000_000  # more than this stays on the disk; two such arrays are held while heads train
)
BLOCK_BYTES = 64_000_000  # read at once of what stays there
ABSENT = -1  # in `picked`: a row that there is no value for, which reads as NaN


@dataclass(frozen=True)
class FeatureCost:
    """What computing features took; nothing where they were found."""

    seconds: float = 0.0
    images: int = 0

    def __add__(self, other: "FeatureCost") -> "FeatureCost":
        return FeatureCost(self.seconds + other.seconds, self.images + other.images)


NO_COST = FeatureCost()


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """values: [n, ...], float32 or float16, often mapped from a file. picked: int [k], which of
    them are meant and in which order, ABSENT where there is none; None: all of them. `shape` and
    `dtype` are of what is meant. cost: of having been given them.
    """

    values: np.ndarray
    picked: np.ndarray | None = None
    cost: FeatureCost = NO_COST

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.values if self.picked is None else self.picked)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """A copy of these rows, as they are kept."""
        if self.picked is None:
            return np.asarray(self.values[rows])
        places = self.picked[rows]
        found = np.asarray(self.values[places])
        absent = places == ABSENT
        if absent.any():
            found[absent] = np.nan
        return found

    def take(self, rows: np.ndarray) -> np.ndarray:
        """A copy of these rows in float32."""
        return self[rows].astype(np.float32, copy=False)

    @cached_property
    def resident(self) -> Any:
        """All rows as a float32 tensor, made once; None where that would be too much to hold."""
        if 4 * int(np.prod(self.shape)) > RESIDENT_BYTES:
            return None
        import tensorflow as tf

        kept = np.asarray(self.values) if self._is_whole else self[np.arange(len(self))]
        return tf.constant(kept.astype(np.float32, copy=False))

    @property
    def _is_whole(self) -> bool:
        return self.picked is None or np.array_equal(self.picked, np.arange(len(self.values)))

    def holding(self, rows: np.ndarray) -> tuple[Any, np.ndarray | None]:
        """Values in float32, an array or a tensor, that hold at least these rows (of any shape),
        and which of all rows they are; None: all of them, in order.
        """
        if self.resident is not None:
            return self.resident, None
        wanted = np.unique(rows)
        return self.take(wanted), wanted

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows in order, a bounded number at a time, as they are kept."""
        return (block for _, block in self.numbered_blocks())

    def numbered_blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """The same, each with the number of its first row."""
        num_rows = max(1, BLOCK_BYTES // max(1, self.values[:1].nbytes))
        for start in range(0, len(self), num_rows):
            yield start, self[np.arange(start, min(start + num_rows, len(self)))]


def as_rows(features: "np.ndarray | FeatureRows") -> FeatureRows:
    return features if isinstance(features, FeatureRows) else FeatureRows(features)
