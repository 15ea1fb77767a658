"""A decoded dataset on its way to another machine: in blocks there, checked, and opened from a
folder of its own.

For machines that cannot see the files themselves. How blocks travel is the engine's affair;
decoding is `dataset`'s.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from data.dataset import Dataset
from data.dataset_notes import DataNotes, DatasetContent, dataset_digest
from data.files import LEFTOVER_SECONDS, make_folder, new_folder, sweep_leftovers
from data.numpy_files import read_array
from data.splits import DIGEST_BYTES
from data.store_format import pixels_match

SENT_BYTES = 1 << 26
CHECKING_THREADS = 2
IMAGES, DIGESTS, LABELS, SPLITS, ABOUT = (
    "images.npy",
    "digests.npy",
    "labels.npy",
    "splits.npy",
    "about.json",
)
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
    """The pixels in order, uint8 [k, s, s, 3], at most SENT_BYTES a block."""
    rows = max(1, SENT_BYTES // max(1, dataset.images[:1].nbytes))
    for start in range(0, len(dataset.images), rows):
        yield np.asarray(dataset.images[start : start + rows])


def packed_folder(cache_dir: Path, digest: str) -> Path:
    """Where `unpack` puts a dataset of this digest."""
    return cache_dir / "packed" / digest[:32]


def unpack(parcel: Parcel, blocks: Iterable[np.ndarray], cache_dir: Path) -> None:
    """Writes a dataset below `cache_dir`, beside its place and renamed once its digest is what it
    should be. What was received earlier goes: this is for whoever could not open it.

    Raises ValueError where pixels, labels, splits or classes are not those that were sent,
    StorageError where the disk refuses.
    """
    place = packed_folder(cache_dir, parcel.digest)
    sweep_leftovers(make_folder(place.parent, "the folder of datasets received"), LEFTOVER_SECONDS)
    with new_folder(place, "a dataset received") as beside:
        np.save(
            beside / DIGESTS, _write_images(beside / IMAGES, parcel, blocks), allow_pickle=False
        )
        _write_rest(beside, parcel)
        open_packed(beside)
        shutil.rmtree(place, ignore_errors=True)


def _write_images(path: Path, parcel: Parcel, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Writes the pixels and returns their digests, uint8 [n, 32].

    Not through a memory map, which a disk that fills up would turn into the end of the process
    (SIGBUS).
    """
    digests: list[bytes] = []
    header = {"descr": "|u1", "fortran_order": False, "shape": parcel.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            if block.dtype != np.uint8 or block.shape[1:] != parcel.shape[1:]:
                raise ValueError(f"a block of {block.dtype} {block.shape[1:]} arrived")
            file.write(np.ascontiguousarray(block).data)
            digests += [sha256(np.ascontiguousarray(image).data).digest() for image in block]
    if len(digests) != parcel.shape[0]:
        raise ValueError(f"{len(digests)} of {parcel.shape[0]} images arrived")
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


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


def open_packed(folder: Path) -> Dataset:
    """The dataset in a folder that `unpack` wrote; its digest is computed from what is there.

    Raises OSError where it is not there, ValueError where it is not as it was sent.
    """
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    kept = folder / GROUPS
    notes = DataNotes.model_validate_json(about["notes"])
    images = read_array(folder / IMAGES, is_mapped=True)
    digests, labels, splits = (read_array(folder / name) for name in (DIGESTS, LABELS, SPLITS))
    if not len(images) == len(digests) == len(labels) == len(splits) == len(about["names"]):
        raise ValueError(f"{folder} is not whole: its files are of different numbers of images")
    if not pixels_match(images, digests, CHECKING_THREADS):
        raise ValueError(f"{folder} is damaged: the pixels are not those that were written")
    class_names = tuple(about["class_names"])
    groups = read_array(kept) if kept.exists() else None
    content = DatasetContent(
        digests, labels, splits, class_names, notes.scales, groups if notes.groups else None
    )
    digest = dataset_digest(content, images.shape[1])
    if digest != about["digest"]:
        raise ValueError(
            f"the dataset in {folder} arrived with digest {digest[:12]}, sent was "
            f"{about['digest'][:12]}"
        )
    return Dataset(
        images=images,
        labels=labels,
        splits=splits,
        class_names=class_names,
        names=tuple(about["names"]),
        digest=digest,
        notes=notes,
        groups=groups,
    )
