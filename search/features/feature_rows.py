"""Features of some images as they are held, on the disk and in memory: read by rows, checked for
being finite, written with a checksum that is compared when they are read, and what
`execution.disk_gb` allows them to take.

Where they are few they stay in memory; where they are many they are read from the disk as they are
needed. What is read does not depend on which of the two it is.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.files import StorageError, make_folder, replacing
from data.numpy_files import DamagedArray, read_array

if TYPE_CHECKING:
    import tensorflow as tf


# more than this stays on the disk; two such arrays are held while heads train
RESIDENT_BYTES = 400_000_000
_TRAILER = struct.Struct("<8sQ")
_MARK = b"augfeat1"
KEPT_IN = (np.float32, np.float16)
_LOG = logging.getLogger(__name__)
BLOCK_BYTES = 64_000_000  # read at once of what stays there
ABSENT_ROW = -1  # in `picked`: a row that there is no value for, which reads as NaN


@dataclass(frozen=True)
class FeatureCost:
    """What computing features took; nothing where they were found."""

    seconds: float = 0.0
    images: int = 0

    def __add__(self, other: FeatureCost) -> FeatureCost:
        return FeatureCost(self.seconds + other.seconds, self.images + other.images)


NO_COST = FeatureCost()


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """values: [n, ...], float32 or float16, often mapped from a file. picked: int [k], which of
    them are meant and in which order, ABSENT_ROW for none; None: all of them. `shape` and `dtype`
    are of what is meant. cost: of having been given them."""

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
        absent = places == ABSENT_ROW
        if absent.any():
            found[absent] = np.nan
        return found

    def take(self, rows: np.ndarray) -> np.ndarray:
        """A copy of these rows in float32."""
        return self[rows].astype(np.float32, copy=False)

    @cached_property
    def resident(self) -> tf.Tensor | None:
        """All rows as a float32 tensor, made once; None where that would be too much to hold."""
        if 4 * int(np.prod(self.shape)) > RESIDENT_BYTES:
            return None
        import tensorflow as tf

        kept = np.asarray(self.values) if self._is_whole else self[np.arange(len(self))]
        return tf.constant(kept.astype(np.float32, copy=False))

    @property
    def _is_whole(self) -> bool:
        return self.picked is None or np.array_equal(self.picked, np.arange(len(self.values)))

    def holding(self, rows: np.ndarray) -> tuple[np.ndarray | tf.Tensor, np.ndarray | None]:
        """Values in float32, an array or a tensor, that hold at least these rows (of any shape),
        and which of all rows they are; None: all of them, in order."""
        if self.resident is not None:
            return self.resident, None
        distinct = np.unique(rows)
        return self.take(distinct), distinct

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows in order, a bounded number at a time, as they are kept."""
        return (block for _, block in self.numbered_blocks())

    def numbered_blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """The same, each with the number of its first row."""
        num_rows = max(1, BLOCK_BYTES // max(1, self.values[:1].nbytes))
        for start in range(0, len(self), num_rows):
            yield start, self[np.arange(start, min(start + num_rows, len(self)))]


def as_rows(features: np.ndarray | FeatureRows) -> FeatureRows:
    return features if isinstance(features, FeatureRows) else FeatureRows(features)


class NotFinite(UserError):
    """Features that are infinite or no number: beyond what float16 holds, or what the weights give
    for some picture."""


IN_FLOAT32 = "set execution.feature_dtype to float32"


def refuse_not_finite(
    features: np.ndarray, of: str, names: Callable[[int], str], narrow: str = IN_FLOAT32
) -> None:
    """Raises NotFinite. features: [n, ...]. of: the backbone. names: of the image in a row. narrow:
    what to do about float16."""
    for start, block in FeatureRows(features).numbered_blocks():
        finite = np.isfinite(block.reshape(len(block), -1)).all(axis=1)
        if not finite.all():
            image = names(start + int(np.argmin(finite)))
            if features.dtype == np.float16:
                raise NotFinite(
                    f"features of {of} do not fit in float16, which ends at 65504 (first for "
                    f"{image}); {narrow}"
                )
            raise NotFinite(
                f"{of} gives infinite features or none (NaN), first for {image}; "
                "use other model.weights, or leave that image out"
            )


def write_features(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]
) -> None:
    """Writes blocks of rows, which together have this shape, beside and renames. Raises
    StorageError where the disk refuses."""
    make_folder(path.parent, "the features' folder")
    with replacing(path, "features") as beside, beside.open("wb") as file:
        file.write(_header(shape, dtype))
        checksum = 0
        for block in blocks:
            content = np.ascontiguousarray(block).data.cast("B")
            checksum = zlib.crc32(content, checksum)
            file.write(content)
        file.write(_TRAILER.pack(_MARK, checksum))


def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, header)
    return written.getvalue()


def read_features(
    path: Path, check: bool = True, dtype: type[np.floating] | None = None
) -> np.ndarray | None:
    """The array, memory-mapped; None where the file is missing, cut short or damaged (which is
    logged). Deleted by another worker it stays readable once it is mapped; before, it is missing.

    check: reads all of it for its checksum; not needed again by whoever has checked this very file.
    dtype: that they are kept in; None is any of `KEPT_IN`.
    """
    try:
        features = read_array(path, is_mapped=True)
        problem = _fault(path, features, check)
        if problem is None and features.dtype not in (KEPT_IN if dtype is None else (dtype,)):
            problem = f"it holds {features.dtype}"
        if problem is None:
            return features
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, DamagedArray) as error:
        problem = str(error)
    _LOG.warning("%s is damaged (%s) and is made again", path, problem)
    return None


def _fault(path: Path, features: np.ndarray, check: bool) -> str | None:
    """What is not as `write_features` leaves it; None where all is. Raises OSError."""
    header = _header(features.shape, features.dtype)
    with path.open("rb") as file:
        begins = file.read(len(header))
        end = file.seek(-_TRAILER.size, 2)
        mark, checksum = _TRAILER.unpack(file.read())
    if begins != header or end != len(header) + features.nbytes:
        return "its header is not the one that was written"
    if mark != _MARK:
        return "it has no checksum"
    if check and checksum != zlib.crc32(np.ascontiguousarray(features).data.cast("B")):
        return "its checksum does not match"
    return None


def make_room(views_dir: Path, budget: float, keep: Path, num_bytes: int) -> None:
    """Deletes whole policies until `num_bytes` more fit into `budget` bytes, oldest use first.

    `keep` stays. Raises StorageError where that alone is too much. A worker that was reading what
    is deleted goes on with what it has mapped, and computes again what it has not.
    """
    found = [_Folder(path) for path in views_dir.glob("*/*") if path.is_dir()]
    taken = sum(folder.num_bytes for folder in found)
    for folder in sorted(found, key=lambda each: each.touched):
        if taken + num_bytes <= budget:
            return
        if folder.path != keep:
            shutil.rmtree(folder.path, ignore_errors=True)
            taken -= folder.num_bytes
    if taken + num_bytes > budget:
        raise StorageError(
            errno.EDQUOT,
            f"execution.disk_gb is {budget / 1e9:g} and the views of one trial need more; they are "
            "computed again each time instead; raise disk_gb or lower training.views",
        )


class _Folder:
    """One policy's views as they were a moment ago; another worker may be deleting them."""

    def __init__(self, path: Path) -> None:
        self.path, self.num_bytes, self.touched = path, 0, 0.0
        with contextlib.suppress(FileNotFoundError):
            self.touched = path.stat().st_mtime
            for file in path.iterdir():
                self.num_bytes += file.stat().st_size
