"""`python -m benchmarks.scheduling`: what a trial costs beside its training, with an engine that
answers at once with made-up answers, and whether that grows with the search.

One row per algorithm and number of trials: milliseconds per trial of the search phase, on the clock
and of the processor, effects, tables and contact sheets included, and MLflow with `--mlflow`; then
what `trials.csv` and the page take in the end. An effect's bootstrap grows with `--images`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from search.driver.shared_checks import METRICS
from search.report.view import SearchView

NUM_CLASSES, FOLDS = 10, 5
COLUMNS = ("trials", "wall", "CPU", "trials.csv s", "MB", "report.html s", "MB")


def main() -> None:
    options = _options()
    print(f"| ms per trial | {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * len(COLUMNS)}")
    for algorithm in options.algorithms:
        for count in options.trials:
            cells = measure(algorithm, count, options)
            print(f"| {algorithm} | {count:,} | {' | '.join(cells)} |", flush=True)
    print(f"\n{options.images} images; {describe_machine()}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--algorithms", nargs="+", default=["random", "halving"])
    parser.add_argument("--mlflow", action="store_true", help="tracked in a SQLite file")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument(
        "--folder", type=Path, help="where searches are kept; in memory, a flush costs nothing"
    )
    return parser.parse_args()


def measure(algorithm: str, count: int, options: argparse.Namespace) -> list[str]:
    """One search in a folder of its own; the cells of its row after the number of trials."""
    from search import run_search
    from search.experiment.config import ExperimentConfig
    from search.report.page import write_report
    from search.report.trial_tables import write_trials

    labels = (np.arange(options.images) % NUM_CLASSES).astype(np.int32)
    with tempfile.TemporaryDirectory(dir=options.folder) as name, _answering(labels):
        folder = Path(name)
        experiment = _experiment(folder, labels, algorithm, count)
        if options.mlflow:
            experiment["tracking"]["uri"] = f"sqlite:///{folder}/mlflow.db"
        start = time.process_time()
        result = run_search(ExperimentConfig.model_validate(experiment), folder / "run")
        cpu = time.process_time() - start
        if result.outcome != "finished":
            raise RuntimeError(f"the search ended as {result.outcome}: {result.reason}")
        wall = result.state.phase_seconds["search"]
        made = [_made(write, result) for write in (write_trials, write_report)]
        files = [f"{value:.2f}" for pair in made for value in pair]
        return [f"{1000 * wall / count:.1f}", f"{1000 * cpu / count:.1f}", *files]


def _made(write: Callable[..., Path], result: Any) -> tuple[float, float]:
    """Seconds, megabytes."""
    start = time.perf_counter()
    path = write(SearchView(result.state), result.run_dir)
    return time.perf_counter() - start, path.stat().st_size / 1e6


def _experiment(folder: Path, labels: np.ndarray, algorithm: str, count: int) -> dict[str, Any]:
    images = np.zeros((len(labels), 8, 8, 3), np.uint8)
    images += (np.arange(len(labels)) % 251).astype(np.uint8)[:, None, None, None]
    images[:, 0, 0, 0] = np.arange(len(labels)) // 251  # no two alike
    splits = np.where(np.arange(len(labels)) // NUM_CLASSES % 10 == 0, "validation", "train")
    np.savez(folder / "images.npz", images=images, labels=labels, splits=splits)
    return {
        "name": "scheduling",
        "dataset": {"source": "arrays", "path": str(folder / "images.npz"), "image_size": 8},
        "augmentation": {
            "rotation_range": {"min": 0, "max": 40},
            "zoom_range": {"min": 0.0, "max": 0.3},
            "horizontal_flip": [False, True],
        },
        "model": {"backbone": "small-cnn", "weights": "random"},
        "search": {"algorithm": algorithm, "trials": count},
        "evaluation": {"folds": FOLDS, "confirm": None, "ablation": False, "test": False},
        "tracking": {"uri": None},
        "execution": {"engine": "stand-in", "cache_dir": str(folder / "cache")},
    }


@contextmanager
def _answering(labels: np.ndarray) -> Iterator[None]:
    """The engine `stand-in`, whose answers are right in about 84 of 100."""
    from search.execution.engines import ENGINES, EngineRecord, InlineEngine

    ENGINES["stand-in"] = EngineRecord(
        lambda options: InlineEngine(replace(options, run=partial(_answer, labels))),
        summary="made up",
    )
    try:
        yield
    finally:
        del ENGINES["stand-in"]


def _answer(labels: np.ndarray, spec: Any, resources: Any, on_epoch: Any = None) -> Any:
    from search.experiment.answers import Predictions
    from search.experiment.trial import Curve, Outcome, TrialResult

    random = np.random.default_rng(int(spec.key[:12], 16))
    right = random.random((len(spec.protocol.head_seeds), len(labels))) < 0.84
    answers = Predictions(
        images=np.arange(len(labels)),
        predicted=np.where(right, labels, (labels + 1) % NUM_CLASSES).astype(np.int16),
        log_prob=np.where(right, -0.1, -3.0).astype(np.float32),
        fold=(np.arange(len(labels)) // NUM_CLASSES % FOLDS).astype(np.int16),
    )
    accuracy, losses = float(right.mean()), tuple(np.linspace(1, 0, 40).tolist())
    metrics = {**dict.fromkeys(METRICS, accuracy), "log_loss": 0.5}
    result = TrialResult(
        status="completed",
        score=accuracy,
        metrics=metrics,
        optimistic_metrics=metrics,
        curve=Curve(loss=losses, accuracy=losses, val_loss=losses, val_accuracy=losses),
        validation_hash=("made up", "made up"),
    )
    return Outcome(result, answers)


if __name__ == "__main__":
    main()
