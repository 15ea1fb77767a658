"""Seconds a head-epoch: fifteen heads stacked in one model, and heads trained one by one by
`model.fit`.

Features are made up (a weak signal in noise): training takes as long whatever they mean.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.features.devices import set_threads

NUM_IMAGES, DIM, UNITS, CLASSES, FOLDS, SEEDS = 3409, 1280, 100, 10, 5, 3
EPOCHS = 5  # the first of them compiles and is left out


@dataclass(frozen=True)
class HeadRates:
    """Seconds of one epoch of one head, scoring its validation images included; medians over
    epochs."""

    stacked: float
    one_by_one: float

    @property
    def ratio(self) -> float:
        return self.one_by_one / self.stacked


def stacked_heads() -> float:
    """Seconds of an epoch of all 15 heads, stacked as in a search's worker, divided by 15."""
    num_lanes = os.cpu_count() or 1
    set_threads(num_lanes, side_by_side=True)
    return _stacked(*_made_up(), num_lanes) / (FOLDS * SEEDS)


def heads_one_by_one() -> float:
    """Seconds of an epoch of one such head in `fit`, with Keras as it comes; the median of three
    heads."""
    data = _made_up()
    return float(np.median([_fitted(*data, fold) for fold in range(3)]))


def _made_up() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, NUM_IMAGES)
    signal = random.standard_normal((CLASSES, DIM)) * 0.06
    return (signal[labels] + random.standard_normal((NUM_IMAGES, DIM))).astype(np.float32), labels


def _parts(fold: int) -> tuple[np.ndarray, np.ndarray]:
    folds = np.arange(NUM_IMAGES) % FOLDS
    return np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def _stacked(features: np.ndarray, labels: np.ndarray, num_lanes: int) -> float:
    from search.experiment.settings import ModelSettings, TrainingSettings
    from search.training.head_tasks import HeadTask
    from search.training.heads import HeadPlan, train_heads

    tasks = tuple(HeadTask(*_parts(fold), seed) for seed in range(SEEDS) for fold in range(FOLDS))
    training = TrainingSettings(max_epochs=EPOCHS)
    plan = HeadPlan(tasks, labels, CLASSES, ModelSettings(head_units=UNITS), training, "accuracy")
    times = [time.perf_counter()]

    def clock(*_: Any) -> None:
        times.append(time.perf_counter())

    train_heads(lambda epoch: features, features, plan, clock, num_lanes)
    return float(np.median(np.diff(times)[1:]))


def _fitted(features: np.ndarray, labels: np.ndarray, fold: int) -> float:
    import keras

    from search.training.head_shape import HeadShape, initial_weights, plain_head

    shape = HeadShape(DIM, UNITS, CLASSES)
    model = plain_head(shape, initial_weights(shape, fold), dropout=0.2)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, validate = _parts(fold)
    times = [time.perf_counter()]
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: times.append(time.perf_counter())
    )
    model.fit(
        features[train],
        labels[train],
        validation_data=(features[validate], labels[validate]),
        epochs=EPOCHS,
        batch_size=32,
        callbacks=[clock],
        verbose=0,
    )
    return float(np.median(np.diff(times)[1:]))
