"""A Ray cluster as this process has it: the connection, and what running trials say to the driver
while they run (an actor keeps it; the driver takes it from there). What the engine does with both
is `ray_engine`."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

from data.errors import UserError
from search.execution.engine import require_package
from search.training.progress import EpochReport, OnEpoch

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class ClusterConnection:
    """ray: the module, connected. is_own: whether this connection was made here, and is to be
    closed here: a process has but one."""

    ray: ModuleType
    is_own: bool


def connect(address: str) -> ClusterConnection:
    """Connects to the cluster at `address`. Raises UserError where there is no Ray or no
    cluster."""
    # Ray reports its use unless told not to, and starts a cluster of its own where a call comes
    # after the end.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    require_package("ray", "ray")
    import ray

    if ray.is_initialized():
        return ClusterConnection(ray, is_own=False)
    _refuse_silence(address)
    stops = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error).strip().splitlines()[0][:200]) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            # Ray puts its own in their place, which exits at once
            for number, handler in stops.items():
                signal.signal(number, handler)
    return ClusterConnection(ray, is_own=True)


def _refuse_silence(address: str) -> None:
    """Ray waits for minutes for an address where nobody listens."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()) or "://" in host:
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> UserError:
    return UserError(
        f"execution.address is {address}: no Ray cluster answers ({reason}); start one with `ray "
        "start --head`, or set engine: local"
    )


@dataclass(frozen=True)
class Begun:
    """An attempt at a trial has begun: those that Ray makes by itself are counted by it."""


@dataclass(frozen=True)
class Late:
    """A trial took longer than it may, and its process ends itself."""


Said = EpochReport | Begun | Late


class Mailbox:
    """An actor beside the driver: what running trials say, until the driver takes it."""

    def __init__(self) -> None:
        self._items: list[tuple[str, Said]] = []

    def put(self, item: tuple[str, Said]) -> None:
        self._items.append(item)

    def take(self) -> list[tuple[str, Said]]:
        items, self._items = self._items, []
        return items


class Mail:
    """The driver's end, for one thread. begun, late: how often, by the trial's key. listeners: by
    key, called by `take`."""

    def __init__(self, ray: ModuleType) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        # On the driver's own machine: a box on a node would be lost with it, and what other nodes
        # have said.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}
        self.box = ray.remote(Mailbox).options(**options).remote()
        self.listeners: dict[str, OnEpoch] = {}
        self.begun: Counter[str] = Counter()
        self.late: Counter[str] = Counter()

    def take(self) -> None:
        """Hands on what has been said since the last call."""
        # where its process died, it is restarted
        with contextlib.suppress(self._ray.exceptions.RayError):
            for key, item in self._ray.get(self.box.take.remote()):
                if isinstance(item, Begun):
                    self.begun[key] += 1
                elif isinstance(item, Late):
                    self.late[key] += 1
                elif key in self.listeners:
                    self.listeners[key](item)

    def forget(self, key: str) -> None:
        self.listeners.pop(key, None)
        for counts in (self.begun, self.late):
            counts.pop(key, None)
