"""The `ray` engine on a real cluster: a head and nodes as separate processes. What every engine
promises is in `test_engines`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import SPLIT_COUNTS, folder_config, write_folders
from stand_ins import make_spec, resources_in, run

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from ray_cluster import RayCluster, ray_cluster

from data.dataset import open_dataset
from data.errors import UserError
from data.packed import open_packed, packed_folder
from search.execution.engine import ClusterOptions, EngineOptions
from search.execution.ray_cluster import connect
from search.execution.ray_engine import RayEngine

SETTLE_SECONDS = 8.0  # a process of a trial is up long before


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with ray_cluster(tmp_path_factory.mktemp("nodes"), "first") as started:
        yield started


def _engine(cluster: RayCluster, folder: Path, **options: Any) -> RayEngine:
    shared = options.pop("cache_is_shared", True)
    asked = {name: options.pop(name) for name in ("cpu", "gpu", "max_workers") if name in options}
    place = ClusterOptions(address=cluster.address, cache_is_shared=shared, **asked)
    return RayEngine(EngineOptions(resources_in(folder), folder, run, cluster=place, **options))


def test_a_trial_gets_the_threads_it_asked_for(cluster: RayCluster, tmp_path: Path) -> None:
    with _engine(cluster, tmp_path) as engine:
        outcome = engine.submit(make_spec("environment")).result(timeout=60)
    assert outcome.result.error is not None
    assert "heavy=[] threads=('1', '1')" in outcome.result.error


def test_a_crash_is_retried_by_ray(cluster: RayCluster, tmp_path: Path) -> None:
    with _engine(cluster, tmp_path) as engine:
        outcome = engine.submit(make_spec("crash-once", view_seed=5)).result(timeout=120)
    assert outcome.result.score == 0.005
    assert outcome.attempts == 2


def test_a_trial_that_hangs_is_ended_and_says_so(cluster: RayCluster, tmp_path: Path) -> None:
    with _engine(cluster, tmp_path, timeout_seconds=0.5, retries=0) as engine:
        outcome = engine.submit(make_spec("sleep")).result(timeout=120)
    assert outcome.result.status == "failed"
    assert "took longer than 0.5 s" in str(outcome.result.error)


def test_a_cancelled_trial_gives_its_place_up(cluster: RayCluster, tmp_path: Path) -> None:
    with _engine(cluster, tmp_path) as engine:
        hanging = engine.submit(make_spec("announce"))
        _wait_for(lambda: list(tmp_path.glob("pid-*")))
        assert hanging.cancel()
        assert (
            engine.submit(make_spec("complete", view_seed=2)).result(timeout=60).result.score
            == 0.002
        )


def test_four_trials_of_a_quarter_share_a_gpu(cluster: RayCluster, tmp_path: Path) -> None:
    with _node(cluster, "gpu", cpus=8, gpus=1), _engine(cluster, tmp_path, gpu=0.25) as engine:
        for number in range(6):
            engine.submit(make_spec("announce", view_seed=number))
        assert _at_once(tmp_path) == 4
        engine.cancel_running()


def test_no_more_trials_run_at_once_than_max_workers(cluster: RayCluster, tmp_path: Path) -> None:
    with _node(cluster, "large", cpus=8), _engine(cluster, tmp_path, max_workers=2) as engine:
        trials = [engine.submit(make_spec("announce", view_seed=number)) for number in range(4)]
        assert _at_once(tmp_path) == 2
        assert trials[0].cancel()
        _wait_for(lambda: len(list(tmp_path.glob("pid-*"))) == 3)
        engine.cancel_running()


def test_what_there_is_no_room_for_is_demand_by_which_a_cluster_grows(
    cluster: RayCluster, tmp_path: Path
) -> None:
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_status

    def demand() -> list[tuple[dict[str, float], int]]:
        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        asked = status.resource_demands.ray_task_actor_demand
        return [(dict(each.bundle), each.count) for one in asked for each in one.bundles_by_count]

    with _engine(cluster, tmp_path) as engine:
        for number in range(4):
            engine.submit(make_spec("announce", view_seed=number))
        _wait_for(lambda: demand() == [({"CPU": 1.0}, 3)])  # the cluster has one CPU
        engine.cancel_running()


def test_images_that_a_node_cannot_see_are_sent_and_checked(
    cluster: RayCluster, tmp_path: Path
) -> None:
    write_folders(tmp_path / "data", SPLIT_COUNTS)
    dataset = open_dataset(folder_config(tmp_path / "data"), tmp_path / "cache", seed=1)
    with _engine(cluster, tmp_path, cache_is_shared=False) as engine:
        engine.use_dataset(dataset, str(tmp_path / "nowhere"))
        engine.submit(make_spec("complete")).result(timeout=120)
    arrived = open_packed(packed_folder(cluster.cache("first"), dataset.digest))
    np.testing.assert_array_equal(arrived.images, dataset.images)


def test_no_cluster_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UserError, match="no Ray cluster answers"):
        connect("127.0.0.1:1")


@contextmanager
def _node(cluster: RayCluster, name: str, cpus: int = 1, gpus: int = 0) -> Iterator[None]:
    """One more node for a while."""
    cluster.add(name, cpus, gpus)
    try:
        yield
    finally:
        cluster.kill(name)


def _at_once(folder: Path) -> int:
    """How many trials announce themselves until no more do."""
    seen = -1
    while seen < (now := len(list(folder.glob("pid-*")))) or not now:
        seen = now
        time.sleep(SETTLE_SECONDS)
    return now


def _wait_for(found: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until
        time.sleep(0.1)
