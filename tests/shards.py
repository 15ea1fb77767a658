"""TFRecord shards for tests, written by TensorFlow itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXPORTED = ("image/encoded", "image/class/label")


def example(image: bytes, label: int, keys: tuple[str, str] = EXPORTED) -> Any:
    """A TensorFlow Example."""
    import tensorflow as tf

    feature = {
        keys[0]: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        keys[1]: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def write_shard(
    path: Path,
    examples: Iterable[tuple[bytes, int]],
    keys: tuple[str, str] = EXPORTED,
    compression: str = "",
) -> Path:
    """One shard of (encoded image, label) under these keys."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for image, label in examples:
            writer.write(example(image, label, keys).SerializeToString())
    return path
