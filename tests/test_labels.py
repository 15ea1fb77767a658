"""Labels as people write them: what is missing, what is written in two ways, what holds several
labels."""

from pathlib import Path

import numpy as np
import pytest
from pictures import (
    arrays_config,
    csv_config,
    encoded,
    folder_config,
    opened,
    picture,
    write_folders,
    write_shard,
)

from data.dataset import list_images
from data.errors import UserError
from data.labels import is_missing, label_remarks
from data.messages import escaped
from data.settings import DatasetConfig


def said(*names: str) -> str:
    return " / ".join(label_remarks([escaped(name) for name in names], [3] * len(names)))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("Cat", "cat"), "'Cat' (3 images) and 'cat' (3 images)"),
        (
            ("caf\u00e9", "cafe\u0301"),
            "'caf\u00e9' (U+00E9, 3 images) and 'cafe\u0301' (U+0301, 3 images)",
        ),
        (("cat", "cat\u200b"), "'cat' (3 images) and 'cat\\u200b' (3 images)"),
        (("two words", "two\u00a0words"), "'two\\xa0words'"),
        (("\uff11", "1"), "'\uff11' (U+FF11, 3 images) and '1' (ASCII, 3 images)"),
        (("\u2160", "i"), "U+2160"),
        (("cat", "c\u0430t"), "'cat' (ASCII, 3 images) and 'c\u0430t' (U+0430, 3 images)"),
        (("cat", "cat."), "'cat.'"),
        (("cat", " cat "), "' cat '"),
        (("1", "01", "1.0"), "'1' (3 images) and '01' (3 images) and '1.0' (3 images)"),
        (("-1", "+1", "1"), "'+1' (3 images) and '1' (3 images)"),
        (("-1", "-01"), "'-1' (3 images) and '-01' (3 images)"),
        (("True", "true"), "'True'"),
        (("t-shirt", "T_shirt", "t  shirt"), "'T_shirt'"),
        (("stra\u00dfe", "STRASSE"), "U+00DF"),
        (("cat", "cat"), "'cat' (3 images) and 'cat' (3 images)"),
    ],
)
def test_classes_that_read_alike_are_named_with_what_differs(
    names: tuple[str, ...], words: str
) -> None:
    assert "perhaps written in several ways" in said(*names)
    assert words in said(*names)


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "dog"),
        ("C", "C++"),
        ("+", "-"),
        ("1-2", "12"),
        ("1", "10"),
        ("-1", "1"),
        ("-1", "+1"),
        ("\u0432\u0435\u0441", "bag"),
    ],
)
def test_classes_of_their_own_are_left_alone(names: tuple[str, ...]) -> None:
    assert said(*names) == ""


@pytest.mark.parametrize(
    "names",
    [
        ("cat,pet", "dog"), ("red car, blue car", "van"), ("a|b", "c"), ("a;b", "c"),
        ("['a','b']", "c"), ("{a, b}", "c"), ("scab rust", "scab", "rust"),
        ("cat/dog", "cat", "dog"), ("cat_and_dog", "cat", "Dog"), ("cat+dog", "cat", "dog"),
    ],
)  # fmt: skip
def test_several_labels_in_one_cell_are_named(names: tuple[str, ...]) -> None:
    assert f"1 class looks like several labels in one: '{names[0]}'" in said(*names)
    assert "choose one label per image" in said(*names)


@pytest.mark.parametrize(
    "names",
    [
        ("Pepper,_bell___healthy", "Tomato"),
        ("hot dog", "dog"),
        ("1,000", "2,000"),
        ("left_hand", "foot"),
    ],
)
def test_a_name_of_several_words_is_one_label(names: tuple[str, ...]) -> None:
    assert said(*names) == ""


@pytest.mark.parametrize(
    "cell",
    ["", " ", "nan", "NaN", "None", "NA", "N/A", "<NA>", "null", "NaT", "'nan'", "nan\u200b "],
)
def test_what_libraries_write_for_nothing_is_missing(cell: str) -> None:
    assert is_missing(escaped(cell))


@pytest.mark.parametrize("cell", ["0", "no", "Nan dog", "Nathan", "false", "-"])
def test_a_short_label_is_a_label(cell: str) -> None:
    assert not is_missing(cell)


def test_a_class_that_may_stand_for_no_label_or_a_split_is_questioned() -> None:
    assert (
        "a class is called 'none' (3 images), which is how a missing label may be written"
        in said("none", "a")
    )
    assert "which is how a missing label may be written" in said("-1", "0")
    assert "which is how a missing label may be written" in said("-1", "0", "1")
    assert "which is how a missing label may be written" in said("-1", "0", "1", "2")
    for blank in ("-", "?", "--", "...", "\u2014", "N.A.", "_"):
        assert f"a class is called '{blank}' (3 images), which is how a" in said(blank, "a", "b")
    assert "how a missing label may be written" not in said("+", "-")
    assert "how a missing label may be written" not in said("C#", "C++", "\u733f", "a?")
    assert "a class is called 'test' (3 images), which is the name of a split" in said(
        "test", "car"
    )


