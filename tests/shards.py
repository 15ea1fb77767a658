"""TFRecord shards for tests, written by TensorFlow itself."""

from collections.abc import Iterable
from pathlib import Path

EXPORTED = ("image/encoded", "image/class/label")


def write_shard(path: Path, examples: Iterable[tuple[bytes, int]], keys: tuple[str, str] = EXPORTED) -> Path:
    """One shard of (encoded image, label) under these keys."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in examples:
            feature = {
                keys[0]: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                keys[1]: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return path
