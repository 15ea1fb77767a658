"""One run over the heads of a trial, epoch by epoch, whatever they are: when each has stopped,
which epoch is its best, the curve, the report, and where a run that was cut short goes on. How an
epoch is trained is a `Trainer`'s: `heads` and `network_training`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from search.experiment.objectives import Objective
from search.experiment.trial import Curve
from search.training.head_scores import HeadScores
from search.training.head_shape import HeadState, HeadWeights
from search.training.head_tasks import HeadTask
from search.training.progress import EpochReport, OnEpoch
from search.training.trial_files import Checkpoint

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


class TrialFailure(Exception):
    """A trial that cannot give a result, for a reason that trying again would not change."""


@dataclass(frozen=True)
class RunPlan:
    """num_epochs: the most that are trained now. patience: stale epochs after which a head stops;
    None trains all of them and the last one counts. learning_rate: the highest, and the setting
    that gives it, for whoever has to lower it. keeps_weights: the best epoch's weights are wanted,
    not only its answers. phase: of a trial that has several; reported_before: epochs of those
    before.
    """

    tasks: tuple[HeadTask, ...]
    labels: np.ndarray
    objective: Objective
    num_epochs: int
    patience: int | None
    learning_rate: float
    learning_rate_setting: str
    keeps_weights: bool = True
    phase: str = ""
    reported_before: int = 0


@dataclass(frozen=True)
class HeadEpoch:
    """What a head has reached in an epoch: means over the images it trained on, and its answers on
    those it is scored on, predicted int16 [v] and log_prob float32 [v].
    """

    head: int
    loss: float
    accuracy: float
    predicted: np.ndarray
    log_prob: np.ndarray


class Trainer(Protocol):
    """Trains heads, by their places among the plan's tasks. states: what each goes on from, where
    it is kept for a checkpoint.
    """

    states: dict[int, HeadState]

    def train(self, epoch: int, heads: list[int]) -> Iterator[HeadEpoch]:
        """One epoch (from 0) of these heads, in order. What is yielded may be asked for its weights
        until the next is.
        """

    def weights(self, head: int) -> HeadWeights: ...

    def keep(self, heads: list[int]) -> None:
        """Goes on with these heads alone."""


@dataclass(frozen=True)
class TrainedHeads:
    """What the heads of a trial learnt: one entry per head, in the order of the tasks.

    honest, optimistic: per head, (predicted int16 [v], log_prob float32 [v]) for its validation
    rows; `honest` takes each row's answer from an epoch chosen on other rows. best_epochs: from 1.
    weights: of the best epoch; empty where none were kept. Raises ValueError where weights of some
    heads only are given: a head's number would find another's.
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


