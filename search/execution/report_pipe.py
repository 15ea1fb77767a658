"""The way of a trial's reports from a worker process to its parent: lines of JSON in a pipe that
neither side ever waits at. What is reported is `progress`; who starts workers, `worker_process`.
"""

import json
import multiprocessing
import os
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection

from search.training.progress import EpochReport

READ_BYTES = 65_536


class ReportWriter:
    """The worker's end, for one trial: what does not fit now goes with the next report, and what is
    never read is no loss."""

    def __init__(self, writer: Connection) -> None:
        self._file = writer.fileno()
        self._waiting = b"\n"  # ends a line that an earlier trial may have left cut

    def __call__(self, report: EpochReport) -> None:
        self._waiting += json.dumps(asdict(report)).encode() + b"\n"
        with suppress(
            BlockingIOError, BrokenPipeError
        ):  # full; or the parent is gone, and this process soon
            self._waiting = self._waiting[os.write(self._file, self._waiting) :]


class ReportPipe:
    """The parent's end. `writer` travels to the worker process, when that is started."""

    def __init__(self) -> None:
        self._reader, self.writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
        for end in (self._reader, self.writer):
            os.set_blocking(end.fileno(), False)
        self._rest = b""

    def read(self) -> list[EpochReport]:
        """What has arrived since the last call; returns at once."""
        with suppress(BlockingIOError):
            while part := os.read(self._reader.fileno(), READ_BYTES):
                self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        return [report for line in lines if (report := _parsed(line)) is not None]

    def close(self) -> None:
        self._reader.close()
        self.writer.close()


def _parsed(line: bytes) -> EpochReport | None:
    """None for an empty line, and for one whose writer was killed or cut it off."""
    try:
        return EpochReport(**json.loads(line))
    except (ValueError, TypeError):
        return None
