"""TFRecord shards as files: which there are, which split each is of, and the records in one. Not
what is in a record.

Read by TensorFlow's own reader, plain, GZIP and ZLIB alike.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from data.dataset_notes import Converted
from data.errors import UserError
from data.listing import is_litter, reason_of
from data.messages import escaped, first_of
from data.splits import split_number

NAME_FILES = ("label.labels.txt", "labels.txt", "classes.txt")
SHARD = re.compile(r"\.tfr(ec(ord)?s?)?(?![a-z])|-\d{4,}-of-\d{4,}(?!\d)", re.IGNORECASE)
# What stands beside shards: indexes of them, checksums, what is still being written.
NO_SHARD = re.compile(r"\.(idx|index|json|txt|csv|md5|sha\d*|crc\d*|log|tmp|part)$", re.IGNORECASE)
# by a file's first bytes; an ordinary one may have them too
COMPRESSIONS = {b"\x1f\x8b": "GZIP", b"\x78": "ZLIB"}


@dataclass(frozen=True)
class Shards:
    """root and the shards below it, sorted; splits: as their names say, None where they say
    nothing; found: what was passed over."""

    root: Path
    names: tuple[str, ...]
    splits: tuple[int | None, ...]
    found: dict[str, Converted]

    @property
    def fingerprint(self) -> str:
        """sha256 over root, names, sizes and modification times."""
        digest = sha256(os.fsencode(self.root))
        for name in self.names:
            status = (self.root / name).stat()
            digest.update(
                b"\0" + os.fsencode(name) + f"\0{status.st_size} {status.st_mtime_ns}".encode()
            )
        return digest.hexdigest()


def find_shards(path: Path) -> Shards:
    if path.is_file():
        return Shards(path.parent, (path.name,), (_split_of(Path(path.name)),), {})
    try:
        files = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    except OSError as error:
        raise UserError(
            f"dataset.path: {escaped(str(path))} cannot be read: {reason_of(error)}"
        ) from error
    found = [file for file in files if _is_shard(file)]
    if not found:
        raise UserError(
            f"dataset.path: {escaped(str(path))} holds no TFRecord shards (NAME.tfrecord, "
            "NAME.tfrec or NAME-00000-of-00010, each with .gz or without)"
        )
    splits = tuple(_split_of(name) for name in found)
    if None in splits and len(set(splits)) > 1:
        named = first_of(
            [escaped(str(n)) for n, split in zip(found, splits, strict=True) if split is None]
        )
        raise UserError(
            f"dataset.path: {escaped(str(path))}: some shards name their split and some do not "
            f"({named}); write train, validation or test into every name"
        )
    others = [
        escaped(str(file))
        for file in files
        if file not in set(found) and file.name not in NAME_FILES
    ]
    passed = (
        {"passed over beside the shards": Converted(count=len(others), first=tuple(others[:3]))}
        if others
        else {}
    )
    return Shards(path, tuple(str(name) for name in found), splits, passed)


def _is_shard(file: Path) -> bool:
    return (
        SHARD.search(file.name) is not None
        and NO_SHARD.search(file.name) is None
        and not any(is_litter(part, is_folder=True) for part in file.parts[:-1])
        and not is_litter(file.name)
    )


def _split_of(name: Path) -> int | None:
    """The split that a shard's name, or else a folder above it, stands for."""
    for part in reversed(name.parts):
        found = {split_number(word) for word in re.split(r"[-_.]", part)} - {None}
        if len(found) == 1:
            return found.pop()
    return None


def records(path: Path) -> Iterator[bytes]:
    """Every record of a shard. Raises tensorflow.errors.OpError where one is damaged."""
    import tensorflow as tf

    return iter(tf.data.TFRecordDataset(str(path), _compression(path)).as_numpy_iterator())


def _compression(path: Path) -> str:
    """How TensorFlow is to read a shard: by its first bytes, unless it reads as it is. "" is
    plain."""
    import tensorflow as tf

    with path.open("rb") as file:
        start = file.read(2)
    packed = next((name for mark, name in COMPRESSIONS.items() if start.startswith(mark)), "")
    if not packed:
        return ""
    try:
        next(tf.data.TFRecordDataset(str(path)).take(1).as_numpy_iterator())
    except tf.errors.OpError:
        return packed
    return ""
