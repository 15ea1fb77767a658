"""Many heads trained together on cached features: every fold and seed of a trial as one stacked Keras model.

Each head has its own batches, dropout, early stopping and best weights, and depends on nothing but its own task and seed.
The stack itself (variables, one training step) is `head_stack`, side by side in `head_lanes`; where features come from is `frozen` and
`features.store`.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from search.experiment.trial import Curve, ModelSettings, Objective, TrainingSettings
from search.features.rows import FeatureRows, as_rows
from search.training.head_feed import EpochFeed, HeadTask, epoch_feeds
from search.training.head_lanes import Lanes
from search.training.head_scores import HeadScores
from search.training.head_shape import HeadShape, HeadWeights
from search.training.progress import EpochReport, OnEpoch


class TrialFailure(Exception):
    """A trial that cannot give a result, for a reason that trying again would not change."""


@dataclass(frozen=True)
class TrainedHeads:
    """What the heads of a trial learnt: one entry per head, in the order of the tasks.

    honest, optimistic: per head, (predicted int16 [v], log_prob float32 [v]) for its validation rows; `honest` takes each
    row's answer from an epoch chosen on other rows. best_epochs: from 1. weights: of the best epoch; empty where none
    were kept. Raises ValueError where weights of some heads only are given: a head's number would find another's.
    """

    honest: tuple[tuple[np.ndarray, np.ndarray], ...]
    optimistic: tuple[tuple[np.ndarray, np.ndarray], ...]
    best_epochs: tuple[int, ...]
    cut_by_max_epochs: tuple[bool, ...]
    weights: tuple[HeadWeights, ...]
    curve: Curve

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.best_epochs):
            raise ValueError(
                f"weights of {len(self.weights)} heads were given for {len(self.best_epochs)} heads"
            )


@dataclass(frozen=True)
class HeadPlan:
    """All that the training of a trial's heads depends on but the features themselves.

    epochs: None stops early by `training.patience`; a number trains for exactly that long and scores the last epoch.
    """

    tasks: tuple[HeadTask, ...]
    labels: np.ndarray
    num_classes: int
    model: ModelSettings
    training: TrainingSettings
    objective: Objective = "accuracy"
    epochs: int | None = None

    @property
    def max_epochs(self) -> int:
        return self.epochs or self.training.max_epochs

    @property
    def num_steps(self) -> int:
        """Steps an epoch, of every head: what the smallest fold needs (folds differ by a few images)."""
        return -(-min(len(task.train) for task in self.tasks) // self.training.batch_size)


def train_heads(
    view_of_epoch: Callable[[int], np.ndarray | FeatureRows],
    validation_features: np.ndarray | FeatureRows,
    plan: HeadPlan,
    on_epoch: OnEpoch | None = None,
    num_lanes: int = 1,
) -> TrainedHeads:
    """Trains every head of the plan. num_lanes: how many stacks train side by side; it changes how long they take alone.

    view_of_epoch: epoch (from 0) -> [n, d], features of the images as augmented for that epoch. validation_features: [n, d]. Rows
    of both are the positions the tasks name. Raises TrialFailure where a loss is not finite.
    """
    with ThreadPoolExecutor(num_lanes, thread_name_prefix="heads") as threads:
        run = _Run(plan, as_rows(validation_features), num_lanes, threads)
        for epoch in range(plan.max_epochs):
            run.train_epoch(epoch, as_rows(view_of_epoch(epoch)))
            run.score_epoch(epoch)
            if on_epoch is not None:
                on_epoch(run.report(epoch))
            if run.scores.all_stopped:
                break
            run.drop_stopped()
    return run.result()


class _Run:
    """The moving parts of one call of `train_heads`: which heads still train, and what each has reached."""

    def __init__(
        self, plan: HeadPlan, validation_features: FeatureRows, num_lanes: int, threads: ThreadPoolExecutor
    ) -> None:
        self.plan, self.num_lanes = plan, num_lanes
        self.validation_features = validation_features
        self.active = np.arange(len(plan.tasks))
        self.scores = HeadScores(
            [plan.labels[task.validate] for task in plan.tasks],
            plan.objective,
            None if plan.epochs else plan.training.patience,
        )
        shape = HeadShape(validation_features.shape[1], plan.model.head_units, plan.num_classes)
        self.lanes = Lanes(shape, [task.seed for task in plan.tasks], num_lanes, threads)
        self.best_weights: dict[int, HeadWeights] = {}
        self.curves: list[np.ndarray] = []
        self.last = np.zeros((len(plan.tasks), 4))

    def train_epoch(self, epoch: int, features: FeatureRows) -> None:
        plan, training = self.plan, self.plan.training
        rates = plan.model.learning_rate, training.weight_decay, training.label_smoothing

        def feeds(heads: slice) -> Iterable[EpochFeed]:
            tasks = [plan.tasks[head] for head in self.active[heads]]
            return epoch_feeds(tasks, plan.num_steps, training.batch_size, plan.model, epoch, self.num_lanes)

        loss, accuracy = self.lanes.train_epoch(features, plan.labels, feeds, rates)
        for head, value in zip(self.active, loss, strict=True):
            self._refuse_divergence(int(head), "training", epoch, float(value))
        self.last[self.active, 0], self.last[self.active, 1] = loss, accuracy

    def _refuse_divergence(self, head: int, which: str, epoch: int, loss: float) -> None:
        if not np.isfinite(loss):
            raise TrialFailure(
                f"the {which} loss of head {head} became {loss} in epoch {epoch + 1} "
                f"(learning rate {self.plan.model.learning_rate:g}); lower model.learning_rate"
            )

    def score_epoch(self, epoch: int) -> None:
        rows = [self.plan.tasks[head].validate for head in self.active]
        answers = self.lanes.predict(self.validation_features, self.plan.labels, rows)
        for place, (head, (predicted, log_prob)) in enumerate(zip(self.active, answers, strict=True)):
            self._refuse_divergence(int(head), "validation", epoch, -float(log_prob.mean()))
            improved = self.scores.add(int(head), epoch, predicted, log_prob)
            labels = self.plan.labels[self.plan.tasks[head].validate]
            self.last[head, 2:] = -log_prob.mean(), (predicted == labels).mean()
            if improved:
                self.best_weights[int(head)] = self.lanes.weights(place)
        self.curves.append(self.last.mean(axis=0))

    def report(self, epoch: int) -> EpochReport:
        loss, accuracy, val_loss, val_accuracy = map(float, self.curves[-1])
        return EpochReport(epoch + 1, self.plan.max_epochs, loss, accuracy, val_loss, val_accuracy)

    def drop_stopped(self) -> None:
        alive = np.array([not self.scores.stopped(int(head)) for head in self.active])
        if not alive.all():
            self.lanes.keep(np.flatnonzero(alive))
            self.active = self.active[alive]

    def result(self) -> TrainedHeads:
        heads = range(len(self.plan.tasks))
        curves = np.array(self.curves).T
        return TrainedHeads(
            honest=tuple(self.scores.honest(head) for head in heads),
            optimistic=tuple(self.scores.optimistic(head) for head in heads),
            best_epochs=tuple(self.scores.best_epoch(head) + 1 for head in heads),
            cut_by_max_epochs=tuple(not self.scores.stopped(head) for head in heads),
            weights=tuple(self.best_weights[head] for head in heads),
            curve=Curve(**{name: tuple(map(float, c)) for name, c in zip(_CURVES, curves, strict=True)}),
        )


_CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
