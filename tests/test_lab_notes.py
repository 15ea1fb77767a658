"""The notes that experiment files open with, and the table of what came out: their commands are
sound, none is forgotten."""

import re
from pathlib import Path

import pytest

from search.driver.experiment_file import load_config

FOLDER = Path(__file__).parent.parent / "experiments"
FILES = sorted(FOLDER.glob("*.yaml"))
PLACEHOLDER = re.compile(r"\bYOUR_NUMBER\b")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_note_says_what_it_asks_how_it_is_run_and_what_to_expect(path: Path) -> None:
    note = path.read_text().split("\nname:")[0]
    for part in ("# Asks:", "# Command:", "# Needs:", "# Expect:"):
        assert part in note
    assert f"python run_search.py run experiments/{path.name}" in note


def _changes() -> list[tuple[Path, list[str]]]:
    """Each line of a note that changes settings, with those that go on with it: the file, and what
    it is changed by."""
    texts = [(path, re.sub(r"\n#\s+(?=--set )", " ", path.read_text())) for path in FILES]
    lines = [(path, line) for path, text in texts for line in text.splitlines()]
    notes = [
        (path, PLACEHOLDER.sub("7", line)) for path, line in lines if line.lstrip().startswith("#")
    ]
    found = [(path, re.findall(r"--set ([\w.]+=[^\s`)]+)", note)) for path, note in notes]
    return [(path, overrides) for path, overrides in found if overrides]


@pytest.mark.parametrize(("path", "overrides"), _changes())
def test_the_settings_that_a_note_changes_are_sound(path: Path, overrides: list[str]) -> None:
    changed = load_config(path, overrides)
    assert changed != load_config(path)


def test_every_experiment_is_in_the_table_or_named_as_not_run() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [path.name for path in FILES if path.name not in readme] == []


def test_every_row_of_the_table_names_an_experiment_that_is_there() -> None:
    rows = [
        line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| ")
    ]
    commands = [name for row in rows for name in re.findall(r"`([\w-]+\.yaml)[^`]*`", row)]
    assert commands
    assert set(commands) <= {path.name for path in FILES}
