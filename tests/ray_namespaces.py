"""A Ray cluster whose machines have networks of their own: Linux network namespaces, joined by a
bridge that is in one too.

Nothing of it touches this machine's network: addresses are 10.213.7.x inside the namespaces, and
all is gone afterwards.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ray_cluster import QUICK_HEALTH

SWITCH = "switch"
START_SECONDS = 240
RAY = str(Path(sys.executable).parent / "ray")


def why_not() -> str | None:
    """Why this machine can have no namespaces; None where it can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (apt-get install iproute2)"
    try:
        with _namespaces() as machines:
            machines.add("one")
    except subprocess.CalledProcessError as error:
        return f"network namespaces are refused here: {error.stderr.strip()}"
    return None


class Machines:
    """Namespaces by name, each with one interface, `eth0`, on the bridge."""

    def __init__(self) -> None:
        self._tag = f"augsearch-{os.getpid()}"
        self.names: list[str] = []
        self._make(SWITCH)
        self._ip(SWITCH, "link", "add", "bridge", "type", "bridge")
        self._ip(SWITCH, "link", "set", "bridge", "up")

    def add(self, name: str) -> str:
        """One more machine; its address."""
        self._make(name)
        self._ip(
            SWITCH,
            "link",
            "add",
            name,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self._space(name),
        )
        address = f"10.213.7.{len(self.names)}"
        self._ip(name, "addr", "add", f"{address}/24", "dev", "eth0")
        self._ip(name, "link", "set", "eth0", "up")
        self._ip(SWITCH, "link", "set", name, "master", "bridge", "up")
        return address

    def cut(self, name: str) -> None:
        """Takes a machine's cable out."""
        self._ip(SWITCH, "link", "set", name, "down")

    def prefix(self, name: str) -> list[str]:
        """What runs a command on a machine."""
        return ["ip", "netns", "exec", self._space(name)]

    def close(self) -> None:
        for name in self.names:
            for pid in self._pids(name):
                os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 30
        while any(map(self._pids, self.names)) and time.monotonic() < until:
            time.sleep(0.1)
        for name in self.names:
            subprocess.run(
                ["ip", "netns", "delete", self._space(name)], check=True, capture_output=True
            )

    def _pids(self, name: str) -> list[int]:
        listed = subprocess.run(
            ["ip", "netns", "pids", self._space(name)], capture_output=True, text=True
        )
        return [int(pid) for pid in listed.stdout.split()]

    def _space(self, name: str) -> str:
        return f"{self._tag}-{name}"

    def _make(self, name: str) -> None:
        _run("ip", "netns", "add", self._space(name))
        self.names.append(name)
        self._ip(name, "link", "set", "lo", "up")

    def _ip(self, name: str, *words: str) -> None:
        _run("ip", "-n", self._space(name), *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)


@contextmanager
def _namespaces() -> Iterator[Machines]:
    machines = Machines()
    try:
        yield machines
    finally:
        machines.close()


class NamespaceCluster:
    """A head, which runs no trials, and nodes of one CPU, each with the cache folder
    `folder/NAME`."""

    def __init__(self, machines: Machines, folder: Path, sessions: Path) -> None:
        self.machines, self._folder, self._sessions = machines, folder, sessions
        self._head = self.machines.add("head")
        options = ["--head", "--port", "6379", "--num-cpus", "0", "--include-dashboard", "false"]
        self._start("head", [*options, "--system-config", json.dumps(QUICK_HEALTH)], self._head)

    @property
    def address(self) -> str:
        return f"{self._head}:6379"

    @property
    def on_head(self) -> list[str]:
        """What runs a command on the head."""
        return self.machines.prefix("head")

    def add(self, name: str) -> None:
        own = self.machines.add(name)
        self._start(name, ["--address", self.address, "--num-cpus", "1"], own)

    def cache(self, name: str) -> Path:
        return self._folder / name

    def _start(self, name: str, options: list[str], address: str) -> None:
        self.cache(name).mkdir()
        places = ["--node-ip-address", address, "--temp-dir", str(self._sessions / name)]
        environment = {
            **os.environ,
            "AUGSEARCH_CACHE": str(self.cache(name)),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",  # nobody else is on this network
        }
        command = [*self.machines.prefix(name), RAY, "start", *options, *places]
        # Its output goes to a file: the processes it leaves would hold a pipe open.
        with (self._folder / f"{name}.log").open("w") as log:
            subprocess.run(
                command, env=environment, stdout=log, stderr=log, check=True, timeout=START_SECONDS
            )


@contextmanager
def namespace_cluster(folder: Path, *names: str) -> Iterator[NamespaceCluster]:
    """A head and the named nodes, gone afterwards with their networks."""
    # Below /tmp itself: paths of Unix sockets are short.
    with ExitStack() as stack:
        sessions = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        )
        cluster = NamespaceCluster(stack.enter_context(_namespaces()), folder, Path(sessions))
        for name in names:
            cluster.add(name)
        yield cluster
