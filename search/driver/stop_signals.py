"""SIGINT and SIGTERM while a search runs: the first asks it to stop, the second ends the process.
What stops is `ledger`'s."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_signals(say: Callable[[str], None], status: int) -> Iterator[threading.Event]:
    """The event that the first signal sets; the second exits with `status` at once. Either can be
    resumed.

    say: told in a line what the first signal does. The handlers before are put back at the end.
    """
    stop = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            os._exit(status)
        stop.set()
        say("stopping; the search can be resumed with the same command (again: stop at once)")

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