def _examples(root: Path) -> dict[str, DatasetConfig]:
    """The same labels from every source with labels of its own: Cat, cat and what is missing."""
    names = ["Cat"] * 5 + ["cat"] * 5 + ["nan"] * 2
    images = np.stack([np.asarray(picture(number)) for number in range(12)])
    for number, name in enumerate(names):
        (root / "folder" / name).mkdir(parents=True, exist_ok=True)
        (root / "folder" / name / f"{number:02d}.png").write_bytes(encoded(picture(number)))
    rows = "".join(f"folder/{name}/{number:02d}.png,{name}\n" for number, name in enumerate(names))
    (root / "shards").mkdir()
    write_shard(
        root / "shards" / "a.tfrecord",
        [
            (encoded(picture(number)), ("Cat", "cat", "nan").index(name))
            for number, name in enumerate(names)
        ],
    )
    (root / "shards" / "labels.txt").write_text("\ufeffCat\ncat\nnan\n", encoding="utf-8")
    return {
        "folder": folder_config(root / "folder"),
        "csv": csv_config(root, f"path,label\n{rows}"),
        "arrays": arrays_config(root, images=images, labels=np.array(names)),
        "class names": arrays_config(
            root / "shards",
            images=images,
            labels=[0] * 5 + [1] * 5 + [2] * 2,
            class_names=["Cat", "cat", "nan"],
        ),
        "tfrecord": DatasetConfig(source="tfrecord", path=str(root / "shards"), image_size=16),
    }


@pytest.mark.parametrize("source", ["folder", "csv", "arrays", "class names", "tfrecord"])
def test_every_source_names_missing_labels_and_leaves_them_out_on_request(
    tmp_path: Path, source: str
) -> None:
    config = _examples(tmp_path)[source]
    with pytest.raises(
        UserError, match=r"2 images have no label: .*'nan'.*dataset.on_bad_file: skip"
    ) as caught:
        opened(config, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    dataset = opened(config.model_copy(update={"on_bad_file": "skip"}), tmp_path / "cache")
    assert dataset.class_names == ("Cat", "cat")
    assert np.bincount(dataset.labels).tolist() == [5, 5]
    assert all("nan" not in name for name in dataset.names)
    assert [
        item.reason for item in dataset.notes.left_out if "no label: 'nan'" in item.reason
    ] != []
    assert dataset.notes.lines()[0].startswith(
        "1 class is perhaps written in several ways: 'Cat' (5 images) and 'cat'"
    )


def test_an_image_keeps_its_own_pixels_where_others_are_left_out(tmp_path: Path) -> None:
    images = np.stack([np.asarray(picture(number)) for number in range(4)])
    listing = list_images(
        arrays_config(tmp_path, images=images, labels=["a", "nan", "b", "a"]), tmp_path
    )
    assert listing.names == ("image 0", "image 2", "image 3")
    assert all(np.array_equal(listing.read(place), images[n]) for place, n in enumerate((0, 2, 3)))
    whole = list_images(
        arrays_config(tmp_path, images=images, labels=["a", "c", "b", "a"]), tmp_path
    )
    assert listing.fingerprint != whole.fingerprint


def test_a_csv_names_the_lines_without_a_label(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 8})
    labels = ["a", "b", "a", "b", "", "NaN", "a", "b"]
    rows = "".join(f"{number:03d}.png,{label}\n" for number, label in enumerate(labels))
    with pytest.raises(
        UserError, match=r"004\.png \(line 6: no label: ''\), 005\.png \(line 7: no label: 'NaN'\)"
    ):
        opened(csv_config(tmp_path, f"path,label\n{rows}"), tmp_path / "cache")


def test_decimals_with_gaps_name_the_images_without_a_value(tmp_path: Path) -> None:
    images = np.zeros((4, 8, 8), np.uint8)
    with pytest.raises(
        UserError,
        match=r"no value \(nan\) for 2 images, counted from 0: 1, 3; label or remove them",
    ):
        list_images(
            arrays_config(tmp_path, images=images, labels=[0.0, np.nan, 1.0, np.nan]), tmp_path
        )


def test_rows_of_several_ones_are_named(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 8, 8), np.uint8), np.array([[1, 0], [1, 1], [0, 0]])
    with pytest.raises(
        UserError, match="rows 1, 2 have several labels or none: an image has one label"
    ):
        list_images(arrays_config(tmp_path, images=images, labels=labels), tmp_path)


def test_one_hot_columns_of_a_csv_are_told_from_classes(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 8})
    text = "path,cat,dog\n" + "".join(f"{n:03d}.png,{n % 2},{1 - n % 2}\n" for n in range(8))
    with pytest.raises(UserError, match="cat, dog are one-hot: write one column label"):
        list_images(csv_config(tmp_path, text), tmp_path)
    listing = list_images(csv_config(tmp_path, text, label_column="cat"), tmp_path)
    assert listing.remarks[0].startswith(
        "columns cat, dog are one-hot, and dataset.label_column reads cat alone"
    )
