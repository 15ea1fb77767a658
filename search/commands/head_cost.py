"""What a head on kept features takes here, before any is trained: a few epochs of those that a
trial trains together, on made-up features. For `check`."""

import time
from typing import Any

import numpy as np

from search.commands.network_cost import num_pooled
from search.driver.prepare import Prepared
from search.experiment.trial import Resources
from search.features.devices import operations_at_once, sees_gpu
from search.training.head_tasks import HeadTask
from search.training.heads import HeadPlan, train_heads

TIMED_EPOCHS = 3  # after one that compiles
MOST_TIMED = 15  # heads; more take about as much longer
# most heads stop within patience of their best epoch, well before max_epochs 60
TYPICAL_EPOCHS = 45


def seconds_a_head(prepared: Prepared, num_features: int, resources: Resources) -> float:
    """Of one among those of a trial. num_features: of the backbone."""
    settings, evaluation = prepared.specs.control({}), prepared.config.evaluation
    count = min(MOST_TIMED, evaluation.folds * evaluation.seeds)
    training = settings.training.model_copy(update={"max_epochs": TIMED_EPOCHS + 1})
    random = np.random.default_rng(0)
    labels = random.integers(0, len(prepared.dataset.class_names), num_pooled(prepared))
    features = random.standard_normal((len(labels), num_features)).astype(np.float32)
    plan = HeadPlan(
        tasks=_tasks(len(labels), count, max(2, evaluation.folds)),
        labels=labels,
        num_classes=len(prepared.dataset.class_names),
        model=settings.model,
        training=training,
    )
    times: list[float] = []

    def clock(*_: Any) -> None:
        times.append(time.perf_counter())

    lanes = 1 if sees_gpu() else operations_at_once(resources.num_threads)
    train_heads(lambda epoch: features, features, plan, clock, lanes)
    epochs = min(TYPICAL_EPOCHS, settings.training.max_epochs)
    return epochs * float(np.median(np.diff(times))) / count


def _tasks(num_images: int, count: int, folds: int) -> tuple[HeadTask, ...]:
    fold = np.arange(num_images) % folds
    rows = [(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(folds)]
    return tuple(HeadTask(*rows[number % folds], number) for number in range(count))
