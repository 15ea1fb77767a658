"""One trial and one whole search of this project, timed from outside, with the memory of all their processes."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import watched_memory
from benchmarks.task import MIDDLE, Task
from search.experiment.config import ExperimentConfig


@dataclass(frozen=True)
class TrialRun:
    """One augmented trial, clean features at hand as they are in a search. memory_mb: total and private peaks."""

    seconds: float
    features_seconds: float
    heads_seconds: float
    images: int
    heads: int
    score: float
    memory_mb: tuple[float, float]

    @property
    def images_a_second(self) -> float:
        return self.images / self.features_seconds if self.features_seconds else 0.0


@dataclass(frozen=True)
class SearchRun:
    """seconds: from the call to its return. startup_seconds: until no augmentation, the first trial, had an answer: imports,
    compiling, clean features. trial_seconds: in all trials after it. images: through the backbone.
    """

    seconds: float
    startup_seconds: float
    trial_seconds: float
    trials: int
    images: int
    memory_mb: tuple[float, float]

    @property
    def overhead(self) -> float:
        """The share of the time after start-up that no trial was running (with one worker)."""
        return 1 - self.trial_seconds / (self.seconds - self.startup_seconds)


def run_one_trial(task: Task, **changes: Any) -> TrialRun:
    """No augmentation first, which compiles and computes clean features; then the middle of the space, measured."""
    from data.augmentations import active
    from search.driver.prepare import prepare, resources_of
    from search.training.run_trial import run_trial

    config = task.experiment(**changes)
    with tempfile.TemporaryDirectory() as folder, watched_memory() as memory:
        resources = resources_of(config, Path(folder))
        specs = prepare(config, resources).specs
        run_trial(specs.search("control", "no augmentation", specs.control({})), resources)
        start = time.perf_counter()
        result = run_trial(specs.search("trial", "middle", specs.control(active(MIDDLE))), resources).result
        seconds = time.perf_counter() - start
    timing = result.timing
    if timing is None or result.score is None:
        raise RuntimeError(f"the trial failed: {result.error}")
    return TrialRun(
        seconds=seconds,
        features_seconds=timing.features_seconds,
        heads_seconds=timing.heads_seconds,
        images=timing.images_extracted,
        heads=result.num_heads,
        score=result.score,
        memory_mb=(memory.total, memory.private),
    )


def run_one_search(config: ExperimentConfig, inline: bool = False) -> SearchRun:
    """A search in a directory of its own, tracked in MLflow on sqlite as by default."""
    from search import run_search
    from search.driver.session import SessionOptions

    with tempfile.TemporaryDirectory() as folder, watched_memory() as memory:
        tracking = config.tracking.model_copy(update={"uri": f"sqlite:///{folder}/mlflow.db"})
        config = config.model_copy(update={"tracking": tracking})
        begun, start = time.time(), time.perf_counter()
        result = run_search(config, Path(folder) / "run", options=SessionOptions(inline=inline))
        seconds = time.perf_counter() - start
    if result.outcome != "finished":
        raise RuntimeError(f"the search ended as {result.outcome}: {result.reason}")
    records = result.state.records
    trained = [r for r in records if r.duplicate_of is None and r.result and r.result.timing]
    timings = [r.result.timing for r in trained if r.result and r.result.timing]
    return SearchRun(
        seconds=seconds,
        startup_seconds=(records[0].told_at or begun) - begun,
        trial_seconds=sum(timing.total_seconds for timing in timings[1:]),
        trials=len(records),
        images=sum(timing.images_extracted for timing in timings),
        memory_mb=(memory.total, memory.private),
    )
