"""`python -m benchmarks.fit`: a trial of mode fit beside the same model in plain KerasTuner
scripts, fed by ImageDataGenerator and by Keras's augmentation layers, in turns. Prints a table,
writes JSON.

Digits at 64 pixels: 1528 images to train and validate on, one fold. Some minutes on two cores.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import describe_machine

MODEL = Path(__file__).parent / "fit_model.py"
MOVES = {"rotation_range": 20.0, "width_shift_range": 0.1, "zoom_range": 0.1}
BATCH, RATE = 32, "hyperparameters.rate"
Arrays = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("fit.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, validation, trial = _task(folder, options.epochs)
        ways: dict[str, Callable[[int, Path], object]] = {
            "KerasTuner, ImageDataGenerator": partial(_generator, train, validation),
            "KerasTuner, Keras's layers": partial(_layers, train, validation),
            "mode fit": lambda epochs, folder: trial(),
        }
        taken: dict[str, list[Taken]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way, run in ways.items():
                here = folder / f"{way[:14]}-{number}"
                taken[way].append(_taken(partial(run, options.epochs, here)))
                print(f"{way}: {taken[way][-1]}", file=sys.stderr, flush=True)
    shown = options.epochs * len(train[0])
    for which in Taken._fields:
        _compare(which, {way: [getattr(t, which) for t in each] for way, each in taken.items()})
    times = {way: [each._asdict() for each in found] for way, found in taken.items()}
    report = {"machine": describe_machine(), "images": shown, "taken": times}
    options.out.write_text(json.dumps(report, indent=1) + "\n")


class Taken(NamedTuple):
    """Seconds by the clock, and of processor time, of all threads."""

    clock: float
    processor: float


def _taken(run: Callable[[], object]) -> Taken:
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return Taken(time.perf_counter() - clock, time.process_time() - processor)


def _compare(which: str, seconds: dict[str, list[float]]) -> None:
    """Prints each way beside mode fit: the median of the ratios of rounds, from least to most."""
    ours = np.array(seconds["mode fit"])
    for way, each in seconds.items():
        ratios = np.sort(np.array(each) / ours)
        beside = f"{np.median(ratios):.2f} times mode fit's ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{which:10} {way:32} {np.median(each):6.1f} s, {beside}")


def _task(folder: Path, epochs: int) -> tuple[Arrays, Arrays, Callable[[], object]]:
    """The training and validation images of the first fold, and the trial that trains on them."""
    from search.driver.code_files import code_of
    from search.driver.experiment_file import load_config
    from search.driver.prepare import prepare, resources_of
    from search.training.run_trial import run_trial
    from search.training.training_mode import load_trial

    config = load_config(
        {
            "name": "fit",
            "dataset": {"source": "digits", "image_size": 64},
            "augmentation": MOVES,
            "model": {"build": f"{MODEL}:build"},
            "training": {"max_epochs": epochs, "patience": epochs, "batch_size": BATCH},
            "evaluation": {"folds": 1, "seeds": 1, "confirm": None},
            "tracking": {"uri": None},
            "execution": {"cache_dir": str(folder / "cache")},
        }
    )
    resources = resources_of(config, folder / "run", code_of(config))
    prepared = prepare(config, resources)
    spec = prepared.specs.search("trial", "fit", prepared.space.settings({RATE: "0.001"}))
    trial = load_trial(spec, resources)
    images, labels = np.asarray(trial.dataset.images)[trial.pool], trial.labels
    (task,) = trial.tasks
    parts = [(images[rows], labels[rows]) for rows in (task.train, task.validate)]
    return parts[0], parts[1], lambda: _completed(run_trial(spec, resources))


def _completed(outcome: Any) -> None:
    if outcome.result.status != "completed":
        raise RuntimeError(outcome.result.error)


def _search(build: Callable[[Any], Any], folder: Path, *data: Any, **options: Any) -> None:
    """As such a script is written: one trial of a random search, early stopping, quiet."""
    import keras
    import keras_tuner

    class Tuner(keras_tuner.RandomSearch):
        def _configure_tensorboard_dir(self, *arguments: Any) -> None:
            """Nothing: KerasTuner imports TensorBoard here, which TensorFlow no longer brings."""

    tuner = Tuner(build, objective="val_accuracy", max_trials=1, seed=1, directory=str(folder))
    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=options["epochs"])
    tuner.search(*data, callbacks=[stopping], verbose=0, **options)
    (trial,) = tuner.oracle.get_best_trials(1)
    if trial.status != "COMPLETED":
        raise RuntimeError(trial.message)


def _generator(train: Arrays, validation: Arrays, epochs: int, folder: Path) -> None:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from benchmarks.fit_model import build

    drawn = ImageDataGenerator(**MOVES).flow(*train, batch_size=BATCH, seed=1)
    clean = ImageDataGenerator().flow(*validation, batch_size=BATCH, shuffle=False)
    _search(build, folder, drawn, validation_data=clean, epochs=epochs)


def _layers(train: Arrays, validation: Arrays, epochs: int, folder: Path) -> None:
    import keras

    from benchmarks.fit_model import build

    def augmenting(hp: Any) -> Any:
        inner = build(hp)
        moves = [
            keras.layers.RandomRotation(20 / 360, fill_mode="nearest"),
            keras.layers.RandomTranslation(0, 0.1, fill_mode="nearest"),
            keras.layers.RandomZoom(0.1, fill_mode="nearest"),
        ]
        model = keras.Sequential([keras.Input((64, 64, 3)), *moves, *inner.layers])
        model.compile(inner.optimizer, inner.loss, metrics=["accuracy"])
        return model

    floats = [(images.astype(np.float32), labels) for images, labels in (train, validation)]
    _search(
        augmenting, folder, *floats[0], validation_data=floats[1], epochs=epochs, batch_size=BATCH
    )


if __name__ == "__main__":
    main()
