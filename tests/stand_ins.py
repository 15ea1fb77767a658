"""Stand-ins for training that worker processes import: small functions with the signature of
`run_trial`.

A spec's label names what happens. Nothing here loads TensorFlow, so that a worker is up in a
moment.
"""

import ctypes
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.settings import DatasetConfig
from search.driver.shared_checks import METRICS
from search.execution.engines import EngineOptions
from search.experiment.answers import Predictions
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.experiment.trial import (
    Curve,
    Outcome,
    Protocol,
    Resources,
    TrialResult,
    TrialSpec,
    TrialTiming,
)
from search.training.progress import EpochReport, OnEpoch


def make_spec(label: str, view_seed: int = 0) -> TrialSpec:
    """A spec as small as one can be."""
    return TrialSpec(
        kind="trial",
        label=label,
        dataset=DatasetConfig.model_construct(source="digits"),
        dataset_seed=0,
        settings=Settings(augmentation={}, model=ModelSettings(), training=TrainingSettings()),
        protocol=Protocol(folds=2, fold_seed=0, head_seeds=(0,), view_seed=view_seed, views=1),
    )


def run(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
    """Does what the label says, then completes."""
    behaviour, *words = spec.label.split()
    if behaviour == "epochs" and on_epoch is not None:
        for epoch in range(1, int(words[0]) + 1):
            (resources.cache_dir / f"epoch-{epoch}").touch()
            on_epoch(
                EpochReport(epoch, int(words[0]), 1 / epoch, 0.5, 2 / epoch, 0.25, phase="head")
            )
            time.sleep(float(words[1]))
    return BEHAVIOURS[behaviour](spec, resources)


def complete(spec: TrialSpec, resources: Resources) -> Outcome:
    """A score that depends on the spec alone, and four images' predictions."""
    seed = spec.protocol.view_seed
    predictions = Predictions(
        images=np.arange(4),
        predicted=np.full((1, 4), seed, np.int16),
        log_prob=np.full((1, 4), -0.5, np.float32),
        fold=np.zeros(4, np.int16),
    )
    metrics = {"pid": float(os.getpid()), "threads": float(resources.num_threads)}
    return Outcome(TrialResult(status="completed", score=seed / 1000, metrics=metrics), predictions)


def answer(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
    """What training on digits might have given: answers of a thousand images that depend on the
    spec alone."""
    draw = np.random.default_rng(int(spec.key[:8], 16))
    seeds = len(spec.protocol.head_seeds)
    predictions = Predictions(
        images=np.arange(1000),
        predicted=draw.integers(0, 10, (seeds, 1000)).astype(np.int16),
        log_prob=np.log(draw.uniform(0.01, 1, (seeds, 1000))).astype(np.float32),
        fold=(np.arange(1000) % spec.protocol.folds).astype(np.int16),
    )
    score = float(draw.uniform(0.4, 0.6))
    metrics = {**dict.fromkeys(METRICS, score), "log_loss": 1.0}
    result = TrialResult(
        status="completed",
        score=score,
        metrics=metrics,
        optimistic_metrics=metrics,
        best_epochs=(3,),
        curve=Curve(loss=(1.0,), accuracy=(0.5,), val_loss=(1.0,), val_accuracy=(0.5,)),
        timing=TrialTiming(
            features_seconds=0.1, heads_seconds=0.1, total_seconds=0.2, images_extracted=0
        ),
    )
    return Outcome(result, predictions)


def training(gain: Callable[[Settings], float], ease: float) -> Any:
    """Answers whose log-probabilities, `ease` on average, move by the gain, on images that are as
    hard for all."""

    def run(spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None) -> Outcome:
        outcome = answer(spec, resources)
        told = outcome.predictions
        assert told is not None
        image = np.random.default_rng(1).normal(ease, 0.5, told.log_prob.shape[1])
        own = np.random.default_rng(int(spec.key[:8], 16)).normal(0, 0.2, told.log_prob.shape)
        found = np.minimum(image + own + gain(spec.settings), -0.01).astype(np.float32)
        result = outcome.result.model_copy(update={"score": -float(found.mean())})
        return Outcome(result, replace(told, log_prob=found))

    return run


def call(step: Callable[[], object]) -> Callable[[TrialSpec, Resources], Outcome]:
    """A behaviour: the step, then completion."""

    def behave(spec: TrialSpec, resources: Resources) -> Outcome:
        step()
        return complete(spec, resources)

    return behave


def fail(error: BaseException) -> Callable[[], object]:
    def step() -> None:
        raise error

    return step


def exhaust_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, hard))
    np.ones(4 << 30, np.uint8)


