"""A fresh start empties a run directory and forgets no look at the test set, even where it is
killed half-way."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import UserError
from data.files import StorageError
from search.driver.opening import check_resumable
from search.driver.session import SessionOptions, run_search
from search.driver.winner import CLASSES_FILE, EXAMPLE_FILE, MODEL_FILE, WEIGHTS_FILE, WHITES_FILE
from search.execution.engine import LOG_FOLDER
from search.experiment.answers import predictions_name
from search.journal.clearing import empty_run_dir, forget_work, need_own_or_new, sweep_made
from search.journal.journal_file import JournalError, encode, read
from search.journal.lock import LOCK_NAME, RunLock
from search.journal.run_dir import (
    CONFIG,
    JOURNAL,
    MADE_FILES,
    MADE_FOLDERS,
    OWN_NAMES,
    PREVIOUS,
    earlier_looks,
    forget_previous,
)
from search.journal.state import replay
from search.report.contact_sheet import WINNER_SHEET
from search.report.figures import FIGURES


@pytest.fixture
def copied(finished_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def test_a_fresh_start_deletes_what_a_search_made_and_nothing_else(copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    empty_run_dir(copied)
    assert {path.name for path in copied.iterdir()} == {"notes.txt", CONFIG, PREVIOUS, ".lock"}
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
    assert {path.name for path in copied.iterdir()} - {CONFIG} == {PREVIOUS, ".lock"}
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


@pytest.mark.parametrize("damage", [b'"type":"opened"', b'{"crc":"', b'"opened":{'])
def test_no_look_is_forgotten_where_the_first_event_is_damaged(damage: bytes, copied: Path) -> None:
    content = (copied / JOURNAL).read_bytes()
    (copied / JOURNAL).write_bytes(content.replace(damage, damage.replace(b'"', b"?"), 1))
    empty_run_dir(copied)
    assert earlier_looks(copied) == 1


def test_the_looks_that_were_set_aside_outlive_a_first_event_that_was_torn(copied: Path) -> None:
    content = (copied / JOURNAL).read_bytes()
    empty_run_dir(copied)
    (copied / JOURNAL).write_bytes(content[:100])
    empty_run_dir(copied)
    assert earlier_looks(copied) == 1


def test_the_looks_of_another_versions_search_are_counted(tmp_path: Path) -> None:
    opened = {"earlier_looks": 3, "format": 1}
    first = encode({"seq": 0, "time": 0.0, "type": "opened", "opened": opened})
    (tmp_path / JOURNAL).write_bytes(first + encode({"seq": 1, "time": 0.0, "type": "test"}))
    empty_run_dir(tmp_path)
    assert earlier_looks(tmp_path) == 4


def _mine(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _refused(run_dir: Path, fresh: bool, name: str) -> None:
    before = _mine(run_dir)
    with pytest.raises(UserError, match=rf"holds {re.escape(name)}.*choose another --run-dir"):
        run_search({"dataset": {"source": "digits"}}, run_dir, options=SessionOptions(fresh=fresh))
    assert _mine(run_dir) == before


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", OWN_NAMES)
def test_somebodys_files_are_not_taken_for_a_searchs(
    name: str, fresh: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    if name in MADE_FOLDERS:
        (path / "2024").mkdir(parents=True)
        path /= "2024/c.ckpt"
    path.write_text("mine")
    _refused(tmp_path, fresh, name)


@pytest.mark.parametrize("fresh", [False, True])
def test_an_empty_journal_makes_no_files_a_searchs(fresh: bool, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).touch()
    (tmp_path / "report.html").write_text("mine")
    _refused(tmp_path, fresh, "report.html")


@pytest.mark.parametrize("journal", [b"", bytes(500), b"{", b'{"crc":', b'{"cr' + bytes(96)])
@pytest.mark.parametrize("lock", [b"", bytes(90), b'{"ho', b'{"host":"a","bo'])
def test_a_search_that_a_power_cut_stopped_before_its_first_event_can_be_begun(
    journal: bytes, lock: bytes, tmp_path: Path
) -> None:
    (tmp_path / JOURNAL).write_bytes(journal)
    (tmp_path / LOCK_NAME).write_bytes(lock)
    (tmp_path / "logs").mkdir()
    need_own_or_new(tmp_path)
    check_resumable(tmp_path)
    with RunLock(tmp_path):
        empty_run_dir(tmp_path)
        assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("content", [b"mine", b'{"host":"a"}', b'{"crc":"', b"\0mine"])
def test_somebodys_file_is_no_half_written_lock(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(content)
    _refused(tmp_path, True, LOCK_NAME)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_journal_that_an_editor_saved_otherwise_is_damaged_and_can_be_set_aside(
    encoding: str, copied: Path
) -> None:
    text = (copied / JOURNAL).read_text()
    (copied / JOURNAL).write_text(text, encoding)
    need_own_or_new(copied)
    with pytest.raises(JournalError, match=r"line 1 of .* is damaged.*--fresh"):
        check_resumable(copied)
    empty_run_dir(copied)
    assert earlier_looks(copied) == 1


@pytest.mark.parametrize("content", [b"{}", b"\0mine", bytes(1 << 20) + b"mine"])
def test_somebodys_file_is_no_journal_that_was_not_begun(content: bytes, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(content)
    _refused(tmp_path, True, JOURNAL)


def test_a_link_that_leads_nowhere_is_somebodys_too(tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(tmp_path / "gone")
    _refused(tmp_path, False, "model")


def test_a_fresh_start_leaves_what_somebody_put_into_a_searchs_folders(copied: Path) -> None:
    mine = [
        copied / name
        for name in ("figures/mine.png", "model/notes.txt", "views/1/a.npy", "checkpoints/c.ckpt")
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    made = copied / "views/1" / ("0" * 32) / "00000.npy"
    made.parent.mkdir()
    made.touch()
    forget_work(copied)
    assert not made.parent.exists()
    empty_run_dir(copied)
    assert {path for path in copied.rglob("*") if path.is_file()} == {
        *mine,
        copied / CONFIG,
        copied / PREVIOUS,
        copied / ".lock",
    }


def test_only_what_a_search_makes_is_swept_of_what_was_left_unfinished(tmp_path: Path) -> None:
    for folder in ("", "logs", "views/1", "other", "other/logs", "linked"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f".tmp-1-{12 * '0'}").touch()
    (tmp_path / "heads").symlink_to("linked")
    assert sweep_made(tmp_path) == 3
    left = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(".tmp-*")}
    assert left == {"other", "other/logs", "linked"}


@pytest.mark.parametrize("is_damaged", [False, True])
def test_an_experiment_file_in_the_run_directory_outlives_a_fresh_start_that_fails(
    is_damaged: bool, copied: Path
) -> None:
    edited = (copied / CONFIG).read_text() + "# mine\n"
    (copied / CONFIG).write_text(edited)
    if is_damaged:
        content = (copied / JOURNAL).read_bytes()
        (copied / JOURNAL).write_bytes(content.replace(b'"type":"opened"', b'"type":"0pened"'))
    empty_run_dir(copied)
    assert (copied / CONFIG).read_text() == edited


def test_nothing_is_deleted_where_a_folder_stands_in_a_files_place(copied: Path) -> None:
    (copied / "trials.csv").unlink()
    (copied / "trials.csv").mkdir()
    before = _mine(copied)
    with pytest.raises(StorageError, match=r"trials\.csv\): a folder stands in its place"):
        empty_run_dir(copied)
    assert _mine(copied) == before


def test_a_given_config_that_is_a_link_stays_until_the_new_search_begins(copied: Path) -> None:
    (copied / CONFIG).rename(copied / "mine.yaml")
    (copied / CONFIG).symlink_to("mine.yaml")
    empty_run_dir(copied)
    assert (copied / CONFIG).is_file()


@pytest.mark.parametrize("clear", [empty_run_dir, forget_work])
def test_nothing_is_deleted_through_a_linked_folder(
    clear: Callable[[Path], None], copied: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared" / ("a" * 24 + ".npz")
    shared.parent.mkdir()
    shared.touch()
    if (copied / "checkpoints").exists():
        shutil.rmtree(copied / "checkpoints")
    (copied / "checkpoints").symlink_to(shared.parent)
    clear(copied)
    assert shared.exists()
    assert (copied / "checkpoints").is_symlink()


def test_what_a_search_writes_is_known_by_its_name() -> None:
    key = "0123456789abcdef01234567"
    written = (
        *(MODEL_FILE, WEIGHTS_FILE, CLASSES_FILE, WHITES_FILE, EXAMPLE_FILE, predictions_name(7)),
        *(f"figures/{name}.png" for name in FIGURES),
        *(WINNER_SHEET.as_posix(), "previews/12.png", f"heads/{key}.npz", f"checkpoints/{key}.npz"),
        *(f"{LOG_FOLDER}/worker-12.log", f"{LOG_FOLDER}/winner.log"),
    )
    for path in written:
        folder, _, name = path.partition("/")
        assert re.fullmatch(MADE_FOLDERS[folder], name), path
