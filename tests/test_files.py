"""Files are written whole or not at all, and a disk that refuses says so in one line."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import fill, forbidden_folder, mounted

from data.errors import UserError
from data.files import (
    StorageError,
    check_target,
    is_storage_failure,
    make_folder,
    replacing,
    storing,
    sweep_leftovers,
    write_atomically,
)
from search.journal.journal_file import Journal, read


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    with mounted(tmp_path / "disk", "size=64k") as folder:
        yield folder


@pytest.fixture
def forbidden() -> Iterator[Path]:
    with forbidden_folder() as folder:
        yield folder


@pytest.mark.parametrize(
    ("content", "expected"), [("grün\n", "grün\n".encode()), (b"\0\1", b"\0\1"), ("", b"")]
)
def test_text_and_bytes_are_written_as_given(
    tmp_path: Path, content: str | bytes, expected: bytes
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    write_atomically(path, content)
    assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, "x")
    assert path.read_text() == "x"


def test_a_failure_while_writing_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_permitted_as_any_new_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "atomic", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_keeps_the_old_file_and_says_what_to_do(small_disk: Path) -> None:
    path = small_disk / "summary.json"
    write_atomically(path, "old")
    filler = fill(small_disk)
    with pytest.raises(StorageError) as caught:
        write_atomically(path, "x" * 50_000, what="the summary")
    assert path.read_text() == "old"
    assert str(caught.value) == (
        f"cannot write the summary ({path}): the disk is full. Kept: the file as it was. "
        "What to do: free some space, then run the same command again."
    )
    assert caught.value.errno == errno.ENOSPC
    assert sorted(file.name for file in small_disk.iterdir()) == ["filler", "summary.json"]
    filler.unlink()
    write_atomically(path, "new")
    assert path.read_text() == "new"


def test_a_full_disk_takes_no_event_from_the_journal_and_it_goes_on_afterwards(
    small_disk: Path,
) -> None:
    path = small_disk / "journal.jsonl"
    with Journal(path) as journal:
        journal.append("opened")
        filler = fill(small_disk)
        with pytest.raises(
            StorageError, match=r"the journal .*disk is full. Kept: its 1 events so far"
        ):
            journal.append("told", blob="x" * 10_000)
        with pytest.raises(StorageError):  # what the disk holds is only known by reading it again
            journal.append("told", trial=-1)
    events, warning = read(path)
    assert warning is None
    assert [event["type"] for event in events] == ["opened"]
    filler.unlink()
    with Journal(path) as journal:
        journal.append("told", trial=7)
    assert [event["type"] for event in read(path)[0]] == ["opened", "told"]


def test_space_for_a_mapped_file_is_refused_before_it_is_mapped(small_disk: Path) -> None:
    with (
        pytest.raises(StorageError, match="disk is full"),
        replacing(small_disk / "images.bin") as temporary,
    ):
        temporary.write_bytes(bytes(10_000_000))
    assert list(small_disk.iterdir()) == []


def test_a_read_only_file_system_is_named_as_such(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro,size=64k") as folder:
        with pytest.raises(
            StorageError, match=r"journal.*the file system is read-only.*make it writable"
        ):
            Journal(folder / "journal.jsonl")
        with pytest.raises(StorageError, match="the file system is read-only"):
            write_atomically(folder / "file", "x")
        with pytest.raises(StorageError, match=r"the logs .*read-only"):
            make_folder(folder / "logs", "the logs")


def test_a_refused_permission_is_named_as_such(forbidden: Path) -> None:
    with pytest.raises(
        StorageError, match=r"permission denied.*give this user write permission"
    ) as caught:
        write_atomically(forbidden / "file", "x")
    assert caught.value.errno == errno.EACCES
    with pytest.raises(StorageError, match=r"the journal .*permission denied"):
        Journal(forbidden / "journal.jsonl")
    with pytest.raises(StorageError, match=r"the run directory .*permission denied"):
        make_folder(forbidden / "a" / "b", "the run directory")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing/file", "its folder does not exist"),
        ("file/below", "a file, not a folder"),
        ("folder", "a folder"),
    ],
)
def test_a_place_that_cannot_be_written_is_explained(
    tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=reason) as caught:
        write_atomically(tmp_path / place, "x")
    assert "\n" not in str(caught.value)


def test_an_error_about_a_file_elsewhere_is_not_called_a_failed_write(tmp_path: Path) -> None:
    elsewhere = tmp_path / "in" / "image.jpg"
    with pytest.raises(FileNotFoundError), storing("the cache", tmp_path / "out" / "cache.bin"):
        elsewhere.read_bytes()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StorageError(errno.EACCES, "text"), True),
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.ECONNRESET, "gone"), False),
        (ValueError("no"), False),
    ],
)
def test_a_failure_of_the_disk_is_told_from_others(error: Exception, expected: bool) -> None:
    assert is_storage_failure(error) is expected


def test_leftovers_are_swept_once_old_enough(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("x")
        shutil.copy(temporary, temporary.with_name(temporary.name + "-killed"))
    assert sweep_leftovers(tmp_path, older_than_seconds=3600) == 0
    for leftover in tmp_path.glob(".tmp-*"):
        os.utime(leftover, (time.time() - 7200, time.time() - 7200))
    assert sweep_leftovers(tmp_path, older_than_seconds=3600) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [".tmp-notes", ".tmp-1-of-2.txt", ".tmp-worker-mine"])
def test_somebodys_file_is_not_swept_for_how_its_name_begins(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    assert sweep_leftovers(tmp_path, 0) == 0


@pytest.mark.parametrize("kind", ["fifo", "link", "nowhere", "folder"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    (tmp_path / "file").write_text("kept")
    {
        "fifo": lambda: os.mkfifo(target),
        "link": lambda: target.symlink_to("file"),
        "nowhere": lambda: target.symlink_to("nowhere"),
        "folder": target.mkdir,
    }[kind]()
    with pytest.raises(UserError, match=r"--out: .*out\.png is a folder, a link, a device"):
        check_target(target)


def test_a_fifo_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.png")
    with pytest.raises(StorageError, match=r"a device or a FIFO stands in its place"):
        write_atomically(tmp_path / "out.png", b"x")
    assert (tmp_path / "out.png").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    check_target(tmp_path / "new.png")
