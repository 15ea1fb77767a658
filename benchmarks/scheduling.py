"""`python -m benchmarks.scheduling`: what a trial costs beside its training, with a stand-in that answers at once.

The whole search phase is measured: proposal, journal with its flushes, answers per image written and hashed, the paired effect
with its bootstrap, contact sheets (the first hundred), tables. Beside it KerasTuner's own loop and, where it is installed, Optuna's
storages, which do less: they keep a score.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

NUM_IMAGES, NUM_CLASSES, FOLDS = 3409, 10, 5
LABELS = (np.arange(NUM_IMAGES) % NUM_CLASSES).astype(np.int32)


def main() -> int:
    options = _options()
    print("| what | trials | ms a trial |\n| --- | ---: | ---: |")
    for count in options.trials:
        for algorithm in options.algorithms:
            seconds, parts = our_search(algorithm, count)
            detail = "".join(f", {name} {1000 * part / count:.1f}" for name, part in parts.items())
            print(
                f"| this project, {algorithm}{detail} | {count} | {1000 * seconds / count:.1f} |", flush=True
            )
    for count in [count for count in options.trials if count <= options.most_for_others]:
        for name, run in OTHERS.items():
            taken = run(count)
            if taken is not None:
                print(f"| {name} | {count} | {1000 * taken / count:.1f} |", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--algorithms", nargs="+", default=["random", "halving"])
    parser.add_argument("--most-for-others", type=int, default=1000)
    return parser.parse_args()


def our_search(algorithm: str, count: int) -> tuple[float, dict[str, float]]:
    """Seconds of the search phase, and of them those of the effects and of the predictions' files."""
    from search import run_search
    from search.driver.ledger import Ledger
    from search.experiment.config import ExperimentConfig

    with tempfile.TemporaryDirectory() as folder, _stand_in(), _timed(Ledger, "effect") as effect:
        with _timed(Ledger, "_write_predictions") as predictions:
            config = ExperimentConfig.model_validate(_experiment(Path(folder), algorithm, count))
            result = run_search(config, Path(folder) / "run")
        if result.outcome != "finished":
            raise RuntimeError(f"the search ended as {result.outcome}: {result.reason}")
        parts = {"of it effects": sum(effect), "predictions' files": sum(predictions)}
        return result.state.phase_seconds["search"], parts


def _experiment(folder: Path, algorithm: str, count: int) -> dict[str, Any]:
    images = np.zeros((NUM_IMAGES, 8, 8, 3), np.uint8)
    images += (np.arange(NUM_IMAGES) % 251).astype(np.uint8)[:, None, None, None]
    images[:, 0, 0, 0] = np.arange(NUM_IMAGES) // 251  # no two alike
    splits = np.where(np.arange(NUM_IMAGES) // NUM_CLASSES % 10 == 0, "validation", "train")
    np.savez(folder / "images.npz", images=images, labels=LABELS, splits=splits)
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
        "evaluation": {"folds": FOLDS, "seeds": 3, "confirm": None, "ablation": False, "test": False},
        "tracking": {"uri": None},
        "execution": {"engine": "stand-in", "cache_dir": str(folder / "cache")},
    }


@contextmanager
def _stand_in() -> Iterator[None]:
    """An engine that answers at once with made-up answers, about 84 in 100 of them right."""
    from search.execution.engines import ENGINES, EngineRecord, InlineEngine

    ENGINES["stand-in"] = EngineRecord(
        lambda options: InlineEngine(replace(options, run=_answer)), isolates=False, summary="made up"
    )
    try:
        yield
    finally:
        del ENGINES["stand-in"]


def _answer(spec: Any, resources: Any, on_epoch: Any = None) -> Any:
    from search.experiment.trial import Curve, Outcome, Predictions, TrialResult, TrialTiming

    random = np.random.default_rng(int(spec.key[:12], 16))
    seeds = len(spec.protocol.head_seeds)
    right = random.random((seeds, NUM_IMAGES)) < 0.84
    predicted = np.where(right, LABELS, (LABELS + 1) % NUM_CLASSES).astype(np.int16)
    fold = (np.arange(NUM_IMAGES) // NUM_CLASSES % FOLDS).astype(np.int16)
    log_prob = np.where(right, -0.1, -3.0).astype(np.float32)
    accuracy = float(right.mean())
    metrics = {"accuracy": accuracy, "balanced_accuracy": accuracy, "log_loss": 0.5}
    curve = tuple(np.linspace(1, 0, 40).tolist())
    result = TrialResult(
        status="completed",
        score=accuracy,
        metrics=metrics,
        optimistic_metrics=metrics,
        best_epochs=(20,) * FOLDS * seeds,
        num_heads=FOLDS * seeds,
        curve=Curve(loss=curve, accuracy=curve, val_loss=curve, val_accuracy=curve),
        timing=TrialTiming(features_seconds=1, heads_seconds=1, total_seconds=2, images_extracted=1),
        validation_hash=("made up", "made up"),
        feature_engine="made up",
        precision="float32",
    )
    return Outcome(result, Predictions(np.arange(NUM_IMAGES), predicted, log_prob, fold))


@contextmanager
def _timed(owner: Any, name: str) -> Iterator[list[float]]:
    """The seconds of each call of a method."""
    seconds: list[float] = []
    method = getattr(owner, name)

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - start)

    setattr(owner, name, timed)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)


def _kerastuner(count: int) -> float:
    import keras_tuner

    class Tuner(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> float:
            return float(trial.hyperparameters.get("rotation"))

    def build(hp: Any) -> None:
        hp.Float("rotation", 0, 40)
        hp.Float("zoom", 0, 0.3)
        hp.Boolean("flip")

    with tempfile.TemporaryDirectory() as folder:
        objective = keras_tuner.Objective("default_objective", "min")
        tuner = Tuner(build, objective=objective, max_trials=count, directory=folder, seed=1)
        start = time.perf_counter()
        tuner.search(verbose=0)
        return time.perf_counter() - start


def _optuna(storage_of: Callable[[Any, Path], Any]) -> Callable[[int], float | None]:
    def run(count: int) -> float | None:
        try:
            import optuna
        except ImportError:
            return None
        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def objective(trial: Any) -> float:
            zoom, flip = trial.suggest_float("zoom", 0, 0.3), trial.suggest_categorical("flip", [False, True])
            return float(trial.suggest_float("rotation", 0, 40) + zoom + flip)

        with tempfile.TemporaryDirectory() as folder:
            sampler = optuna.samplers.RandomSampler(seed=1)
            study = optuna.create_study(storage=storage_of(optuna, Path(folder)), sampler=sampler)
            start = time.perf_counter()
            study.optimize(objective, n_trials=count)
            return time.perf_counter() - start

    return run


OTHERS: dict[str, Callable[[int], float | None]] = {
    "KerasTuner's own loop, random": _kerastuner,
    "Optuna, random, journal storage": _optuna(
        lambda optuna, folder: optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
        )
    ),
    "Optuna, random, SQLite": _optuna(lambda optuna, folder: f"sqlite:///{folder}/study.db"),
}


if __name__ == "__main__":
    sys.exit(main())
