"""One search a directory: a living owner is respected, a dead one recognised, here and on other
machines."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.errors import UserError
from search.journal import lock
from search.journal.lock import LockedError, Owner, RunLock, process_start

ROOT = Path(__file__).parent.parent
HOLDER = """
import sys, time
from pathlib import Path
from search.journal.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(run_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def owner(**changes: object) -> Owner:
    """An owner on another machine whose heart beats fast, so that watching it is quick."""
    fields: dict[str, object] = {
        "host": "elsewhere",
        "boot": "another boot",
        "namespace": "",
        "pid": 1,
        "started": "1",
        "since": 1.7e9,
        "heartbeat_seconds": 0.05,
        "token": "theirs",
    }
    return Owner.model_validate(fields | changes)


def write_owner(run_dir: Path, named: Owner) -> Path:
    path = run_dir / lock.LOCK_NAME
    path.write_text(named.model_dump_json())
    return path


def owner_in(run_dir: Path) -> Owner:
    return Owner.model_validate_json((run_dir / lock.LOCK_NAME).read_bytes())


def own_mark(run_dir: Path) -> Owner:
    """How this very process signs a lock."""
    with RunLock(run_dir, heartbeat_seconds=0.05) as held:
        return Owner.model_validate_json(held.path.read_bytes())


@pytest.fixture
def no_kernel_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system or a file system without them."""
    monkeypatch.setattr(lock, "fcntl", None)


def test_a_living_owner_is_respected_and_named(tmp_path: Path) -> None:
    with (
        holder(tmp_path) as process,
        pytest.raises(LockedError, match="in use by another search") as caught,
    ):
        RunLock(tmp_path).__enter__()
    assert f"process {process.pid} on {os.uname().nodename}" in str(caught.value)
    assert "--run-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UserError)


def test_an_owner_killed_without_warning_is_dead_at_once(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        began = time.monotonic()
        with RunLock(tmp_path) as held:
            held.verify()
        assert time.monotonic() - began < 1.0


def test_a_released_lock_is_free_and_names_nobody(tmp_path: Path) -> None:
    with RunLock(tmp_path) as held:
        assert held.path.stat().st_size > 0
    assert held.path.read_bytes() == b""
    with RunLock(tmp_path) as again:
        again.verify()


def test_the_same_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(LockedError):
        RunLock(tmp_path).__enter__()


def test_an_owner_elsewhere_that_is_silent_is_dead(tmp_path: Path) -> None:
    write_owner(tmp_path, owner())
    told: list[str] = []
    with RunLock(tmp_path, notify=told.append) as held:
        held.verify()
    assert len(told) == 1
    assert "elsewhere" in told[0]


@pytest.mark.parametrize("clock_error_seconds", [-1e6, 1e6])
def test_an_owner_elsewhere_whose_heart_beats_is_alive_whatever_its_clock_says(
    tmp_path: Path, clock_error_seconds: float
) -> None:
    path = write_owner(tmp_path, owner())
    stop = threading.Event()

    def beat() -> None:
        moment = time.time() + clock_error_seconds
        while not stop.wait(0.05):
            moment += 0.05
            os.utime(path, (moment, moment))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(LockedError, match="process 1 on elsewhere"):
            RunLock(tmp_path).__enter__()
    finally:
        stop.set()
        heart.join()


def test_the_owner_keeps_its_heart_beating(tmp_path: Path) -> None:
    with RunLock(tmp_path, heartbeat_seconds=0.02) as held:
        os.utime(held.path, (0, 0))
        deadline = time.monotonic() + 5
        while held.path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert held.path.stat().st_mtime > 0


def test_without_kernel_locks_a_living_process_is_respected(
    tmp_path: Path, no_kernel_locks: None
) -> None:
    mark = own_mark(tmp_path)
    write_owner(tmp_path, mark)
    with pytest.raises(LockedError, match=f"process {os.getpid()} "):
        RunLock(tmp_path).__enter__()


def test_without_kernel_locks_a_number_used_again_is_not_the_owner(
    tmp_path: Path, no_kernel_locks: None
) -> None:
    mark = own_mark(tmp_path)
    write_owner(tmp_path, mark.model_copy(update={"started": "12345"}))
    with RunLock(tmp_path, heartbeat_seconds=0.05) as held:
        held.verify()
        assert owner_in(tmp_path).started == mark.started


def test_without_kernel_locks_a_dead_process_is_dead_at_once(
    tmp_path: Path, no_kernel_locks: None
) -> None:
    mark = own_mark(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    write_owner(tmp_path, mark.model_copy(update={"pid": child.pid, "heartbeat_seconds": 1e6}))
    with RunLock(tmp_path, heartbeat_seconds=0.05) as held:
        held.verify()
        assert owner_in(tmp_path).pid == os.getpid()


def test_of_two_that_find_the_same_dead_owner_one_stays(
    tmp_path: Path, no_kernel_locks: None
) -> None:
    write_owner(tmp_path, owner())
    start = threading.Barrier(2)
    done = threading.Barrier(2)
    endings: list[str] = []

    def contend() -> None:
        start.wait()
        try:
            with RunLock(tmp_path, heartbeat_seconds=1.0) as held:
                held.verify()
                endings.append("held")
                done.wait()
        except LockedError:
            endings.append("refused")
            done.wait()

    contenders = [threading.Thread(target=contend) for _ in range(2)]
    for contender in contenders:
        contender.start()
    for contender in contenders:
        contender.join()
    assert sorted(endings) == ["held", "refused"]


def test_a_lock_taken_over_is_noticed_and_left_to_its_new_owner(tmp_path: Path) -> None:
    with RunLock(tmp_path) as held:
        write_owner(tmp_path, owner())
        with pytest.raises(LockedError, match="taken over by process 1 on elsewhere"):
            held.verify()
    assert Owner.model_validate_json(held.path.read_bytes()) == owner()


def test_a_lock_file_that_was_removed_is_noticed(tmp_path: Path) -> None:
    with RunLock(tmp_path) as held:
        held.path.unlink()
        with pytest.raises(LockedError, match="removed"):
            held.verify()


@pytest.mark.parametrize("content", [b"rubbish", b"\0" * 50, b'{"pid": "x"}', b"[]"])
def test_a_lock_file_that_names_nobody_is_free(tmp_path: Path, content: bytes) -> None:
    (tmp_path / lock.LOCK_NAME).write_bytes(content)
    with RunLock(tmp_path) as held:
        held.verify()
        assert owner_in(tmp_path).pid == os.getpid()


def test_a_copied_directory_is_free_while_the_search_goes_on_in_the_original(
    tmp_path: Path,
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    copy.mkdir()
    with RunLock(original) as held:
        (copy / lock.LOCK_NAME).write_bytes(held.path.read_bytes())
        with RunLock(copy) as second:
            second.verify()
            assert owner_in(copy).token != owner_in(original).token


def test_a_process_that_ended_but_was_not_collected_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 10
    while process_start(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_start(child.pid) == ""
    child.wait()


def test_a_process_keeps_one_mark() -> None:
    assert process_start(os.getpid())
    assert process_start(os.getpid()) == process_start(os.getpid())
