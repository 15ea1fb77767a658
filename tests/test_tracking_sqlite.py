"""A new sqlite store is there whole or not at all, whoever is killed or comes first while it is
made."""

import io
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from disks import mounted, remount
from processes import wait_until

from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import RunRow
from search.tracking.store_guards import hide_in_logs, make_whole

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
    """Half of MLflow's tables are more than it can go on from: it would refuse the store for
    ever."""
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


@pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # MLflow's own
@pytest.mark.parametrize("name", ["wh?t [1]", "a#b 100%", "a%20b"])
def test_the_store_and_its_files_are_where_the_address_says(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    uri = f"sqlite:///{folder}/{name}.db"
    store = Store(uri, "digits", tmp_path / "runs" / "x")
    run = store.create(RunRow("r", "RUNNING", 1, None, {}, {}, ()), {})
    store.log_text(run, "kept", "note.txt")
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{name}.db", "mlartifacts"])
    assert [path.read_text() for path in folder.rglob("note.txt")] == ["kept"]
    assert list(tmp_path.iterdir()) == [folder]
    assert Store(uri, "digits", tmp_path / "runs" / "x").find("none", 10) == []


def test_what_mlflow_and_its_drivers_log_holds_no_secret() -> None:
    uri = "postgresql://me:hun/ter2@h/db?sslpassword=hunter2"
    logger, shown = logging.getLogger("mlflow"), io.StringIO()
    handler = logging.StreamHandler(shown)
    logger.addHandler(handler)
    try:
        hide_in_logs(uri)
        hide_in_logs(uri)
        assert len(handler.filters) == 1
        try:
            raise ConnectionError("hun/ter2 was wrong")
        except ConnectionError:
            logger.warning("trying %s again", uri, exc_info=True)
    finally:
        logger.removeHandler(handler)
    assert "trying" in shown.getvalue()
    assert "ter2" not in shown.getvalue()
