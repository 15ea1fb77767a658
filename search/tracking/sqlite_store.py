"""A new sqlite store put in place whole: MLflow cannot go on with one whose making was interrupted.
What is in it is MLflow's."""

import contextlib
import glob
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from data.files import flush_folder, flush_to_disk

STALE_SECONDS = 600.0  # making one takes 5 to 15 s


def make_whole(path: Path, make: Callable[[str], None]) -> None:
    """Has `make(uri)` make a store beside `path` and puts it there at one instant. Does nothing
    where there is a file already.

    Of two that do this at once the first one's store stays. Raises OSError at once where nothing
    can be written (MLflow would try again for minutes), and what `make` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.new-"
    _sweep(path.parent, prefix)
    if path.exists():
        path.open("ab").close()
        return
    beside = path.with_name(f"{prefix}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        beside.touch()
        make(f"sqlite:///{beside.as_posix()}")
        flush_to_disk(beside)
        _put(beside, path)
        flush_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, path: Path) -> None:
    """Never over another's file: a link, which fails where there is one; a rename where the file
    system has no links."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError:
        if not path.exists():
            beside.rename(path)


def _sweep(folder: Path, prefix: str) -> None:
    """Removes what a process killed while making a store left, once nobody can still be at it."""
    for left in folder.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(FileNotFoundError):  # another process was sweeping too
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()