def once(spec: TrialSpec, resources: Resources, step: Callable[[], object]) -> Outcome:
    """The step happens on the first attempt only."""
    marker = resources.cache_dir / f"attempted-{spec.protocol.view_seed}"
    if not marker.exists():
        marker.touch()
        step()
    return complete(spec, resources)


def report_failure(spec: TrialSpec, resources: Resources) -> Outcome:
    return Outcome(TrialResult(status="failed", error="the loss is not finite at epoch 3"), None)


def announce_and_sleep(spec: TrialSpec, resources: Resources) -> Outcome:
    """Leaves a file named after this process, for a test to find it by."""
    (resources.cache_dir / f"pid-{os.getpid()}").touch()
    time.sleep(600)
    return complete(spec, resources)


def list_environment(spec: TrialSpec, resources: Resources) -> Outcome:
    """What the process has imported and how it is set, as the error text of a failed result."""
    heavy = {"tensorflow", "keras", "mlflow", "typer", "rich", "matplotlib", "sklearn"} & set(
        sys.modules
    )
    threads = os.environ.get("OMP_NUM_THREADS"), os.environ.get("TF_NUM_INTRAOP_THREADS")
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    ignores = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= blocked
    text = f"heavy={sorted(heavy)} threads={threads} deaf={ignores}"
    return Outcome(TrialResult(status="failed", error=text), None)


def write_to_log(spec: TrialSpec, resources: Resources) -> Outcome:
    print("from Python")
    ctypes.CDLL(None).puts(b"from native code")
    ctypes.CDLL(None).fflush(None)
    return complete(spec, resources)


def die_while_answering(spec: TrialSpec, resources: Resources) -> Outcome:
    """Completes, and is killed with half of the answer on its way and the pipe's lock in its
    hands."""

    def send_half(self: connection.Connection, content: bytes) -> None:
        os.write(self.fileno(), bytes(content)[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    # mypy knows no _send to assign to
    setattr(connection.Connection, "_send", send_half)  # noqa: B010
    return complete(spec, resources)


def grow(spec: TrialSpec, resources: Resources) -> Outcome:
    """Keeps 80 MB from its second trial on."""
    if HOARD:
        HOARD.append(np.ones(80_000_000, np.uint8))
    HOARD.append(np.ones(1, np.uint8))
    return complete(spec, resources)


HOARD: list[np.ndarray] = []

BEHAVIOURS: dict[str, Callable[[TrialSpec, Resources], Outcome]] = {
    "complete": complete,
    "epochs": complete,  # N epochs of S seconds, each reported: "epochs N S"
    "abort": call(os.abort),
    "segfault": call(lambda: ctypes.string_at(0)),
    "exit-3": call(lambda: os._exit(3)),
    "exit-0": call(lambda: os._exit(0)),
    "sys-exit": call(lambda: sys.exit("the trial gave up")),
    "killed": call(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "sleep": call(lambda: time.sleep(600)),
    "short-sleep": call(lambda: time.sleep(0.3)),
    "exhaust-memory": call(exhaust_memory),
    "memory-error": call(fail(MemoryError("no room for 3 GB"))),
    "raise": call(fail(ZeroDivisionError("the third batch\nhas no images"))),
    "user-error": call(fail(UserError("the weights have the wrong shape"))),
    "os-error": call(fail(ConnectionResetError(104, "the share went away"))),
    "disk-full": call(fail(OSError(28, "No space left on device"))),
    "report-failure": report_failure,
    "announce": announce_and_sleep,
    "environment": list_environment,
    "write": write_to_log,
    "temporary": call(lambda: tempfile.mkstemp(prefix="left-")),
    "grow": grow,
    "die-while-answering": die_while_answering,
    "crash-once": lambda spec, resources: once(spec, resources, lambda: os._exit(9)),
    "error-once": lambda spec, resources: once(
        spec, resources, fail(OSError(5, "Input/output error"))
    ),
}


def resources_in(folder: Path, num_threads: int = 2) -> Resources:
    return Resources(cache_dir=folder, views_dir=folder, num_threads=num_threads)


class Clock:
    """Seconds that pass only when told to, and `step` of them each time it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.step, self.now = step, 1000.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def engine_options(folder: Path, **changes: Any) -> EngineOptions:
    """One worker and no second attempt unless a test wants one: a crash costs a start of a
    process."""
    fields: dict[str, Any] = {"retries": 0, "warm_imports": ()} | changes
    return EngineOptions(resources_in(folder), folder, run, **fields)
