"""Features on disk: clean ones once a dataset and backbone, augmented ones once a (policy, view),
each checked when read.

A file's name is the hash of everything that made it, and its last bytes are a checksum of the rest;
what is stale is never found and what is damaged is made again. Computing features is `extractor`;
which views a trial wants, `training`.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.dataset import Dataset
from data.files import StorageError
from data.numpy_files import read_array
from data.views import Painting, augmented_batches, clean_batches, is_augmented, with_clean_ones
from search.experiment.trial import Resources
from search.features.feature_rows import (
    BLOCK_BYTES,
    IN_FLOAT32,
    RESIDENT_BYTES,
    FeatureCost,
    FeatureRows,
    make_room,
    read_features,
    refuse_not_finite,
    write_features,
)

if TYPE_CHECKING:
    from search.features.extractor import Extractor

# images drawn at a time, two forward passes: they are still in the cache when the backbone reads
# them
DRAWN_BATCH = 16
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptNumbers:
    """In which numbers features are kept, and what to do where those are too narrow."""

    dtype: type[np.floating] = np.float32
    advice: str = IN_FLOAT32


class FeatureStore:
    """Features of one dataset by one extractor, cached below `cache_dir`.

    identity: of the backbone, its weights and precision. engine: which engine with which version is
    expected to compute (`extractor.expected_engine`); where another stands in, its features get
    names of their own. Whatever is given out is finite, read or made; else NotFinite is raised.
    """

    def __init__(
        self,
        dataset: Dataset,
        build_extractor: Callable[[], "Extractor"],
        identity: str,
        engine: str,
        resources: Resources,
        numbers: KeptNumbers = KeptNumbers(),
    ) -> None:
        self.dataset = dataset
        self._build = build_extractor
        self._dtype, self._advice = numbers.dtype, numbers.advice
        self._backbone = identity.partition("/")[0]
        self._content = f"{dataset.digest}/{dataset.images.shape[1]}/{identity}"
        self._expected = engine
        self._clean_dir = resources.cache_dir / "features"
        self._views_dir = resources.views_dir
        # One painter for two of the backbone's streams came nearest to the bare loop
        # (benchmarks/README.md).
        self._num_painters = max(1, resources.num_threads // 2)
        self._budget = None if resources.disk_gb is None else resources.disk_gb * 1e9
        self._clean: FeatureRows | None = None  # as found: its cost is said once
        # files whose checksum was right, and when they were written
        self._checked: dict[Path, int] = {}

    def clean(self) -> FeatureRows:
        """[n, d], or what else the extractor gives: every image of the dataset as it is, test
        images included."""

        def path() -> Path:
            return self._clean_dir / f"{_hash(self._identity)}.npy"

        def batches() -> Iterator[np.ndarray]:
            return clean_batches(
                self.dataset.images, np.arange(len(self.dataset.images)), DRAWN_BATCH
            )

        if self._clean is not None:
            return self._clean
        made = self._cached(path, batches, np.arange(len(self.dataset.images)))
        self._clean = FeatureRows(made.values)
        return made

    def view(
        self,
        rows: np.ndarray,
        augmentation: Mapping[str, Any],
        seed: int,
        view: int,
        share: float = 1.0,
    ) -> FeatureRows:
        """[len(rows), d]: the images at `rows`, a share of them augmented as the `view`-th time
        they are drawn.

        Mapped anew each time: a view that nobody holds takes no memory.
        """
        if not augmentation:
            clean = self.clean()
            return FeatureRows(clean.values, rows, clean.cost)

        def path() -> Path:
            return self.policy_dir(rows, augmentation, seed, share) / f"{view:05d}.npy"

        def batches() -> Iterator[np.ndarray]:
            painting = Painting(DRAWN_BATCH, self._num_painters)
            images = self.dataset.images
            found = augmented_batches(images, rows, augmentation, seed, view, painting)
            if share == 1:
                return found
            return with_clean_ones(found, images, rows, is_augmented(seed, view, rows, share))

        return self._cached(path, batches, rows)

    def of_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """[k, d] of any pictures, uint8 [k, s, s, 3]; neither kept nor counted."""
        found = self._extract(self._build(), iter([pictures]), len(pictures))
        refuse_not_finite(found, self._backbone, lambda row: f"picture {row}", self._advice)
        return found

    def _refuse_not_finite(self, features: np.ndarray, rows: np.ndarray) -> None:
        def name(row: int) -> str:
            return self.dataset.names[int(rows[row])]

        refuse_not_finite(features, self._backbone, name, self._advice)

    def _extract(
        self, extractor: "Extractor", batches: Iterable[np.ndarray], count: int
    ) -> np.ndarray:
        if self._dtype is np.float32:
            return extractor.extract(batches, count)
        return extractor.extract(
            batches, count, np.empty((count, *extractor.output_shape), self._dtype)
        )

    def policy_dir(
        self, rows: np.ndarray, augmentation: Mapping[str, Any], seed: int, share: float = 1.0
    ) -> Path:
        """Where the views of one policy are kept: those drawn from one seed together."""
        content = [
            self._identity,
            dict(augmentation),
            seed,
            hashlib.sha256(rows.tobytes()).hexdigest(),
            *([share] if share < 1 else []),
        ]
        return self._views_dir / str(seed) / _hash(json.dumps(content, sort_keys=True))

    def forget(
        self, rows: np.ndarray, augmentation: Mapping[str, Any], seed: int, share: float = 1.0
    ) -> None:
        """Deletes the views of a policy that nobody will want again."""
        shutil.rmtree(self.policy_dir(rows, augmentation, seed, share), ignore_errors=True)

    @property
    def engine(self) -> str:
        """What computed the features that were given out, now or when they were kept."""
        return self._expected.partition(" ")[0]

    @property
    def _identity(self) -> str:
        return f"{self._content}/{self._expected}"

    def _cached(
        self,
        path: Callable[[], Path],
        batches: Callable[[], Iterator[np.ndarray]],
        rows: np.ndarray,
    ) -> FeatureRows:
        """The features at `path()` of the images at `rows`, computed where they are not there; the
        path follows the engine that really computes."""
        found, count = self._find(path(), rows), len(rows)
        if found is not None:
            return FeatureRows(found)
        start = time.perf_counter()
        extractor = self._build()
        if extractor.versioned_engine != self._expected:
            self._expected = extractor.versioned_engine
            return self._cached(path, batches, rows)
        features = self._computed(extractor, path(), batches, count)
        cost = FeatureCost(time.perf_counter() - start, count)
        self._refuse_not_finite(features, rows)
        return FeatureRows(features, cost=cost)

    def _computed(
        self,
        extractor: "Extractor",
        path: Path,
        batches: Callable[[], Iterator[np.ndarray]],
        count: int,
    ) -> np.ndarray:
        """Made in memory and kept where the disk allows; what memory should not hold goes to the
        disk as it is made.

        Where the disk refuses, features are held in memory all the same; without the cache a later
        trial computes them again.
        """
        num_bytes = count * int(np.prod(extractor.output_shape)) * np.dtype(self._dtype).itemsize
        made: np.ndarray | None = None
        try:
            if num_bytes > RESIDENT_BYTES:
                self._make_room(path, num_bytes)
                return self._streamed(extractor, path, batches(), count)
            made = self._extract(extractor, batches(), count)
            self._make_room(path, num_bytes)
            write_features(path, made.shape, made.dtype, iter([made]))
        except StorageError as error:
            _LOG.warning("features were not cached: %s", error)
        return self._extract(extractor, batches(), count) if made is None else made

    def _streamed(
        self, extractor: "Extractor", path: Path, batches: Iterator[np.ndarray], count: int
    ) -> np.ndarray:
        """[count, d], mapped. Raises StorageError where the disk refuses."""
        shape = (count, *extractor.output_shape)
        length = (
            max(1, BLOCK_BYTES // (4 * int(np.prod(extractor.output_shape))) // DRAWN_BATCH)
            * DRAWN_BATCH
        )

        def blocks() -> Iterator[np.ndarray]:
            for start in range(0, count, length):
                size = min(length, count - start)
                yield self._extract(
                    extractor, itertools.islice(batches, -(-size // DRAWN_BATCH)), size
                )

        write_features(path, shape, np.dtype(self._dtype), blocks())
        try:
            return read_array(path, is_mapped=True)
        except FileNotFoundError as error:
            raise StorageError(
                errno.ENOENT, f"{path} was deleted as soon as it was written"
            ) from error

    def _find(self, path: Path, rows: np.ndarray) -> np.ndarray | None:
        try:
            written = path.stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_new = self._checked.get(path) != written
        found = read_features(path, is_new, self._dtype)
        if found is None or len(found) != len(rows):
            return None
        if is_new:
            self._refuse_not_finite(found, rows)
        self._checked[path] = written
        if self._budget is not None:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path.parent)  # `make_room` drops what was used longest ago
        return found

    def _make_room(self, path: Path, num_bytes: int) -> None:
        if self._budget is not None and path.parent != self._clean_dir:
            make_room(self._views_dir, self._budget, path.parent, num_bytes)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
