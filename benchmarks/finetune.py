"""`python -m benchmarks.finetune`: an epoch of fine-tuning from kept outputs of the frozen prefix,
beside `fit` of the whole model with the same trainable layers and Keras's augmentation layers, in
one run and in turns. Prints a table, writes JSON.

Wants the clothing photographs (`--images`, or AUGSEARCH_CLOTHING); four minutes on two cores.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.task import MIDDLE, clothing_task

if TYPE_CHECKING:
    from search.training.batching import Inputs

BACKBONE, START, UNITS, CLASSES, BATCH = "efficientnet-lite0", "block6a", 100, 10, 32


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetune", description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("AUGSEARCH_CLOTHING"))
    parser.add_argument(
        "--cache", type=Path, default=Path(os.environ.get("AUGSEARCH_CACHE", ".cache"))
    )
    parser.add_argument("--count", type=int, default=512, help="images per epoch")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("finetune.json"))
    options = parser.parse_args()
    images, labels = _photographs(options)
    extractor = _extractor(images)
    outputs = np.empty((len(images), *extractor.output_shape), np.float16)
    through_prefix = partial(extractor.extract, [images], len(images), outputs)
    through_prefix()
    epochs = {
        "fit, Keras augmentation layers": _fit(images, labels),
        "whole network, painted images": _whole(images, labels),
        "suffix from the kept prefix": _suffix(outputs, images, labels),
    }
    for epoch in epochs.values():
        epoch(0)  # graphs are made
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(options.rounds):
        for name, epoch in epochs.items():
            seconds[name].append(_timed(partial(epoch, number + 1)))
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    seconds["the painted images alone"] = [
        _timed(lambda: _paint(images)) for _ in range(options.rounds)
    ]
    seconds["one view through the prefix"] = [_timed(through_prefix) for _ in range(options.rounds)]
    rates = {name: len(images) / float(np.median(each)) for name, each in seconds.items()}
    for name, rate in rates.items():
        print(f"{name:34} {rate:7.0f} images/s")
    ratio = rates["suffix from the kept prefix"] / rates["fit, Keras augmentation layers"]
    print(f"an epoch of the suffix is {ratio:.2f} times as fast as one of fit")
    report = {
        "machine": describe_machine(),
        "images": len(images),
        "seconds": seconds,
        "ratio": ratio,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")


def _photographs(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    from data.dataset import open_dataset

    task = clothing_task(options.images, options.cache)
    dataset = open_dataset(task.experiment().dataset, options.cache, 1)
    rows = np.random.default_rng(0).permutation(len(dataset.images))[: options.count]
    return np.asarray(dataset.images[np.sort(rows)]), np.asarray(dataset.labels)[np.sort(rows)]


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _fit(images: np.ndarray, labels: np.ndarray) -> Callable[[int], None]:
    """As the guides write it: augmentation layers in the model, lower layers and batch norms
    frozen, AdamW."""
    import keras

    from search.features.backbones import build_backbone
    from search.training.cutting import cut

    backbone = build_backbone(BACKBONE, "imagenet", images.shape[1])
    trained = cut(backbone, START).trained
    for layer in backbone.layers:
        batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name in trained and not batch_norm
    x = inputs = keras.Input(images.shape[1:])
    for layer in (
        keras.layers.RandomRotation(20 / 360, fill_mode="nearest"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        keras.layers.RandomZoom(0.15, 0.15, fill_mode="nearest"),
        keras.layers.RandomFlip("horizontal"),
    ):
        x = layer(x)
    x = keras.layers.Dense(UNITS, activation="relu")(backbone(x, training=False))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Dropout(0.2)(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-4, weight_decay=0.01), loss)
    return lambda epoch: model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0) and None


def _parts(images: np.ndarray) -> Any:
    from search.features.backbones import build_backbone
    from search.training.cutting import cut

    return cut(build_backbone(BACKBONE, "imagenet", images.shape[1]), START)


def _suffix(outputs: np.ndarray, images: np.ndarray, labels: np.ndarray) -> Callable[[int], None]:
    parts = _parts(images)

    def kept(epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return (outputs[rows[at : at + batch_size]] for at in range(0, len(rows), batch_size))

    return _epochs(parts.suffix, parts.trained, kept, labels)


def _whole(images: np.ndarray, labels: np.ndarray) -> Callable[[int], None]:
    from search.features.backbones import build_backbone
    from search.training.cutting import cut

    backbone = build_backbone(BACKBONE, "imagenet", images.shape[1])
    return _epochs(backbone, cut(backbone, START).trained, _painted(images), labels)


def _painted(images: np.ndarray) -> "Inputs":
    from types import SimpleNamespace

    from search.training.pictures import AugmentedPictures

    dataset: Any = SimpleNamespace(images=images)
    rows = np.arange(len(images))
    return AugmentedPictures(dataset, rows, rows, MIDDLE, 0, "fresh").batches


def _epochs(
    body: Any, trained: frozenset[str], inputs: "Inputs", labels: np.ndarray
) -> Callable[[int], None]:
    from search.training.batching import Batching
    from search.training.head_shape import HeadShape, initial_weights
    from search.training.network import Network

    rows = np.arange(len(labels))
    shape = HeadShape(body.output_shape[-1], UNITS, CLASSES)
    network = Network(body, trained, shape)
    network.start(initial_weights(shape, 1), 1)
    batching = Batching(inputs, labels, rows, CLASSES, BATCH, UNITS, dropout=0.2)

    def epoch(number: int) -> None:
        losses = [network.train(batch, 1e-4, 0.01)[0] for batch in batching.epoch(rows, 1, number)]
        assert np.isfinite(float(sum(float(loss) for loss in losses)))

    return epoch


def _paint(images: np.ndarray) -> None:
    for _ in _painted(images)(1, np.arange(len(images)), BATCH):
        pass


def _extractor(images: np.ndarray) -> Any:
    from search.features.extractor import build_extractor

    return build_extractor(_parts(images).prefix, check_images=images[:16])


if __name__ == "__main__":
    main()
