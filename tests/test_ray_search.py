"""Whole searches on a real Ray cluster of several nodes, which are killed, join late, and lose their driver. Minutes: marked slow."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from ray_cluster import RayCluster, ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent
EXPERIMENT: dict[str, Any] = {
    "name": "cluster",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 16},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "zoom_range": {"min": 0.0, "max": 0.3}},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 16},
    "training": {"max_epochs": 4, "patience": 4, "views": 2},
    "search": {
        "algorithm": "asynchronous_halving",
        "trials": 9,
        "min_views": 1,
        "reduction": 2,
        "lookahead": 4,
    },
    "evaluation": {"folds": 2, "seeds": 1, "confirm": {"top": 1, "seeds": 1, "views": 2}},
    "tracking": {"uri": None},
}


def _start(folder: Path, execution: dict[str, Any]) -> "subprocess.Popen[str]":
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**EXPERIMENT, "execution": execution}))
    command = [
        sys.executable,
        str(ROOT / "run_search.py"),
        "run",
        str(file),
        "--run-dir",
        str(folder / "run"),
    ]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True, cwd=folder)


def _table(folder: Path) -> list[str]:
    """The leaderboard without its seconds."""
    rows = [line.split(",") for line in (folder / "run" / "trials.csv").read_text().splitlines()]
    skipped = rows[0].index("seconds")
    return [",".join(cell for place, cell in enumerate(row) if place != skipped) for row in rows]


def _told(folder: Path) -> list[int]:
    journal = folder / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event["trial"] for event in events if event["type"] == "told"]


def _wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", folder: Path) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        assert time.monotonic() < until, (folder / "log").read_text()[-2000:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The leaderboard of the same search in worker processes of this machine."""
    folder = tmp_path_factory.mktemp("local")
    process = _start(folder, {"engine": "local", "cache_dir": str(folder / "cache"), "threads": 1})
    assert process.wait(600) == 0, (folder / "log").read_text()[-2000:]
    return _table(folder)


def _on(cluster: RayCluster) -> dict[str, Any]:
    return {"engine": "ray", "address": cluster.address, "resources": {"cpu": 1}, "workers": 2}


def test_a_search_on_two_nodes_gives_the_local_leaderboard(tmp_path: Path, local: list[str]) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = _start(tmp_path, _on(cluster))
        assert process.wait(600) == 0, (tmp_path / "log").read_text()[-2000:]
    assert _table(tmp_path) == local
    assert all((tmp_path / name / "features").is_dir() for name in ("first", "second"))


def test_nodes_lost_in_the_middle_of_trials_lose_nothing(tmp_path: Path, local: list[str]) -> None:
    with ray_cluster(tmp_path, "node-0", "node-1") as cluster:
        process = _start(tmp_path, _on(cluster))
        for loss in range(3):
            seen = 2 * loss + 1
            _wait_for(lambda seen=seen: len(_told(tmp_path)) >= seen, process, tmp_path)  # type: ignore[misc]
            cluster.kill(f"node-{loss}")
            cluster.add(f"node-{loss + 2}")  # joins late, and is used
        assert process.wait(600) == 0, (tmp_path / "log").read_text()[-2000:]
        assert (cluster.cache("node-4") / "features").is_dir()
    assert _table(tmp_path) == local
    assert sorted(_told(tmp_path)) == sorted(set(_told(tmp_path)))


def test_a_killed_driver_resumes(tmp_path: Path, local: list[str]) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = _start(tmp_path, _on(cluster))
        _wait_for(lambda: len(_told(tmp_path)) >= 4, process, tmp_path)
        process.kill()
        process.wait(30)
        assert _start(tmp_path, _on(cluster)).wait(600) == 0, (tmp_path / "log").read_text()[-2000:]
    assert _table(tmp_path) == local
    assert sorted(_told(tmp_path)) == sorted(set(_told(tmp_path)))


def test_a_cluster_that_does_not_answer_for_a_while_is_waited_for(tmp_path: Path, local: list[str]) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = _start(tmp_path, _on(cluster))
        _wait_for(lambda: len(_told(tmp_path)) >= 3, process, tmp_path)
        store = cluster.store_process()
        os.kill(store, signal.SIGSTOP)
        threading.Timer(20, os.kill, (store, signal.SIGCONT)).start()
        assert process.wait(600) == 0, (tmp_path / "log").read_text()[-2000:]
    assert _table(tmp_path) == local


def test_sigterm_ends_the_driver_with_status_75(tmp_path: Path) -> None:
    with ray_cluster(tmp_path, "first") as cluster:
        process = _start(tmp_path, _on(cluster))
        _wait_for(lambda: len(_told(tmp_path)) >= 1, process, tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 75, (tmp_path / "log").read_text()[-2000:]
