"""Nobody reads standard output or error, or a full disk refuses them: the work is done whole, with
the status that it has anyway. And a signal while the program is still being imported. Real
processes."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, str(ROOT / "run_search.py"))
WRITING = ("import-idg", "ImageDataGenerator(rotation_range=30)", "--out", "made.yaml")
WRONG = ("import-idg", "ImageDataGenerator(rotation=30)")
UNREAD = (">&- 2>&- <&-", "2>/dev/full", "1</dev/null")


def _by_shell(arguments: tuple[str, ...], streams: str, folder: Path) -> tuple[int, str]:
    """Status, and what a stream that is left alone had."""
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def _without_reader(folder: Path, *arguments: str, **more: str) -> int:
    """The status where the pipe of both streams has no other end."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, *arguments]
    environment = {**os.environ, **more}
    with os.fdopen(writer, "w") as unread:
        return subprocess.run(
            command, cwd=folder, stdout=unread, stderr=unread, env=environment, timeout=60
        ).returncode


@pytest.mark.parametrize("streams", UNREAD)
def test_a_stream_that_nobody_reads_changes_neither_work_nor_status(
    streams: str, tmp_path: Path
) -> None:
    status, said = _by_shell(WRITING, streams, tmp_path)
    assert status == 0
    assert "Error" not in said
    assert "rotation_range" in (tmp_path / "made.yaml").read_text()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_whose_reader_is_gone(unbuffered: str, tmp_path: Path) -> None:
    assert _without_reader(tmp_path, *WRITING, PYTHONUNBUFFERED=unbuffered) == 0
    assert "rotation_range" in (tmp_path / "made.yaml").read_text()
    assert _without_reader(tmp_path, *WRONG) == 2
    assert _without_reader(tmp_path, "--help") == 0
    assert _without_reader(tmp_path, "no-such-command") == 2


def test_results_that_a_full_disk_refuses_are_no_success(tmp_path: Path) -> None:
    for arguments in (WRITING, ("schema",)):
        status, said = _by_shell(arguments, ">/dev/full", tmp_path)
        assert status == 2
        assert said.splitlines()[-1].startswith("error: standard output: no space left on device")
    assert "rotation_range" in (tmp_path / "made.yaml").read_text()
    assert _by_shell(WRITING[:2], ">/dev/full 2>/dev/full", tmp_path) == (2, "")


def test_a_pipe_that_does_not_wait_is_written_to_the_end(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with (
        os.fdopen(writer, "w") as pipe,
        subprocess.Popen([*COMMAND, "schema"], stdout=pipe) as process,
        os.fdopen(reader) as read,
    ):
        pipe.close()
        time.sleep(1)  # by then it is full
        assert json.loads(read.read())["type"] == "object"
        assert process.wait(20) == 0


AT_IMPORT = """
import os, signal, sys
class Signalling:
    def find_spec(name, path=None, target=None):
        if name == os.environ["AT"]:
            os.kill(os.getpid(), int(os.environ["NUMBER"]))
sys.meta_path.insert(0, Signalling)
"""


@pytest.mark.parametrize("module", ["search", "tempfile", "typer", "search.commands.check"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_among_the_imports_is_no_traceback(
    module: str, number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT_IMPORT)
    more = {"PYTHONPATH": str(tmp_path), "AT": module, "NUMBER": str(int(number))}
    for name, status in (("check", 128 + number), ("run", 75)):
        if (name, module) == ("run", "search.commands.check"):
            continue
        done = subprocess.run(
            [*COMMAND, name, "x.yaml"],
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status
        assert done.stderr in ("", "interrupted\n")
