"""Networks of every fold and seed of a trial, as many side by side as there are processors for and
memory holds: what the modes that train networks share.

One compiled network serves all heads, each with variables of its own. When to stop and what is best
is `training_run`, what a network is, `network`, and what it is fed, `pictures`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.trial import Protocol
from search.features.devices import free_memory, operations_at_once, sees_gpu
from search.features.feature_rows import NO_COST, FeatureCost
from search.training.batching import Batching, Mixing
from search.training.head_shape import HeadState, HeadWeights
from search.training.head_tasks import HeadTask
from search.training.network import Network
from search.training.network_variables import Live
from search.training.optimizer import Schedule
from search.training.pictures import Feed, digest_of
from search.training.run_values import HeadEpoch, RunPlan, TrainedHeads
from search.training.training_mode import Classify, LoadedTrial
from search.training.training_run import train
from search.training.trial_files import Checkpoint, checkpoint_file

if TYPE_CHECKING:
    import keras

PREDICT_BATCH = 64
Start = Callable[[int], Live]  # a head's number -> its network before the first epoch
MEMORY_SHARE = 0.5  # of the memory that is free: the last few of an epoch may be twice as many
NUMBER_BYTES = 4 * 2  # a layer's output and its gradient
_LOG = logging.getLogger(__name__)
_said: set[str] = set()  # what this process has warned of already


@dataclass(frozen=True)
class NetworkPhase:
    """How one phase of a trial is trained. learning_rate_setting: the setting that gives the rate.
    max_epochs: of the schedule. needs_company: as in `Batching`. reported_before: epochs of the
    phases before, for whoever watches, who is told of no phase where it is the only one (is_only).
    began: as in `RunPlan`.
    """

    name: str
    learning_rate: float
    learning_rate_setting: str
    warmup_epochs: float
    max_epochs: int
    needs_company: bool = False
    reported_before: int = 0
    is_only: bool = False
    began: tuple[float, ...] = ()

    def num_epochs(self, protocol: Protocol) -> int:
        """The most that are trained now: a rung goes as if there were more to come, and pauses."""
        return protocol.epochs or min(protocol.max_epochs or self.max_epochs, self.max_epochs)


def train_phase(
    trial: LoadedTrial, network: Network, start: Start, feed: Feed, phase: NetworkPhase
) -> tuple[TrainedHeads, tuple[str, str], FeatureCost]:
    """Trains every head of the trial through the phase, from its checkpoint if it has one. Returns
    them, the hash of what they are scored on, before and after, and what opening epochs cost.
    """
    training, protocol = trial.spec.settings.training, trial.spec.protocol
    plan = RunPlan(
        tasks=trial.tasks,
        labels=trial.labels,
        num_classes=trial.num_classes,
        objective=protocol.objective,
        num_epochs=phase.num_epochs(protocol),
        patience=None if protocol.epochs else training.patience,
        learning_rate=phase.learning_rate,
        learning_rate_setting=phase.learning_rate_setting,
        keeps_weights=trial.keeps_weights,
        phase="" if phase.is_only else phase.name,
        reported_before=phase.reported_before,
        drawn_by=phase.name,
        may_lose=True,
        pauses=phase.num_epochs(protocol) < phase.max_epochs,
        began=phase.began,
        images_count_alike=training.class_weight == "none",
        label_smoothing=training.label_smoothing,
    )
    schedule = Schedule(
        phase.learning_rate, phase.warmup_epochs, phase.max_epochs, training.weight_decay
    )
    batching = _batching(trial, network, feed, phase.needs_company)
    threads = trial.resources.num_threads
    lanes = num_lanes(network.body, training.batch_size, threads, len(trial.tasks))
    heads = NetworkHeads(network, start, batching, schedule, plan, lanes)
    checkpoint = Checkpoint(checkpoint_file(trial.spec, trial.resources))
    before = _hash_of_scored(trial, feed)
    trained = train(heads, plan, checkpoint, trial.on_epoch)
    return trained, (before, _hash_of_scored(trial, feed)), heads.cost


def _batching(trial: LoadedTrial, network: Network, feed: Feed, needs_company: bool) -> Batching:
    model, training = trial.spec.settings.model, trial.spec.settings.training
    return Batching(
        feed=feed,
        labels=trial.labels,
        positions=trial.pool,
        num_classes=trial.num_classes,
        batch_size=training.batch_size,
        head_units=model.head_units,
        dropout=model.dropout,
        label_smoothing=training.label_smoothing,
        mixing=Mixing(training.mixup, training.cutmix),
        needs_company=needs_company,
        class_weight=training.class_weight,
        input_bytes=int(np.prod(network.body.input_shape[1:])),
    )


def _hash_of_scored(trial: LoadedTrial, feed: Feed) -> str:
    """Of what the validation images are to the network, all that any head is scored on."""
    rows = np.unique(np.concatenate([task.validate for task in trial.tasks]))
    return digest_of(feed.scored_batches(rows, PREDICT_BATCH))


class NetworkHeads:
    """Trains heads, each with a network of its own, `num_lanes` of them side by side: how many
    changes how long it takes alone. cost: of the epochs opened.
    """

    def __init__(
        self,
        network: Network,
        start: Start,
        batching: Batching,
        schedule: Schedule,
        plan: RunPlan,
        num_lanes: int = 1,
    ) -> None:
        self._network, self._start, self._batching = network, start, batching
        self._feed, self._schedule, self._plan = batching.feed, schedule, plan
        self._num_lanes, self.cost = num_lanes, NO_COST
        self._live: dict[int, Live] = {}

    @property
    def states(self) -> dict[int, HeadState]:
        return {head: live.state() for head, live in self._live.items()}

    def resume(
        self, states: Mapping[int, HeadState], best: Mapping[int, HeadWeights], epochs: int
    ) -> None:
        for weights in best.values():
            self._network.need_weights(weights)
        found = {head: self._network.resume(state) for head, state in states.items()}
        for head, live in found.items():
            steps = epochs * self._batching.num_steps(len(self._plan.tasks[head].train))
            if live.step.numpy() != steps:
                raise ValueError("its state is of another number of epochs")
        self._live = found

    def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
        for head in heads:
            if head not in self._live:
                self._live[head] = self._start(head)
        self.cost += self._feed.open(epoch)
        # One that is left over at the end would train alone, with processors idle beside it.
        side_by_side = self._num_lanes + len(heads) % self._num_lanes
        with ThreadPoolExecutor(side_by_side, thread_name_prefix="networks") as threads:
            yield from list(threads.map(lambda head: self._train(epoch, head), heads))

    def _train(self, epoch: int, head: int) -> HeadEpoch:
        task, live = self._plan.tasks[head], self._live[head]
        loss, accuracy = self._one_pass(epoch, task, live)
        scored = self._feed.scored_batches(task.validate, PREDICT_BATCH)
        whole = OBJECTIVES[self._plan.objective].needs_all
        answers = self._network.predict(live, scored, self._plan.labels[task.validate], whole)
        return HeadEpoch(head, loss, accuracy, *answers)

    def _one_pass(self, epoch: int, task: HeadTask, live: Live) -> tuple[float, float]:
        """Mean loss and accuracy of one epoch of training."""
        an_epoch = self._batching.num_steps(len(task.train))
        seed = derive_seed(task.seed, self._plan.drawn_by)
        step, count, sums = epoch * an_epoch, 0, np.zeros(2)
        for steps in self._batching.epoch(task.train, seed, epoch):
            numbers = range(step, step + steps.num_steps)
            rates = np.array([self._schedule.rate(each, an_epoch) for each in numbers], np.float32)
            sums += self._network.train(live, steps, rates, self._schedule.weight_decay)
            step, count = numbers.stop, count + len(steps.labels)
        loss, right = sums / count
        return float(loss), float(right)

    def weights(self, head: int) -> HeadWeights:
        return self._network.weights(self._live[head])

    def keep(self, heads: list[int]) -> None:
        self._live = {head: self._live[head] for head in heads}


def answer_by(
    network: Network, weights: tuple[HeadWeights, ...], inputs: Callable[[np.ndarray], np.ndarray]
) -> Classify:
    """inputs: pictures -> what the network takes. weights: of each head that may be asked."""

    def answer(pictures: np.ndarray, head: np.ndarray) -> np.ndarray:
        given, found = inputs(pictures), np.zeros(len(head), np.int64)
        for number in np.unique(head):
            live = network.put(weights[number])
            rows = np.flatnonzero(head == number)
            batches = (
                given[rows[at : at + PREDICT_BATCH]] for at in range(0, len(rows), PREDICT_BATCH)
            )
            found[rows] = network.predict(live, batches, np.zeros(len(rows), np.int64))[0]
        return found

    return answer


def num_lanes(body: keras.Model, batch_size: int, num_threads: int, num_heads: int) -> int:
    """Networks of this body at once. One at a time where a GPU, or each operation, uses all there
    is. Says once in a process where memory holds fewer.
    """
    wanted = 1 if sees_gpu() else operations_at_once(num_threads)
    free, kept = free_memory(), num_heads * kept_bytes(body)
    left = None if free is None else max(0, free - kept)
    return fitting_lanes(wanted, step_bytes(body, batch_size), left)


def fitting_lanes(wanted: int, bytes_each: int, free: int | None) -> int:
    """As many of the lanes wanted as `free` bytes hold, at least one. None: not known."""
    fit = wanted if free is None else min(wanted, int(MEMORY_SHARE * free) // bytes_each)
    if fit >= wanted:
        return wanted
    held = f"memory holds {fit} network{'s' * (fit > 1)} in training at once, not {wanted}"
    then = "it takes longer, the numbers are the same"
    if fit == 0:
        held, then = "memory may not hold one network in training", "one is tried all the same"
    _say_once(
        "lanes",
        f"{held}: a step takes {bytes_each / 1e9:.2g} GB and {(free or 0) / 1e9:.2g} GB are left; "
        f"{then}; lower training.batch_size or dataset.image_size",
    )
    return max(fit, 1)


def _say_once(kind: str, line: str) -> None:
    """kind: what is said once, whatever numbers are in the line."""
    if kind not in _said:
        _said.add(kind)
        _LOG.warning("%s", line)


def kept_bytes(body: keras.Model) -> int:
    """What each network holds all trial long: its weights that train, and Adam's two moments."""
    return 4 * 3 * sum(int(np.prod(each.shape)) for each in body.trainable_weights)


def step_bytes(body: keras.Model, batch_size: int) -> int:
    """What a step of training holds of the layers' outputs, about."""
    import keras

    outputs = [each for layer in body.layers for each in keras.tree.flatten(layer.output)]
    return NUMBER_BYTES * batch_size * sum(int(np.prod(each.shape[1:])) for each in outputs)
