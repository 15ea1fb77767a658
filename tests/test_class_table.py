"""The class table of `verify --many --csv`: whole, and no cell of it a formula."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from tampering import files_of, resealed
from typer.testing import CliRunner

from run_search import app
from search.commands.command_line import BAD_INPUT, DIFFERENT
from search.verification.class_table import class_csv, safe_cell
from search.verification.grading import Grade, Grades
from search.verification.student_answers import ANSWERS
from search.verification.submission import Copy, Submission

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def submission(student: str, written: dict[str, str] | None = None) -> Submission:
    words = dict.fromkeys(("experiment", "question", "verdict", "best", "delta", "answer"), "x")
    return Submission(
        **words,
        student=student,
        search_id="s",
        journal="j",
        seed=1,
        num_trials=4,
        num_failed=0,
        cut=False,
        written=written,
    )


@pytest.mark.slow
def test_a_class_is_written_with_its_copies_and_answers(bundled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "handed-in"
    folder.mkdir()
    answers = b"Question 1\nA shift,\nI think.\n\nQuestion 2\n\n"
    resealed(folder / "anna.zip", {**files_of(bundled), ANSWERS: answers})
    files = files_of(bundled)
    files["manifest.json"] = files["manifest.json"].replace(b"Anna Nowak", b"Ben Lis")
    resealed(folder / "ben.zip", files)
    (folder / "carl.zip").write_bytes(b"no zip")
    arguments = ["verify", "--many", str(folder), "--no-train", "--csv", str(tmp_path / "c.csv")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == DIFFERENT
    anna, ben, carl = rows_of((tmp_path / "c.csv").read_text(encoding="utf-8"))
    assert (anna["student"], anna["file"], anna["verified"]) == (
        "Anna Nowak",
        "anna.zip",
        "recomputed",
    )
    assert (anna["answers"], anna["answer 1"], anna["answer 2"]) == (
        "1 answered, empty: 2",
        "A shift,\nI think.",
        "",
    )
    assert (ben["answers"], ben["answer 1"]) == ("none", "")
    assert ben["copies"].startswith("COPY, with Anna Nowak (anna.zip): ")
    assert anna["copies"].startswith("COPY, with Ben Lis (ben.zip): ")
    assert float(anna["ci_low"]) <= float(anna["delta"]) <= float(anna["ci_high"])
    assert "not a zip" in carl["differences"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", ["", " ", "\t", "\n", "x;", "x,", 'x" ;', "x|", "'", "x\n  "])
def test_no_cell_is_a_formula_whatever_separates_cells(sign: str, before: str) -> None:
    evil = f"{before}{sign}cmd|'/c calc'!A1"
    grade = Grade(file="x.zip", submission=submission(evil, {"1": evil}))
    text = class_csv(Grades(grades=(grade,), copies=()))
    for separator in ",;\t|":
        for row in csv.reader(io.StringIO(text[1:]), delimiter=separator):
            for cell in row:
                for line in cell.splitlines():
                    assert not line.strip().strip('"').startswith(tuple(SIGNS))


def test_figures_are_figures_and_a_long_answer_fits_a_cell() -> None:
    assert safe_cell(-0.0312) == "-0.0312"
    assert safe_cell(None) == ""
    assert (
        safe_cell("rotation 30, a shift of 0.1: \u22123.4")
        == "rotation 30, a shift of 0.1: \u22123.4"
    )
    assert len(safe_cell("x" * 60_000)) < 32_767


def test_a_hostile_name_stays_in_its_cell() -> None:
    names = ('a","b', "a\nb", "a\x1b[2J", "\u202egpj.exe", "a" * 100)
    grades = tuple(Grade(file=f"{n}.zip", submission=submission(s)) for n, s in enumerate(names))
    rows = rows_of(class_csv(Grades(grades=grades, copies=())))
    assert [row["file"] for row in rows] == [f"{n}.zip" for n in range(len(names))]
    assert all("\x1b" not in row["student"] and "\n" not in row["student"] for row in rows)


def test_a_table_that_cannot_be_written_is_said_before_anything_is_graded(
    bundled: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "handed-in"
    folder.mkdir()
    shutil.copy(bundled, folder)
    for arguments, words in (
        (["--many", str(folder), "--csv", str(tmp_path)], "is a folder"),
        (["--many", str(folder), "--csv", str(tmp_path / "no" / "c.csv")], "does not exist"),
        ([str(bundled), "--csv", str(tmp_path / "c.csv")], "say --many"),
    ):
        result = CliRunner().invoke(app, ["verify", *arguments, "--no-train"])
        assert result.exit_code == BAD_INPUT
        assert words in result.stderr
        assert "of 1)" not in result.stderr


def test_each_of_three_copies_has_both_others_in_its_row() -> None:
    names = ("a", "b", "c")
    grades = tuple(Grade(file=f"{n}.zip", submission=submission(n.upper())) for n in names)
    two = Copy(files=("b.zip", "a.zip"), students=("B", "A"), what="4 of 5", certain=True)
    others = {"files": ("c.zip", "a.zip"), "students": ("C", "A"), "also": (("b.zip", "B"),)}
    three = two.model_copy(update=others)
    rows = rows_of(class_csv(Grades(grades=grades, copies=(two, three))))
    for name, row in zip(names, rows, strict=True):
        assert all(f"{n.upper()} ({n}.zip)" in row["copies"] for n in names if n != name)
        assert f"{name.upper()} ({name}.zip)" not in row["copies"]
