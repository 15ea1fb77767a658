"""`python -m benchmarks.networks [CASE …]`: training of whole networks by this project, scoring and
painting included, beside Keras's `fit`, each in a process of its own, in turns. Prints a table,
writes JSON.

Pictures are noise: what is measured does not depend on them. A minute or two a case.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.task import MIDDLE

CLASSES, UNITS, BATCH = 2, 64, 32
TIMED = "finetune", "scratch", ""  # phases of a trial
PEERS = ("fit", "fit, ImageDataGenerator", "fit, augmentation layers")


@dataclass(frozen=True)
class Case:
    """start: as `finetune.from`; None from scratch. seeds: networks of a trial. epochs: a turn."""

    name: str
    backbone: str
    image_size: int
    train: int
    validation: int
    peers: tuple[str, ...]
    start: str | None = None
    seeds: int = 3
    epochs: int = 4


CASES = (
    Case("small-cnn 32 px", "small-cnn", 32, 400, 200, PEERS[:2], epochs=10),
    Case("small-cnn 64 px", "small-cnn", 64, 400, 200, PEERS[:2]),
    Case("mobilenet-v3-small 96 px", "mobilenet-v3-small", 96, 192, 96, PEERS[:1], epochs=1),
    Case(
        "lite0 150 px from block6a",
        "efficientnet-lite0",
        150,
        128,
        64,
        PEERS[2:],
        start="block6a",
        epochs=2,
    ),
)


@dataclass(frozen=True)
class Turn:
    """Of one turn: images a network was trained on, seconds, and seconds of the processors."""

    images: int
    seconds: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("cases", nargs="*", help="the first words of a case")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("networks.json"))
    options = parser.parse_args()
    wanted = [c for c in CASES if not options.cases or c.name.startswith(tuple(options.cases))]
    found = {}
    for case in wanted:
        turns = measure(case, options.rounds)
        found[case.name] = {side: [asdict(each) for each in some] for side, some in turns.items()}
        print(describe(case, turns), flush=True)
    report = {"machine": describe_machine(), "turns": found}
    options.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(case: Case, rounds: int) -> dict[str, list[Turn]]:
    """Every side's turns, one after another in each round; the first round is not counted."""
    context = multiprocessing.get_context("spawn")
    sides: dict[str, Connection] = {}
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        for side in ("augsearch", *case.peers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_side, args=(side, case, theirs, folder), daemon=True)
            process.start()
            sides[side] = ours
            processes.append(process)
        turns: dict[str, list[Turn]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side, pipe in sides.items():
                pipe.send("go")
                turn = pipe.recv()
                print(f"{case.name}, {side}: {turn}", file=sys.stderr, flush=True)
                turns[side] += [turn] if number else []
        for process in processes:
            process.terminate()
            process.join()
    return turns


def describe(case: Case, turns: dict[str, list[Turn]]) -> str:
    """Medians over the rounds, of rates and of each round's ratio."""
    lines = [f"{case.name} (load {os.getloadavg()[0]:.1f})"]
    for side, some in turns.items():
        wall = np.array([each.images / each.seconds for each in some])
        processor = np.array([each.images / each.processor for each in some])
        line = f"  {side:26} {np.median(wall):7.0f} images/s {np.median(processor):7.0f} a core's"
        if side != "augsearch":
            first = turns["augsearch"]
            ours = np.array([each.images / each.seconds for each in first]) / wall
            by_core = np.array([each.images / each.processor for each in first]) / processor
            line += f"  {np.median(ours):5.2f}x ({ours.min():.2f} to {ours.max():.2f})"
            line += f", by processor time {np.median(by_core):.2f}x"
        lines.append(line)
    return "\n".join(lines)


def _side(side: str, case: Case, pipe: Connection, folder: str) -> None:
    """A process: waits for its turn, takes it, says what it took."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    turns = _Turns(pipe)
    if side == "augsearch":
        _train(case, turns, Path(folder))
    else:
        fit = _fit(case, with_layers=side == PEERS[2], generated=side == PEERS[1])
        while True:
            turns.begin()
            fit()
            turns.end(case.epochs * case.train)


class _Turns:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self) -> None:
        self._pipe.recv()
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def end(self, images: int) -> None:
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        self._pipe.send(Turn(images, wall, processor))


def _pictures(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Noise, uint8, those that are trained on first, and labels."""
    count, generator = case.train + case.validation, np.random.default_rng(0)
    shape = (count, case.image_size, case.image_size, 3)
    return generator.integers(0, 256, shape, np.uint8), np.arange(count) % CLASSES


def _train(case: Case, turns: _Turns, folder: Path) -> None:
    """A trial as a worker runs it, held up between two turns."""
    from search.features.devices import set_threads

    set_threads(os.cpu_count() or 1, side_by_side=True)
    from search.driver.experiment_file import parse_config
    from search.driver.prepare import prepare, resources_of
    from search.training.run_trial import run_trial

    images, labels = _pictures(case)
    train, held_out = slice(case.train), slice(case.train, None)
    np.savez(
        folder / "noise.npz",
        x_train=images[train],
        y_train=labels[train],
        x_val=images[held_out],
        y_val=labels[held_out],
    )
    config = parse_config(_experiment(case, folder), "the benchmark's experiment")
    resources = resources_of(config, folder / "run")
    specs = prepare(config, resources).specs
    spec = specs.search("trial", "benchmark", specs.control(MIDDLE))
    state = {"epochs": 0}

    def after_epoch(report: Any) -> None:
        if report.phase not in TIMED:
            return
        if state["epochs"] and state["epochs"] % case.epochs == 0:
            turns.end(case.epochs * case.train * case.seeds)
        if state["epochs"] % case.epochs == 0:
            turns.begin()
        state["epochs"] += 1

    run_trial(spec, resources, after_epoch)


def _experiment(case: Case, folder: Path) -> dict[str, Any]:
    training: dict[str, Any] = {"mode": "scratch", "views": "fresh", "max_epochs": 10_000}
    if case.start:
        training |= {"mode": "finetune", "views": 1, "finetune": {"from": case.start}}
    return {
        "name": "benchmark",
        "dataset": {
            "source": "arrays",
            "path": str(folder / "noise.npz"),
            "image_size": case.image_size,
        },
        "augmentation": MIDDLE,
        "model": {
            "backbone": case.backbone,
            "weights": "imagenet" if case.start else "random",
            "head_units": UNITS,
        },
        "training": {**training, "patience": 10_000, "batch_size": BATCH},
        "evaluation": {"folds": 1, "seeds": case.seeds, "confirm": None, "test": False},
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
    }


def _fit(case: Case, with_layers: bool, generated: bool) -> Callable[[], object]:
    """As the guides write it, one network; returns what takes a turn."""
    import keras

    model = _model(case, with_layers)
    images, labels = _pictures(case)
    held_out = images[case.train :], labels[case.train :]
    images, labels = images[: case.train], labels[: case.train]
    given: Any = {"x": images, "y": labels, "batch_size": BATCH}
    if generated:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator

        generator = ImageDataGenerator(**MIDDLE)
        given = {"x": generator.flow(images.astype(np.float32), labels, batch_size=BATCH)}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(1e-4) if case.start else keras.optimizers.Adam()
    model.compile(optimizer, loss, metrics=["accuracy"])
    return lambda: model.fit(**given, epochs=case.epochs, validation_data=held_out, verbose=0)


def _model(case: Case, with_layers: bool) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((case.image_size, case.image_size, 3))
    if with_layers:
        x = layers.RandomRotation(20 / 360, fill_mode="nearest")(x)
        x = layers.RandomTranslation(0.1, 0.1, fill_mode="nearest")(x)
        x = layers.RandomZoom(0.15, 0.15, fill_mode="nearest")(x)
        x = layers.RandomFlip("horizontal")(x)
    if case.backbone == "small-cnn":
        x = layers.Conv2D(32, 3, activation="relu")(layers.Rescaling(1 / 255)(x))
        x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    else:
        x = _backbone(case)(x, **({"training": False} if case.start else {}))
    x = layers.Dense(UNITS, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.Dropout(0.2)(x)))


def _backbone(case: Case) -> Any:
    import keras

    from search.features.backbones import build_backbone
    from search.training.cutting import cut

    weights = "imagenet" if case.start else "random"
    backbone = build_backbone(case.backbone, weights, case.image_size)
    if case.start:
        trained = cut(backbone, case.start).trained
        for layer in backbone.layers:
            batch_norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = layer.name in trained and not batch_norm
    return backbone


if __name__ == "__main__":
    main()
