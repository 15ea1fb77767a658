"""Inside a worker process: what it does at its start and for each trial, and the pipe by which it
reports to its parent. `worker_process` starts and ends it.

The imports at the top load nothing numerical: thread counts must be set before.
"""

import ctypes
import faulthandler
import functools
import importlib
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from search.execution.failures import Failure, classify, guarded
from search.training.progress import EpochReport

if TYPE_CHECKING:
    from search.execution.engine import RunTrial
    from search.experiment.trial import Outcome, Resources, TrialSpec

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ORPHAN_CHECK_SECONDS = 1.0
READ_BYTES = 65_536


# What `start` leaves to the trials of this process: there is no other way from a pool's initializer
# to its tasks.
_to_parent: list[Connection] = []


def start(
    log_path: Path,
    resources: "Resources",
    parent_pid: int,
    reports: Connection,
    temporary: Path | None = None,
) -> None:
    """Makes this process a worker: it dies with its parent, logs to a file, uses so many threads
    and reports to a pipe. temporary: where its temporary files go, in place of the system's."""
    die_with_parent(parent_pid)  # before anything that takes time
    if temporary is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    from search.features.devices import grow_memory, set_threads

    _to_parent[:] = [reports]
    redirect_output(log_path)
    faulthandler.enable()  # an abort in native code leaves its stack in the log
    set_threads(resources.num_threads, resources.side_by_side)
    grow_memory()


def warm(number: int, trial_module: str, modules: tuple[str, ...]) -> tuple[int, Failure | None]:
    """Imports, ahead of the first trial, the module that runs trials and the installed ones of
    `modules`. number: the worker's, from 1.

    Returns this process's id, and what went wrong.
    """
    try:
        importlib.import_module(trial_module)
        import_installed(modules)
        if "tensorflow" in sys.modules:
            from search.features.devices import use_one_card

            use_one_card(number)
    except Exception as error:
        return os.getpid(), classify(error)
    return os.getpid(), None


def import_installed(modules: tuple[str, ...]) -> None:
    """In this order: some want to be before others."""
    for name in modules:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)


def run_attempt(
    run: "RunTrial", spec: "TrialSpec", resources: "Resources", attempt: int
) -> "tuple[Outcome | Failure, float]":
    """One attempt at a trial, and the memory (as `private_mb`) that this process then holds."""
    answer: Outcome | Failure
    try:
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        print(
            f"--- {when} {spec.kind} {spec.label!r} ({spec.key}), attempt {attempt}",
            file=sys.stderr,
            flush=True,
        )
        reporting = functools.partial(run, on_epoch=ReportWriter(_to_parent[0]))
        answer = guarded(reporting, spec, resources)
    except BaseException as error:  # the log's disk is full; or own code raised what Ctrl-C does
        answer = classify(error)
    return answer, private_mb()


def private_mb() -> float:
    """Memory in RAM of this process alone, in MB: mapped files do not count. 0 where the system is
    silent."""
    try:
        resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
    except OSError:
        return 0.0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def die_with_parent(parent_pid: int) -> None:
    """No worker outlives its parent, however that ended: the kernel sees to it, or else a thread
    looks."""
    if not _kernel_kills_orphans():
        threading.Thread(target=_exit_when_orphaned, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:  # it died before the request was made
        os._exit(1)


def redirect_output(log_path: Path) -> None:
    """Sends standard output and error, of Python and of native code, to the end of a file."""
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
    for number, stream in enumerate(streams, start=1):
        stream.flush()
        os.dup2(descriptor, number)
        stream.reconfigure(  # type: ignore[attr-defined]
            encoding="utf-8", line_buffering=True, errors="backslashreplace"
        )
    os.close(descriptor)


def _kernel_kills_orphans() -> bool:
    if sys.platform != "linux":
        return False
    # The signal comes when the parent's *thread* that started this process ends; that thread lives
    # as long as its worker.
    return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def _exit_when_orphaned(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_ORPHAN_CHECK_SECONDS)
    os._exit(1)


class ReportWriter:
    """The worker's end, for one trial, of a pipe that neither side waits at: lines of JSON. What
    does not fit now goes with the next report, and what is never read is no loss."""

    def __init__(self, writer: Connection) -> None:
        self._file = writer.fileno()
        self._waiting = b"\n"  # ends a line that an earlier trial may have left cut

    def __call__(self, report: EpochReport) -> None:
        self._waiting += json.dumps(asdict(report)).encode() + b"\n"
        # full; or the parent is gone, and this process soon
        with suppress(BlockingIOError, BrokenPipeError):
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
