"""The loops that `scheduling` is measured beside: KerasTuner's own, and Optuna's storages where
Optuna is installed.

They keep a score a trial and nothing else. Each takes a number of trials and gives the seconds they
took, on the clock and of the processor; None where a package is missing.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Seconds = tuple[float, float]
Loop = Callable[[int], Seconds | None]


def _seconds(loop: Callable[[], object]) -> Seconds:
    start = time.perf_counter(), time.process_time()
    loop()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def _kerastuner(count: int) -> Seconds:
    import keras_tuner

    class Tuner(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> float:
            return float(trial.hyperparameters.get("rotation"))

    return _tuned(Tuner, count)


def _kerastuner_bayesian(count: int) -> Seconds:
    import keras_tuner

    class Tuner(keras_tuner.BayesianOptimization):
        def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> float:
            return float(trial.hyperparameters.get("rotation"))

    return _tuned(Tuner, count)


def _tuned(tuner_class: Any, count: int) -> Seconds:
    import keras_tuner

    def build(hp: Any) -> None:
        hp.Float("rotation", 0, 40)
        hp.Float("zoom", 0, 0.3)
        hp.Boolean("flip")

    with tempfile.TemporaryDirectory() as folder:
        objective = keras_tuner.Objective("default_objective", "min")
        tuner = tuner_class(build, objective=objective, max_trials=count, directory=folder, seed=1)
        return _seconds(lambda: tuner.search(verbose=0))


def _optuna(storage_of: Callable[[Any, Path], Any]) -> Loop:
    def run(count: int) -> Seconds | None:
        try:
            import optuna
        except ImportError:
            return None
        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def objective(trial: Any) -> float:
            zoom, flip = (
                trial.suggest_float("zoom", 0, 0.3),
                trial.suggest_categorical("flip", [False, True]),
            )
            return float(trial.suggest_float("rotation", 0, 40) + zoom + flip)

        with tempfile.TemporaryDirectory() as folder:
            sampler = optuna.samplers.RandomSampler(seed=1)
            study = optuna.create_study(storage=storage_of(optuna, Path(folder)), sampler=sampler)
            return _seconds(lambda: study.optimize(objective, n_trials=count))

    return run


OTHERS: dict[str, Loop] = {
    "KerasTuner's own loop, random": _kerastuner,
    "Optuna, random, journal storage": _optuna(
        lambda optuna, folder: optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
        )
    ),
    "Optuna, random, SQLite": _optuna(lambda optuna, folder: f"sqlite:///{folder}/study.db"),
}
BAYESIAN: dict[str, Loop] = {"KerasTuner's own loop, Bayesian": _kerastuner_bayesian}
