"""Made-up pictures and data sets on disk for the tests of `data`, TFRecord shards among them. Every
picture differs from every other."""

import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset, list_images, open_dataset
from data.decode import Decoded, decode_image
from data.errors import UserError
from data.listing import Listing
from data.settings import DatasetConfig


def picture(number: int, width: int = 24, height: int = 20) -> Image.Image:
    """A smooth RGB picture, its own for every number."""
    coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def write_folders(root: Path, counts: Mapping[str, int], first: int = 0) -> None:
    """{"train/cat": 3, ...}: so many PNG files in each folder, numbered on from `first`."""
    number = first
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            (root / folder / f"{number:03d}.png").write_bytes(encoded(picture(number)))
            number += 1


SPLIT_COUNTS = {
    "train/cat": 3,
    "train/dog": 3,
    "validation/cat": 1,
    "validation/dog": 1,
    "test/cat": 1,
    "test/dog": 1,
}


def folder_config(root: Path, **settings: Any) -> DatasetConfig:
    return DatasetConfig(**{"source": "folder", "path": str(root), "image_size": 16, **settings})


def csv_config(root: Path, text: str, **settings: Any) -> DatasetConfig:
    (root / "images.csv").write_text(text, encoding="utf-8")
    return DatasetConfig(
        **{"source": "csv", "path": str(root / "images.csv"), "image_size": 16, **settings}
    )


def arrays_config(root: Path, **arrays: Any) -> DatasetConfig:
    np.savez(root / "images.npz", **arrays)
    return DatasetConfig(source="arrays", path=str(root / "images.npz"), image_size=16)


def opened(config: DatasetConfig, cache: Path, seed: int = 1, **options: Any) -> Dataset:
    return open_dataset(config, cache, seed, **options)


def refusal(config: DatasetConfig, cache: Path) -> str:
    with pytest.raises(UserError) as caught:
        opened(config, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


def chunk(name: bytes, body: bytes, flipped: int = 0) -> bytes:
    """A PNG's; with another checksum than it should have where bits of that are flipped."""
    return (
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body) ^ flipped)
    )


LIMIT = 1_000_000


def decoded(image: Image.Image, format_name: str = "PNG", size: int = 8, **options: Any) -> Decoded:
    return decode_image(encoded(image, format_name, **options), size, LIMIT)


def listed(config: DatasetConfig) -> Listing:
    return list_images(config, Path(os.devnull))  # neither source may touch the cache


def listing_refusal(config: DatasetConfig) -> str:
    with pytest.raises(UserError) as caught:
        listed(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)
