"""Paths of a csv that lead to no file: one sentence on the column, with the nearest file and what
to write."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import csv_config, folder_config, opened, write_folders

from data.csv_file import Nearest
from data.dataset import list_images
from data.errors import UserError

NAMES = [f"img/{kind}/{number:03d}.png" for number, kind in enumerate(["Cat"] * 4 + ["dog"] * 4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_folders(tmp_path, {"img/Cat": 4, "img/dog": 4})
    return tmp_path


def _rows(change: Callable[[str], str]) -> str:
    return "path,label\n" + "".join(f"{change(name)},{name.split('/')[1]}\n" for name in NAMES)


def _refusal(folder: Path, text: str | bytes, **settings: str) -> str:
    config = csv_config(folder, text if isinstance(text, str) else "", **settings)
    if isinstance(text, bytes):
        (folder / "images.csv").write_bytes(text)
    with pytest.raises(UserError) as caught:
        opened(config, folder / ".cache")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "first", "how"),
    [
        (lambda name: name[:-4], "img/Cat/000", "with its extension"),
        (lambda name: name.replace("/", "\\"), "img\\Cat\\000.png", "with / for \\"),
        (
            lambda name: "C:\\x\\" + name.replace("/", "\\"),
            "C:\\x\\img\\Cat\\000.png",
            "from the csv's folder on",
        ),
        (lambda name: name.split("/")[-1], "000.png", "with the folders above it"),
        (
            lambda name: "https://host/" + name,
            "https://host/img/Cat/000.png",
            "the picture downloaded",
        ),
        (lambda name: "~/" + name, "~/img/Cat/000.png", "from the csv's folder on"),
        (lambda name: name.upper(), "IMG/CAT/000.PNG", "upper and lower case as the file has it"),
        (
            lambda name: name.replace(".png", ".jpg"),
            "img/Cat/000.jpg",
            "with the extension that the file has",
        ),
        (lambda name: "data/" + name, "data/img/Cat/000.png", "write that"),
        (lambda name: f"'{name}'", "'img/Cat/000.png'", "without quotes or spaces around it"),
    ],
)
def test_the_column_is_answered_in_one_sentence(
    root: Path, change: Callable[[str], str], first: str, how: str
) -> None:
    said = _refusal(root, _rows(change))
    assert f"column path: 8 of 8 files do not exist; the first, line 2, is '{first}'" in said
    assert "the nearest is img/Cat/000.png: write that" in said
    assert how in said
    assert "and likewise for 8 of them" in said
    assert "allowed: paths of files below the csv's folder" in said


@pytest.mark.parametrize("start", ["/", "/home/anna/photos/"])
def test_a_path_from_elsewhere_is_answered_with_the_file_below(root: Path, start: str) -> None:
    said = _refusal(root, _rows(lambda name: start + name))
    assert "line 2: " in said
    assert (
        "(column path: 8 of 8 rows); the nearest is img/Cat/000.png: write that, from the csv's "
        "folder on" in said
    )


def test_a_csv_beside_its_pictures_folder_is_told_where_to_be(root: Path) -> None:
    (root / "lists").mkdir()
    for change in (lambda name: name, lambda name: "../" + name):
        said = _refusal(root / "lists", _rows(change))
        assert (
            f"there is img/Cat/000.png in the folder above the csv's, {root}: put the csv there"
            in said
        )


def test_a_few_missing_files_are_named_each_with_the_nearest(root: Path) -> None:
    said = _refusal(root, _rows(lambda name: name.replace("003", "0003")))
    assert (
        "1 file cannot be used: img/Cat/0003.png (line 5: No such file or directory; the nearest "
        "is img/Cat/003.png)" in said
    )


def test_a_column_of_nothing_is_no_reason_to_skip_everything(root: Path) -> None:
    said = _refusal(root, _rows(lambda name: name[:-4]), on_bad_file="skip")
    assert "8 of 8 files do not exist" in said


def test_what_is_there_and_cannot_be_read_is_not_said_to_be_missing(root: Path) -> None:
    for number in range(8):
        (root / f"{number}.png").symlink_to(f"{number}.png")
    said = _refusal(
        root, "path,label\n" + "".join(f"{number}.png,{number % 2}\n" for number in range(8))
    )
    assert "8 files cannot be used: 0.png (Too many levels of symbolic links)" in said


def test_another_column_that_holds_the_files_is_named(root: Path) -> None:
    text = "path,label,file\n" + "".join(
        f"{n},{name.split('/')[1]},{name}\n" for n, name in enumerate(NAMES)
    )
    assert "column file does hold files: write dataset.path_column: file" in _refusal(root, text)


def test_a_column_of_folders_is_answered_in_one_sentence(root: Path) -> None:
    said = _refusal(root, _rows(lambda name: name.rpartition("/")[0]))
    assert (
        "column path: img/Cat is a folder (line 2), as all 8 are; write the path of a picture"
        in said
    )
    rows = "".join(f"img,{name.split('/')[1]},{name}\n" for name in NAMES)
    assert "img is a folder (line 2), as all 8 are; column file does hold files" in _refusal(
        root, "path,label,file\n" + rows
    )


def test_a_row_that_stands_twice_is_no_copy_of_itself(root: Path) -> None:
    text = _rows(str) + "img/Cat/000.png,Cat\n" + 2 * "img/dog/004.png,dog\n"
    said = "\n".join(opened(csv_config(root, text), root / ".cache").notes.lines())
    assert "img/Cat/000.png is listed twice, img/dog/004.png is listed 3 times" in said


def test_a_name_like_no_other_is_answered_with_an_example(root: Path) -> None:
    said = _refusal(root, "path,label\nqqqq.tif,a\nzzzz.tif,b\n")
    assert "has such a name; allowed: paths" in said
    assert said.endswith("such as img/Cat/000.png")


def test_equally_near_files_are_counted(root: Path) -> None:
    write_folders(root, {"more/Cat": 1})
    assert Nearest(root).of("000.png") == ("img/Cat/000.png", 2)
    assert Nearest(root).of("Cat/000.png") == ("img/Cat/000.png", 2)
    assert Nearest(root).of("old/more/Cat/000.png") == ("more/Cat/000.png", 1)


@pytest.mark.parametrize("row", ["/dev/zero", "zero", "../zero.png", "zero.jpeg"])
def test_only_pictures_are_offered_for_a_path(tmp_path: Path, row: str) -> None:
    folder = tmp_path / "photos"
    write_folders(folder, {"img/Cat": 1})
    for place in (tmp_path, folder):
        (place / "zero.yaml").write_text("name: zero\n")
    (tmp_path / "zero").write_text("")
    os.mkfifo(folder / "zero.png")
    said = _refusal(folder, f"path,label,notes\n{row},a,zero.yaml\n")
    assert "no picture below" in said
    assert said.endswith("such as img/Cat/000.png")
    (tmp_path / "zero.png").write_bytes((folder / "img/Cat/000.png").read_bytes())
    assert "there is zero.png in the folder above the csv's" in _refusal(
        folder, f"path,label\n{row},a\n"
    )


def test_a_cell_that_no_file_can_be_called_is_answered_too(root: Path) -> None:
    said = _refusal(root, f"path,label,notes\n{'x' * 5000},a,{'y' * 5000}\n")
    assert "column path: 1 of 1 file does not exist; the first, line 2, is 'xxxx" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{NAMES[0]},Cat\n{NAMES[1]},Cat\n", "the first line must name the columns"),
        ("path,label\na,b.png,cat\n", "line 2: 3 columns, and the first line names 2; quote a "
                                      "value that holds a comma"),
        ("path,label\na.png,cat,pet\n", "an image has one label"),
        ("file,kind\na.png,cat\n", "no column 'path' (dataset.path_column); columns: 'file', "
                                   "'kind'; write dataset.path_column"),
        ("path,label\na.png,caf\xe9\n".encode("cp1252"), "line 2 has the byte 0xE9, as in Windows' "
                                                         "or another code; save it as UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-16-le"), "it is UTF-16; save it as UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-16-be"), "it is UTF-16; save it as UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-32"), "it is UTF-32; save it as UTF-8"),
        ("path,label\na.png,cat\n".encode("utf-32-be"), "it is UTF-32; save it as UTF-8"),
        ('path,label\n"a.png,cat\n', "close every quote"),
        ("sep=;\npath;label\na.png;cat\n", "first line, sep=;, is a spreadsheet's, and names no "
                                           "columns; leave it out, and separate the columns by"),
        ("sep=,\npath,label\na.png,cat\n", "its first line, sep=, is a spreadsheet's"),
    ],
)  # fmt: skip
def test_what_is_not_read_as_meant_says_what_to_write(
    root: Path, text: str | bytes, words: str
) -> None:
    assert words in _refusal(root, text)


def test_empty_cells_at_the_end_of_a_row_are_passed_over(root: Path) -> None:
    text = "path,label\n" + "".join(f"{name},{name.split('/')[1]},,\n" for name in NAMES)
    assert list_images(csv_config(root, text), root).class_names == ("Cat", "dog")


def test_spaces_before_quotes_and_rows_of_nothing_are_passed_over(root: Path) -> None:
    rows = "".join(f'"{name}", "{name.split("/")[1]}"\n' for name in NAMES)
    found = list_images(csv_config(root, f'"path", "label"\n{rows},\n , \n'), root)
    assert found.class_names == ("Cat", "dog")
    assert len(found.names) == len(NAMES)


TRAINED = {"train/cat": 4, "train/dog": 4, "validation/cat": 2, "validation/dog": 2}


@pytest.mark.parametrize(
    "extra", [{"test": 3}, {"test/unknown": 3}, {"test/images": 2, "test/more": 2}]
)
def test_a_test_folder_without_labels_is_to_be_left_out(
    tmp_path: Path, extra: dict[str, int]
) -> None:
    write_folders(tmp_path, {**TRAINED, **extra})
    with pytest.raises(UserError) as caught:
        opened(folder_config(tmp_path), tmp_path / "cache")
    assert "leave test out (move it elsewhere); use `predict` on it" in str(caught.value)
    assert "move some there" not in str(caught.value)


def test_a_validation_folder_without_labels_is_drawn_instead(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train/cat": 4, "train/dog": 4, "validation/x": 3})
    with pytest.raises(
        UserError, match=r"leave validation out .*dataset.split: \{validation: 0.15, test: 0\}"
    ):
        opened(folder_config(tmp_path), tmp_path / "cache")


@pytest.mark.parametrize(("written", "count"), [(("Cat", "DOG"), 2), (("cat", "dog_"), 1)])
def test_classes_of_train_in_another_case_are_named_as_such(
    tmp_path: Path, written: tuple[str, str], count: int
) -> None:
    cat, dog = written
    write_folders(
        tmp_path, {"train/cat": 4, "train/dog": 4, f"validation/{cat}": 3, f"validation/{dog}": 1}
    )
    with pytest.raises(UserError) as caught:
        opened(folder_config(tmp_path), tmp_path / "cache")
    start = "1 class is of" if count == 1 else "2 classes are of"
    assert str(caught.value).startswith(f"{start} train in another case or spelling: ")
    assert str(caught.value).endswith(f"{dog} (validation) is train's dog; write both names alike")


def test_a_misspelt_class_of_one_split_is_named_with_its_neighbour(tmp_path: Path) -> None:
    write_folders(
        tmp_path, {"train/cat": 4, "train/dog": 4, "validation/cat": 4, "validation/dgo": 4}
    )
    with pytest.raises(UserError, match=r"in train: dgo; .*, or rename it; did you mean 'dog'\?"):
        opened(folder_config(tmp_path), tmp_path / "cache")


def test_an_empty_split_folder_is_named(tmp_path: Path) -> None:
    write_folders(tmp_path, TRAINED)
    (tmp_path / "test").mkdir()
    with pytest.raises(UserError, match="test is empty; fill or remove it"):
        opened(folder_config(tmp_path), tmp_path / "cache")


def test_rows_of_the_test_split_without_labels_are_for_predict(root: Path) -> None:
    splits = ["train", "train", "validation", "train"]
    rows = "".join(f"{name},{name.split('/')[1]},{splits[n % 4]}\n" for n, name in enumerate(NAMES))
    write_folders(root, {"new": 1}, first=90)
    said = _refusal(root, f"path,label,split\n{rows}new/090.png,,test\n")
    assert "line 10: no label: ''; leave the row out, and use `predict` on the picture" in said
