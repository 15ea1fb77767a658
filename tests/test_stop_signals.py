"""The first SIGINT or SIGTERM asks to stop, the second ends the process at once; both with status
75."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = f"""
import hashlib, sys, time
sys.path.insert(0, {str(ROOT)!r})
from search.commands.signals import stop_signals
with stop_signals(75) as stop:
    print("ready", flush=True)
    if sys.argv[1] == "computing":  # ten seconds in which no handler of Python's runs
        hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000_000)
    stop.wait()
    if sys.argv[1] == "busy":
        time.sleep(60)
sys.exit(75)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", ["quick", "busy", "computing"])
def test_the_first_asks_and_the_second_ends_it(number: signal.Signals, work: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, work],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert "resumed with the same command" in process.stdout.readline()
        if work != "quick":
            process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (75, "")
