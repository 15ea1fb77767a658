"""Listing folders and csv files: layouts, names, and what is refused with which words."""

import os
from pathlib import Path

import numpy as np
import pytest
from pictures import (
    SPLIT_COUNTS,
    arrays_config,
    csv_config,
    encoded,
    folder_config,
    listed,
    picture,
    write_folders,
)
from pictures import listing_refusal as refusal

from data.settings import DatasetConfig, Split

SPLIT = Split(validation=0.25, test=0.25)


def test_split_folders_give_splits_labels_and_sorted_classes(tmp_path: Path) -> None:
    write_folders(tmp_path, SPLIT_COUNTS)
    listing = listed(folder_config(tmp_path))
    assert listing.class_names == ("cat", "dog")
    assert listing.splits.tolist() == [0] * 6 + [1] * 2 + [2] * 2
    assert listing.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 0, 1]
    assert listing.names[0] == "train/cat/000.png"
    assert listing.draw is None


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Train", "Valid", "TEST"), ("training", "validation", "testing")],
)
def test_usual_names_of_splits_are_understood(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_folders(tmp_path, {f"{name}/cat": 1 for name in names})
    assert listed(folder_config(tmp_path)).splits.tolist() == [0, 1, 2]


def test_a_folder_a_class_is_split_by_default_or_as_asked(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 2, "dog": 2})
    assert listed(folder_config(tmp_path)).draw == Split()
    assert listed(folder_config(tmp_path, split=SPLIT)).draw == SPLIT


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_folders(tmp_path, {"car": 1, "train": 1})
    assert listed(folder_config(tmp_path)).class_names == ("car", "train")


def test_a_missing_split_is_drawn_only_when_asked(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train/cat": 1, "test/cat": 1})
    assert "has no validation split" in refusal(folder_config(tmp_path))
    assert listed(folder_config(tmp_path, split=SPLIT)).draw == Split(validation=0.25, test=0)


def test_a_split_that_has_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, SPLIT_COUNTS)
    assert "remove dataset.split" in refusal(folder_config(tmp_path, split=SPLIT))


def test_a_misspelt_split_is_named_with_its_neighbour(tmp_path: Path) -> None:
    write_folders(tmp_path, {"trian/cat": 1, "validation/cat": 1, "test/cat": 1})
    message = refusal(folder_config(tmp_path))
    assert "has no train split" in message
    assert "found: test, trian, validation; trian: did you mean 'train'?" in message


def test_folders_of_folders_are_not_taken_for_classes(tmp_path: Path) -> None:
    write_folders(tmp_path, {"trian/cat": 1, "validaton/cat": 1})
    message = refusal(folder_config(tmp_path))
    assert "hold only folders" in message
    assert "validaton: did you mean 'validation'?" in message


def test_two_names_for_one_split_are_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train/cat": 1, "val/cat": 1, "valid/cat": 1})
    assert "has both val and valid" in refusal(folder_config(tmp_path))


@pytest.mark.parametrize("made", ["missing", "file", "empty"])
def test_a_path_that_is_no_folder_of_folders_is_refused(tmp_path: Path, made: str) -> None:
    place = tmp_path / "place"
    if made == "file":
        place.write_text("text")
    if made == "empty":
        place.mkdir()
    assert str(place) in refusal(folder_config(place))


def test_a_path_is_asked_for_where_a_source_needs_one() -> None:
    assert "dataset.path is missing" in refusal(DatasetConfig(source="folder"))
    assert "remove it" in refusal(DatasetConfig(source="digits", path="/tmp"))


def test_an_unknown_source_is_named_with_its_neighbour() -> None:
    assert "did you mean 'folder'" in refusal(DatasetConfig(source="fodler"))


def test_odd_names_are_listed_printable_and_read_back(tmp_path: Path) -> None:
    names = ["with space.png", "new\nline.png", "été ネコ.png", "x" * 246 + ".png"]
    (tmp_path / "cat").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "cat" / name).write_bytes(encoded(picture(number)))
    (tmp_path / "cat" / os.fsdecode(b"caf\xe9.png")).write_bytes(encoded(picture(9)))
    listing = listed(folder_config(tmp_path))
    assert sorted(listing.names) == sorted(
        [
            "cat/with space.png",
            "cat/new\\nline.png",
            "cat/été ネコ.png",
            f"cat/{names[3]}",
            "cat/caf\\udce9.png",
        ]
    )
    assert all(listing.read(position) for position in range(5))


def test_hidden_files_and_litter_are_passed_over_and_deeper_files_kept(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 1, "cat/more": 1})
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "cat" / name).write_text("litter")
    assert listed(folder_config(tmp_path)).names == ("cat/000.png", "cat/more/001.png")


