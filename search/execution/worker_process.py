"""A worker process as its parent sees it: started, given trials one at a time, watched, ended.

It is spawned without the main module of whoever called the search. A spawned process imports that
module again, so that what it defines can be unpickled; workers need none of it. A script without
`if __name__ == "__main__":` would begin a search of its own in every worker.

Which trials, how often and what to make of a lost worker is `local_engine`; what happens inside is
`worker`.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing import context, resource_tracker, spawn
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pebble

from data.files import TEMPORARY_PREFIX, StorageError, storing
from search.execution import worker
from search.execution.engine import EngineOptions
from search.execution.failures import Failure, describe_exit
from search.experiment.trial import Outcome, TrialSpec
from search.training.progress import OnEpoch

# A worker takes seconds to start, so it is replaced for cause: it has grown by so much since its
# first trial (measured, real trials: 22 MB by the third, then none), or, where that is not
# measured, has run so many.
MAX_GROWTH_MB = 500.0
MAX_TRIALS_A_WORKER = 1000
STARTUP_SECONDS = 600.0  # TensorFlow from a cold network disk takes minutes
LOOK_SECONDS = 0.5  # how often a worker that says nothing is looked for

# Where this process is killed, multiprocessing's helper removes what pipes used, and would say so.
TRACKER_SILENT = "ignore::UserWarning:multiprocessing.resource_tracker"

_MAIN = ("init_main_from_name", "init_main_from_path")
_spawning = threading.Lock()

# Workers do not listen to SIGTERM (see _keep_signals_from_workers): waiting for that is lost time.
pebble.CONSTS.term_timeout = 0.2


class TrialCancelled(Exception):
    """The trial's future was cancelled while the worker was at it."""


class WorkerLost(Exception):
    """The worker ended, or has to be ended, before the trial did. The message is the reason.

    was_idle: it ended before it took the trial, so that the trial has not been attempted.
    """

    def __init__(self, reason: str, was_idle: bool = False) -> None:
        super().__init__(reason)
        self.was_idle = was_idle


