"""The first SIGINT, SIGTERM or SIGHUP asks to stop, a second SIGINT or SIGTERM ends the process at
once; all with status 75."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = f"""
import hashlib, sys, time
sys.path.insert(0, {str(ROOT)!r})
from typing import Any
from data.quiet_import import import_quietly
from search.commands.signals import stop_signals
with stop_signals(as_json="--json" in sys.argv) as stop:
    print("ready", file=sys.stderr, flush=True)
    if sys.argv[1] == "importing":  # with standard error turned away
        import_quietly("takes_long")
    if sys.argv[1] == "computing":  # ten seconds in which no handler of Python's runs
        hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000_000)
    stop.wait()
    if sys.argv[1] == "busy":
        time.sleep(60)
    if sys.argv[1] == "telling":
        print("stopped", file=sys.stderr, flush=True)
        open("told", "w").close()
sys.exit(75)
"""


def started(work: str, folder: Path, before: str = "", *more: str) -> "subprocess.Popen[str]":
    (folder / "takes_long.py").write_text("import time\ntime.sleep(60)\n")
    return subprocess.Popen(
        [sys.executable, "-c", before + CODE, work, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", ["quick", "busy", "computing", "importing"])
def test_the_first_asks_and_the_second_ends_it(
    number: signal.Signals, work: str, tmp_path: Path
) -> None:
    with started(work, tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        assert "resumed with the same command" in process.stderr.readline()
        if work != "quick":
            process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 75


def stopped_twice(folder: Path, before: str = "") -> tuple[dict[str, str], int]:
    """The one object on standard output, and the status."""
    with started("busy", folder, before, "--json") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        out, _ = process.communicate(timeout=20)
    return json.loads(out), process.returncode


def test_the_second_prints_the_word_where_json_was_asked_for(tmp_path: Path) -> None:
    assert stopped_twice(tmp_path) == ({"error": "interrupted"}, 75)


BEGUN = """
from search.commands.streams import guard_streams
guard_streams()
print('{"outcome": "stopped"}', flush=True)
"""


def test_there_is_one_object_where_the_answer_was_printed_before(tmp_path: Path) -> None:
    begun = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{BEGUN}"
    assert stopped_twice(tmp_path, begun) == ({"outcome": "stopped"}, 75)


def test_a_hangup_asks_to_stop_however_often_it_comes(tmp_path: Path) -> None:
    """Of a closed terminal the system tells, and the shell once more."""
    with started("busy", tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        assert "resumed with the same command" in process.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75


def test_a_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup has it."""
    nohup = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with started("quick", tmp_path, nohup) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75


def test_what_is_said_to_a_closed_terminal_is_no_error(tmp_path: Path) -> None:
    terminal, other_end = pty.openpty()
    take_it = "import os, sys\nfor number in range(3): os.dup2(os.open(sys.argv[2], 2), number)\n"
    with subprocess.Popen(
        [sys.executable, "-c", take_it + CODE, "telling", os.ttyname(other_end)],
        cwd=tmp_path,
        start_new_session=True,  # whose terminal is the first that it opens
    ) as process:
        said = b""
        while b"\n" not in said:
            said += os.read(terminal, 100)
        os.close(other_end)
        os.close(terminal)  # the system sends SIGHUP
        assert process.wait(20) == 75
    assert (tmp_path / "told").exists()
