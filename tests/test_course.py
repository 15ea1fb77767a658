"""What holds the course together: every question of the notebook has its points and model answer,
which students do not get."""

import io
import re
import subprocess
import tarfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "experiments"
RUBRIC = EXPERIMENTS / "rubric.md"


def questions() -> list[str]:
    notebook = nbformat.read(EXPERIMENTS / "assignment.ipynb", as_version=4)
    return re.findall(r"\*\*Question (\d+)\.\*\*", "\n".join(c.source for c in notebook.cells))


@pytest.mark.skipif(not RUBRIC.exists(), reason="a student's copy has no rubric")
def test_every_question_has_points_and_a_model_answer() -> None:
    text = RUBRIC.read_text(encoding="utf-8")
    points = dict(re.findall(r"^\| (\d+) \| (\d+) \|", text, flags=re.M))
    assert list(points) == questions() == re.findall(r"^\*\*(\d+)\.\*\*", text, flags=re.M)
    assert sum(map(int, points.values())) == 30
    assert "Thirty points" in text


def test_students_get_all_but_the_rubric() -> None:
    command = ["git", "archive", "--worktree-attributes", "HEAD", "experiments"]
    try:
        packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this copy is no git repository")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = archive.getnames()
    assert "experiments/assignment.ipynb" in names
    assert "experiments/rubric.md" not in names


@pytest.mark.parametrize(
    "path", ["experiments/assignment.ipynb", "experiments/assignment.yaml", "docs/assignment.md"]
)
def test_one_place_says_how_long_it_takes(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not re.search(r"\b(minutes?|hours?)\b(?!\.md)", text.replace("[ten minutes]", ""))
    assert "experiments/README.md" in text
