"""A search on a Ray cluster whose machines have networks of their own, where this machine allows
that. Minutes: marked slow."""

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

from cluster_search import finish, on_ray, start, table, told, wait_for
from ray_namespaces import namespace_cluster, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    if reason := why_not():
        pytest.skip(reason)


def test_a_search_over_a_network_gives_the_local_leaderboard(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    with namespace_cluster(tmp_path, "first", "second") as cluster:
        finish(start(tmp_path, on_ray(cluster.address), cluster.on_head), tmp_path)
    assert table(tmp_path) == local_leaderboard
    assert all((cluster.cache(name) / "features").is_dir() for name in ("first", "second"))


def test_a_node_whose_link_is_cut_in_the_middle_of_trials_is_survived(
    tmp_path: Path, local_leaderboard: list[str]
) -> None:
    with namespace_cluster(tmp_path, "first", "second") as cluster:
        process = start(tmp_path, on_ray(cluster.address), cluster.on_head)
        wait_for(lambda: len(told(tmp_path)) >= 4, process, tmp_path)
        cluster.machines.cut("first")
        finish(process, tmp_path)
    assert table(tmp_path) == local_leaderboard
    assert sorted(told(tmp_path)) == sorted(set(told(tmp_path)))