LITTER = (
    "Picasa.ini", "Icon\r", "ehthumbs.db", "._000.png", "albumart_{0a}_large.jpg", ".sync",
    "~$report.docx", "THUMBS.DB", "000.png:Zone.Identifier", "000.png@SynoEAStream",
    "000.png@SynoResource", "000.xmp", "IMG_1.AAE", "IMG_1.MOV", "IMG_1.mp4", "000.png.json",
    "000.png.supplemental-metadata.json", "Photothumb.db", "BridgeCache.bct", "Pspbrwse.jbf",
    "001.jpg.crdownload", "001.jpg.part", "000.png~", "README.md", "README.txt", "labels.txt",
)  # fmt: skip
LITTER_FOLDERS = (
    "@eaDir", "__MACOSX", ".picasaoriginals", ".thumbnails", "lost+found", ".git",
    ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN", "System Volume Information", ".@__thumb",
    ".AppleDouble", ".Trash-1000", "CaptureOne", "Previews.lrdata", "_gsdata_",
)  # fmt: skip


def test_what_programs_leave_behind_is_passed_over_at_every_level_and_counted(
    tmp_path: Path,
) -> None:
    write_folders(tmp_path, {"cat": 2, "dog": 2})
    for name in LITTER:
        (tmp_path / "cat" / name).write_bytes(encoded(picture(9)))
    for name in LITTER_FOLDERS:
        write_folders(tmp_path, {name: 1, f"cat/{name}": 1, f"dog/{name}/000.png": 1})
    listing = listed(folder_config(tmp_path))
    assert listing.class_names == ("cat", "dog")
    assert listing.names == ("cat/000.png", "cat/001.png", "dog/002.png", "dog/003.png")
    (found,) = listing.found.items()
    assert found[0] == "passed over, hidden or left behind by a program"
    assert found[1].count == len(LITTER) + 3 * len(LITTER_FOLDERS)


def test_a_name_like_those_of_litter_is_a_picture(tmp_path: Path) -> None:
    names = ["img.12:30.png", "mov.png", "part.jpg", "readme.png", "x@syno.png"]
    write_folders(tmp_path, {"cat": 0, "dog": 1})
    for name in names:
        (tmp_path / "cat" / name).write_bytes(b"broken")
    listing = listed(folder_config(tmp_path))
    assert listing.names[:5] == tuple(f"cat/{name}" for name in names)
    assert not listing.found


def test_a_class_may_be_called_as_a_note_is(tmp_path: Path) -> None:
    names = ["License", "README", "labels.txt", "passport.json", "v1.part"]
    write_folders(tmp_path, dict.fromkeys(names, 4))
    assert sorted(listed(folder_config(tmp_path)).class_names) == sorted(names)


def test_captions_beside_their_pictures_are_passed_over(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 4, "dog": 4})
    first = next((tmp_path / "cat").iterdir())
    first.with_suffix(".txt").write_text("0 0.5 0.5 1 1")
    (tmp_path / "cat" / "_annotations.csv").write_text("a,b")
    found = listed(folder_config(tmp_path))
    assert len(found.names) == 8
    assert not found.problems
    (tmp_path / "cat" / "other.txt").write_text("no picture's")
    assert len(listed(folder_config(tmp_path)).names) == 9  # which decoding will name


def test_litter_beside_splits_is_no_split_and_no_class(tmp_path: Path) -> None:
    write_folders(tmp_path, SPLIT_COUNTS)
    for name in LITTER_FOLDERS:
        write_folders(tmp_path, {f"{name}/train": 1, f"train/{name}": 1})
    assert listed(folder_config(tmp_path)).class_names == ("cat", "dog")


def test_folders_beside_the_splits_and_files_beside_the_classes_are_counted(tmp_path: Path) -> None:
    write_folders(tmp_path, {**SPLIT_COUNTS, "extra/cat": 1, ".": 1, "train": 1})
    for name in ("README.md", "images.zip", "labels.csv", "train/load.py"):
        (tmp_path / name).touch()
    found = listed(folder_config(tmp_path)).found["passed over, in no folder of a class"]
    assert found.count == 6
    assert set(found.first) == {"011.png", "images.zip", "labels.csv"}
    classes_alone = listed(folder_config(tmp_path / "train", split=SPLIT))
    found = classes_alone.found["passed over, in no folder of a class"]
    assert found.first == ("012.png", "load.py")


@pytest.mark.parametrize("top", ["", "train/"])
def test_folders_below_a_class_are_its_own_in_both_layouts(tmp_path: Path, top: str) -> None:
    sides = {"cat": ("left", "right"), "dog": ("left", "back")}
    below = {f"{top}{name}/{side}": 2 for name in sides for side in sides[name]}
    write_folders(tmp_path, below)
    if top:
        write_folders(tmp_path, {"validation/cat": 1, "validation/dog": 1}, first=50)
    listing = listed(folder_config(tmp_path))
    assert listing.class_names == ("cat", "dog")
    assert listing.labels[:8].tolist() == [0] * 4 + [1] * 4
    assert listing.found["taken from folders below that of their class"].count == 8


@pytest.mark.parametrize("tops", ["train_images val_images test_images", "TrainSet valid-2"])
@pytest.mark.parametrize("below", ["", "/{}"])
def test_folders_called_as_splits_are_are_no_classes(tmp_path: Path, tops: str, below: str) -> None:
    write_folders(tmp_path, {top + below.format(f"of {top}"): 2 for top in tops.split()})
    message = refusal(folder_config(tmp_path, split={"validation": 0.2, "test": 0.2}))
    assert "are called as splits are: rename them to train, validation and test" in message


