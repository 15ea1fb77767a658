"""One trial and one whole search of this project, timed from outside, with the memory of all their
processes."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.memory import watched_memory
from benchmarks.task import MIDDLE, Task
from search.experiment.config import ExperimentConfig
from search.experiment.precisions import Precision
from search.experiment.trial import TrialRecord
from search.features.devices import set_threads


@dataclass(frozen=True)
class TrialRun:
    """One augmented trial, clean features at hand as they are in a search. memory_mb: total and
    private peaks."""

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
class Scored:
    """A searched setting's score (honest accuracy) on the rung of so many views."""

    views: int
    settings: dict[str, Any]
    score: float


@dataclass(frozen=True)
class SearchRun:
    """seconds: from the call to its return. startup_seconds: until no augmentation, the first
    trial, had an answer: imports, compiling, clean features. trial_seconds: in all trials after it,
    heads_seconds: of it in training heads. images: through the backbone. correlations: of each rung
    and the next, a `RungCorrelation`. scores: of every setting on every rung that it reached.
    """

    seconds: float
    startup_seconds: float
    trial_seconds: float
    heads_seconds: float
    trials: int
    images: int
    correlations: tuple[dict[str, Any], ...]
    scores: tuple[Scored, ...]
    memory_mb: tuple[float, float]

    @property
    def overhead(self) -> float:
        """The share of the time after start-up that no trial was running (with one worker)."""
        return 1 - self.trial_seconds / (self.seconds - self.startup_seconds)

    @property
    def rungs(self) -> list[int]:
        return sorted({scored.views for scored in self.scores})


def run_one_trial(task: Task, **changes: Any) -> TrialRun:
    """No augmentation first, which compiles and computes clean features; then the middle of the
    space, measured."""
    from data.augmentations import active
    from search.driver.prepare import prepare, resources_of
    from search.training.run_trial import run_trial

    config = task.experiment(**changes)
    # as a worker does, before TensorFlow is loaded
    set_threads(os.cpu_count() or 1, side_by_side=True)
    with tempfile.TemporaryDirectory() as folder, watched_memory() as memory:
        resources = resources_of(config, Path(folder))
        specs = prepare(config, resources).specs
        run_trial(specs.search("control", "no augmentation", specs.control({})), resources)
        start = time.perf_counter()
        result = run_trial(
            specs.search("trial", "middle", specs.control(active(MIDDLE))), resources
        ).result
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


def run_trial_in(task: Task, precision: Precision) -> TrialRun:
    return run_one_trial(task, execution={"precision": precision})


def run_search_in(task: Task, precision: Precision, min_views: int) -> SearchRun:
    """The search of the task whose lowest rung has so many views, with nothing kept from other
    measurements."""
    with tempfile.TemporaryDirectory() as cache:
        execution = {"cache_dir": cache, "precision": precision}
        return run_one_search(task.experiment(search={"min_views": min_views}, execution=execution))


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
    records, evidence = result.state.records, result.state.evidence
    trained = [r for r in records if r.duplicate_of is None and r.result and r.result.timing]
    timings = [r.result.timing for r in trained if r.result and r.result.timing]
    return SearchRun(
        seconds=seconds,
        startup_seconds=(records[0].told_at or begun) - begun,
        trial_seconds=sum(timing.total_seconds for timing in timings[1:]),
        heads_seconds=sum(timing.heads_seconds for timing in timings[1:]),
        trials=len(records),
        images=sum(timing.images_extracted for timing in timings),
        correlations=tuple(
            each.model_dump() for each in (evidence.rung_correlations if evidence else ())
        ),
        scores=tuple(_scores(records)),
        memory_mb=(memory.total, memory.private),
    )


def _scores(records: Sequence[TrialRecord]) -> Iterator[Scored]:
    for record in records:
        if record.kind == "trial" and record.result and record.result.score is not None:
            views = record.spec.settings.training.views
            yield Scored(
                views if isinstance(views, int) else 0, record.settings, record.result.score
            )
