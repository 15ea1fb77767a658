"""Stacked heads: every fold and seed of a trial trained together on kept features, as one stacked
Keras model a lane.

Each head has its own batches, dropout, early stopping and best weights, and depends on nothing but
its own task and seed. The stack itself (variables, one training step) is `head_stack`; when to stop
and what is best, `training_run`; where features come from, `pictures` and `features.store`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.settings import ModelSettings, TrainingSettings
from search.features.feature_rows import FeatureRows, as_rows
from search.training.head_scores import HeadAnswer
from search.training.head_shape import HeadShape, HeadState, HeadWeights
from search.training.head_stack import Rates, Stack, StackState, stack_of
from search.training.head_tasks import EpochFeed, HeadTask, epoch_feeds
from search.training.losses import class_weights
from search.training.progress import OnEpoch
from search.training.run_values import HeadEpoch, RunPlan, TrainedHeads
from search.training.training_run import train

FeaturesOf = Callable[[int], np.ndarray | FeatureRows]
FeedOf = Callable[[slice], Iterable[EpochFeed]]  # an epoch's batches of some of the heads

_T = TypeVar("_T")


@dataclass(frozen=True)
class HeadPlan:
    """All that the training of a trial's heads depends on but the features themselves.

    epochs: None stops early by `training.patience`; a number trains for exactly that long and
    scores the last epoch. goes_on: as in `RunPlan`: one that diverges is left behind.
    """

    tasks: tuple[HeadTask, ...]
    labels: np.ndarray
    num_classes: int
    model: ModelSettings
    training: TrainingSettings
    objective: Objective
    epochs: int | None = None
    goes_on: bool = False

    @property
    def run(self) -> RunPlan:
        return RunPlan(
            tasks=self.tasks,
            labels=self.labels,
            num_classes=self.num_classes,
            objective=self.objective,
            num_epochs=self.epochs or self.training.max_epochs,
            patience=None if self.epochs else self.training.patience,
            learning_rate=self.model.learning_rate,
            learning_rate_setting="model.learning_rate",
            may_lose=self.goes_on,
            goes_on=self.goes_on,
        )

    @property
    def num_steps(self) -> int:
        """Steps an epoch, of every head: what the smallest fold needs (folds differ by a few
        images).
        """
        return -(-min(len(task.train) for task in self.tasks) // self.training.batch_size)


def train_heads(
    view_of_epoch: FeaturesOf,
    validation_features: np.ndarray | FeatureRows,
    plan: HeadPlan,
    on_epoch: OnEpoch | None = None,
    num_lanes: int = 1,
) -> TrainedHeads:
    """Trains every head of the plan. num_lanes: how many stacks train side by side; it changes how
    long they take alone.

    view_of_epoch: epoch (from 0) -> [n, d], features of the images as augmented for that epoch.
    validation_features: [n, d]. Rows of both are the positions the tasks name. Raises TrialFailure
    where a loss is not finite.
    """
    scored = as_rows(validation_features)
    shape = HeadShape(scored.shape[1], plan.model.head_units, plan.num_classes)
    with ThreadPoolExecutor(num_lanes, thread_name_prefix="heads") as threads:
        seeds = [task.seed for task in plan.tasks]
        lanes = Lanes(shape, plan.training.loss, seeds, num_lanes, threads)
        return train(StackedHeads(plan, lanes, view_of_epoch, scored), plan.run, on_epoch=on_epoch)


class StackedHeads:
    """Trains the heads of a plan that still train, all at once. states: none, for a trial of heads
    is short.
    """

    def __init__(
        self, plan: HeadPlan, lanes: "Lanes", view_of_epoch: FeaturesOf, scored: FeatureRows
    ) -> None:
        self._plan, self._lanes, self._view_of_epoch, self._scored = (
            plan,
            lanes,
            view_of_epoch,
            scored,
        )
        self._active = list(range(len(plan.tasks)))

    @property
    def states(self) -> dict[int, HeadState]:
        return {}

    def resume(
        self, states: Mapping[int, HeadState], best: Mapping[int, HeadWeights], epochs: int
    ) -> None:
        raise ValueError("stacked heads keep nothing to go on from")

    def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
        loss, accuracy = self._train(epoch)
        rows = [self._plan.tasks[head].validate for head in heads]
        whole = OBJECTIVES[self._plan.objective].needs_all
        answers = self._lanes.predict(self._scored, self._plan.labels, rows, whole)
        for place, head in enumerate(heads):
            yield HeadEpoch(head, float(loss[place]), float(accuracy[place]), *answers[place])

    def _train(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        plan, training = self._plan, self._plan.training
        features = as_rows(self._view_of_epoch(epoch))

        def feeds(lane: slice) -> Iterable[EpochFeed]:
            tasks = [plan.tasks[head] for head in self._active[lane]]
            steps, lanes = plan.num_steps, self._lanes.num_lanes
            found = epoch_feeds(tasks, steps, training.batch_size, plan.model, epoch, lanes)
            return self._balanced(found, tasks)

        rates = Rates(plan.model.learning_rate, training.weight_decay, training.label_smoothing)
        return self._lanes.train_epoch(features, plan.labels, feeds, rates)

    def _balanced(self, feeds: Iterable[EpochFeed], tasks: list[HeadTask]) -> Iterable[EpochFeed]:
        plan, kind = self._plan, self._plan.training.class_weight
        counted = [class_weights(kind, plan.labels[task.train], plan.num_classes) for task in tasks]
        of_heads = [each for each in counted if each is not None]
        if not of_heads:
            return feeds
        heads = np.arange(len(of_heads))[None, :, None]
        return (
            replace(feed, balance=np.stack(of_heads)[heads, plan.labels[feed.rows]])
            for feed in feeds
        )

    def weights(self, head: int) -> HeadWeights:
        return self._lanes.weights(self._active.index(head))

    def keep(self, heads: list[int]) -> None:
        self._lanes.keep(np.array([self._active.index(head) for head in heads]))
        self._active = heads


class Lanes:
    """Heads shared out between lanes: stacks that train side by side, a thread each. Heads are
    moved as others stop, so that no lane waits for a longer one. What a head learns does not depend
    on how many lanes there are or on which one it is in.

    threads: one a lane; with one lane everything runs where it is called.
    """

    def __init__(
        self,
        shape: HeadShape,
        loss: str,
        seeds: Sequence[int],
        num_lanes: int,
        threads: ThreadPoolExecutor,
    ) -> None:
        self.num_lanes = num_lanes
        self._shape, self._loss, self._threads = shape, loss, threads
        self._share_out(StackState.fresh(shape, seeds))

    def _share_out(self, state: StackState) -> None:
        parts = np.array_split(np.arange(len(state.arrays[0])), self.num_lanes)
        self._slices = [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]
        self._stacks = [
            stack_of(lane, self._shape, self._loss) for lane in range(len(self._slices))
        ]
        for stack, part in zip(self._stacks, self._slices, strict=True):
            stack.load(state[part])

    def keep(self, heads: np.ndarray) -> None:
        """Goes on with these heads alone, shared out anew."""
        self._share_out(StackState.joined([stack.state() for stack in self._stacks])[heads])

    def train_epoch(
        self, features: FeatureRows, labels: np.ndarray, feeds: FeedOf, rates: Rates
    ) -> tuple[np.ndarray, np.ndarray]:
        """One pass over each head's batches. Returns the mean loss and accuracy of each head, float
        [heads].
        """
        _ = features.resident  # read here once, for all lanes
        parts = self._in_each(
            lambda stack, heads: stack.train_epoch(features, labels, feeds(heads), rates)
        )
        loss, accuracy = (np.concatenate(each) for each in zip(*parts, strict=True))
        return loss, accuracy

    def predict(
        self, features: FeatureRows, labels: np.ndarray, rows: Sequence[np.ndarray], whole: bool
    ) -> list[HeadAnswer]:
        """As `Stack.predict`, of all heads."""
        _ = features.resident
        parts = self._in_each(
            lambda stack, heads: stack.predict(features, labels, rows[heads], whole)
        )
        return [answer for part in parts for answer in part]

    def weights(self, head: int) -> HeadWeights:
        """A copy of one head's weights, in the order of `plain_head`."""
        for stack, heads in zip(self._stacks, self._slices, strict=True):
            if head < heads.stop:
                return stack.weights(head - heads.start)
        raise IndexError(f"head {head} of {self._slices[-1].stop}")

    def _in_each(self, what: Callable[[Stack, slice], _T]) -> list[_T]:
        if len(self._stacks) == 1:
            return [what(self._stacks[0], self._slices[0])]
        return list(self._threads.map(what, self._stacks, self._slices))
