"""What this process has on the disk for a while: temporary folders, and what is written beside its
place. Its owner removes it; where a signal ends the process at once, `remove_unfinished` does."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REMOVING_SECONDS = 1.0  # other threads may be writing into it still
PAUSE_SECONDS = 0.02

# Of the whole process: a signal is heard far from whoever writes.
_unfinished: set[Path] = set()


@contextlib.contextmanager
def still_written(path: Path) -> Iterator[Path]:
    """The path is a file or folder to be removed where the process is ended within the block."""
    _unfinished.add(path)
    try:
        yield path
    finally:
        _unfinished.discard(path)


@contextlib.contextmanager
def scratch_folder(name: str, within: Path | None = None) -> Iterator[Path]:
    """A temporary folder whose name begins with `name`. within: the folder it lies in; None is the
    system's for temporary files."""
    with tempfile.TemporaryDirectory(prefix=name, dir=within) as made, still_written(Path(made)):
        yield Path(made)


@contextlib.contextmanager
def libraries_write_to(folder: Path) -> Iterator[None]:
    """Temporary files of this process go to the folder, those of libraries too: TensorFlow leaves
    one per traced function until the process ends by itself."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable


def remove_unfinished() -> None:
    """To be called where the process ends at once. Imports nothing and waits for no lock of
    Python's: a thread that holds one may have been stopped."""
    deadline = time.monotonic() + REMOVING_SECONDS
    for path in tuple(_unfinished):
        while os.path.lexists(path) and time.monotonic() < deadline:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):  # a folder still, or gone
                path.unlink()
            if os.path.lexists(path):
                time.sleep(PAUSE_SECONDS)
