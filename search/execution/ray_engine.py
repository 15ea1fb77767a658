"""The `ray` engine: each trial a task of a Ray cluster. Placement, queueing, retries and the loss of nodes are Ray's.

The oracle and the journal stay with the driver, this process; where it dies, Ray cancels its tasks, and the search resumes from its
journal. What happens on a node is `ray_node`.
"""

import contextlib
import hashlib
import os
import queue
import signal
import socket
import threading
from concurrent import futures
from concurrent.futures import Future
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import Any

from data.dataset import Dataset
from data.errors import UserError
from data.files import make_folder, write_atomically
from search.execution.engines import EngineOptions, settle
from search.execution.failures import Failure
from search.execution.ray_node import Late, Mailbox, NodePlan, Shared, forget_search, run_on_node, sees
from search.experiment.trial import Outcome, TrialSpec
from search.training.progress import OnEpoch

_CANCELLED = Failure("trial", "cancelled")
NODE_LOSSES = 3  # attempts by Ray beyond `retries`: it counts a lost node like a crash of the trial itself
TRIALS_A_PROCESS = 200  # then Ray starts a fresh one: libraries leak
LISTEN_SECONDS = 1.0
CLEAN_SECONDS = 10.0
CONNECT_SECONDS = 10.0


class RayEngine:
    """See `engines.Engine`. Raises UserError where Ray is not installed or no cluster answers."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._ray = connect(options.cluster.address)
        self._mail = self._ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1).remote()
        self._task = self._ray.remote(
            num_cpus=options.cluster.cpu,
            num_gpus=options.cluster.gpu,
            max_retries=options.retries + NODE_LOSSES,
            max_calls=TRIALS_A_PROCESS,
        )(run_on_node)
        self._plan = self._first_plan()
        self._plan_ref = self._ray.put(self._plan)
        self._listeners: dict[str, OnEpoch] = {}
        self._late: set[str] = set()
        self._running: dict[Future[Outcome], Any] = {}
        self._answers: queue.SimpleQueue[tuple[Future[Outcome], TrialSpec, int, Future[Any]]]
        self._answers = queue.SimpleQueue()
        self._closed = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _first_plan(self) -> NodePlan:
        options = self._options
        threads = max(1, int(options.cluster.cpu))
        return NodePlan(
            run=options.run,
            resources=options.resources.model_copy(update={"num_threads": threads}),
            cache_is_shared=options.cluster.cache_is_shared,
            search=hashlib.sha256(os.fsencode(options.run_dir.absolute())).hexdigest()[:16],
            digest=None,
            shared=None,
            timeout_seconds=options.timeout_seconds,
            mail=self._mail,
        )

    def use_dataset(self, dataset: Dataset, path: str | None) -> None:
        """Where a node lacks `path`, the images go through the object store, in which Ray keeps them once a node."""
        sends = path is not None and not all(self._on_every_node(sees, path))
        shared = None
        if sends:
            from data.packed import blocks_of, parcel_of

            blocks = tuple(self._ray.put(block) for block in blocks_of(dataset))
            shared = Shared(parcel_of(dataset), blocks)
        self._plan = replace(self._plan, digest=dataset.digest, shared=shared)
        self._plan_ref = self._ray.put(self._plan)

    def warm_up(self) -> None:
        """Nothing: Ray starts processes as there is demand."""

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        if self._closed.is_set():
            raise RuntimeError("the engine has been shut down")
        if on_epoch is not None:
            self._listeners[spec.key] = on_epoch
        future: Future[Outcome] = Future()
        future.add_done_callback(self._ended)
        self._attempt(future, spec, 1)
        return future

    def _attempt(self, future: Future[Outcome], spec: TrialSpec, attempt: int) -> None:
        answer = self._task.remote(spec, self._plan_ref)
        self._running[future] = answer
        # In Ray's own thread, which must not wait for Ray: what there is to do with it is `_listen`'s.
        answer.future().add_done_callback(lambda task: self._answers.put((future, spec, attempt, task)))

    def _ended(self, future: Future[Outcome]) -> None:
        answer = self._running.pop(future, None)
        if future.cancelled() and answer is not None:
            self._ray.cancel(answer, force=True)

    def _answered(self, future: Future[Outcome], spec: TrialSpec, attempt: int, task: "Future[Any]") -> None:
        try:
            answer, files = self._received(spec.key, task)
            may_pass = isinstance(answer, Failure) and answer.kind == "machine"
            if may_pass and attempt <= self._options.retries and not future.cancelled():
                self._attempt(future, spec, attempt + 1)
                return
            self._take_mail()
            self._listeners.pop(spec.key, None)
            self._keep(files)
            settle(future, answer, attempt, None)
        except BaseException as error:  # the future is the only way to whoever waits
            if not future.done():
                future.set_exception(error)

    def _received(self, key: str, task: "Future[Any]") -> tuple[Outcome | Failure, dict[str, bytes]]:
        try:
            answer, files = task.result()
        except self._ray.exceptions.TaskCancelledError:
            return _CANCELLED, {}
        except self._ray.exceptions.RayError as error:
            return self._lost(key, error), {}
        return answer, files

    def _lost(self, key: str, error: Exception) -> Failure:
        """A crash or a lost node, after Ray has tried again as often as it may: not to be tried any more."""
        self._take_mail()
        if key in self._late:
            limit = self._options.timeout_seconds or 0
            late = f"the trial took longer than {limit:g} s, the limit execution.trial_timeout_minutes sets"
            return Failure("trial", late)
        lines = [line for line in str(error).splitlines() if line.strip()]
        if "ModuleNotFoundError" in lines[-1]:
            return Failure("trial", f"{lines[-1]}; install the same augsearch on every node", str(error))
        # Of an error raised on a node the last line says what it was; of a lost process the first.
        is_raised = isinstance(error, self._ray.exceptions.RayTaskError)
        reason = lines[-1] if is_raised else f"{type(error).__name__}: {lines[0]}"
        return Failure("trial", reason, str(error))

    def _keep(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            place = self._options.run_dir / name
            make_folder(place.parent, "what a trial leaves")
            write_atomically(place, content, "what a trial leaves")

    def _listen(self) -> None:
        """Hands on what trials say and answer, in one thread, until the engine is closed and nothing runs."""
        while not (self._closed.is_set() and not self._running):
            with contextlib.suppress(queue.Empty):
                self._answered(*self._answers.get(timeout=LISTEN_SECONDS))
            self._take_mail()

    def _take_mail(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):  # the mailbox is restarted with its node
            for key, item in self._ray.get(self._mail.take.remote()):
                if isinstance(item, Late):
                    self._late.add(key)
                elif key in self._listeners:
                    self._listeners[key](item)

    def _on_every_node(self, function: Any, *arguments: Any) -> list[Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(function)
        alive = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        asked = [
            task.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(*arguments)
            for node in alive
        ]
        answered, _ = self._ray.wait(asked, num_returns=len(asked), timeout=CLEAN_SECONDS)
        return self._ray.get(answered)

    def cancel_running(self) -> None:
        for future in tuple(self._running):
            future.cancel()

    def shutdown(self, wait: bool) -> None:
        if self._closed.is_set():
            return
        if wait:
            futures.wait(tuple(self._running))
        else:
            self.cancel_running()
        self._closed.set()
        self._listener.join()
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._on_every_node(forget_search, self._plan)
        self._ray.shutdown()

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=error is None)


def connect(address: str) -> ModuleType:
    """The module `ray`, connected to the cluster at `address`. Raises UserError where there is no Ray or no cluster."""
    # Ray reports its use unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "execution.engine is ray, and Ray is not installed; pip install 'augsearch[ray]', or set engine: local"
        ) from error
    _refuse_silence(address)
    stops = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True, logging_level="warning")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, str(error).strip().splitlines()[0][:200]) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in stops.items():  # Ray puts its own in their place, which exits at once
                signal.signal(number, handler)
    return ray


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
        f"execution.address is {address}: no Ray cluster answers ({reason}); start one with `ray start --head`, or set "
        "engine: local"
    )
