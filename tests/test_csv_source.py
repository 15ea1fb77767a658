"""The `csv` source: columns, order, labels, and what of a table is refused."""

from pathlib import Path

import numpy as np
import pytest
from pictures import csv_config, listed, write_folders
from pictures import listing_refusal as refusal

from data.settings import Split

CSV = "path,label,split\na.png,cat,train\nb.png,dog,validation\n"


def test_a_csv_gives_rows_in_order(tmp_path: Path) -> None:
    write_folders(tmp_path, {"photos": 2})
    text = (
        "\ufefflabel,split,path,extra\n dog "
        ",val,photos/001.png,1\n\ncat,train,./photos/../photos/000.png,2\n"
    )
    listing = listed(csv_config(tmp_path, text))
    assert listing.names == ("photos/001.png", "photos/000.png")
    assert [listing.class_names[label] for label in listing.labels] == ["dog", "cat"]
    assert listing.splits.tolist() == [1, 0]


def test_lines_of_nothing_above_the_columns_are_passed_over(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 1})
    listing = listed(csv_config(tmp_path, "\n  \n,,\npath,label\n\n000.png,cat\n"))
    assert listing.names == ("000.png",)
    message = refusal(csv_config(tmp_path, "\n\npath,label\nx.png,cat\n"))
    assert "line 4" in message


def test_numeric_labels_of_a_csv_are_sorted_as_numbers(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 3})
    listing = listed(csv_config(tmp_path, "path,label\n000.png,10\n001.png,9\n002.png,2\n"))
    assert listing.class_names == ("2", "9", "10")
    assert listing.draw == Split()


def test_csv_columns_can_be_named(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 1})
    config = csv_config(
        tmp_path, "filename,class\n000.png,cat\n", path_column="filename", label_column="class"
    )
    assert listed(config).class_names == ("cat",)


@pytest.mark.parametrize("label", ["1.0", "-2.", ".5"])
def test_decimal_labels_are_refused_with_the_line(tmp_path: Path, label: str) -> None:
    message = refusal(csv_config(tmp_path, f"path,label\na.png,0\nb.png,{label}\n"))
    assert (
        f"line 3: label {label} is a decimal; write whole numbers (1, not 1.0) or names" in message
    )


@pytest.mark.parametrize("path", ["../other/a.png", "/etc/passwd", "x/../../a.png", "", "."])
def test_paths_outside_the_csvs_folder_are_refused(tmp_path: Path, path: str) -> None:
    message = refusal(csv_config(tmp_path, f"path,label\n{path},cat\n"))
    assert "line 2" in message
    assert "must be of files below the csv's folder" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'path'"),
        ("pth,label\na,b\n", "columns: 'pth', 'label'; did you mean 'pth'?"),
        ("path;label\na;b\n", "separate the columns by commas"),
        ("path,label,label\na,b,c\n", "2 columns called 'label'"),
        ("path,label\na.png\n", "line 2: 1 columns, expected 2 or more"),
        (
            "path,label,split\na.png,cat,tset\n",
            "split 'tset'; allowed: train, validation, test; did you mean 'test'?",
        ),
        (
            "path,label\na.png,cat\na.png,dog\n",
            "line 3: a.png stands above with another label or split",
        ),
        ('path,label\n"a.png,cat\n', "is not a csv in UTF-8"),
        (
            f"path,label\n{'x' * 200_000},cat\n",
            "is not a csv in UTF-8: field larger than field limit",
        ),
    ],
)
def test_a_csv_that_is_wrong_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(csv_config(tmp_path, text))


def test_a_csv_that_is_no_text_or_missing_is_refused(tmp_path: Path) -> None:
    config = csv_config(tmp_path, CSV)
    Path(config.path or "").write_bytes(b"path,label\n\xff\xfe,cat\n")
    assert "is not a csv in UTF-8" in refusal(config)
    Path(config.path or "").unlink()
    assert "No such file" in refusal(config)


def test_a_split_column_that_was_named_must_exist(tmp_path: Path) -> None:
    assert "has no column 'fold'" in refusal(csv_config(tmp_path, CSV, split_column="fold"))


def test_files_a_csv_names_and_that_are_missing_are_problems(tmp_path: Path) -> None:
    write_folders(tmp_path, {".": 1})
    listing = listed(csv_config(tmp_path, "path,label\n000.png,cat\ngone.png,dog\n"))
    assert [item.name for item in listing.problems] == ["gone.png"]
    assert listing.labels.dtype == np.int32
