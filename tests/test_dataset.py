"""From a config to a dataset: what is decoded once, kept, checked, left out and drawn."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from pictures import csv_config, encoded, folder_config, opened, picture, refusal, write_folders
from PIL import Image

from data.dataset import VALIDATION
from data.settings import Split


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    return tmp_path / "cache"


def test_images_are_decoded_in_the_listings_order(root: Path, cache: Path) -> None:
    dataset = opened(folder_config(root), cache)
    assert dataset.images.shape == (10, 16, 16, 3)
    for row in (0, 4, 9):
        expected = np.asarray(picture(row).resize((16, 16), Image.Resampling.BILINEAR))
        assert np.abs(dataset.images[row].astype(int) - expected).max() <= 1
    assert dataset.names[9] == "test/dog/009.png"
    assert dataset.indices(VALIDATION).tolist() == [6, 7]
    assert isinstance(dataset.images, np.memmap)


def test_bad_files_stop_it_and_are_all_named(root: Path, cache: Path) -> None:
    (root / "train" / "cat" / "zero.png").touch()
    (root / "train" / "cat" / "text.jpg").write_text("dear diary")
    (root / "test" / "dog" / "cut.png").write_bytes(encoded(picture(50))[:-40])
    message = refusal(folder_config(root), cache)
    assert message.startswith("3 files cannot be used: ")
    assert "train/cat/zero.png (empty file (0 bytes))" in message
    assert "train/cat/text.jpg (not an image" in message
    assert "test/dog/cut.png (damaged: " in message


def test_bad_files_are_left_out_on_request_and_reported(root: Path, cache: Path) -> None:
    clean = opened(folder_config(root), cache)
    (root / "train" / "cat" / "0.png").touch()
    os.mkfifo(root / "train" / "dog" / "pipe.png")
    dataset = opened(folder_config(root, on_bad_file="skip"), cache)
    assert dataset.names == clean.names
    assert dataset.digest == clean.digest
    left_out = {item.name: item.reason for item in dataset.notes.left_out}
    assert left_out == {
        "train/cat/0.png": "empty file (0 bytes)",
        "train/dog/pipe.png": "a FIFO, not a file",
    }
    assert "2 files left out" in dataset.notes.lines()[0]


def test_what_was_left_out_once_still_stops_a_search_that_does_not_skip(
    root: Path, cache: Path
) -> None:
    (root / "train" / "cat" / "0.png").touch()
    opened(folder_config(root, on_bad_file="skip"), cache)
    assert "1 file cannot be used" in refusal(folder_config(root), cache)


def test_over_the_pixel_limit_is_a_bad_file(root: Path, cache: Path) -> None:
    (root / "train" / "cat" / "huge.png").write_bytes(encoded(picture(60, 100, 100)))
    assert "huge.png (100 x 100 is 10000 pixels" in refusal(
        folder_config(root, max_pixels=9999), cache
    )
    assert len(opened(folder_config(root, max_pixels=10_000), cache).names) == 11


def test_the_same_image_in_two_splits_is_refused_with_the_pair(root: Path, cache: Path) -> None:
    shutil.copy(root / "test" / "cat" / "008.png", root / "train" / "cat" / "copy.png")
    message = refusal(folder_config(root), cache)
    assert "1 image is in two splits: train/cat/copy.png = test/cat/008.png" in message


def test_the_copy_in_train_is_left_out_on_request(root: Path, cache: Path) -> None:
    clean = opened(folder_config(root), cache)
    for place in ("train/cat/copy.png", "validation/cat/copy.png"):
        shutil.copy(root / "test" / "cat" / "008.png", root / place)
    dataset = opened(folder_config(root, on_bad_file="skip"), cache)
    assert dataset.names == clean.names
    assert np.array_equal(dataset.images, clean.images)
    assert [(item.name, item.reason) for item in dataset.notes.left_out] == [
        ("train/cat/copy.png", "the same image as test/cat/008.png"),
        ("validation/cat/copy.png", "the same image as test/cat/008.png"),
    ]


@pytest.mark.parametrize("saved_again", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_one_picture_in_two_classes_is_refused_with_both(
    root: Path, cache: Path, split: str, saved_again: bool
) -> None:
    first, copy = root / "train" / "cat" / "000.png", root / split / "dog" / "copy"
    shutil.copy(first, copy)
    if saved_again:
        Image.open(first).save(copy, "BMP")
    assert refusal(folder_config(root), cache) == (
        f"1 image is in two classes: {split}/dog/copy (dog) = train/cat/000.png (cat); keep each "
        "in one, or set "
        "dataset.on_bad_file: skip, which leaves out all of them"
    ).replace(*SORTED[split])


SORTED = {
    "test": ("", ""),
    "train": (
        "train/dog/copy (dog) = train/cat/000.png (cat)",
        "train/cat/000.png (cat) = train/dog/copy (dog)",
    ),
}


def test_a_picture_in_two_classes_is_left_out_of_both_on_request(root: Path, cache: Path) -> None:
    write_folders(root, {"train/cat": 1}, first=60)
    clean = opened(folder_config(root), cache)
    for place in ("train/cat/1.png", "train/dog/2.png", "test/dog/3.png"):
        (root / place).write_bytes(encoded(picture(99)))
    dataset = opened(folder_config(root, on_bad_file="skip"), cache)
    assert dataset.names == clean.names
    assert np.array_equal(dataset.images, clean.images)
    assert [(item.name, item.reason) for item in dataset.notes.left_out] == [
        ("train/cat/1.png", "the same image as train/dog/2.png (dog)"),
        ("train/dog/2.png", "the same image as train/cat/1.png (cat)"),
        ("test/dog/3.png", "the same image as train/cat/1.png (cat)"),
    ]


def test_labels_that_changed_are_compared_anew(tmp_path: Path, cache: Path) -> None:
    write_folders(tmp_path, {"p": 8})
    shutil.copy(tmp_path / "p" / "000.png", tmp_path / "p" / "copy.png")
    rows = ["path,label", *(f"p/{number:03d}.png,{number % 2}" for number in range(8))]
    assert len(opened(csv_config(tmp_path, "\n".join([*rows, "p/copy.png,0"])), cache).names) == 9
    message = refusal(csv_config(tmp_path, "\n".join([*rows, "p/copy.png,1"])), cache)
    assert "1 image is in two classes: p/000.png (0) = p/copy.png (1)" in message


def test_copies_within_a_split_are_kept_noted_and_of_one_group(root: Path, cache: Path) -> None:
    assert opened(folder_config(root), cache).groups is None
    shutil.copy(root / "train" / "cat" / "000.png", root / "train" / "cat" / "copy.png")
    dataset = opened(folder_config(root), cache)
    assert dataset.notes.duplicates == (("train/cat/copy.png", "train/cat/000.png"),)
    assert len(dataset.names) == 11
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 1, 2, 0, *range(4, 11)]


def test_copies_never_part_in_a_drawn_split(tmp_path: Path, cache: Path) -> None:
    write_folders(tmp_path / "data", {"cat": 12, "dog": 12})
    for number in range(12):
        shutil.copy(
            tmp_path / f"data/cat/{number:03d}.png", tmp_path / f"data/cat/copy{number}.png"
        )
    dataset = opened(folder_config(tmp_path / "data"), cache)
    split_of = dict(zip(dataset.names, dataset.splits.tolist(), strict=True))
    assert len(dataset.notes.duplicates) == 12
    assert all(split_of[name] == split_of[first] for name, first in dataset.notes.duplicates)


def test_conversions_are_counted_with_the_first_names(root: Path, cache: Path) -> None:
    for number in range(5):
        (root / "train" / "cat" / f"g{number}.png").write_bytes(
            encoded(picture(70 + number).convert("L"))
        )
    (root / "train" / "dog" / "c.jpg").write_bytes(encoded(picture(80).convert("CMYK"), "JPEG"))
    notes = opened(folder_config(root), cache).notes
    assert notes.converted["grey"].count == 5
    assert notes.converted["grey"].first == (
        "train/cat/g0.png",
        "train/cat/g1.png",
        "train/cat/g2.png",
    )
    assert notes.converted["CMYK"].count == 1
    assert notes.lines()[0] == "1 image converted (CMYK): train/dog/c.jpg"


def test_the_digest_follows_labels_and_splits(tmp_path: Path, cache: Path) -> None:
    write_folders(tmp_path, {"p": 16})
    rows = [f"p/{number:03d}.png,{number % 2}" for number in range(16)]
    digests = []
    for swapped in (False, True):
        lines = (
            [rows[1].replace(",1", ",0"), rows[0].replace(",0", ",1"), *rows[2:]]
            if swapped
            else rows
        )
        text = "path,label\n" + "\n".join(sorted(lines)) + "\n"
        digests += [opened(csv_config(tmp_path, text), cache, seed=seed).digest for seed in (1, 2)]
    assert len(set(digests)) == 4


def test_a_wrong_dataset_is_refused_before_anything_is_decoded(tmp_path: Path, cache: Path) -> None:
    write_folders(
        tmp_path / "data",
        {"train/cat": 3, "train/dog": 3, "validation/cat": 1, "validation/owl": 2},
    )
    message = refusal(folder_config(tmp_path / "data"), cache)
    assert "1 class has too few images: owl (2)" in message
    assert "1 class has no image in validation: dog" in message
    assert not cache.exists()


def test_ten_thousand_classes_are_checked_fast(tmp_path: Path, cache: Path) -> None:
    rows = "".join(f"{number:03d}.png,class {number // 2}\n" for number in range(20_000))
    (tmp_path / "data").mkdir()
    for number in range(20_000):
        (tmp_path / "data" / f"{number:03d}.png").touch()
    config = csv_config(
        tmp_path / "data", "path,label\n" + rows, split=Split(validation=0, test=0), image_size=8
    )
    start = time.process_time()
    message = refusal(config, cache)
    assert message.startswith(
        "2 problems with the dataset: (1) 20000 files cannot be used: 000.png (empty file"
    )
    # of a processor, about 2 of them; what is quadratic takes minutes
    assert time.process_time() - start < 20


def test_an_empty_class_is_refused(root: Path, cache: Path) -> None:
    (root / "train" / "owl").mkdir()
    assert "1 class has no image: owl" in refusal(folder_config(root), cache)


def test_a_class_only_in_validation_is_refused(root: Path, cache: Path) -> None:
    write_folders(root, {"validation/owl": 5}, first=50)
    assert "1 class has no image in train: owl" in refusal(folder_config(root), cache)


def test_one_image_a_class_is_refused(tmp_path: Path, cache: Path) -> None:
    write_folders(tmp_path / "data", {f"class {number}": 1 for number in range(3)})
    message = refusal(folder_config(tmp_path / "data"), cache)
    assert (
        "3 classes have too few images: class 0 (1), class 1 (1), class 2 (1); 4 or more" in message
    )


def test_where_every_file_is_bad_skipping_does_not_help(tmp_path: Path, cache: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "data" / name / f"{number}.jpg").write_bytes(b"\xff\xd8\xff")
    message = refusal(folder_config(tmp_path / "data", on_bad_file="skip"), cache)
    assert message == "the dataset has no image (8 files left out); check dataset.path"
