"""The `ray` engine: each trial a task of a Ray cluster. Placement, queueing, retries and the loss
of nodes are Ray's.

The oracle and the journal stay with the driver, this process; where it dies, Ray cancels its tasks,
and the search resumes from its journal. What happens on a node is `ray_node`.
"""

import contextlib
import hashlib
import math
import os
import queue
import threading
from collections import deque
from concurrent import futures
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from data.dataset import Dataset
from data.files import make_folder, write_atomically
from search.execution.engine import Engine, EngineOptions, own_code_in, resolve
from search.execution.failures import CANCELLED, Failure
from search.execution.ray_cluster import Mail, connect
from search.execution.ray_node import NodePlan, NoImages, Shared, forget_search, run_on_node
from search.experiment.trial import Outcome, TrialSpec
from search.training.progress import OnEpoch

# attempts by Ray beyond `retries`: it counts a lost node like a crash of the trial itself
NODE_LOSSES = 3
TRIALS_A_PROCESS = 200  # then Ray starts a fresh one: libraries keep memory
LISTEN_SECONDS = 1.0
CLEAN_SECONDS = 10.0

_Answer = tuple[Outcome | Failure | NoImages, dict[str, bytes]]


class RayEngine(Engine):
    """See `engine.Engine`. Raises UserError where Ray is not installed or no cluster answers.

    What is submitted is handed to Ray at once, which queues what it has no room for: that is the
    demand by which a cluster grows.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._connection = connect(options.cluster.address)
        self._ray = self._connection.ray
        self._mail = Mail(self._ray)
        self._task = self._ray.remote(
            num_cpus=options.cluster.cpu,
            num_gpus=options.cluster.gpu,
            max_retries=options.retries + NODE_LOSSES,
            max_calls=TRIALS_A_PROCESS,
        )(run_on_node)
        self._dataset: Dataset | None = None
        self._plan = self._first_plan()
        self._plan_ref = self._ray.put(self._plan)
        self._most = options.cluster.max_workers or math.inf
        # over the two below: the listener ends trials while others submit and cancel
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Future[Outcome], TrialSpec]] = deque()
        self._running: dict[Future[Outcome], tuple[TrialSpec, Any]] = {}
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
            path=None,
            shared=None,
            timeout_seconds=options.timeout_seconds,
            mail=self._mail.box,
            imports=options.warm_imports,
        )

    def use_dataset(self, dataset: Dataset, path: str | None) -> None:
        """The images go through Ray's object store once a node asks for them that has nothing at
        `path`."""
        self._dataset = dataset
        self._plan = replace(self._plan, digest=dataset.digest, path=path)
        self._plan_ref = self._ray.put(self._plan)

    def _send_images(self) -> None:
        if self._plan.shared is not None or self._dataset is None:
            return
        from data.packed import blocks_of, parcel_of

        blocks = tuple(self._ray.put(block) for block in blocks_of(self._dataset))
        self._plan = replace(self._plan, shared=Shared(parcel_of(self._dataset), blocks))
        self._plan_ref = self._ray.put(self._plan)

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        if self._closed.is_set():
            raise RuntimeError("the engine has been shut down")
        if on_epoch is not None:
            self._mail.listeners[spec.key] = on_epoch
        future: Future[Outcome] = Future()
        future.add_done_callback(self._ended)
        with self._lock:
            self._waiting.append((future, spec))
        self._start()
        return future

    def _start(self) -> None:
        """Hands to Ray what waits: all of it, unless `max_workers` bounds what may run at once."""
        with self._lock:
            while self._waiting and len(self._running) < self._most:
                future, spec = self._waiting.popleft()
                if not future.done():
                    self._attempt(future, spec, 1)

    def _attempt(self, future: Future[Outcome], spec: TrialSpec, attempt: int) -> None:
        answer = self._task.remote(spec, self._plan_ref)
        with self._lock:
            self._running[future] = spec, answer
        # In Ray's own thread, which must not wait for Ray: what there is to do with it is
        # `_listen`'s.
        answer.future().add_done_callback(
            lambda task: self._answers.put((future, spec, attempt, task))
        )
        if future.cancelled():  # while this attempt was made, so that nobody has cancelled it
            self._ended(future)

    def _ended(self, future: Future[Outcome]) -> None:
        with self._lock:
            _, answer = self._running.pop(future, (None, None))
        if future.cancelled() and answer is not None:
            self._ray.cancel(answer, force=True)
        self._start()

    def _answered(
        self, future: Future[Outcome], spec: TrialSpec, attempt: int, task: "Future[Any]"
    ) -> None:
        try:
            answer, files = self._received(spec, task)
            if isinstance(answer, NoImages):
                self._send_images()
                self._attempt(future, spec, attempt)
                return
            may_pass = isinstance(answer, Failure) and answer.kind == "machine"
            if may_pass and attempt <= self._options.retries and not future.cancelled():
                self._attempt(future, spec, attempt + 1)
                return
            self._mail.take()
            attempts = max(attempt, self._mail.begun[spec.key])
            self._mail.forget(spec.key)
            self._keep(files)
            resolve(future, answer, attempts, None)
        except BaseException as error:  # the future is the only way to whoever waits
            if not future.done():
                future.set_exception(error)

    def _received(self, spec: TrialSpec, task: "Future[Any]") -> _Answer:
        try:
            answer: _Answer = task.result()
        except self._ray.exceptions.TaskCancelledError:
            return self._late(spec.key) or CANCELLED, {}
        except self._ray.exceptions.RayError as error:
            return self._late(spec.key) or self._lost(error, spec), {}
        return answer

    def _late(self, key: str) -> Failure | None:
        self._mail.take()
        if not self._mail.late[key]:
            return None
        limit = self._options.timeout_seconds or 0
        return Failure(
            "trial",
            f"the trial took longer than {limit:g} s, the limit execution.trial_timeout_minutes "
            "sets",
        )

    def _lost(self, error: Exception, spec: TrialSpec) -> Failure:
        """A crash or a lost node, after Ray has tried again as often as it may: not to be tried any
        more."""
        lines = [line for line in str(error).splitlines() if line.strip()]
        if "ModuleNotFoundError" in lines[-1]:
            return Failure(
                "trial", f"{lines[-1]}; install the same augsearch on every node", str(error)
            )
        # Of an error raised on a node the last line says what it was; of a lost process the first.
        is_raised = isinstance(error, self._ray.exceptions.RayTaskError)
        lost = f"{type(error).__name__}: {lines[0]}{own_code_in(spec)}"
        reason = lines[-1] if is_raised else lost
        return Failure("trial", reason, str(error))

    def _keep(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            place = self._options.run_dir / name
            make_folder(place.parent, "what a trial leaves")
            write_atomically(place, content, "what a trial leaves")

    def _listen(self) -> None:
        """Hands on what trials say and answer, in one thread, until the engine is closed and
        nothing runs."""
        while not (self._closed.is_set() and not self._snapshot()):
            try:
                answered = self._answers.get(timeout=LISTEN_SECONDS)
            except queue.Empty:
                self._mail.take()
            else:
                self._answered(*answered)
            if self._mail.late:
                self._end_what_hangs()

    def _end_what_hangs(self) -> None:
        """Ray would try a trial that ended its own process as often as one whose node was lost."""
        for spec, answer in self._snapshot().values():
            if self._mail.late[spec.key] > self._options.retries:
                self._ray.cancel(answer, force=True)

    def _snapshot(self) -> dict[Future[Outcome], tuple[TrialSpec, Any]]:
        """What runs at this moment."""
        with self._lock:
            return dict(self._running)

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
        with self._lock:
            left = [*(future for future, _ in self._waiting), *self._running]
            self._waiting.clear()
        for future in left:
            future.cancel()

    def shutdown(self, wait: bool) -> None:
        if self._closed.is_set():
            return
        if wait:
            with self._lock:
                left = [*(future for future, _ in self._waiting), *self._running]
            futures.wait(left)
        else:
            self.cancel_running()
        self._closed.set()
        self._listener.join()
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._on_every_node(forget_search, self._plan)
        if self._connection.is_own:
            self._ray.shutdown()