def train(
    trainer: Trainer,
    plan: RunPlan,
    checkpoint: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainedHeads:
    """Trains every head of the plan, from the checkpoint where there is one. Raises TrialFailure
    where a loss is not finite.
    """
    run = _Run(trainer, plan, keeps_answers=checkpoint is not None)
    if checkpoint is not None:
        run.restore(checkpoint.load())
    first = run.epoch
    while run.epoch < plan.num_epochs and run.active:
        run.train_epoch()
        if on_epoch is not None:
            on_epoch(run.report())
        if checkpoint is not None and checkpoint.is_due:
            checkpoint.save(run.arrays())
    if (
        checkpoint is not None and run.epoch > first
    ):  # else what is on disk may have come further than is wanted here
        checkpoint.save(run.arrays())
    return run.result()


class _Run:
    """The moving parts: which heads still train, what each has reached, and the curve."""

    def __init__(self, trainer: Trainer, plan: RunPlan, keeps_answers: bool) -> None:
        self.trainer, self.plan, self.keeps_answers = trainer, plan, keeps_answers
        self.epoch = 0
        self.labels = [plan.labels[task.validate] for task in plan.tasks]
        self.scores = HeadScores(self.labels, plan.objective, plan.patience)
        self.active = list(range(len(plan.tasks)))
        self.best: dict[int, HeadWeights] = {}
        self.answers: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in plan.tasks]
        self.curves: list[
            np.ndarray
        ] = []  # an epoch: [heads, 4]; heads that have stopped keep their last values

    def train_epoch(self) -> None:
        curve = self.curves[-1].copy() if self.curves else np.zeros((len(self.plan.tasks), 4))
        for reached in self.trainer.train(self.epoch, self.active):
            curve[reached.head] = self._score(reached)
        self.curves.append(curve)
        self.epoch += 1
        self._drop_stopped()

    def _score(self, reached: HeadEpoch) -> tuple[float, float, float, float]:
        head, predicted, log_prob = reached.head, reached.predicted, reached.log_prob
        val_loss = -float(log_prob.mean())
        self._refuse_divergence(head, "training", reached.loss)
        self._refuse_divergence(head, "validation", val_loss)
        if self.keeps_answers:
            self.answers[head].append((predicted, log_prob))
        improved = self.scores.add(head, self.epoch, predicted, log_prob)
        if improved and self.plan.keeps_weights:
            self.best[head] = self.trainer.weights(head)
        return (
            reached.loss,
            reached.accuracy,
            val_loss,
            float((predicted == self.labels[head]).mean()),
        )

    def _refuse_divergence(self, head: int, which: str, loss: float) -> None:
        plan = self.plan
        if not np.isfinite(loss):
            phase = f" of phase {plan.phase}" if plan.phase else ""
            raise TrialFailure(
                f"the {which} loss of head {head} became {loss} in epoch {self.epoch + 1}{phase} "
                f"(learning rate {plan.learning_rate:g}); lower {plan.learning_rate_setting}"
            )

    def _drop_stopped(self) -> None:
        alive = [head for head in self.active if not self.scores.stopped(head)]
        if alive and len(alive) < len(self.active):
            self.trainer.keep(alive)
        self.active = alive

    def report(self) -> EpochReport:
        plan = self.plan
        loss, accuracy, val_loss, val_accuracy = map(float, self.curves[-1].mean(axis=0))
        epoch, most = plan.reported_before + self.epoch, plan.reported_before + plan.num_epochs
        return EpochReport(epoch, most, loss, accuracy, val_loss, val_accuracy, plan.phase)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        found = {
            "curves": np.array(self.curves),
            "keeps_weights": np.array(self.plan.keeps_weights),
        }
        for head, answers in enumerate(self.answers):
            found[f"predicted/{head}"] = np.array([each[0] for each in answers])
            found[f"log_prob/{head}"] = np.array([each[1] for each in answers])
        states = self.trainer.states
        kept_states = {head: states[head] for head in self.active}
        for kind, kept in (("state", kept_states), ("best", self.best)):
            for head, values in kept.items():
                found |= {f"{kind}/{head}/{number}": value for number, value in enumerate(values)}
        return found

    def restore(self, arrays: dict[str, np.ndarray] | None) -> None:
        """Goes back to where `arrays` were taken, or to the last epoch wanted now if that is
        earlier.
        """
        plan = self.plan
        if arrays is None or (plan.keeps_weights and not arrays["keeps_weights"]):
            return
        trained = len(arrays["curves"])
        if trained > plan.num_epochs and plan.keeps_weights:
            return  # the weights of the epochs after would be taken for the best of those wanted
        self.epoch = min(trained, plan.num_epochs)
        self.curves = list(arrays["curves"][: self.epoch])
        for head in self.active:
            pairs = zip(arrays[f"predicted/{head}"], arrays[f"log_prob/{head}"], strict=True)
            self.answers[head] = list(pairs)[: self.epoch]
            for epoch, (predicted, log_prob) in enumerate(self.answers[head]):
                self.scores.add(head, epoch, predicted, log_prob)
        self.trainer.states = _grouped(arrays, "state")
        self.best = _grouped(arrays, "best")
        self.active = [head for head in self.active if not self.scores.stopped(head)]

    def result(self) -> TrainedHeads:
        heads = range(len(self.plan.tasks))
        curves = np.array(self.curves).mean(axis=1).T
        return TrainedHeads(
            honest=tuple(self.scores.honest(head) for head in heads),
            optimistic=tuple(self.scores.optimistic(head) for head in heads),
            best_epochs=tuple(self.scores.best_epoch(head) + 1 for head in heads),
            cut_by_max_epochs=tuple(not self.scores.stopped(head) for head in heads),
            weights=tuple(self.best[head] for head in heads) if self.plan.keeps_weights else (),
            curve=Curve(
                **{name: tuple(map(float, c)) for name, c in zip(CURVES, curves, strict=True)}
            ),
        )


def _grouped(arrays: dict[str, np.ndarray], kind: str) -> dict[int, tuple[np.ndarray, ...]]:
    """`kind/HEAD/NUMBER` -> {head: (arrays in the order of their numbers)}."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for name, value in arrays.items():
        if name.startswith(f"{kind}/"):
            _, head, number = name.split("/")
            found.setdefault(int(head), {})[int(number)] = value
    return {head: tuple(each[i] for i in range(len(each))) for head, each in found.items()}
