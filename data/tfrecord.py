"""The `tfrecord` source: shards of TensorFlow Examples, as exporters and TensorFlow Datasets write
them.

Every shard is read once to check it and to learn the labels, and again in order as images are asked
for. The image is under `image/encoded` with its label under `image/class/label`, or under `image`
and `label` (TensorFlow Datasets' names).
"""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.files import make_folder, write_atomically
from data.listing import Listing, reason_of
from data.messages import LONGEST_VALUE, escaped, first_of, plural
from data.numpy_files import DamagedArray, read_arrays
from data.settings import DatasetConfig
from data.shard_files import NAME_FILES, Shards, find_shards, records
from data.splits import TRAIN, splits_to_draw

KEYS = (("image/encoded", "image/class/label"), ("image", "label"))  # of the image, of its label
FEATURE_KINDS = {
    "bytes_list": ("text", "texts"),
    "float_list": ("float", "floats"),
    "int64_list": ("whole number", "whole numbers"),
}
UNLABELLED = "; leave shards of images without labels out, and use `predict` on them"
INDEX_FORMAT = 2
MOST_OF_NOTHING = 64  # bytes of a shard without records, compressed
# records kept of those passed over: several threads ask for neighbours, in about the order
NUM_PASSED = 64


@dataclass(frozen=True)
class _Index:
    """A record each, in order: shard int32 [n], number int64 [n] within the shard, label int64
    [n], group text [n], empty where none is asked for."""

    shard: np.ndarray
    number: np.ndarray
    label: np.ndarray
    group: np.ndarray


