"""The pictures of a trial: those that heads train on, augmented, and those that they are scored on,
which take no augmentation.

Rows are positions in the trial's pool. What trains asks a `Feed` for batches: of pixels painted as
they are wanted, or of a frozen network's kept outputs. Both give the same pictures for an epoch, in
the order of the rows asked for.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from data.dataset import Dataset
from data.views import Painting, augmented_batches, clean_batches, is_augmented, with_clean_ones
from search.features.feature_rows import ABSENT_ROW, NO_COST, FeatureCost, FeatureRows
from search.features.store import FeatureStore

CLEAN = -1  # in the place of a view
HELD_BYTES = 250_000_000  # of one view; two are held
PAINTED_AT_ONCE = 64


class Scored(Protocol):
    """Pictures that heads are scored on: their pixels, uint8 [b, s, s, 3], and what a store gives
    for the whole pool.
    """

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]: ...

    def features(self, store: FeatureStore) -> FeatureRows: ...


@dataclass(frozen=True)
class CleanPictures:
    """As they are. pool: int64, positions in the Dataset."""

    dataset: Dataset
    pool: np.ndarray

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return clean_batches(self.dataset.images, self.pool[rows], batch_size)

    def features(self, store: FeatureStore) -> FeatureRows:
        clean = store.clean()
        return FeatureRows(clean.values, self.pool, clean.cost)


@dataclass(frozen=True)
class AugmentedPictures:
    """As they are drawn for a view. trained: ascending rows; no other image of the pool is ever
    augmented. views: how many there are, which follow one another; or a new one every epoch. share:
    of the pictures of a view that are augmented. clean_from: the epoch from which all are clean;
    None: never. num_threads: that paint pixels, a few batches ahead.
    """

    dataset: Dataset
    pool: np.ndarray
    trained: np.ndarray
    augmentation: dict[str, Any]
    seed: int
    views: int | Literal["fresh"]
    num_threads: int = 1
    share: float = 1.0
    clean_from: int | None = None

    def view(self, epoch: int) -> int:
        if not self.augmentation:
            return 0
        if self.clean_from is not None and epoch >= self.clean_from:
            return CLEAN
        return epoch if self.views == "fresh" else epoch % self.views

    def batches(self, view: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        images, picks = self.dataset.images, self.pool[rows]
        if view == CLEAN:
            return clean_batches(images, picks, batch_size)
        painting = Painting(batch_size, self.num_threads)
        found = augmented_batches(images, picks, self.augmentation, self.seed, view, painting)
        if self.share == 1:
            return found
        augmented = is_augmented(self.seed, view, picks, self.share)
        return with_clean_ones(found, images, picks, augmented)

    def features(self, store: FeatureStore, view: int) -> FeatureRows:
        """For the pool; images that nobody trains on have none."""
        if not self.augmentation or view == CLEAN:
            return store.view(self.pool, {}, self.seed, view)
        rows = self.pool[self.trained]
        found = store.view(rows, self.augmentation, self.seed, view, self.share)
        places = np.full(len(self.pool), ABSENT_ROW)
        places[self.trained] = np.arange(len(self.trained))
        return FeatureRows(found.values, places, found.cost)

    def forget(self, store: FeatureStore) -> None:
        """Deletes what the store has kept of them."""
        store.forget(self.pool[self.trained], self.augmentation, self.seed, self.share)

    def clean_at_the_end(self, max_epochs: int, clean_epochs: int) -> "AugmentedPictures":
        """The same for a training of so many epochs, the last of which are on clean pictures."""
        if not clean_epochs:
            return self
        return replace(self, clean_from=max(0, max_epochs - clean_epochs))


class Feed(Protocol):
    """open: an epoch, before several threads ask for its batches; gives back what that cost.
    batches: what heads train on in it. scored_batches: what they are scored on.
    """

    def open(self, epoch: int) -> FeatureCost: ...

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]: ...

    def scored_batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]: ...


class ImageFeed:
    """Pixels. A view is painted once for all heads, while they train on the one before, and held,
    unless it is larger than HELD_BYTES: then each batch is painted as it is wanted.
    """

    def __init__(self, pictures: AugmentedPictures, scored: Scored) -> None:
        self._pictures, self._scored = pictures, scored
        self._places = np.full(len(pictures.pool), ABSENT_ROW)
        self._places[pictures.trained] = np.arange(len(pictures.trained))
        self._shape = (len(pictures.trained), *pictures.dataset.images.shape[1:])
        self._painter = ThreadPoolExecutor(1, thread_name_prefix="view")
        self._held: dict[int, Future[np.ndarray]] = {}

    def open(self, epoch: int) -> FeatureCost:
        if np.prod(self._shape) <= HELD_BYTES:
            views = [self._pictures.view(each) for each in (epoch, epoch + 1)]
            self._held = {
                view: self._held.get(view) or self._painter.submit(self._paint, view)
                for view in views
            }
            self._held[views[0]].result()
        return NO_COST

    def _paint(self, view: int) -> np.ndarray:
        painted = np.empty(self._shape, np.uint8)
        start = 0
        for batch in self._pictures.batches(view, self._pictures.trained, PAINTED_AT_ONCE):
            painted[start : start + len(batch)] = batch
            start += len(batch)
        return painted

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        view = self._pictures.view(epoch)
        if view not in self._held:
            return self._pictures.batches(view, rows, batch_size)
        painted, places = self._held[view].result(), self._places[rows]
        starts = range(0, len(rows), batch_size)
        return (painted[places[start : start + batch_size]] for start in starts)

    def scored_batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return self._scored.batches(rows, batch_size)


class StoredFeed:
    """What a store keeps of the pictures, [b, ...]."""

    def __init__(self, store: FeatureStore, pictures: AugmentedPictures, scored: Scored) -> None:
        self._store, self._pictures = store, pictures
        self.scored = scored.features(store)
        self._held: tuple[int, FeatureRows] | None = None

    def of_epoch(self, epoch: int) -> FeatureRows:
        """For the whole pool; the last view is held, and costs nothing again."""
        view = self._pictures.view(epoch)
        if self._held is None or self._held[0] != view:
            self._held = None  # before the next one is made: two might not fit
            found = self._pictures.features(self._store, view)
            self._held = view, replace(found, cost=NO_COST)
            return found
        return self._held[1]

    def open(self, epoch: int) -> FeatureCost:
        return self.of_epoch(epoch).cost

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return _cut(self.of_epoch(epoch), rows, batch_size)

    def scored_batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return _cut(self.scored, rows, batch_size)


def _cut(values: FeatureRows, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), batch_size):
        yield values[rows[start : start + batch_size]]


def digest_of(batches: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(np.ascontiguousarray(batch).data)
    return digest.hexdigest()[:32]
