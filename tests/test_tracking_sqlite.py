"""A new sqlite store is there whole or not at all, whoever is killed or comes first while it is made."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from disks import mounted, remount
from processes import wait_until

from search.tracking.sqlite_store import make_whole

ROOT = Path(__file__).parents[1]


def write(uri: str, text: str = "whole") -> None:
    Path(uri.removeprefix("sqlite:///")).write_text(text)


def test_a_store_is_made_once_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "mlflow.db"
    make_whole(path, write)
    make_whole(path, lambda uri: write(uri, "another"))
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_store_whose_making_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(uri: str) -> None:
        write(uri, "half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_whole(tmp_path / "mlflow.db", fail)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_it_at_once_the_first_ones_stays(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"

    def overtaken(uri: str) -> None:
        write(uri, "second")
        path.write_text("first")

    make_whole(path, overtaken)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_swept_once_it_is_old(tmp_path: Path) -> None:
    left, young = tmp_path / ".mlflow.db.new-1-a", tmp_path / ".mlflow.db.new-2-b"
    left.touch()
    young.touch()
    os.utime(left, (time.time() - 7200,) * 2)
    make_whole(tmp_path / "mlflow.db", write)
    assert not left.exists()
    assert young.exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_refuses_is_told_before_mlflow_is_asked(tmp_path: Path, there: bool) -> None:
    def never(uri: str) -> None:
        raise AssertionError(uri)

    with mounted(tmp_path / "disk", "size=64k") as folder:
        if there:
            (folder / "mlflow.db").touch()
        remount(folder, "ro")
        with pytest.raises(OSError, match="Read-only"):
            make_whole(folder / "mlflow.db", never)


@pytest.mark.slow
@pytest.mark.parametrize("delay_seconds", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_mlflow_killed_while_it_makes_its_tables_finds_a_store_it_can_use(
    tmp_path: Path, delay_seconds: float
) -> None:
    """Half of MLflow's tables are more than it can go on from: it would refuse the store for ever."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\n"
        "from search.tracking.mlflow_store import Store\n"
        "Store('sqlite:///mlflow.db', 'x', Path('run')).find('', 10)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    process = subprocess.Popen(command, cwd=tmp_path)
    assert wait_until(lambda: any(tmp_path.glob(".mlflow.db.new-*")), 120)
    time.sleep(delay_seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, cwd=tmp_path, check=True)
