"""The `tfrecord` source: shards of TensorFlow Examples, as exporters and TensorFlow Datasets write them.

Reads every shard once, to check it and to learn where each record lies; after that any image is one seek away. The image is
under `image/encoded` with its label under `image/class/label`, or under `image` and `label` (TensorFlow Datasets' names).
"""

import io
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.files import make_folder, write_atomically
from data.listing import Listing, reason_of
from data.messages import first_of, shown
from data.settings import DatasetConfig
from data.splits import TRAIN, settle, split_number

KEYS = (("image/encoded", "image/class/label"), ("image", "label"))  # of the image, of its label
NAME_FILES = ("label.labels.txt", "labels.txt", "classes.txt")
SHARD = re.compile(r"\.tfrecords?\b|-\d{5}-of-\d{5}$")
UNLABELLED = "; leave shards of images without labels out, and use `predict` on them"
GZIP, ZLIB = b"\x1f\x8b", b"\x78"
# A record: its length, the length's checksum, the record, the record's checksum (TensorFlow's record_writer.h).
HEADER, FOOTER_BYTES = struct.Struct("<QI"), 4


@dataclass(frozen=True)
class _Shards:
    """root and the shards below it, sorted; splits: as their names say, None where they say nothing."""

    root: Path
    names: tuple[str, ...]
    splits: tuple[int | None, ...]

    @property
    def fingerprint(self) -> str:
        """sha256 over root, names, sizes and modification times."""
        digest = sha256(os.fsencode(self.root))
        for name in self.names:
            status = (self.root / name).stat()
            digest.update(b"\0" + os.fsencode(name) + f"\0{status.st_size} {status.st_mtime_ns}".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Index:
    """A record each: shard int32 [n], offset int64 [n] of its bytes, length int64 [n], label int64 [n]."""

    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    label: np.ndarray


def list_tfrecord(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the Examples of the shards at `dataset.path` (one file, or a folder of them), shard by shard.

    Raises UserError for a folder without shards, a shard that is damaged or compressed, an Example without image or
    label, and shards of which some name a split and some do not.
    """
    path = Path(config.path or "")
    shards = _find_shards(path)
    index = _index(shards, cache_dir)
    splits = np.array([TRAIN if split is None else split for split in shards.splits], np.int8)
    declared = None if None in shards.splits else sorted({int(split) for split in splits})
    numbers, labels = np.unique(index.label, return_inverse=True)
    return Listing(
        names=_names(shards, index),
        labels=labels.astype(np.int32),
        splits=splits[index.shard],
        class_names=_class_names(shards.root, numbers),
        read=partial(_read, shards, index),
        fingerprint=shards.fingerprint,
        draw=settle(declared, config.split, shown(str(path))),
    )


def _find_shards(path: Path) -> _Shards:
    if path.is_file():
        return _Shards(path.parent, (path.name,), (_split_of(Path(path.name)),))
    try:
        found = sorted(
            file.relative_to(path) for file in path.rglob("*") if SHARD.search(file.name) and file.is_file()
        )
    except OSError as error:
        raise UserError(f"dataset.path: {shown(str(path))} cannot be read: {reason_of(error)}") from error
    if not found:
        raise UserError(
            f"dataset.path: {shown(str(path))} holds no TFRecord shards (NAME.tfrecord, or NAME-00000-of-00010)"
        )
    splits = tuple(_split_of(name) for name in found)
    if None in splits and len(set(splits)) > 1:
        named = first_of([shown(str(n)) for n, split in zip(found, splits, strict=True) if split is None])
        raise UserError(
            f"dataset.path: {shown(str(path))}: some shards name their split and some do not ({named}); write train, "
            "validation or test into every name"
        )
    return _Shards(path, tuple(str(name) for name in found), splits)


def _split_of(name: Path) -> int | None:
    """The split that a shard's name, or else a folder above it, stands for."""
    for part in reversed(name.parts):
        found = {split_number(word) for word in re.split(r"[-_.]", part)} - {None}
        if len(found) == 1:
            return found.pop()
    return None


def _index(shards: _Shards, cache_dir: Path) -> _Index:
    """Where each record lies, read from the shards the first time and from `cache_dir` after that."""
    folder = make_folder(cache_dir / "tfrecord", "the index of the records")
    path = folder / f"{shards.fingerprint[:32]}.npz"
    if path.exists():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _Index(**{name: arrays[name] for name in _Index.__dataclass_fields__})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink()  # damaged: the shards have it all
    index = _read_index(shards)
    buffer = io.BytesIO()
    np.savez(buffer, shard=index.shard, offset=index.offset, length=index.length, label=index.label)
    write_atomically(path, buffer.getvalue(), "the index of the records")
    return index


def _read_index(shards: _Shards) -> _Index:
    columns = [np.array(list(_records(shards.root / name)), np.int64).reshape(-1, 3) for name in shards.names]
    offset, length, label = np.concatenate(columns).T
    if not len(offset):
        raise UserError(f"dataset.path: the shards in {shown(str(shards.root))} hold no record")
    shard = np.repeat(np.arange(len(columns), dtype=np.int32), [len(column) for column in columns])
    return _Index(shard, offset, length, label)


def _records(path: Path) -> Iterator[tuple[int, int, int]]:
    """Offset, length and label of each record; TensorFlow checks both checksums of each on the way."""
    import tensorflow as tf

    with path.open("rb") as file:
        _refuse_compressed(path, file.read(HEADER.size))
    offset = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            _, label = _parsed(record, f"{shown(str(path))}, record {number}")
            yield offset + HEADER.size, len(record), label
            offset += HEADER.size + len(record) + FOOTER_BYTES
    except tf.errors.OpError as error:
        raise UserError(
            f"{shown(str(path))} is damaged after byte {offset} ({reason_of(error)[:120]}); write it again"
        ) from error


def _refuse_compressed(path: Path, start: bytes) -> None:
    """A compressed shard begins with its packer's mark; an ordinary one with a length whose upper bytes are 0."""
    if start.startswith((GZIP, ZLIB)) and any(start[4:8]):
        raise UserError(f"{shown(str(path))} is compressed, which allows no seeking; write it uncompressed")


def _parsed(record: bytes, where: str) -> tuple[bytes, int]:
    """The encoded image and its label. Raises UserError where the Example has neither pair of keys."""
    import tensorflow as tf

    try:
        features: Any = tf.train.Example.FromString(record).features.feature
    except Exception as error:  # protobuf's own DecodeError, whose module differs between its versions
        raise UserError(f"{where}: not a TensorFlow Example ({reason_of(error)[:80]})") from error
    for image_key, label_key in KEYS:
        if image_key in features and label_key in features:
            image, label = features[image_key].bytes_list.value, features[label_key].int64_list.value
            if len(image) == 1 and len(label) == 1:
                return image[0], int(label[0])
    found = first_of([shown(name) for name in sorted(features)]) or "nothing"
    wanted = " or ".join(f"{image} (bytes) with {label} (a whole number)" for image, label in KEYS)
    unlabelled = UNLABELLED if any(image in features for image, _ in KEYS) else ""
    raise UserError(f"{where}: found {found}; expected {wanted}{unlabelled}")


def _names(shards: _Shards, index: _Index) -> tuple[str, ...]:
    """`shard:number`, numbered within each shard."""
    starts = np.searchsorted(index.shard, np.arange(len(shards.names)))
    numbers = np.arange(len(index.shard)) - starts[index.shard]
    names = [shown(name) for name in shards.names]
    return tuple(f"{names[s]}:{n:06d}" for s, n in zip(index.shard.tolist(), numbers.tolist(), strict=True))


def _class_names(root: Path, numbers: np.ndarray) -> tuple[str, ...]:
    """The lines of a file of names beside the shards, by number; the numbers themselves where there is none."""
    for name in NAME_FILES:
        file = root / name
        if file.is_file():
            lines = _lines(file)
            if numbers.min() < 0 or numbers.max() >= len(lines):
                raise UserError(
                    f"{shown(str(file))} names {len(lines)} classes, but labels run from {numbers.min()} to {numbers.max()}"
                    f"{UNLABELLED if numbers.min() < 0 else ''}"
                )
            return tuple(shown(lines[number]) for number in numbers.tolist())
    return tuple(str(number) for number in numbers.tolist())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{shown(str(file))} cannot be read as names in UTF-8: {reason_of(error)}; save it as UTF-8"
        ) from error


def _read(shards: _Shards, index: _Index, position: int) -> bytes:
    name = shards.names[index.shard[position]]
    with (shards.root / name).open("rb") as file:
        file.seek(int(index.offset[position]))
        record = file.read(int(index.length[position]))
    try:
        return _parsed(record, name)[0]
    except UserError as error:  # changed since it was indexed
        raise OSError(str(error)) from error
