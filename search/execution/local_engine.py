"""The `local` engine: worker processes on this machine, each at a trial at a time, kept warm
between trials.

A slot is a thread of the parent with at most one worker process. Whatever ends a worker (a crash, a
time-out, a cancellation, having grown too large) ends nothing else: the slot goes on with a new
one.
"""

import contextlib
import pickle
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace

from data.files import make_folder, storing
from search.execution.engine import LOG_FOLDER, Engine, EngineOptions, own_code_in, resolve
from search.execution.failures import CANCELLED, MAX_TRACEBACK_CHARACTERS, Failure
from search.execution.worker_process import TrialCancelled, WorkerLost, WorkerProcess
from search.experiment.trial import Outcome, TrialSpec
from search.training.progress import OnEpoch


@dataclass(frozen=True)
class _Job:
    spec: TrialSpec
    future: Future[Outcome]
    on_epoch: OnEpoch | None


class LocalEngine(Engine):
    """See `engine.Engine`. Raises StorageError where logs cannot be written, TypeError for a bad
    `run`."""

    def __init__(self, options: EngineOptions) -> None:
        _refuse_unimportable(options)
        make_folder(options.run_dir / LOG_FOLDER, "the folder of the workers' logs")
        threads = max(1, options.resources.num_threads // options.workers)
        resources = options.resources.model_copy(update={"num_threads": threads})
        options = replace(options, resources=resources)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        slots = [_Slot(number, options, self._jobs) for number in range(1, options.workers + 1)]
        self._threads = [threading.Thread(target=slot.serve, daemon=True) for slot in slots]
        # over the three below: slots end trials while others submit and cancel
        self._lock = threading.Lock()
        self._unfinished: set[Future[Outcome]] = set()
        self._started = self._closed = False

    def warm_up(self) -> None:
        with self._lock:
            self._start()

    def _start(self) -> None:
        if not self._started and not self._closed:
            self._started = True
            for thread in self._threads:
                thread.start()

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.add_done_callback(self._ended)
        with self._lock:
            if self._closed:  # a job behind the last None would never be taken
                raise RuntimeError("the engine has been shut down")
            self._start()
            self._unfinished.add(future)
            self._jobs.put(_Job(spec, future, on_epoch))
        return future

    def _ended(self, future: Future[Outcome]) -> None:
        with self._lock:
            self._unfinished.discard(future)

    def cancel_running(self) -> None:
        with self._lock:
            unfinished = tuple(self._unfinished)
        for future in unfinished:
            future.cancel()

    def shutdown(self, wait: bool) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._jobs.put(None)
        if not wait:
            self.cancel_running()
        for thread in self._threads:
            if thread.is_alive():  # one that could not be started cannot be joined
                thread.join()


class _Slot:
    """Takes jobs from the queue, one at a time, and has them done by a worker process."""

    def __init__(
        self, number: int, options: EngineOptions, jobs: "queue.SimpleQueue[_Job | None]"
    ) -> None:
        self._number = number
        self._options = options
        self._jobs = jobs
        self._log_path = f"{LOG_FOLDER}/worker-{number}.log"
        self._log = options.run_dir / self._log_path
        self._worker: WorkerProcess | None = None

    def serve(self) -> None:
        """Runs in a thread of its own until it takes None from the queue."""
        self._warm_up()
        while (job := self._jobs.get()) is not None:
            try:
                self._do(job)
            except BaseException as error:  # the future is the only way to whoever waits
                self._drop_worker()
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(error)
        self._drop_worker()

    def _do(self, job: _Job) -> None:
        answer: Outcome | Failure = CANCELLED
        attempts = 0
        while attempts <= self._options.retries and not job.future.cancelled():
            attempts += 1
            answer = self._attempt(job, attempts)
            if not isinstance(answer, Failure) or answer.kind != "machine":
                break
        if self._worker is not None and self._worker.is_spent:
            self._drop_worker()
            self._warm_up()
        resolve(job.future, answer, attempts, self._log_path)

    def _attempt(self, job: _Job, attempt: int, again: bool = False) -> Outcome | Failure:
        offset = self._log.stat().st_size if self._log.exists() else 0
        try:
            answer = self._ready_worker().run(job.spec, job.future, attempt, job.on_epoch)
        except TrialCancelled:
            self._drop_worker()
            return CANCELLED
        except WorkerLost as error:
            self._drop_worker()
            if error.was_idle and not again:
                return self._attempt(job, attempt, again=True)
            reason = f"{error}{own_code_in(job.spec)}"
            return Failure("machine", reason, self._log_since(offset))
        if isinstance(answer, Failure) and answer.kind == "machine":
            # another attempt begins in a fresh process, with its memory to itself
            self._drop_worker()
        return answer

    def _warm_up(self) -> None:
        """Has a worker starting. Where that fails, the next trial meets the same and reports it."""
        with contextlib.suppress(Exception):
            self._ready_worker()

    def _ready_worker(self) -> WorkerProcess:
        if self._worker is not None and not self._worker.is_alive:
            self._drop_worker()
        if self._worker is None:
            with storing("a worker's log", self._log):
                self._log.touch()
            self._worker = WorkerProcess(self._number, self._log, self._options)
        return self._worker

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def _log_since(self, offset: int) -> str | None:
        """What the worker wrote last: for a crash in native code the only traceback there is."""
        if not self._log.exists():
            return None
        with self._log.open("rb") as file:
            file.seek(max(offset, self._log.stat().st_size - MAX_TRACEBACK_CHARACTERS))
            return file.read().decode(errors="backslashreplace").strip() or None


def _refuse_unimportable(options: EngineOptions) -> None:
    if options.run.__module__ == "__main__":
        raise TypeError(
            "run is defined in the main module, which workers do not import: put it into a module "
            "of its own"
        )
    try:
        pickle.dumps(options.run)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"run must be a function at the top of a module, for workers to import: {error}"
        ) from error
