"""A signal ends a command that has nothing to resume: at once, wherever it lands, in one word, with
nothing temporary left. Real processes, in which every error is turned into another, as `verify
--many` does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.commands.signals import INTERRUPTED_WORD, WORD_IN_JSON

ROOT = Path(__file__).parents[1]
CODE = f"""
import contextlib, hashlib, sys, tempfile
sys.path.insert(0, {str(ROOT)!r})
from search.commands.signals import end_at_signals
end_at_signals(sys.argv[1:])
from pathlib import Path
from data.files import new_folder, replacing
from data.quiet_import import import_quietly
from data.scratch import libraries_write_to, scratch_folder
from search.journal.journal_file import Journal

def journal(folder):
    with Journal(folder / "journal.jsonl") as journal:
        for number in range(10_000_000):
            try:
                journal.append("told", trial=number)
            finally:
                journal.append("phase", seconds=1)

def graded():
    with scratch_folder("augsearch-grade-") as folder, libraries_write_to(folder):
        tempfile.mkdtemp()
        with replacing(Path("table.csv")) as table, new_folder(Path("kept"), "images") as made:
            table.write_text("half")
            (made / "0.png").write_text("half")
            print("ready", flush=True)
            if "computing" in sys.argv:
                hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
            if "importing" in sys.argv:
                import_quietly("takes_long")
            journal(folder)

while True:
    with contextlib.suppress(BaseException):
        graded()
"""


def ended_by(
    number: int, tmp_path: Path, *arguments: str, seconds: float = 0.0
) -> tuple[int, str, str]:
    """The process's status and streams. seconds: that it works before."""
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "here/takes_long.py").write_text("import time\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        cwd=tmp_path / "here",
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["takes_long.py"]
    assert not [*(tmp_path / "temporary").iterdir()]
    return process.returncode, out, errors


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("work", ["computing", "importing", "journaling"])
def test_one_word_and_the_signal_s_status(
    number: int, status: int, work: str, tmp_path: Path
) -> None:
    assert ended_by(number, tmp_path, "verify", work) == (status, "", "interrupted\n")


@pytest.mark.parametrize("seconds", [0.01, 0.02, 0.03, 0.05])
def test_it_lands_anywhere_in_a_journal(seconds: float, tmp_path: Path) -> None:
    found = ended_by(signal.SIGINT, tmp_path, "verify", seconds=seconds)
    assert found == (130, "", "interrupted\n")


def test_where_json_was_asked_for_the_error_is_json(tmp_path: Path) -> None:
    status, out, errors = ended_by(signal.SIGTERM, tmp_path, "verify", "--json")
    assert (status, errors) == (143, "interrupted\n")
    assert json.loads(out) == {"error": "interrupted"}


def test_a_search_that_has_not_begun_is_to_be_run_again(tmp_path: Path) -> None:
    assert ended_by(signal.SIGTERM, tmp_path, "run") == (75, "", "interrupted\n")


# The real program, which is still at its first import of its own.
EARLY = """
import runpy, sys, time

class Slow:
    def find_spec(self, name, *_):
        if name == "search":
            print("ready", flush=True)
            for _ in range(300):  # a signal between the print and a long sleep would wait for it
                time.sleep(0.1)

sys.meta_path.insert(0, Slow())
runpy.run_path("run_search.py", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["run", "verify"])
def test_it_may_come_before_anything_is_imported(number: int, command: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EARLY, command, "x", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    status = 75 if command == "run" else 128 + number
    assert (process.returncode, out, errors) == (
        status,
        f"{WORD_IN_JSON}\n",
        f"{INTERRUPTED_WORD}\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "repeating the search", "training trial"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_verify_ends_so_whatever_it_is_at(
    finished_run: Path, tmp_path: Path, moment: str, number: int
) -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "run_search.py"), "verify", str(finished_run)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while moment != "starting" and moment not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert errors.splitlines()[-1:] == ["interrupted"]
    assert process.returncode == 128 + number
    assert not [*tmp_path.iterdir()]
