"""What an engine is, and what it is built from. The engines are the records of `engines`.

An engine takes specs and gives futures of outcomes. It knows no oracle, no journal and no order:
whoever submits decides in which order outcomes are told.
"""

import importlib.util
import os
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import platformdirs

from data.augmentations import active
from data.dataset import Dataset
from data.errors import UserError
from data.files import StorageError
from data.own_code import file_of, is_own
from data.secrets import redacted_here
from search.execution.failures import Failure
from search.experiment.trial import Outcome, Resources, TrialResult, TrialSpec
from search.training.progress import OnEpoch

if TYPE_CHECKING:
    from search.experiment.config import ExecutionConfig

LOG_FOLDER = "logs"


class RunTrial(Protocol):
    """What runs a trial, as `run_trial` does."""

    def __call__(
        self, spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None
    ) -> Outcome: ...


def _run_trial() -> RunTrial:
    from search.training.run_trial import run_trial

    return run_trial


@dataclass(frozen=True)
class ClusterOptions:
    """address: of a Ray cluster, or `auto` for the one this machine is part of. cpu, gpu: of one
    trial; shares of a GPU are allowed. max_workers: trials at a time, of which Ray is told; None is
    as many as there is room for. cache_is_shared: every node uses the driver's cache folder, by its
    path."""

    address: str = "auto"
    cpu: float = 1
    gpu: float = 0
    max_workers: int | None = None
    cache_is_shared: bool = False


@dataclass(frozen=True)
class EngineOptions:
    """What an engine is built from. An engine takes no notice of what does not concern it.

    run: a function at the top of a module, which worker processes import. resources: of this
    machine in all; an engine divides the threads between its workers. run_dir: logs go to its
    `logs`, and log paths are relative to it. retries: attempts after the first, for failures that
    may pass. timeout_seconds: of one attempt. warm_imports: what a worker imports ahead of its
    first trial, where installed. cluster: of engines with nodes.
    """

    resources: Resources
    run_dir: Path
    run: RunTrial = field(default_factory=_run_trial)
    workers: int = 1
    retries: int = 1
    timeout_seconds: float | None = None
    warm_imports: tuple[str, ...] = ("tensorflow", "keras", "cv2")
    cluster: ClusterOptions = ClusterOptions()

    @classmethod
    def of(
        cls,
        execution: "ExecutionConfig",
        resources: Resources,
        run_dir: Path,
        first: tuple[str, ...] = (),
    ) -> Self:
        """As an experiment's `execution` section asks. first: what its augmentations want imported
        before TensorFlow."""
        minutes = execution.trial_timeout_minutes
        return cls(
            warm_imports=(*first, *cls.warm_imports),
            resources=resources,
            run_dir=run_dir,
            workers=execution.workers,
            retries=execution.retries,
            timeout_seconds=minutes * 60 if minutes else None,
            cluster=ClusterOptions(
                address=execution.address,
                cpu=execution.resources.cpu,
                gpu=execution.resources.gpu,
                max_workers=execution.max_workers,
                cache_is_shared=execution.cache_dir is not None,
            ),
        )


class Engine(Protocol):
    """What every engine does. One that has nothing to start, send or cancel leaves that as it is.

    A future ends with an Outcome, failed or completed; cancelled; with StorageError where a disk
    must be mended before any trial can go on; or with another exception, which is a fault of this
    program.
    """

    def warm_up(self) -> None:
        """Starts what takes time to start, and returns at once. Optional: `submit` does it too."""
        return

    def use_dataset(self, dataset: Dataset, path: str | None) -> None:
        """To be called before the first `submit`.

        path: where a machine must have the images to read them itself, empty where no such place is
        known; None where no machine needs files for them.
        """
        return

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        """Runs a trial once there is room, in the order submitted. Raises RuntimeError after
        `shutdown`.

        on_epoch is called with what the trial reports, in whatever thread, a moment late, and once
        more from the first epoch where the trial is attempted again. An engine that hears nothing
        of its trials does not call it.
        """

    def cancel_running(self) -> None:
        """Cancels every trial that has not ended, running or waiting, and returns at once."""
        return

    def shutdown(self, wait: bool) -> None:
        """Returns when all workers are gone. wait: lets the submitted trials end first; else
        cancels them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shuts down; waits for the trials unless an exception is on its way."""
        self.shutdown(wait=error is None)


def default_cache_dir() -> Path:
    """AUGSEARCH_CACHE, or where this system keeps a user's caches."""
    return Path(
        os.environ.get("AUGSEARCH_CACHE")
        or platformdirs.user_cache_dir("augsearch", appauthor=False)
    )


def resolve(
    future: Future[Outcome], answer: Outcome | Failure, attempts: int, log_path: str | None
) -> None:
    """Ends a future with what its last attempt gave, unless it has been cancelled meanwhile."""
    if not future.set_running_or_notify_cancel():
        return
    if not isinstance(answer, Failure):
        result = answer.result
        if result.status == "failed":
            result = _told(result.model_copy(update={"log_path": result.log_path or log_path}))
        future.set_result(replace(answer, result=result, attempts=attempts))
    elif answer.kind == "storage":
        future.set_exception(StorageError(answer.errno, redacted_here(answer.reason)))
    else:
        result = TrialResult(
            status="failed",
            error=answer.reason,
            may_pass=answer.kind != "trial",
            traceback=answer.traceback,
            log_path=log_path,
        )
        future.set_result(Outcome(_told(result), None, attempts))


def _told(failed: TrialResult) -> TrialResult:
    """As it is stored, shown and sent: code of anybody's may have said what is secret."""
    said = {"error": failed.error, "traceback": failed.traceback}
    return failed.model_copy(
        update={name: text and redacted_here(text) for name, text in said.items()}
    )


def own_code_in(spec: TrialSpec) -> str:
    """For the end of the reason why a trial's process ended: code of the user's own that it ran,
    which may have done that. Empty where it ran none."""
    names = [*active(spec.settings.augmentation), *spec.probes, spec.settings.model.build]
    files = sorted({file_of(name) for name in names if name is not None and is_own(name)})
    return f"; it ran code of your own ({', '.join(files)})" if files else ""


def require_package(engine: str, package: str) -> None:
    """Raises UserError where what an engine needs is not installed."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"execution.engine is {engine}, and {package.capitalize()} is not installed; pip "
            f"install 'augsearch[{package}]', or set engine: local"
        )
