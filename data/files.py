"""Files on a disk that may refuse, and files from elsewhere.

Writing leaves the old content or the new, whatever a crash, a full disk or a permission does:
everything is written beside its place, flushed to disk and renamed; every failure becomes one
`StorageError` that a person can act on. Reading takes regular files only, and never more than was
agreed on. The append-only journal is `search.journal.journal_file`.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from data.errors import UserError
from data.messages import short
from data.scratch import still_written

TEMPORARY_PREFIX = ".tmp-"
# As `_beside` and a worker's process name theirs.
_LEFTOVER = re.compile(r"\.tmp-(\d+-[0-9a-f]{12}|worker-\d+-\w).*")
LEFTOVER_SECONDS = 6 * 3600.0  # nothing takes longer to write: what is older was left behind

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or raise the quota"),
    errno.EROFS: ("the file system is read-only", "make it writable or choose another folder"),
    errno.EACCES: ("permission denied", "give this user write permission or choose another folder"),
    errno.EPERM: ("permission denied", "give this user write permission or choose another folder"),
    errno.ENOENT: ("its folder does not exist", "create the folder or choose another"),
    errno.ENOTDIR: ("part of its path is a file, not a folder", "choose another folder"),
    errno.EEXIST: ("a file stands in its place", "remove that file or choose another folder"),
    errno.ENXIO: ("a device or a FIFO stands in its place", "choose another name"),
    errno.EISDIR: ("a folder stands in its place", "remove that folder or choose another name"),
    errno.ENAMETOOLONG: ("its name is too long for the file system", "choose a shorter path"),
    errno.EIO: ("the disk reported an error", "check the disk"),
}
_NOWHERE_TO_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class StorageError(OSError):
    """Something could not be stored. `str()` is one line: what, why, what is kept, what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


def is_storage_failure(error: BaseException) -> bool:
    """Whether the disk failed, not the work being done: until somebody mends it, trying again is
    useless."""
    full = isinstance(error, OSError) and error.errno in _NOWHERE_TO_WRITE
    return full or isinstance(error, StorageError)


@contextlib.contextmanager
def storing(what: str, path: Path, kept: str = "all that was written before") -> Iterator[None]:
    """Turns an OSError of its block into a StorageError. `what` names the thing for people: "the
    journal".

    An error that names a file elsewhere (one being read, say) passes unchanged.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if not _concerns(error, path):
            raise
        raise storage_error(error, what, path, kept) from error


def storage_error(error: OSError, what: str, path: Path, kept: str) -> StorageError:
    """The same failure, told to a person in one line."""
    code = error.errno or errno.EIO
    cause, advice = _CAUSES.get(code, (os.strerror(code).lower(), "mend that"))
    text = (
        f"cannot write {what} ({short(str(path))}): {cause}. Kept: {kept}. "
        f"What to do: {advice}, then run the same command again."
    )
    return StorageError(code, text.replace("\n", " "), str(path))


def make_folder(path: Path, what: str) -> Path:
    """Creates a folder and those above it where missing, and returns it. Raises StorageError."""
    with storing(what, path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def check_target(path: Path, option: str = "--out") -> None:
    """Raises UserError where the file that a person names by an option would take the place of a
    link, a folder, a device or a FIFO."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise UserError(
            f"{option}: {short(str(path))} is a folder, a link, a device or a FIFO; allowed: a "
            "new name, or a regular file to replace"
        )


def write_atomically(path: Path, content: bytes | str, what: str | None = None) -> None:
    """Replaces a file's content (text as UTF-8) at one instant: readers and crashes see the old or
    the new.

    Raises StorageError.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, what) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(
    path: Path, what: str | None = None, kept: str = "the file as it was"
) -> Iterator[Path]:
    """Yields a path beside `path` to write to; a clean exit flushes and renames it, any other
    removes it.

    OSErrors of writing become StorageErrors. The temporary name does not grow from the final one,
    which may already be as long as a name can be.
    """
    temporary = _beside(path)
    with storing(what or path.name, path, kept), still_written(temporary):
        _refuse_device(path)
        try:
            yield temporary
            flush_to_disk(temporary)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one worth telling
                temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


@contextlib.contextmanager
def new_folder(place: Path, what: str) -> Iterator[Path]:
    """Yields a new folder beside `place` to fill; a clean exit flushes all that is in it and
    renames it, any other removes it.

    A folder that is at `place` by then stays: another process was faster with the same content.
    OSErrors of writing become StorageErrors.
    """
    make_folder(place.parent, what)
    beside = _beside(place)
    with storing(what, place), still_written(beside):
        try:
            beside.mkdir()
            yield beside
            flush_tree(beside)
            _put_folder(beside, place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        flush_folder(place.parent)


def _refuse_device(path: Path) -> None:
    """A link may be replaced, a folder cannot be; a device would be gone for all."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.ENXIO, "no regular file", str(path))


def _beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}")


def _put_folder(beside: Path, place: Path) -> None:
    try:
        beside.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def flush_to_disk(path: Path) -> None:
    """Returns once the file's content has reached the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Returns once the folder's names have reached the disk; before, a rename can be lost with the
    power."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems have no such call
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Returns once every file below the folder, and every name, has reached the disk."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            flush_folder(path)
        else:
            flush_to_disk(path)


def is_leftover(path: Path) -> bool:
    """Whether its name is one that this program gives to what it has not finished."""
    return _LEFTOVER.fullmatch(path.name) is not None


def sweep_leftovers(folder: Path, older_than_seconds: float, is_deep: bool = True) -> int:
    """Removes temporary files and folders that a killed process left below the folder, or, unless
    `is_deep`, right in it, and returns how many.

    Pass 0 only where nobody else can be writing (under the run directory's lock); a shared cache
    needs hours.
    """
    pattern = f"{TEMPORARY_PREFIX}*"
    swept = 0
    for leftover in filter(
        is_leftover, list(folder.rglob(pattern) if is_deep else folder.glob(pattern))
    ):
        # another process was sweeping too, or the cache is somebody else's
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime >= older_than_seconds:
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()
                swept += 1
    return swept


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the error can be about writing `path`: names no file, that one, a sibling, a folder
    above, or what is being written beside it."""
    if not isinstance(error.filename, str | os.PathLike):
        return True
    named = Path(error.filename)
    is_near = named.parent == path.parent or named == path or named in path.parents
    return is_near or any(part.startswith(TEMPORARY_PREFIX) for part in named.parts)


def is_regular_within(path: Path, folder: Path) -> bool:
    """Whether `path`, which is below `folder`, is a regular file that no link below it leads to."""
    return path.is_file() and path.resolve() == folder.resolve() / path.relative_to(folder)


def named_path(text: str | Path) -> Path:
    """The path, `~` and `~NAME` at its beginning being a user's folder where there is that user;
    `./~NAME` is a file's own name."""
    try:
        return Path(text).expanduser() if str(text).startswith("~") else Path(text)
    except RuntimeError:  # no such user
        return Path(text)


def read_regular(path: Path, most_bytes: int, within: Path | None = None) -> bytes:
    """The file's content. within: a folder that no link may lead out of.

    Raises UserError for what is no regular file (a FIFO, a device), is larger than `most_bytes` or
    lies elsewhere; OSError where it cannot be read.
    """
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise UserError(f"{path} is a link that leads out of {within}; put the file itself there")
    # Opening a FIFO would wait for somebody to write into it.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{path} is no regular file")
        content = file.read(min(most_bytes, os.fstat(descriptor).st_size) + 1)
    if len(content) > most_bytes:
        raise UserError(f"{path} has more than {most_bytes} bytes; a search leaves fewer")
    return content
