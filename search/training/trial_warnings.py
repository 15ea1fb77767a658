"""What the program warns of while it trains a trial, for whoever started the search: a worker's
log is read by nobody.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from data.secrets import redacted_here

OURS = ("search", "data")  # the loggers: of modules, by their packages


class WarningsHeard(logging.Handler):
    """Keeps the first line of each warning, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: dict[str, None] = {}

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        first = record.getMessage().strip().partition("\n")[0]
        self._lines[redacted_here(first)] = None
        if logging.lastResort and not logging.getLogger().handlers:
            logging.lastResort.handle(record)  # which Python leaves out where anybody listens


@contextmanager
def heard() -> Iterator[WarningsHeard]:
    """Listens to this process."""
    handler = WarningsHeard()
    for name in OURS:
        logging.getLogger(name).addHandler(handler)
    try:
        yield handler
    finally:
        for name in OURS:
            logging.getLogger(name).removeHandler(handler)
