"""`verify --many --csv`: a class as a table for a spreadsheet, with every student's answers beside
the search. Names and answers come from others: no cell is a formula, whatever a spreadsheet takes
for the separator.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from data.errors import UserError
from data.files import write_atomically
from data.messages import escaped, first_of
from search.journal.run_dir import FileKind, need_target
from search.report.table_model import inert
from search.verification.grading import Grade, Grades
from search.verification.submission import Copy
from search.verification.verification_text import grade_cells

EFFECT_FIGURES = ("delta", "ci_low", "ci_high")  # 0.01 of accuracy is a point
MOST_TABLE_BYTES = 1 << 27  # of a table that may be replaced
MOST_CELL = 30_000  # signs; a spreadsheet's cell holds 32,767


def check_table(path: Path, many: bool) -> None:
    """Raises UserError where the table could not be written, before anything is graded."""
    if not many:
        raise UserError("--csv is a table of many bundles; say --many and name their folder")
    need_target(path, CLASS_TABLE, "--csv")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--csv: the folder of {escaped(str(path))} does not exist; create it")


def write_table(path: Path, table: str) -> None:
    """Raises StorageError where the disk refuses."""
    write_atomically(path, table, "the class table")


def class_csv(grades: Grades) -> str:
    """A row per bundle, as csv. It begins with the sign by which spreadsheets know UTF-8."""
    questions = sorted({n for each in grades.grades for n in _written(each)}, key=int)
    rows = [_row(each, grades, questions) for each in grades.grades]
    return _lines([_headings(questions), *([safe_cell(cell) for cell in row] for row in rows)])


def _lines(rows: Iterable[Sequence[str]]) -> str:
    to = io.StringIO()
    csv.writer(to, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return "\ufeff" + to.getvalue()


def _is_table(path: Path) -> bool:
    """Byte for byte as this program writes one, with no column of another's, and no row or figure:
    a spreadsheet or a person that saved it may have added marks."""
    with path.open("rb") as opened:
        content = opened.read(MOST_TABLE_BYTES)
    try:
        text = content.decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (ValueError, csv.Error):  # not UTF-8, or empty
        return False
    fixed, figures = len(_headings(())), len(_headings(())) - 1 - len(EFFECT_FIGURES)
    file = _headings(()).index("file")
    questions = [name.removeprefix("answer ") for name in header[fixed:]]
    return (
        all(number.isdecimal() for number in questions)
        and header == _headings(sorted(set(questions), key=int))
        and all(len(row) == len(header) for row in rows)
        and len({row[file] for row in rows}) == len(rows)
        and all(_is_figure(cell) for row in rows for cell in row[figures : fixed - 1])
        and _lines([header, *rows]).encode() == content
    )


def _is_figure(cell: str) -> bool:
    try:
        return not cell or f"{float(cell):.6g}" == cell
    except ValueError:
        return False


def safe_cell(cell: str | float | None) -> str:
    """A figure as it is, a text with an apostrophe before whatever could begin a formula."""
    if not isinstance(cell, str):
        return "" if cell is None else f"{cell:.6g}"
    short = cell if len(cell) <= MOST_CELL else f"{cell[:MOST_CELL]}…"
    return inert(short)


def _headings(questions: Sequence[str]) -> list[str]:
    cells = [name for name in grade_cells(Grade(file="")) if name != "delta"]
    return [*cells, *EFFECT_FIGURES, "copies", *(f"answer {number}" for number in questions)]


def _row(grade: Grade, grades: Grades, questions: Sequence[str]) -> list[str | float | None]:
    cells = [text for name, text in grade_cells(grade).items() if name != "delta"]
    effect = grade.submission.effect if grade.submission else None
    figures = [None] * len(EFFECT_FIGURES) if effect is None else [effect.effect, *effect.ci]
    shared = [said for copy in grades.copies if (said := _shared(copy, grade.file))]
    written = _written(grade)
    return [*cells, *figures, "; ".join(shared), *(written.get(n, "") for n in questions)]


def _shared(copy: Copy, file: str) -> str:
    """What a file shares, and with whom; empty where it is none of them. Who copied from whom is
    for a person to say."""
    (later, student), *earlier = zip(copy.files, copy.students, strict=True)
    earlier += copy.also
    if file != later and file not in (name for name, _ in earlier):
        return ""
    others = earlier if file == later else [(later, student)]
    named = first_of([f"{student} ({name})" for name, student in others])
    return f"{copy.word}, with {named}: {copy.what}"


def _written(grade: Grade) -> dict[str, str]:
    return (grade.submission.written if grade.submission else None) or {}


CLASS_TABLE = FileKind("a class table", (".csv",), _is_table)
