"""Where trials run: one record an engine.

What an engine is, is `engine`; each that takes more than a screen has a module of its own, imported
when it is built.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from search.execution.engine import Engine, EngineOptions, require_package, resolve
from search.execution.failures import Failure, guarded
from search.experiment.trial import Outcome, TrialSpec
from search.features.devices import take_threads
from search.training.progress import OnEpoch


@dataclass(frozen=True)
class EngineRecord:
    """package: what must be installed for it beside this program."""

    build: Callable[[EngineOptions], Engine]
    summary: str
    package: str | None = None


class InlineEngine(Engine):
    """Runs a trial in the calling process while `submit` is called: for debuggers.

    It cannot end a trial that hangs, and a crash ends the search (which then resumes).
    """

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._closed = False
        take_threads(options.resources.num_threads, options.resources.side_by_side)

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        if self._closed:
            raise RuntimeError("the engine has been shut down")
        options = self._options
        attempts = 1
        run = partial(options.run, on_epoch=on_epoch)
        answer = guarded(run, spec, options.resources)
        while (
            isinstance(answer, Failure) and answer.kind == "machine" and attempts <= options.retries
        ):
            attempts += 1
            answer = guarded(run, spec, options.resources)
        future: Future[Outcome] = Future()
        resolve(future, answer, attempts, log_path=None)
        return future

    def shutdown(self, wait: bool) -> None:
        self._closed = True


def _local(options: EngineOptions) -> Engine:
    from search.execution.local_engine import LocalEngine

    return LocalEngine(options)


def _ray(options: EngineOptions) -> Engine:
    from search.execution.ray_engine import RayEngine

    return RayEngine(options)


ENGINES: dict[str, EngineRecord] = {
    "inline": EngineRecord(InlineEngine, summary="in this process, one at a time: for debugging"),
    "local": EngineRecord(_local, summary="in worker processes of this machine"),
    "ray": EngineRecord(_ray, summary="on a Ray cluster: see [Cluster](cluster.md)", package="ray"),
}


def require_engine(name: str) -> None:
    """Raises UserError where the engine's package is not installed."""
    package = ENGINES[name].package
    if package is not None:
        require_package(name, package)
