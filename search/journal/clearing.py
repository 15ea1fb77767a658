"""Clearing a run directory of what a search made, and of nothing else: where none was begun, files
that bear its names are somebody's own, and no search begins there."""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from data.errors import UserError
from data.files import is_leftover, storage_error, sweep_leftovers
from data.messages import escaped, first_of
from search.journal.journal_file import is_begun, is_unbegun
from search.journal.lock import LOCK_NAME, is_lock
from search.journal.run_dir import (
    CONFIG,
    JOURNAL,
    MADE_FILES,
    MADE_FOLDERS,
    OWN_NAMES,
    PREVIOUS,
    earlier_looks,
    looks_in,
)

JOURNAL_BEGINS = 1 << 20  # bytes that are looked at


def need_own_or_new(run_dir: Path) -> None:
    """Raises UserError where no search was begun in the directory and one would replace what is
    there. Writes nothing."""
    taken = [name for name in OWN_NAMES if os.path.lexists(run_dir / name)]
    if not taken or any(is_begun(_beginning(run_dir / name)) for name in (JOURNAL, PREVIOUS)):
        return
    if is_lock(run_dir / LOCK_NAME):
        taken = [name for name in taken if name != LOCK_NAME]
    begins = _beginning(run_dir / JOURNAL)
    if begins is not None and len(begins) < JOURNAL_BEGINS and is_unbegun(begins):
        taken = [name for name in taken if name not in (JOURNAL, "logs")]
    if taken:
        raise UserError(
            f"{escaped(str(run_dir))} holds {first_of(taken)}, and no search was begun there: "
            "files of such names would be lost; choose another --run-dir, or move them away"
        )


def _beginning(path: Path) -> bytes | None:
    """None for what is no file or cannot be read."""
    with suppress(OSError):
        if path.is_file():  # a FIFO would wait
            with path.open("rb") as file:
                return file.read(JOURNAL_BEGINS)
    return None


def sweep_made(run_dir: Path) -> int:
    """Removes what a killed search left unfinished in its run directory, beside its files and in
    its folders, and returns how many. Other folders may be where other searches are writing.
    """
    swept = sweep_leftovers(run_dir, 0, is_deep=False)
    own = _unlinked(run_dir, MADE_FOLDERS)
    return swept + sum(sweep_leftovers(run_dir / name, 0) for name in own)


def empty_run_dir(run_dir: Path) -> None:
    """Sets an earlier search's journal aside and deletes all else that it made, but for the config,
    which may be the very file that the search was asked with: the new search replaces it once it
    has begun. Killed anywhere, it can be done again.

    Touches nothing that a search did not make. Raises StorageError where the disk refuses, with
    nothing deleted where a folder stands in a file's place.
    """
    files = [run_dir / name for name in MADE_FILES if name not in MADE_FOLDERS]
    journal = run_dir / JOURNAL
    try:
        for path in (run_dir / PREVIOUS, *files):
            if path.is_dir() and not path.is_symlink():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # Where its first event is torn, what was set aside before it knows of more looks.
        if is_begun(_beginning(journal)) and looks_in(journal) >= earlier_looks(run_dir):
            journal.replace(run_dir / PREVIOUS)
        for path in files:
            if path.name != CONFIG:
                path.unlink(missing_ok=True)
        _delete_made(run_dir, MADE_FOLDERS)
        journal.unlink(missing_ok=True)  # last: what a search made stays known as that
    except OSError as error:
        place, kept = Path(error.filename or run_dir), "what was not deleted yet"
        raise storage_error(error, "an empty run directory", place, kept) from error


def forget_work(run_dir: Path) -> None:
    """Deletes the views and checkpoints of trials that are over, as far as the disk allows."""
    with suppress(OSError):
        _delete_made(run_dir, ("views", "checkpoints"))


def _delete_made(run_dir: Path, folders: Iterable[str]) -> None:
    """Deletes what a search leaves in these folders of its run directory, and those that are empty
    then. Raises OSError where the disk refuses."""
    for name in _unlinked(run_dir, folders):
        for place, _, files in os.walk(run_dir / name, topdown=False):
            for file in files:
                path = Path(place, file)
                within = path.relative_to(run_dir / name).as_posix()
                if re.fullmatch(MADE_FOLDERS[name], within) or is_leftover(path):
                    path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody's file is in it, or it is a link
                Path(place).rmdir()


def _unlinked(run_dir: Path, folders: Iterable[str]) -> list[str]:
    """The folders that lie in the run directory itself: what a link leads to may be others' too."""
    return [name for name in folders if not (run_dir / name).is_symlink()]
