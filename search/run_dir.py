"""What lies in a run directory, and emptying one for a fresh start."""

import shutil
from pathlib import Path

from search.journal import read
from search.state import replay

JOURNAL = "journal.jsonl"

RUN_FILES = (
    JOURNAL,
    "config.yaml",
    "environment.json",
    "trials.csv",
    "summary.json",
    "winner.json",
    "report.html",
    "predictions",
    "views",
    "logs",
    "heads",
    "model",
    "previews",
    "figures",
)


def empty_run_dir(run_dir: Path) -> int:
    """Empties the directory of an earlier search and returns how often that one opened the test set: looks go on counting.

    Touches nothing that a search did not make. Raises JournalError where the old journal is damaged.
    """
    journal = run_dir / JOURNAL
    looks = replay(read(journal)[0]).looks if journal.exists() else 0
    for name in RUN_FILES:
        path = run_dir / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return looks
