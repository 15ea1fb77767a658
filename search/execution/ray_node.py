"""What runs on a node of a Ray cluster: one trial in one Ray task, with the images it needs and the
node's own caches.

Sent to the nodes by name, so they need this package; imports no TensorFlow until the thread counts
are set. The driver's side is `ray_engine`.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.files import StorageError, make_folder
from search.execution.failures import Failure, classify, guarded
from search.execution.ray_cluster import Begun, Late
from search.execution.worker import import_installed
from search.features.devices import set_threads
from search.training.progress import EpochReport, OnEpoch

if TYPE_CHECKING:
    from data.packed import Parcel
    from search.experiment.trial import Outcome, Resources, TrialSpec

RUNS = "ray"  # below a node's cache: a folder per search
LATE_STATUS = 75


@dataclass(frozen=True)
class Shared:
    """A dataset in Ray's object store: `blocks` are references to its pixels."""

    parcel: "Parcel"
    blocks: tuple[Any, ...]


@dataclass(frozen=True)
class NoImages:
    """The answer of a node that has nothing at the driver's path and was sent nothing: the trial
    was not attempted."""


@dataclass(frozen=True)
class NodePlan:
    """All that a task needs beside its spec.

    run: as `engine.EngineOptions.run`. resources: the driver's; a node puts its own cache folder
    in, unless `cache_is_shared`. search: names the search's folder in the cache. digest: of the
    images that a node must find; None for any. path: as `Engine.use_dataset` has it. shared: the
    images, once they were sent. mail: the Mailbox. imports: as `engine.EngineOptions.warm_imports`.
    """

    run: Callable[..., "Outcome"]
    resources: "Resources"
    cache_is_shared: bool
    search: str
    digest: str | None
    path: str | None
    shared: Shared | None
    timeout_seconds: float | None
    mail: Any
    imports: tuple[str, ...] = ()


def run_on_node(
    spec: "TrialSpec", plan: NodePlan
) -> "tuple[Outcome | Failure | NoImages, dict[str, bytes]]":
    """One attempt at a trial: its answer, and the files it left beside the views (name -> content),
    for the driver to keep."""
    set_threads(plan.resources.num_threads, plan.resources.side_by_side)
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # several trials share a GPU
    import_installed(plan.imports)
    resources = node_resources(plan)
    with _time_limit(spec, plan):
        try:
            if not find_dataset(spec, plan, resources):
                return NoImages(), {}
        except (UserError, StorageError, OSError, ValueError) as error:
            return classify(error), {}
        _tell(plan, spec, Begun())
        with _reports(spec, plan) as on_epoch:
            answer = guarded(partial(plan.run, on_epoch=on_epoch), spec, resources)
    return answer, _files_beside(resources.views_dir)


def node_resources(plan: NodePlan) -> "Resources":
    from search.execution.engine import default_cache_dir

    cache = plan.resources.cache_dir if plan.cache_is_shared else default_cache_dir()
    return plan.resources.model_copy(
        update={
            "cache_dir": cache,
            "views_dir": cache / RUNS / plan.search / "views",
            "dataset_digest": plan.digest,
        }
    )


def find_dataset(spec: "TrialSpec", plan: NodePlan, resources: "Resources") -> bool:
    """Sees to it that this node has the very images of the driver: those sent earlier, its own copy
    of the files, or those in the object store. False where there are none of these.

    Raises UserError where the files are others than the driver's.
    """
    if plan.digest is None:
        return True
    from data.packed import unpack
    from search.features.process_cache import dataset_of, received

    # The first trial of a node decodes or fetches the images, and the others wait for it.
    with _one_at_a_time(resources.cache_dir, plan.digest):
        lacks_files = plan.path is not None and not sees(plan.path)
        if lacks_files and received(resources) is None:
            if plan.shared is None:
                return False
            unpack(plan.shared.parcel, _fetched(plan.shared.blocks), resources.cache_dir)
        found = dataset_of(spec.dataset, spec.dataset_seed, resources).digest
    if found != plan.digest:
        raise UserError(
            f"{os.uname().nodename} has other images at {spec.dataset.path} (digest {found[:12]}, "
            f"the driver's are {plan.digest[:12]}); mend that copy, or take it away: a node "
            "without images is sent the driver's"
        )
    return True


def _fetched(blocks: Iterable[Any]) -> Iterator[Any]:
    import ray

    for block in blocks:
        yield ray.get(block)


@contextmanager
def _one_at_a_time(cache_dir: Path, digest: str) -> Iterator[None]:
    """Lets one process of this node fetch while the others wait."""
    import filelock  # Ray's own dependency

    folder = make_folder(cache_dir / RUNS, "the cluster's folder")
    with filelock.FileLock(folder / f"{digest[:32]}.lock"):
        yield


def _files_beside(views_dir: Path) -> dict[str, bytes]:
    """What a trial left for good (a final head's weights), by its path below the search's folder;
    taken away from the node."""
    folder = views_dir.parent / "heads"
    found = {f"heads/{path.name}": path.read_bytes() for path in folder.glob("*.npz")}
    for name in found:
        (views_dir.parent / name).unlink(missing_ok=True)
    return found


@contextmanager
def _time_limit(spec: "TrialSpec", plan: NodePlan) -> Iterator[None]:
    """Ends this process where the trial takes too long: a trial that hangs in native code hears
    nothing else."""

    def end() -> None:
        _tell(plan, spec, Late())
        os._exit(LATE_STATUS)

    timer = threading.Timer(plan.timeout_seconds or 0, end) if plan.timeout_seconds else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


@contextmanager
def _reports(spec: "TrialSpec", plan: NodePlan) -> Iterator[OnEpoch]:
    """Reports are sent and not waited for, but for the last one: all have arrived when the trial's
    answer does."""
    sent: list[Any] = []

    def report(epoch: EpochReport) -> None:
        sent[:] = [plan.mail.put.remote((spec.key, epoch))]

    yield report
    if sent:
        _await(sent)


def _tell(plan: NodePlan, spec: "TrialSpec", item: Begun | Late) -> None:
    _await([plan.mail.put.remote((spec.key, item))])


def _await(sent: list[Any]) -> None:
    """Until what was said has arrived. Where it cannot, the trial goes on: its answer is what
    counts."""
    import ray

    with suppress(ray.exceptions.RayError):
        ray.get(sent)


def forget_search(plan: NodePlan) -> None:
    """Deletes what a search left in this node's cache."""
    shutil.rmtree(node_resources(plan).views_dir.parent, ignore_errors=True)


def sees(path: str) -> bool:
    """Whether this node has something at a path."""
    return bool(path) and Path(path).exists()
