"""What a trial costs beside its training on the Ray engine, measured with trials that train
nothing."""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NUM_IMAGES, NUM_SEEDS = (
    3409,
    3,
)  # of the clothing photographs, whose answers come back from every trial
WARM, ALONE = 20, 100  # trials until Ray's processes are up, and then one at a time


@dataclass(frozen=True)
class Overhead:
    """Seconds a trial beside its training. worker: between its submission and its answer. driver:
    of the searching process, which does them one after the other.
    """

    worker: float
    driver: float


def measure_overhead(together: int, searched: int) -> Overhead:
    """On a cluster of this machine alone. together: trials submitted at once; searched: of a search
    with made-up answers."""
    from benchmarks.scheduling import our_search

    alone, each = _engine_seconds(together)
    return Overhead(worker=alone, driver=each + our_search("random", searched).seconds / searched)


def _engine_seconds(together: int) -> tuple[float, float]:
    """The median of one trial at a time, and what each of many submitted together takes."""
    from search.execution.engine import ClusterOptions, EngineOptions
    from search.execution.ray_engine import RayEngine
    from search.experiment.trial import Resources

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        options = EngineOptions(
            Resources(cache_dir=place, views_dir=place / "views", num_threads=1),
            run_dir=place,
            run=answer,
            cluster=ClusterOptions(address="local", cache_is_shared=True),
        )
        with RayEngine(options) as engine:
            for future in [engine.submit(_spec(number)) for number in range(WARM)]:
                future.result()
            alone = []
            for number in range(WARM, WARM + ALONE):
                start = time.perf_counter()
                engine.submit(_spec(number)).result()
                alone.append(time.perf_counter() - start)
            start = time.perf_counter()
            for future in [
                engine.submit(_spec(WARM + ALONE + number)) for number in range(together)
            ]:
                future.result()
            return statistics.median(alone), (time.perf_counter() - start) / together


def answer(spec: Any, resources: Any, on_epoch: Any = None) -> Any:
    """Made-up answers of the size that real ones have."""
    from search.experiment.trial import Outcome, Predictions, TrialResult

    predictions = Predictions(
        images=np.arange(NUM_IMAGES),
        predicted=np.zeros((NUM_SEEDS, NUM_IMAGES), np.int16),
        log_prob=np.zeros((NUM_SEEDS, NUM_IMAGES), np.float32),
        fold=np.zeros(NUM_IMAGES, np.int16),
    )
    return Outcome(TrialResult(status="completed", score=0.5), predictions)


def _spec(number: int) -> Any:
    from data.settings import DatasetConfig
    from search.experiment.trial import (
        ModelSettings,
        Protocol,
        Settings,
        TrainingSettings,
        TrialSpec,
    )

    return TrialSpec(
        kind="trial",
        label=f"trial {number}",
        dataset=DatasetConfig.model_construct(source="digits"),
        dataset_seed=0,
        settings=Settings(augmentation={}, model=ModelSettings(), training=TrainingSettings()),
        protocol=Protocol(folds=1, fold_seed=0, head_seeds=(0,), view_seed=number, views=1),
    )
