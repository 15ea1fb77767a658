"""Where a command may write the file that a person names: never over another's work. The one rule
for every option that names a file to write; what a kind of file is, whoever writes it says."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.files import check_target
from data.messages import escaped
from search.journal.lock import LOCK_NAME
from search.journal.run_dir import JOURNAL, MADE_FILES, PREVIOUS

OWN_NAMES = (JOURNAL, PREVIOUS, LOCK_NAME, *MADE_FILES)


@dataclass(frozen=True)
class FileKind:
    """A kind of file that a command writes. name: in words. suffixes: that its name may end in.
    is_one: whether the file at a path is one, so that it may be replaced; None where a command
    replaces nothing unasked, and says so itself."""

    name: str
    suffixes: tuple[str, ...]
    is_one: Callable[[Path], bool] | None = None


def need_target(path: Path, kind: FileKind, option: str = "--out") -> None:
    """Raises UserError where a file of that kind must not be written to `path`: a link, a folder or
    a device is there, or a file of another kind that is not empty; its name ends as other files'
    do; or it is a name that a search keeps for itself in its run directory."""
    check_target(path, option)
    named, suffix = f"{option}: {escaped(str(path))}", path.suffix
    if suffix and suffix.lower() not in kind.suffixes:
        raise UserError(
            f"{named} is to be {kind.name}; allowed: a name that ends in {kind.suffixes[0]}"
        )
    place = path.resolve()
    for folder in place.parents:
        own = place.relative_to(folder).parts[0]
        if own.casefold() in OWN_NAMES and os.path.lexists(folder / JOURNAL):
            raise UserError(
                f"{named} is among a search's own files ({own}); choose a name outside of its run "
                "directory"
            )
    if kind.is_one is not None and path.exists() and not _is_replaced(path, kind.is_one):
        raise UserError(
            f"{named} exists and is not {kind.name} written by this program; choose another name, "
            "or remove it"
        )


def _is_replaced(path: Path, is_one: Callable[[Path], bool]) -> bool:
    try:
        return path.stat().st_size == 0 or is_one(path)
    except (OSError, UserError):  # nobody can tell what it is
        return False


def first_bytes(path: Path) -> bytes:
    """How a file begins, 1 KiB at most. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(1 << 10)