class _WorkerProcess(context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _main_left_out():
            return context.SpawnProcess._Popen(process_obj)


class OwnContext(context.SpawnContext):
    """As multiprocessing's `spawn`, but for the main module."""

    Process = _WorkerProcess


@contextmanager
def _main_left_out() -> Iterator[None]:
    """What a process started in this thread is told holds no main module; multiprocessing has no
    option for it. Other threads of the program start theirs as ever."""
    here = threading.get_ident()
    with _spawning:
        given = spawn.get_preparation_data

        def prepared(name: str) -> dict[str, Any]:
            data = given(name)
            if threading.get_ident() == here:
                data = {key: value for key, value in data.items() if key not in _MAIN}
            return data

        spawn.get_preparation_data = prepared
        try:
            yield
        finally:
            spawn.get_preparation_data = given


class NotReplaced(OSError):
    """A second process was asked for."""


class OneProcess:
    """Our spawn context, for one process. A pool replaces a process that ended: one that starts
    while its pool is thrown away finds half of it gone, and its traceback goes to the terminal."""

    def __init__(self) -> None:
        self._context = OwnContext()
        self._process: _WorkerProcess | None = None

    def Process(self, *arguments: Any, **named: Any) -> Any:
        if self._process is not None:
            raise NotReplaced("a worker process is not replaced within its pool")
        self._process = self._context.Process(*arguments, **named)
        return self._process

    def kill(self) -> None:
        """To be called before its pool is thrown away, for the same reason."""
        if self._process is not None and self._process.pid is not None:
            self._process.kill()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class WorkerProcess:
    """One worker process: a pool of one, thrown away with its process. Raises WorkerLost if it
    cannot start, StorageError where the disk refuses its temporary files. number: from 1, of those
    on this machine.

    To be made in a thread that lives as long as the worker (on Linux the worker dies with it) and
    may do without SIGINT, SIGTERM and SIGHUP. Pools of more share a pipe and its lock, and a
    process killed while it has the lock stops all the others.
    """

    def __init__(self, number: int, log: Path, options: EngineOptions) -> None:
        self._options = options
        self._pid: int | None = None
        self._trials = 0
        self._first_mb = self._last_mb = 0.0
        try:
            self._start(number, log)
        except StorageError:
            raise
        except (BrokenProcessPool, OSError, MemoryError, RuntimeError) as error:
            # threads, memory, open files
            raise WorkerLost(
                f"no worker process could be started: {error.__cause__ or error}"
            ) from error

    def _start(self, number: int, log: Path) -> None:
        """Leaves nothing behind where it cannot."""
        options = self._options
        with ExitStack() as undo:
            self._reports = worker.ReportPipe()
            undo.callback(self._reports.close)
            # A killed process deletes nothing: TensorFlow leaves a file per traced function.
            # Nor does a killed parent: the next start in this run directory sweeps it.
            with storing("a worker's temporary files", log.parent):
                self._temporary = TemporaryDirectory(
                    prefix=f"{TEMPORARY_PREFIX}worker-{number}-",
                    dir=log.parent.absolute(),
                    ignore_cleanup_errors=True,
                )
            undo.callback(self._temporary.cleanup)
            _keep_signals_from_workers()
            self._process = OneProcess()
            self._pool = pebble.ProcessPool(
                max_workers=1,
                initializer=worker.start,
                initargs=(
                    *(log, options.resources, os.getpid(), self._reports.writer),
                    Path(self._temporary.name),
                ),
                context=self._process,
            )
            undo.callback(self._pool.join)
            undo.callback(self._pool.stop)
            undo.callback(self._process.kill)
            self._warming = self._pool.schedule(
                worker.warm, args=(number, options.run.__module__, options.warm_imports)
            )
            undo.pop_all()

    @property
    def is_alive(self) -> bool:
        running = {process.pid for process in multiprocessing.active_children()}
        return bool(self._pool.active) and (self._pid is None or self._pid in running)

    @property
    def is_spent(self) -> bool:
        """Whether it should be replaced before the next trial: libraries keep memory, and it is
        shared."""
        return self._trials >= MAX_TRIALS_A_WORKER or self._last_mb - self._first_mb > MAX_GROWTH_MB

    def run(
        self, spec: TrialSpec, trial: Future[Outcome], attempt: int, on_epoch: OnEpoch | None = None
    ) -> Outcome | Failure:
        """One attempt at a trial. `trial` is the future that others wait for, and may cancel.
        on_epoch is called in this thread.

        Raises WorkerLost or TrialCancelled, after which this worker is only good for `end`.
        """
        late = f"the worker process did not start within {STARTUP_SECONDS:g} s"
        self._pid, failure = self._wait(self._warming, trial, STARTUP_SECONDS, late)
        if failure is not None:
            return failure
        arguments = (self._options.run, spec, self._options.resources, attempt)
        limit = self._options.timeout_seconds
        late = (
            f"the trial took longer than {limit or 0:g} s, the limit "
            "execution.trial_timeout_minutes sets"
        )
        try:
            attempted = self._pool.schedule(worker.run_attempt, args=arguments)
        except RuntimeError as error:  # the pool has just noticed that its process is gone
            raise WorkerLost(describe_exit(None), was_idle=True) from error
        answer, self._last_mb = self._wait(attempted, trial, limit, late, on_epoch)
        self._first_mb = self._first_mb or self._last_mb
        self._trials += 1
        return answer

    def end(self) -> None:
        """Kills the process and returns when it is gone."""
        self._process.kill()
        self._pool.stop()
        self._pool.join()
        self._reports.close()
        self._temporary.cleanup()

    def _wait(
        self,
        answer: "Future[Any]",
        trial: Future[Outcome],
        limit: float | None,
        late: str,
        on_epoch: OnEpoch | None = None,
    ) -> Any:
        """The answer, unless the trial is cancelled, the limit (in seconds) passes or the process
        is gone."""
        changed = threading.Event()
        for future in (answer, trial):
            future.add_done_callback(lambda _: changed.set())
        deadline = time.monotonic() + (limit or float("inf"))
        while not changed.wait(max(0.0, min(LOOK_SECONDS, deadline - time.monotonic()))):
            self._pass_on(on_epoch)
            if time.monotonic() >= deadline:
                raise WorkerLost(late)
            # The pool reports a process that ended with an error, but not one that left with status
            # 0.
            if not self.is_alive and not changed.wait(LOOK_SECONDS):
                raise WorkerLost(describe_exit(0))
        self._pass_on(on_epoch)
        if trial.cancelled():
            raise TrialCancelled
        try:
            return answer.result()
        except pebble.ProcessExpired as error:
            raise WorkerLost(describe_exit(error.exitcode)) from error
        except BrokenProcessPool as error:
            if answer is not self._warming and isinstance(error.__cause__, NotReplaced):
                raise WorkerLost(describe_exit(0)) from error
            was_idle = answer is not self._warming
            raise WorkerLost("the worker process ended while it was starting", was_idle) from error

    def _pass_on(self, on_epoch: OnEpoch | None) -> None:
        for report in self._reports.read():
            if on_epoch is not None:
                on_epoch(report)


def _keep_signals_from_workers() -> None:
    """Blocks SIGINT, SIGTERM and SIGHUP in this thread; processes started from it inherit that from
    the very first.

    Ctrl-C, a batch system's SIGTERM to the whole group, or a terminal that is closed, is for the
    parent to answer: it lets a trial end, or kills its worker.
    """
    if hasattr(signal, "pthread_sigmask"):
        ours = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        sys.warnoptions.append(TRACKER_SILENT)
        resource_tracker.ensure_running()  # it unblocks the first two where it starts its process
        sys.warnoptions.remove(TRACKER_SILENT)
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
