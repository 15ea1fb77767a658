"""Searches that were handed in told apart from copies of each other, and what a grader's table says of hostile names."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from search.journal.comparison import Difference
from search.verification.grading import Extent, Grade, Grades, grade_many
from search.verification.grading_text import describe_grade, describe_grades
from search.verification.submission import Submission, find_copies


def submission(student: str, **other: Any) -> tuple[str, Submission]:
    values = dict.fromkeys(Submission.model_fields, f"of {student}") | {"seed": 1, "student": student} | other
    return f"{student}.zip", Submission(**values)


@pytest.mark.parametrize(
    ("shared", "words", "certain"),
    [
        ({"search_id": "a"}, "its journal altered", True),
        ({"times": "a"}, "under two ids", True),
        ({"predictions": "a"}, "another question or seed", True),
        ({"predictions": "a", "question": "q"}, "one kind of machine", False),
    ],
)
def test_copies_are_told_by_what_no_two_searches_share(
    shared: dict[str, str], words: str, certain: bool
) -> None:
    (copy,) = find_copies([submission("Anna", **shared), submission("Ben", **shared)])
    assert words in copy.what
    assert copy.certain is certain


def test_one_search_twice_under_one_name_is_a_note() -> None:
    """A student may hand in twice; a file that another hands on as it is bears the first one's name too."""
    (copy,) = find_copies([submission("Anna", journal="a"), submission(" anna ", journal="a")])
    assert not copy.certain
    assert "handed in twice, or handed on as it was" in copy.what


def test_two_students_may_differ() -> None:
    assert not find_copies([submission("Anna"), submission("Ben")])


def test_an_empty_folder_of_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.zip"):
        grade_many(tmp_path, Extent(train=False))


def test_hostile_names_do_not_reach_the_terminal() -> None:
    _, anna = submission("\x1b[2Jgone", experiment="\x1b]0;x\a")
    difference = Difference(where="\x1b[1m", what="\x1b[31m")
    graded = Grade(file="\x1b.zip", submission=anna, differences=(difference,))
    assert "\x1b" not in describe_grades(Grades(grades=(graded,), copies=())) + describe_grade(graded)
