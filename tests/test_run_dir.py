"""A fresh start empties a run directory and forgets no look at the test set, even where it is
killed half-way."""

import shutil
from pathlib import Path

import pytest

from search.journal.journal_file import encode, read
from search.journal.run_dir import (
    JOURNAL,
    MADE_FILES,
    PREVIOUS,
    earlier_looks,
    empty_run_dir,
    forget_previous,
)
from search.journal.state import replay


@pytest.fixture
def copied(finished_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def test_a_fresh_start_deletes_what_a_search_made_and_nothing_else(copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    empty_run_dir(copied)
    assert {path.name for path in copied.iterdir()} == {"notes.txt", PREVIOUS, ".lock"}
    assert earlier_looks(copied) == 1
    forget_previous(copied)
    assert earlier_looks(copied) == 0


@pytest.mark.parametrize("done", range(len(MADE_FILES) + 1))
def test_a_fresh_start_killed_anywhere_can_be_done_again(copied: Path, done: int) -> None:
    """The journal goes first, then one file after the other; a search that began anew may have left
    an empty one."""
    shutil.move(copied / JOURNAL, copied / PREVIOUS)
    for name in MADE_FILES[:done]:
        path = copied / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (copied / JOURNAL).touch()
    empty_run_dir(copied)
    assert {path.name for path in copied.iterdir()} == {PREVIOUS, ".lock"}
    assert earlier_looks(copied) == 1


def test_a_damaged_journal_can_be_set_aside_and_its_looks_are_counted(copied: Path) -> None:
    content = (copied / JOURNAL).read_bytes()
    assert replay(read(copied / JOURNAL)[0]).looks == 1
    (copied / JOURNAL).write_bytes(b"rubbish\n" + content)
    empty_run_dir(copied)
    assert earlier_looks(copied) == 1


def test_the_looks_of_a_damaged_journal_include_those_before_it(tmp_path: Path) -> None:
    opened = encode({"seq": 0, "time": 0.0, "type": "opened", "opened": {"earlier_looks": 3}})
    (tmp_path / JOURNAL).write_bytes(opened + b"rubbish\n" + opened)
    empty_run_dir(tmp_path)
    assert earlier_looks(tmp_path) == 3
