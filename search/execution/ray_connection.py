"""Connecting this process to a Ray cluster. What the engine then does with it is `ray_engine`."""

import logging
import os
import signal
import socket
import threading
from dataclasses import dataclass
from types import ModuleType

from data.errors import UserError
from search.execution.engines import require_engine

CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Connection:
    """ray: the module, connected. is_own: whether this connection was made here, and is to be
    closed here: a process has but one."""

    ray: ModuleType
    is_own: bool


def connect(address: str) -> Connection:
    """Connects to the cluster at `address`. Raises UserError where there is no Ray or no
    cluster."""
    # Ray reports its use unless told not to, and starts a cluster of its own where a call comes
    # after the end.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    require_engine("ray")
    import ray

    if ray.is_initialized():
        return Connection(ray, is_own=False)
    _refuse_silence(address)
    stops = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error).strip().splitlines()[0][:200]) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for (
                number,
                handler,
            ) in stops.items():  # Ray puts its own in their place, which exits at once
                signal.signal(number, handler)
    return Connection(ray, is_own=True)


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
        "start --head`, or set "
        "engine: local"
    )
