"""A bundle that was packed by hand, damaged on its way or graded against other pictures: that says
nothing of the search, and the one line says what to ask for."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tampering import events_in, files_of, resealed, rewritten, sealed_journal
from typer.testing import CliRunner

from data.errors import UserError
from run_search import BAD_INPUT, app
from search.driver.experiment_file import parse_config
from search.verification.bundle_file import read_bundle
from search.verification.grading import Extent, grade, grade_many
from search.verification.packing import MANIFEST
from search.verification.verification_text import describe_grades

AGAIN = "ask for the .zip as `bundle` wrote it"


def _below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


PACKED = {
    "in a folder": (lambda files: _below("bartek", files), f"(its files are in bartek/); {AGAIN}"),
    "in a folder, on a Mac": (
        lambda files: {**_below("b", files), "__MACOSX/b/._manifest.json": b"x"},
        f"(its files are in b/); {AGAIN}",
    ),
    "with litter": (lambda files: {**files, ".DS_Store": b"x"}, f"(it holds .DS_Store); {AGAIN}"),
    "with folders": (
        lambda files: {"predictions/": b"", **files},
        f"(it holds predictions/); {AGAIN}",
    ),
    "in another zip": (
        lambda files: {"anna.zip": b"PK"},
        "it holds another .zip (anna.zip); unpack that one and name it",
    ),
    "a run directory": (
        lambda files: _below("quickstart", {"journal.jsonl": b"", "report.html": b""}),
        "it is a run directory packed by hand; ask for what `bundle RUN --student` writes",
    ),
    "something else": (lambda files: {"essay.docx": b""}, f"it has no {MANIFEST}: it was not made"),
}


@pytest.mark.parametrize("how", PACKED)
def test_what_was_packed_by_hand_is_told_in_one_line(
    bundled: Path, tmp_path: Path, how: str
) -> None:
    pack, said = PACKED[how]
    path = rewritten(tmp_path / "x.zip", pack(files_of(bundled)))
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert result.exit_code == BAD_INPUT
    assert result.stderr.startswith("error: x.zip cannot be read as a bundle: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_strange_file_beside_litter_is_still_a_difference(bundled: Path, tmp_path: Path) -> None:
    files = {**files_of(bundled), ".DS_Store": b"x", "notes.txt": b"y"}
    found = read_bundle(rewritten(tmp_path / "x.zip", files)).differences
    assert [each.where for each in found] == [".DS_Store", "notes.txt"]


def test_a_zip_cut_short_says_what_to_ask_for(bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(bundled.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"cut short.*; {AGAIN}$"):
        read_bundle(tmp_path / "x.zip")


def test_a_folder_of_which_none_could_be_checked_is_status_2(tmp_path: Path) -> None:
    (tmp_path / "carl.zip").write_bytes(b"no zip")
    result = CliRunner().invoke(app, ["verify", "--many", str(tmp_path), "--json"])
    assert result.exit_code == BAD_INPUT
    assert json.loads(result.stdout)["grades"][0]["file"] == "carl.zip"
    grades = grade_many(tmp_path, Extent(train=False))
    assert "  not checked  " in describe_grades(grades)


def _of_a_folder(bundled: Path, path: Path) -> Path:
    """A bundle whose search read a folder, by its journal."""
    files = files_of(bundled)
    events = events_in(files)
    config = events[0]["opened"]["config"]
    config["dataset"] |= {"source": "folder", "path": "/of/theirs"}
    events[0]["opened"]["config_hash"] = parse_config(config, "test").hash
    files["journal.jsonl"] = sealed_journal(events)
    return resealed(path, files)


def test_other_pictures_are_the_graders_to_mend(bundled: Path, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / f"pictures/{name}/1.png")
    path = _of_a_folder(bundled, tmp_path / "x.zip")
    with pytest.raises(UserError) as raised:
        grade(path, Extent(train=False), data=tmp_path / "pictures")
    assert str(raised.value).startswith(
        f"the pictures at --data {tmp_path}/pictures are not those that the search read "
        "(class_names: "
    )
    assert str(raised.value).endswith(
        "; name the folder that it read, or ask for a search over this one"
    )
