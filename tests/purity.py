"""`pytest --pure`: the tests that need no TensorFlow, server, browser or process.

A test is skipped the moment it imports what is heavy, starts a process or opens a connection, so
that nobody keeps a list of tests: what remains runs in memory and on small files.
"""

import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

HEAVY = {"tensorflow", "keras", "openvino", "mlflow", "ray", "torch", "playwright", "pebble"}
# how multiprocessing starts a process, by any method
PROCESSES = {f"multiprocessing.popen_{how}" for how in ("fork", "spawn_posix", "forkserver")}
STARTS = {"subprocess.Popen", "os.fork", "os.posix_spawn"}
NETWORK = {socket.AF_INET, socket.AF_INET6}


class Purity:
    """A plugin of pytest. It hears of imports, processes and sockets by an audit hook:
    https://docs.python.org/3/library/audit_events.html."""

    def __init__(self) -> None:
        self._impure = ""  # what the running test did

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Not earlier: xdist asks its own questions of the machine when a session starts."""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "import":
            name = str(arguments[0])
            if name not in PROCESSES and name.partition(".")[0] not in HEAVY:
                return
            event = f"import of {name}"
        elif event not in STARTS and not (event == "socket.__new__" and arguments[1] in NETWORK):
            return
        self._impure = f"not pure: {event}"
        raise pytest.skip.Exception(self._impure, allow_module_level=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """A test that was interrupted is skipped, whatever it came to afterwards."""
        report: Any = yield
        if self._impure and report.failed:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, self._impure)
        self._impure = ""
        return report
