"""Where a network's inputs come from: images painted as they are wanted, or the kept outputs of a frozen prefix.

Both give batches in the order of the rows asked for, with the same pictures: view `epoch` modulo `views`, or a new one every epoch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from data.dataset import Dataset
from data.views import augmented_batches, clean_batches
from search.features.rows import FeatureRows


class Feed(Protocol):
    """Rows are positions in the pool. batches: as augmented for an epoch. clean: as they are."""

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]: ...

    def clean(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class Pictures:
    """Which pictures a trial trains on."""

    augmentation: dict[str, Any]
    seed: int
    views: int | Literal["fresh"]

    def view(self, epoch: int) -> int:
        if not self.augmentation:
            return 0
        return epoch if self.views == "fresh" else epoch % self.views


@dataclass(frozen=True)
class ImageFeed:
    """Pixels, uint8 [b, s, s, 3], painted by threads a few batches ahead. leaked_view: of the deliberate leak, which
    augments the validation images too; None everywhere else."""

    dataset: Dataset
    pool: np.ndarray
    pictures: Pictures
    num_threads: int
    leaked_view: int | None = None

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return self._painted(self.pictures.view(epoch), rows, batch_size)

    def clean(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        if self.leaked_view is not None:
            return self._painted(self.leaked_view, rows, batch_size)
        return clean_batches(self.dataset.images, self.pool[rows], batch_size)

    def _painted(self, view: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        settings, seed = self.pictures.augmentation, self.pictures.seed
        return augmented_batches(
            self.dataset.images, self.pool[rows], settings, seed, view, batch_size, self.num_threads
        )


@dataclass
class StoredFeed:
    """A prefix's outputs, [b, ...], by view. of_view: the outputs for the whole pool; the last one is held. validation: clean ones."""

    of_view: Callable[[int], FeatureRows]
    validation: FeatureRows
    pictures: Pictures
    _held: tuple[int, FeatureRows] | None = field(default=None, repr=False)

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        view = self.pictures.view(epoch)
        if self._held is None or self._held[0] != view:
            self._held = None  # before the next one is made: two might not fit
            self._held = view, self.of_view(view)
        return _cut(self._held[1], rows, batch_size)

    def clean(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return _cut(self.validation, rows, batch_size)


def _cut(values: FeatureRows, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), batch_size):
        yield values[rows[start : start + batch_size]]
