"""A student's answers: out of the notebook's boxes into a file, into a bundle, and out of it again,
whatever stands in them."""

import json
from pathlib import Path

import pytest
from tampering import files_of, resealed, rewritten
from typer.testing import CliRunner

from data.errors import UserError
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.verification.bundle import make_bundle
from search.verification.bundle_file import read_bundle
from search.verification.grading import Extent, grade
from search.verification.student_answers import (
    ANSWERS,
    MOST_ANSWERS_BYTES,
    fill_answers,
    parse_answers,
    read_answers,
)
from search.verification.verification_text import describe_grade

UNTRAINED = Extent(train=False)
TWO = b"Question 1\nA shift helps.\n\nQuestion 2\n\n"


def notebook(path: Path, *cells: str) -> Path:
    """With a cell of text each, kept as lines, as Jupyter keeps them."""
    made = [{"cell_type": "markdown", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": [*made, {"cell_type": "code", "source": "1"}]}))
    return path


def test_what_stands_in_the_boxes_is_written_down(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "x.ipynb",
        "Some text.",
        "> **Question 1.** Why?\n>\n> *Your answer:* Because.\n> And so.\n\nThis too.",
        "> **Question 2.** How?\n>\n> *Your answer:*",
        "**Question 3.** What became of the words below?\n\nThey are gone.",
        "## What comes next belongs to no box",
        "> **Question 4.** Odd signs?\n>\n> *Your answer:* a\u00a0b\u200b\u202ec\r\nQuestion 2\n",
    )
    said = fill_answers(path, tmp_path / ANSWERS)
    assert said == "answers.txt: 2 answered, empty: 2, 3"
    assert parse_answers((tmp_path / ANSWERS).read_bytes()) == {
        "1": "Because.\nAnd so.\n\nThis too.",
        "2": "",
        "3": "",
        "4": "a bc\nQuestion 2.",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"no notebook",
        b"[]",
        b'{"cells": 3}',
        b'{"cells": []}',
        b'{"cells": [{"cell_type": "markdown", "source": 3}]}',
        json.dumps(
            {"cells": 2 * [{"cell_type": "markdown", "source": "**Question 1.** *Your answer:*"}]}
        ).encode(),
    ],
)
def test_what_has_no_boxes_is_one_line_and_leaves_what_was_written(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x.ipynb").write_bytes(content)
    (tmp_path / ANSWERS).write_bytes(TWO)
    with pytest.raises(UserError, match=r"x\.ipynb gives no answers: .*each box is") as caught:
        fill_answers(tmp_path / "x.ipynb", tmp_path / ANSWERS)
    assert "\n" not in str(caught.value)
    assert (tmp_path / ANSWERS).read_bytes() == TWO


def test_a_heading_may_end_in_a_colon() -> None:
    assert parse_answers(b"Question 1:\nYes.\n\nQuestion 2\nNo.") == {"1": "Yes.", "2": "No."}


def test_a_bundle_holds_the_answers_and_verify_counts_them(copied: Path, tmp_path: Path) -> None:
    # an editor's
    (tmp_path / "mine.txt").write_bytes(b"\xef\xbb\xbf" + TWO.replace(b"\n", b"\r\n"))
    arguments = ["bundle", str(copied), "--student", "Ann", "--out", str(tmp_path / "ann.zip")]
    without = CliRunner().invoke(app, arguments)
    assert "answers: none (--answers adds them, where a notebook asked" in without.stderr
    made = CliRunner().invoke(app, [*arguments, "--answers", str(tmp_path / "mine.txt")])
    assert made.exit_code == DONE
    assert "answers: 1 answered, empty: 2" in made.stderr
    assert files_of(tmp_path / "ann.zip")[ANSWERS] == TWO
    checked = CliRunner().invoke(app, ["verify", str(tmp_path / "ann.zip"), "--no-train"])
    assert checked.exit_code == DONE
    assert "1 answered, empty: 2 (in answers.txt)" in checked.stdout


def test_answers_that_are_no_plain_text_are_a_difference_and_not_shown(
    bundled: Path, tmp_path: Path
) -> None:
    path = resealed(tmp_path / "x.zip", {**files_of(bundled), ANSWERS: TWO + b"\x1b[2J"})
    graded = grade(path, UNTRAINED)
    assert [each.where for each in graded.differences] == [ANSWERS]
    assert graded.submission is not None
    assert graded.submission.written is None
    said = describe_grade(graded)
    assert "no answers handed in" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 lines like 'Question 1'"),
        (b"\xff\xfe", "UTF-8"),
        (TWO + b"Question 1\n", "two lines 'Question 1'"),
        (TWO + b"\x1b[2J", "do not print"),
        (TWO + "\u202e".encode(), "do not print"),
        (TWO + b"x" * MOST_ANSWERS_BYTES, "claims"),
        ("".join(f"Question {n}\n" for n in range(1, 60)).encode(), "59 lines"),
    ],
)
def test_a_bundles_answers_are_plain_text_or_not_read(
    bundled: Path, tmp_path: Path, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.verification.bundle_file.most_bytes", lambda _: 1 << 25)
    path = resealed(tmp_path / "x.zip", {**files_of(bundled), ANSWERS: content})
    monkeypatch.undo()
    opened = read_bundle(path)
    assert ANSWERS not in opened.files
    assert [each.where for each in opened.differences] == [ANSWERS]
    assert reason in opened.differences[0].what


def test_answers_changed_in_the_zip_are_named_by_the_manifest(copied: Path, tmp_path: Path) -> None:
    (tmp_path / ANSWERS).write_bytes(TWO)
    path = Path(make_bundle(copied, "Ann", tmp_path / "x.zip", tmp_path / ANSWERS).path)
    files = {**files_of(path), ANSWERS: TWO.replace(b"helps", b"hurts")}
    found = read_bundle(rewritten(path, files)).differences
    assert [each.where for each in found] == [ANSWERS]


def test_a_file_that_is_no_answers_is_refused_before_anything_is_written(
    copied: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.txt").write_text("I liked it.")
    for name in ("x.txt", "missing.txt"):
        arguments = ["bundle", str(copied), "--student", "Ann", "--out", str(tmp_path / "x.zip")]
        result = CliRunner().invoke(app, [*arguments, "--answers", str(tmp_path / name)])
        assert result.exit_code == BAD_INPUT
        assert f"{name}: " in result.stderr
        assert "the notebook's last cell writes" in result.stderr
        assert not (tmp_path / "x.zip").exists()
    with pytest.raises(UserError, match=r"x\.txt"):
        read_answers(tmp_path / "x.txt")


def test_text_that_is_not_utf_8_is_told_how_to_save_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Question 1\nnée".encode("latin-1"))
    with pytest.raises(UserError, match="it is not UTF-8 text; save it as UTF-8"):
        read_answers(tmp_path / "a.txt")


def test_windows_line_ends_in_a_bundle_are_called_that() -> None:
    with pytest.raises(ValueError, match="its lines end as Windows ends them"):
        parse_answers(b"Question 1\r\nA shift.\r\n")


def test_windows_line_ends_of_a_file_to_be_bundled_are_mended(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfQuestion 1\r\nA shift.\r\n")
    assert read_answers(tmp_path / "a.txt") == b"Question 1\nA shift.\n"