def test_a_folder_called_as_a_split_is_hinted_at_where_that_split_is_missing(
    tmp_path: Path,
) -> None:
    write_folders(
        tmp_path, {f"{top}/{name}": 2 for top in ("train", "val_images") for name in ("a", "b")}
    )
    assert "val_images: did you mean 'validation'?" in refusal(folder_config(tmp_path))


def test_classes_that_speak_of_one_split_are_classes(tmp_path: Path) -> None:
    write_folders(tmp_path, {"test_positive": 2, "test_negative": 2})
    assert listed(folder_config(tmp_path)).class_names == ("test_negative", "test_positive")


@pytest.mark.parametrize("tops", ["images_1 images_2", "dev eval", "fold1 fold2"])
def test_splits_of_other_names_are_no_classes(tmp_path: Path, tops: str) -> None:
    write_folders(tmp_path, {f"{top}/{name}": 2 for top in tops.split() for name in ("a", "b")})
    message = refusal(folder_config(tmp_path, split={"validation": 0.2, "test": 0.2}))
    assert (
        "of the same names (a, b), as splits do: rename them to train, validation and test"
        in message
    )


def test_classes_with_like_folders_are_classes_where_pictures_stand_beside_or_a_train_above(
    tmp_path: Path,
) -> None:
    below = {f"{name}/{side}": 1 for name in ("cat", "dog") for side in ("left", "right")}
    write_folders(tmp_path / "beside", {**below, "cat": 1})
    write_folders(tmp_path / "above" / "train", below)
    for root, split in (("beside", None), ("above", {"validation": 0.2, "test": 0})):
        assert listed(folder_config(tmp_path / root, split=split)).class_names == ("cat", "dog")


def test_splits_below_the_classes_are_refused(tmp_path: Path) -> None:
    write_folders(
        tmp_path, {f"{name}/{split}": 1 for name in ("cat", "dog") for split in ("train", "test")}
    )
    assert "hold splits themselves" in refusal(folder_config(tmp_path))


def test_a_level_too_high_is_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {"photos/cat": 1, "photos/dog": 1})
    assert "hold only folders" in refusal(folder_config(tmp_path))
    write_folders(
        tmp_path, {"train/train/cat": 1, "train/train/dog": 1, "test/test/cat": 1}, first=9
    )
    assert "move what is in it one level up" in refusal(
        folder_config(tmp_path, split={"validation": 0.2})
    )


NUMBERED = ("10", "9", "2", "1")
MIXED = ("a10", "a9", "B", "a", "7", "10")
IN_ORDER = {NUMBERED: ("1", "2", "9", "10"), MIXED: ("7", "10", "B", "a", "a9", "a10")}


@pytest.mark.parametrize("names", IN_ORDER)
@pytest.mark.parametrize("source", ["folder", "splits", "csv", "arrays"])
def test_classes_are_in_one_order_whatever_the_source(
    tmp_path: Path, source: str, names: tuple[str, ...]
) -> None:
    if source == "csv":
        write_folders(tmp_path, {"p": len(names)})
        rows = "".join(f"p/{number:03d}.png,{name}\n" for number, name in enumerate(names))
        config = csv_config(tmp_path, f"path,label\n{rows}")
    elif source == "arrays":
        config = arrays_config(
            tmp_path, images=np.zeros((len(names), 4, 4), np.uint8), labels=names
        )
    else:
        tops = ("train/", "validation/") if source == "splits" else ("",)
        write_folders(tmp_path, {top + name: 1 for top in tops for name in names})
        config = folder_config(tmp_path)
    listing = listed(config)
    assert listing.class_names == IN_ORDER[names]
    if source in ("csv", "arrays"):
        assert [listing.class_names[label] for label in listing.labels] == list(names)


def test_what_is_no_file_is_a_problem_and_is_never_opened(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 1})
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    listing = listed(folder_config(tmp_path))
    reasons = {item.name: item.reason for item in listing.problems}
    assert listing.names == ("cat/000.png",)
    assert reasons["cat/pipe.png"] == "a FIFO, not a file"
    assert "Too many levels" in reasons["cat/self.png"]
    assert "a link to a folder" in reasons["cat/up"]
    assert "No such file" in reasons["cat/gone.png"]


def test_the_fingerprint_follows_size_date_and_name(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 2})
    config, file = folder_config(tmp_path), tmp_path / "cat" / "000.png"
    seen = [listed(config).fingerprint]
    os.utime(file, ns=(0, 0))
    seen.append(listed(config).fingerprint)
    file.write_bytes(file.read_bytes() + b"\0")
    os.utime(file, ns=(0, 0))
    seen.append(listed(config).fingerprint)
    file.rename(tmp_path / "cat" / "00.png")
    seen.append(listed(config).fingerprint)
    assert len(set(seen)) == 4
