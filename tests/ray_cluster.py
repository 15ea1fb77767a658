"""A Ray cluster for tests: a head and nodes, each its own processes with its own cache folder, to
be killed at will."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A lost node is noticed after ten seconds, not half a minute; after three, a busy machine loses
# nodes that are well.
QUICK_HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 20,
}


@dataclass
class RayCluster:
    """The head runs no trials. `nodes` by name; each has the cache folder `folder/NAME`."""

    cluster: Any
    folder: Path
    nodes: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def dashboard(self) -> str:
        return f"http://{self.cluster.head_node.webui_url}"

    def add(self, name: str, cpus: int = 1, gpus: int = 0, has_code: bool = True) -> None:
        """Starts a node. gpus: made up. has_code: whether it finds this program where the tests
        do."""
        cache = self.folder / name
        cache.mkdir()
        path = sys.path if has_code else []
        environment = {"AUGSEARCH_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(path)}
        self.nodes[name] = self.cluster.add_node(num_cpus=cpus, num_gpus=gpus, env_vars=environment)

    def kill(self, name: str) -> None:
        """Ends all processes of a node at once, as a machine that loses its power."""
        self.cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    def cache(self, name: str) -> Path:
        return self.folder / name

    def store_process(self) -> int:
        """The process of Ray's global store."""
        processes = self.cluster.head_node.all_processes
        return int(processes["gcs_server"][0].process.pid)


@contextmanager
def ray_cluster(folder: Path, *names: str, dashboard: bool = False) -> Iterator[RayCluster]:
    """A head and the named nodes, gone afterwards. dashboard: takes jobs too, at 127.0.0.1."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": dashboard,
            "dashboard_host": "127.0.0.1",
            "_system_config": QUICK_HEALTH,
        },
    )
    try:
        made = RayCluster(cluster, folder)
        for name in names:
            made.add(name)
        yield made
    finally:
        if ray.is_initialized():
            ray.shutdown()
        cluster.shutdown()
