"""Whole searches on a real Ray cluster of several nodes, which are killed, join late, and lose
their driver. Minutes: marked slow."""

import os
import signal
import threading
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from cluster_search import finish, on_ray, said, start, table, told, wait_for
from ray_cluster import ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_search_on_two_nodes_gives_the_local_leaderboard(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = start(tmp_path, on_ray(cluster.address))
        finish(process, tmp_path)
    assert table(tmp_path) == local_leaderboard
    assert all((tmp_path / name / "features").is_dir() for name in ("first", "second"))


def test_nodes_lost_in_the_middle_of_trials_lose_nothing(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    with ray_cluster(tmp_path, "node-0", "node-1") as cluster:
        process = start(tmp_path, on_ray(cluster.address))
        for loss in range(3):

            def enough(count: int = 2 * loss + 1) -> bool:
                return len(told(tmp_path)) >= count

            wait_for(enough, process, tmp_path)
            cluster.kill(f"node-{loss}")
            cluster.add(f"node-{loss + 2}")  # joins late, and is used
        finish(process, tmp_path)
        assert (cluster.cache("node-4") / "features").is_dir()
    assert table(tmp_path) == local_leaderboard
    assert sorted(told(tmp_path)) == sorted(set(told(tmp_path)))


def test_a_killed_driver_resumes(tmp_path: Path, local_leaderboard: list[str]) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = start(tmp_path, on_ray(cluster.address))
        wait_for(lambda: len(told(tmp_path)) >= 4, process, tmp_path)
        process.kill()
        process.wait(30)
        finish(start(tmp_path, on_ray(cluster.address)), tmp_path)
    assert table(tmp_path) == local_leaderboard
    assert sorted(told(tmp_path)) == sorted(set(told(tmp_path)))


def test_a_cluster_that_does_not_answer_for_a_while_is_waited_for(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    with ray_cluster(tmp_path, "first", "second") as cluster:
        process = start(tmp_path, on_ray(cluster.address))
        wait_for(lambda: len(told(tmp_path)) >= 3, process, tmp_path)
        store = cluster.store_process()
        os.kill(store, signal.SIGSTOP)
        threading.Timer(20, os.kill, (store, signal.SIGCONT)).start()
        finish(process, tmp_path)
    assert table(tmp_path) == local_leaderboard


def test_sigterm_ends_the_driver_with_status_75(tmp_path: Path) -> None:
    with ray_cluster(tmp_path, "first") as cluster:
        process = start(tmp_path, on_ray(cluster.address))
        wait_for(lambda: len(told(tmp_path)) >= 1, process, tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 75, said(tmp_path)
