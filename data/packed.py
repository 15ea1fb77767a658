"""A decoded dataset on its way to another machine: in blocks there, checked, and opened from a folder of its own.

For machines that cannot see the files themselves. How blocks travel is the engine's affair; decoding is `dataset`'s.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from data.dataset import Dataset, dataset_digest
from data.files import make_folder, storing
from data.notes import DataNotes

BLOCK_BYTES = 1 << 26
IMAGES, LABELS, SPLITS, ABOUT = "images.npy", "labels.npy", "splits.npy", "about.json"
GROUPS = "groups.npy"  # only where there are any


@dataclass(frozen=True)
class Parcel:
    """All of a Dataset but its pixels. shape: of the images, (n, s, s, 3)."""

    shape: tuple[int, int, int, int]
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    digest: str
    notes: str
    groups: np.ndarray | None


def parcel_of(dataset: Dataset) -> Parcel:
    return Parcel(
        shape=dataset.images.shape,
        labels=np.asarray(dataset.labels),
        splits=np.asarray(dataset.splits),
        class_names=dataset.class_names,
        names=dataset.names,
        digest=dataset.digest,
        notes=dataset.notes.model_dump_json(),
        groups=dataset.groups,
    )


def blocks_of(dataset: Dataset) -> Iterator[np.ndarray]:
    """The pixels in order, uint8 [k, s, s, 3], at most BLOCK_BYTES a block."""
    rows = max(1, BLOCK_BYTES // max(1, dataset.images[:1].nbytes))
    for start in range(0, len(dataset.images), rows):
        yield np.asarray(dataset.images[start : start + rows])


def packed_folder(cache_dir: Path, digest: str) -> Path:
    """Where `unpack` puts a dataset of this digest."""
    return cache_dir / "packed" / digest[:32]


def unpack(parcel: Parcel, blocks: Iterable[np.ndarray], cache_dir: Path) -> None:
    """Writes a dataset below `cache_dir`, beside its place and renamed once its digest is what it should be.

    Raises ValueError where pixels, labels, splits or names are not those that were sent, StorageError where the disk refuses.
    """
    place = packed_folder(cache_dir, parcel.digest)
    make_folder(place.parent, "the folder of datasets received")
    with storing("a dataset received", place):
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            digests = _write_images(beside / IMAGES, parcel, blocks)
            scales = DataNotes.model_validate_json(parcel.notes).scales
            received = dataset_digest(
                digests, parcel.labels, parcel.splits, parcel.class_names, parcel.shape[1], scales
            )
            if received != parcel.digest:
                raise ValueError(
                    f"a dataset arrived with digest {received[:12]}, sent was {parcel.digest[:12]}"
                )
            _write_rest(beside, parcel)
            _put(beside, place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _write_images(path: Path, parcel: Parcel, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Writes the pixels and returns their digests, uint8 [n, 32]."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, parcel.shape)
    digests = np.zeros((parcel.shape[0], 32), np.uint8)
    row = 0
    for block in blocks:
        images[row : row + len(block)] = block
        for image in block:
            digests[row] = np.frombuffer(sha256(image.data).digest(), np.uint8)
            row += 1
    if row != parcel.shape[0]:
        raise ValueError(f"{row} of {parcel.shape[0]} images arrived")
    images.flush()
    return digests


def _write_rest(folder: Path, parcel: Parcel) -> None:
    np.save(folder / LABELS, parcel.labels, allow_pickle=False)
    np.save(folder / SPLITS, parcel.splits, allow_pickle=False)
    if parcel.groups is not None:
        np.save(folder / GROUPS, parcel.groups, allow_pickle=False)
    about = {
        "class_names": parcel.class_names,
        "names": parcel.names,
        "digest": parcel.digest,
        "notes": parcel.notes,
    }
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _put(beside: Path, place: Path) -> None:
    try:
        beside.rename(place)
    except OSError:
        if not place.is_dir():  # else another process of this machine was faster, with the same content
            raise


def open_packed(folder: Path) -> Dataset:
    """The dataset in a folder that `unpack` wrote. Raises OSError where it is not there."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    groups = folder / GROUPS
    return Dataset(
        images=np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False),
        labels=np.load(folder / LABELS, allow_pickle=False),
        splits=np.load(folder / SPLITS, allow_pickle=False),
        class_names=tuple(about["class_names"]),
        names=tuple(about["names"]),
        digest=about["digest"],
        notes=DataNotes.model_validate_json(about["notes"]),
        groups=np.load(groups, allow_pickle=False) if groups.exists() else None,
    )
