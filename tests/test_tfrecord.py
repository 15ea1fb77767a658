"""TFRecord shards: found, indexed once, read in order; what is damaged or foreign is refused in one
line."""

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import spoiled
from pictures import encoded, example, picture, write_shard

from data.dataset import TEST, TRAIN, VALIDATION, list_images, open_dataset
from data.errors import UserError
from data.listing import Listing
from data.settings import DatasetConfig

EXAMPLES = [(encoded(picture(number)), number % 2) for number in range(24)]


def _listed(root: Path) -> Listing:
    return list_images(
        DatasetConfig(source="tfrecord", path=str(root), image_size=16), root / "cache"
    )


def _split_shards(root: Path, pattern: str) -> None:
    for number, split in enumerate(("train", "validation", "test")):
        write_shard(root / pattern.format(split=split), EXAMPLES[8 * number : 8 * number + 8])


@pytest.mark.parametrize(
    "pattern",
    [
        "{split}-00000-of-00001",
        "photos-{split}.tfrecord-00000-of-00001",
        "{split}.tfrecord",
        "{split}/0.tfrecord",
    ],
)
def test_the_split_is_read_from_the_name(tmp_path: Path, pattern: str) -> None:
    _split_shards(tmp_path, pattern)
    listing = _listed(tmp_path)
    counts = np.bincount(listing.splits, minlength=3)
    assert counts.tolist() == [8, 8, 8]
    assert listing.draw is None


def test_images_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tfrecord-00000-of-00002", EXAMPLES[:5])
    write_shard(tmp_path / "a.tfrecord-00001-of-00002", EXAMPLES[5:12])
    listing = _listed(tmp_path)
    assert [listing.read(position) for position in range(12)] == [
        image for image, _ in EXAMPLES[:12]
    ]
    assert listing.labels.tolist() == [label for _, label in EXAMPLES[:12]]


def test_shards_of_tensorflow_datasets_bring_their_class_names(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "cats_dogs-train.tfrecord-00000-of-00001", EXAMPLES, keys=("image", "label")
    )
    (tmp_path / "label.labels.txt").write_text("cat\ndog\n")
    assert _listed_with_draw(tmp_path).class_names == ("cat", "dog")


def _listed_with_draw(root: Path) -> Listing:
    split = {"validation": 0.2, "test": 0.2}
    config = DatasetConfig.model_validate({"source": "tfrecord", "path": str(root), "split": split})
    return list_images(config, root / "cache")


def test_a_dataset_opens_with_drawn_splits(tmp_path: Path) -> None:
    write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    config = DatasetConfig(source="tfrecord", path=str(tmp_path / "all.tfrecord"), image_size=16)
    dataset = open_dataset(config, tmp_path / "cache", seed=1)
    assert {TRAIN, VALIDATION, TEST} == set(np.unique(dataset.splits).tolist())