def list_tfrecord(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the Examples of the shards at `dataset.path` (one file, or a folder of them), shard by
    shard.

    Raises UserError for a folder without shards, a shard that is damaged, an Example without image
    or label, and shards of which some name a split and some do not.
    """
    path = Path(config.path or "")
    shards = find_shards(path)
    index = _index(shards, cache_dir, config.group_column)
    splits = np.array([TRAIN if split is None else split for split in shards.splits], np.int8)
    declared = None if None in shards.splits else sorted({int(split) for split in splits})
    numbers, labels = np.unique(index.label, return_inverse=True)
    reader = _Reader(shards, index)
    return Listing(
        names=_names(shards, index),
        labels=labels.astype(np.int32),
        splits=splits[index.shard],
        class_names=_class_names(shards.root, numbers),
        read=reader.read,
        found=shards.found,
        fingerprint=shards.fingerprint,
        draw=splits_to_draw(declared, config.split, escaped(str(path))),
        groups=None if config.group_column is None else tuple(index.group.tolist()),
    )


def _index(shards: Shards, cache_dir: Path, group_key: str | None) -> _Index:
    """The records, read from the shards the first time and from `cache_dir` after that."""
    folder = make_folder(cache_dir / "tfrecord", "the index of the records")
    name = sha256(f"{shards.fingerprint}\0{INDEX_FORMAT}\0{group_key or ''}".encode()).hexdigest()
    path = folder / f"{name[:32]}.npz"
    if path.exists():
        try:
            with path.open("rb") as file:
                arrays = read_arrays(file)
            return _Index(**{name: arrays[name] for name in _Index.__dataclass_fields__})
        except (OSError, DamagedArray, KeyError):
            path.unlink()  # damaged: the shards have it all
    index = _read_index(shards, group_key)
    buffer = io.BytesIO()
    np.savez(buffer, **vars(index))
    write_atomically(path, buffer.getvalue(), "the index of the records")
    return index


def _read_index(shards: Shards, group_key: str | None) -> _Index:
    found = [list(_labels(shards.root / name, group_key)) for name in shards.names]
    columns = [np.array([label for label, _ in each], np.int64) for each in found]
    label = np.concatenate(columns)
    if not len(label):
        raise UserError(f"dataset.path: the shards in {escaped(str(shards.root))} hold no record")
    lengths = [len(column) for column in columns]
    shard = np.repeat(np.arange(len(columns), dtype=np.int32), lengths)
    number = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    return _Index(shard, number, label, np.array([group for each in found for _, group in each]))


def _labels(path: Path, group_key: str | None) -> Iterator[tuple[int, str]]:
    """The label and the group of each record; TensorFlow checks both checksums of each on the
    way."""
    import tensorflow as tf

    number = 0
    try:
        for record in records(path):
            where = f"{escaped(str(path))}, record {number}"
            yield _parsed(record, where)[1], _group(record, group_key, where)
            number += 1
    except tf.errors.OpError as error:
        raise UserError(
            f"{escaped(str(path))} is damaged after {plural(number, 'record')} ({_reason(error)}); "
            "write it again"
        ) from error
    if not number and path.stat().st_size > MOST_OF_NOTHING:
        # TensorFlow takes a bad GZIP header for the end
        raise UserError(
            f"{escaped(str(path))} is damaged after 0 records (it holds none); write it again"
        )


def _reason(error: Exception) -> str:
    """Without the name of TensorFlow's own node in front."""
    return re.sub(r"\{\{.*?\}\} *", "", reason_of(error))[:120]


def _parsed(record: bytes, where: str) -> tuple[bytes, int]:
    """The encoded image and its label. Raises UserError where the Example has neither pair of
    keys."""
    import tensorflow as tf

    try:
        features: Any = tf.train.Example.FromString(record).features.feature
    except Exception as error:
        # protobuf's own DecodeError, whose module differs between its versions
        raise UserError(f"{where}: not a TensorFlow Example ({reason_of(error)[:80]})") from error
    for image_key, label_key in KEYS:
        if image_key in features and label_key in features:
            image, label = (
                features[image_key].bytes_list.value,
                features[label_key].int64_list.value,
            )
            if len(image) == 1 and len(label) == 1:
                return image[0], int(label[0])
    pair = next((keys for keys in KEYS if set(keys) <= set(features)), None)
    if pair is None:
        found = f"found {first_of([escaped(name) for name in sorted(features)]) or 'nothing'}"
    else:
        found = _received(*((key, features[key]) for key in pair))
    wanted = " or ".join(f"{image} (bytes) with {label} (a whole number)" for image, label in KEYS)
    unlabelled = UNLABELLED if pair is None and any(image in features for image, _ in KEYS) else ""
    raise UserError(f"{where}: {found}; expected {wanted}{unlabelled}")


def _group(record: bytes, key: str | None, where: str) -> str:
    """The group that an Example names, "" where none is asked for or it has none. Raises UserError
    for what is no name."""
    import tensorflow as tf

    if key is None:
        return ""
    features: Any = tf.train.Example.FromString(record).features.feature
    feature = features[key] if key in features else tf.train.Feature()
    values = [*feature.bytes_list.value, *feature.int64_list.value]
    if len(values) > 1 or feature.float_list.value:
        raise UserError(
            f"{where}: {_received((key, feature), (key, feature))}; dataset.group_column must be "
            "one text or one whole number"
        )
    return "".join(
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        for value in values
    ).strip()


def _received(image: tuple[str, Any], label: tuple[str, Any]) -> str:
    """Which of two features is not what it should be, and what it is instead."""
    name, feature = label if len(image[1].bytes_list.value) == 1 else image
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else []
    if not values:
        return f"{name} is empty"
    noun = FEATURE_KINDS[kind]
    if len(values) > 1:
        return f"{name} is {plural(len(values), *noun)}"
    if kind == "bytes_list":
        return (
            f"{name} is text "
            f"('{escaped(values[0].decode('utf-8', 'backslashreplace'))[:LONGEST_VALUE]}')"
        )
    return f"{name} is a {noun[0]} ({values[0]:g})"


def _names(shards: Shards, index: _Index) -> tuple[str, ...]:
    """`shard:number`, numbered within each shard."""
    names = [escaped(name) for name in shards.names]
    pairs = zip(index.shard.tolist(), index.number.tolist(), strict=True)
    return tuple(f"{names[shard]}:{number:06d}" for shard, number in pairs)


def _class_names(root: Path, numbers: np.ndarray) -> tuple[str, ...]:
    """The lines of a file of names beside the shards, by number; the numbers themselves where there
    is none."""
    for name in NAME_FILES:
        file = root / name
        if file.is_file():
            lines = _lines(file)
            if numbers.min() < 0 or numbers.max() >= len(lines):
                raise UserError(
                    f"{escaped(str(file))} names {len(lines)} classes, but labels run from "
                    f"{numbers.min()} to {numbers.max()}{UNLABELLED if numbers.min() < 0 else ''}"
                )
            return tuple(escaped(lines[number]) for number in numbers.tolist())
    return tuple(str(number) for number in numbers.tolist())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{escaped(str(file))} cannot be read as names in UTF-8: {reason_of(error)}; save it "
            "as UTF-8"
        ) from error


class _Reader:
    """Reads records one after the other, as they are asked for by several threads at about the same
    place."""

    def __init__(self, shards: Shards, index: _Index) -> None:
        self._shards, self._index = shards, index
        self._lock = threading.Lock()
        self._shard, self._next = -1, 0
        self._records: Iterator[bytes] = iter(())
        self._passed: dict[int, bytes] = {}

    def read(self, position: int) -> bytes:
        """The encoded image. Raises OSError where the shards are no longer what was indexed."""
        import tensorflow as tf

        shard, number = int(self._index.shard[position]), int(self._index.number[position])
        try:
            with self._lock:
                record = self._record(shard, number)
            return _parsed(record, self._shards.names[shard])[0]
        except (UserError, StopIteration, tf.errors.OpError) as error:
            raise OSError(f"changed since it was indexed ({_reason(error)})") from error

    def _record(self, shard: int, number: int) -> bytes:
        if shard == self._shard and number in self._passed:
            return self._passed.pop(number)
        if shard != self._shard or number < self._next:
            self._records = records(self._shards.root / self._shards.names[shard])
            self._shard, self._next, self._passed = shard, 0, {}
        while True:
            record = next(self._records)
            self._next += 1
            if self._next > number:
                return record
            self._passed[self._next - 1] = record
            if len(self._passed) > NUM_PASSED:
                del self._passed[next(iter(self._passed))]
