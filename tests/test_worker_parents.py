"""Worker processes and their parent: what they import, whose signals they answer; and none outlives
it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import announced, is_running, listening, session_of, wait_until

from search.journal.clearing import sweep_made

TESTS = Path(__file__).parent
PARENT = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {root!r}]
from stand_ins import make_spec, resources_in, run
from search.execution.engine import EngineOptions
from search.execution.local_engine import LocalEngine
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    options = EngineOptions(resources_in(folder), folder, run, workers=2, warm_imports=())
    engine = LocalEngine(options)
    futures = [engine.submit(make_spec("announce")) for _ in range(2)]
    {rest}
"""
WAIT = "print('ready', flush=True); futures[0].result()"


@contextmanager
def parent_of_two(folder: Path, rest: str) -> Iterator[subprocess.Popen[str]]:
    """A process that leads a session of its own, with two workers at trials that never end."""
    script = folder / "parent.py"
    script.write_text(PARENT.format(tests=str(TESTS), root=str(TESTS.parent), rest=rest))
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        try:
            yield parent
        finally:
            parent.kill()


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    with parent_of_two(tmp_path, WAIT) as parent:
        assert wait_until(lambda: len(announced(tmp_path)) == 2)
        parent.kill()
        parent.wait()
        assert wait_until(lambda: not session_of(parent.pid), 5)


@pytest.mark.parametrize("delay_seconds", [0.0, 0.2])
def test_no_worker_outlives_a_parent_killed_while_workers_start(
    tmp_path: Path, delay_seconds: float
) -> None:
    with parent_of_two(tmp_path, WAIT) as parent:
        time.sleep(delay_seconds)
        parent.kill()
        parent.wait()
        assert wait_until(lambda: not session_of(parent.pid), 5)


def test_signals_to_the_whole_group_leave_the_workers_to_their_parent(tmp_path: Path) -> None:
    listen = "import signal; [signal.signal(number, lambda *_: None) for number in (1, 2, 15)]; "
    with parent_of_two(tmp_path, listen + WAIT) as parent:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # while the workers start
            os.killpg(parent.pid, number)
        assert wait_until(lambda: len(announced(tmp_path)) == 2)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # while they work
            os.killpg(parent.pid, number)
        time.sleep(0.3)
        assert all(is_running(pid) for pid in announced(tmp_path))
        parent.kill()
        assert parent.communicate()[1] == ""


def test_what_workers_of_a_killed_parent_leave_is_swept_by_the_next_start(tmp_path: Path) -> None:
    with parent_of_two(tmp_path, WAIT) as parent:
        assert wait_until(lambda: len(announced(tmp_path)) == 2)
        parent.kill()
        parent.wait()
        assert wait_until(lambda: not session_of(parent.pid), 5)
    assert sweep_made(tmp_path) == 2  # as `run_search` does
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "worker-1.log",
        "worker-2.log",
    ]


def test_a_parent_that_just_ends_takes_its_workers_along(tmp_path: Path) -> None:
    with parent_of_two(tmp_path, "print('ready', flush=True)") as parent:
        parent.communicate(timeout=15)
        assert parent.returncode == 0
        assert wait_until(lambda: not session_of(parent.pid), 5)


def test_the_command_line_makes_its_workers_import_nothing_heavy() -> None:
    """A worker imports the program's main module again, under this name."""
    code = (
        "import runpy, sys; runpy.run_path('run_search.py', run_name='__mp_main__'); "
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'matplotlib', 'pandas', 'rich'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS.parent, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_listening_sockets_are_seen_with_their_address() -> None:
    with socket.create_server(("127.0.0.1", 0)), socket.create_server(("0.0.0.0", 0)):
        assert {address.is_loopback for address in listening([os.getpid()])} == {True, False}
    assert listening([os.getpid()]) == []