@pytest.mark.parametrize("damaged", [lambda written: written[:100], spoiled])
def test_the_index_is_read_from_the_cache_and_made_again_when_damaged(
    damaged: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    first = _listed(tmp_path)
    (index,) = (tmp_path / "cache" / "tfrecord").iterdir()
    written = index.read_bytes()
    index.write_bytes(damaged(written))
    assert _listed(tmp_path).names == first.names
    assert index.read_bytes() == written


def test_a_changed_shard_has_another_fingerprint(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    before = _listed(tmp_path).fingerprint
    write_shard(path, EXAMPLES[:20])
    assert _listed(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("packed", "place"),
    [(bytes, 3), (bytes, 9), (bytes, 40), (bytes, -10), (gzip.compress, 3), (gzip.compress, 40)],
)
def test_a_flipped_bit_is_found_and_named(
    tmp_path: Path, packed: Callable[[bytes], bytes], place: int
) -> None:
    path = write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    content = bytearray(packed(path.read_bytes()))
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"all\.tfrecord is damaged after \d+ records? \(\w"):
        _listed(tmp_path)


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zlib.compress])
def test_a_truncated_shard_is_damaged(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    path = write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    content = packed(path.read_bytes())
    path.write_bytes(content[: -len(content) // 20])
    with pytest.raises(UserError, match=r"is damaged after \d+ records"):
        _listed(tmp_path)


@pytest.mark.parametrize("packed", ["GZIP", "ZLIB", "gzip", "zlib"])
def test_compressed_shards_are_read_in_any_order(tmp_path: Path, packed: str) -> None:
    """As TensorFlow packs them, which writes no time into the header, and as gzip does."""
    path = write_shard(
        tmp_path / "a.tfrecord", EXAMPLES, compression=packed if packed.isupper() else ""
    )
    if packed.islower():
        compress = gzip.compress if packed == "gzip" else zlib.compress
        path.write_bytes(compress(path.read_bytes()))
    write_shard(tmp_path / "b.tfrecord", EXAMPLES[:4])
    listing = _listed(tmp_path)
    for position in (*range(28), 27, 3, 2, 23, 0, 24):
        assert listing.read(position) == EXAMPLES[position % 24][0]


def test_an_ordinary_shard_may_begin_like_a_compressed_one(tmp_path: Path) -> None:
    """A record's length is what a shard begins with: 120 is zlib's mark, 35615 gzip's."""
    for num_bytes in (120, 35615):
        start = len(_example(b""))
        image = bytes(num_bytes - start)
        image = image[: len(image) - (len(_example(image)) - num_bytes)]
        assert len(_example(image)) == num_bytes
        write_shard(tmp_path / "a.tfrecord", [(image, 1)])
        assert _listed(tmp_path).read(0) == image


def _example(image: bytes) -> bytes:
    return example(image, 1).SerializeToString()


@pytest.mark.parametrize(
    "name",
    [
        "a.tfrec",
        "a.tfrecords",
        "a.TFRecord",
        "a-00000-of-00001",
        "00-192x192-798.tfrec",
        "a.tfrecord-00000-of-00001.gz",
    ],
)
def test_shards_are_found_by_the_names_people_give_them(tmp_path: Path, name: str) -> None:
    write_shard(tmp_path / name, EXAMPLES[:6], compression="GZIP" if name.endswith("gz") else "")
    assert len(_listed(tmp_path).names) == 6


def test_what_lies_beside_shards_is_passed_over_and_counted(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tfrecord", EXAMPLES)
    for name in ("._a.tfrecord", "__MACOSX/a.tfrecord", "a.tfrecord.idx", "a.tfrecord.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no shard")
    listing = _listed(tmp_path)
    assert len(listing.names) == 24
    assert listing.found["passed over beside the shards"].count == 4


def test_foreign_keys_are_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "all.tfrecord", EXAMPLES, keys=("picture", "category"))
    with pytest.raises(UserError, match="found category, picture; expected image/encoded"):
        _listed(tmp_path)


def test_a_folder_without_shards_says_how_they_are_called(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no TFRecord shards"):
        _listed(tmp_path)


def test_shards_of_which_only_some_name_a_split_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "train.tfrecord", EXAMPLES[:12])
    write_shard(tmp_path / "more.tfrecord", EXAMPLES[12:])
    with pytest.raises(UserError, match=r"some do not \(more\.tfrecord\)"):
        _listed(tmp_path)


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    (tmp_path / "labels.txt").write_text("cat\ncat\n")
    with pytest.raises(UserError, match="classes of the same name: 'cat'"):
        _listed(tmp_path)


@pytest.mark.parametrize(
    ("kind", "value", "received"),
    [
        ("bytes_list", [b"cat"], "image/class/label is text ('cat')"),
        ("float_list", [1.0], "image/class/label is a float (1)"),
        ("int64_list", [1, 2], "image/class/label is 2 whole numbers"),
        ("int64_list", [], "image/class/label is empty"),
    ],
)
def test_a_label_of_another_kind_is_answered_with_what_it_is(
    kind: str, value: list[Any], received: str, tmp_path: Path
) -> None:
    record = example(EXAMPLES[0][0], 0)
    label = record.features.feature["image/class/label"]
    label.Clear()
    getattr(label, kind).value.extend(value)
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "all.tfrecord")) as writer:
        writer.write(record.SerializeToString())
    with pytest.raises(UserError, match=re.escape(f"record 0: {received}; expected image/encoded")):
        _listed(tmp_path)


def test_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "all.tfrecord", EXAMPLES)
    (tmp_path / "labels.txt").write_text("only one\n")
    with pytest.raises(UserError, match="names 1 classes, but labels run from 0 to 1"):
        _listed(tmp_path)


def test_a_feature_names_groups(tmp_path: Path) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for number, (image, label) in enumerate(EXAMPLES[:6]):
            made = example(image, label)
            if number < 5:
                made.features.feature["patient"].bytes_list.value.append(b"p%d" % (number // 2))
            made.features.feature["burst"].int64_list.value.append(number // 3)
            made.features.feature["age"].float_list.value.append(0.5)
            writer.write(made.SerializeToString())

    def groups(column: str) -> tuple[str, ...] | None:
        config = DatasetConfig(source="tfrecord", path=str(tmp_path), group_column=column)
        return list_images(config, tmp_path / "cache").groups

    assert groups("patient") == ("p0", "p0", "p1", "p1", "p2", "")
    assert groups("burst") == ("0", "0", "0", "1", "1", "1")
    assert _listed(tmp_path).groups is None
    with pytest.raises(UserError, match=r"age is a float .*must be one text or one whole number"):
        groups("age")
    with pytest.raises(UserError, match=r'group_column: "none" is empty for all images'):
        groups("none")
