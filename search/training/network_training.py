"""Networks of every fold and seed of a trial, trained epoch by epoch in turn: when to stop, what is best, where to go on.

One compiled network serves them all; each head's state is put in for its epoch and taken out after. Honest scores are those of
`head_scores`, from each epoch's answers. What a network is, is `network`; what it is fed, `feeds`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from search.experiment.seeds import derive_seed
from search.experiment.trial import Curve, Objective
from search.training.batching import Batching
from search.training.checkpoints import Checkpoint
from search.training.head_feed import HeadTask
from search.training.head_scores import HeadScores
from search.training.heads import TrainedHeads, TrialFailure
from search.training.network import Network, State
from search.training.pictures import Feed
from search.training.progress import EpochReport, OnEpoch
from search.training.schedules import warm_cosine

PREDICT_BATCH = 64
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Phase:
    """How one phase of a trial is trained.

    max_epochs: of the schedule. pause_at: a rung's epochs; training goes as if there were more to come, and stops there.
    fixed_epochs: trains for exactly so long and scores the last epoch; None stops early after `patience` stale epochs.
    keeps_weights: the best epoch's weights are wanted, not only its answers. reported_before: epochs of the phases before, for
    whoever watches.
    """

    name: str
    tasks: tuple[HeadTask, ...]
    labels: np.ndarray
    objective: Objective
    learning_rate: float
    learning_rate_setting: str
    warmup_epochs: float
    weight_decay: float
    max_epochs: int
    patience: int
    pause_at: int | None = None
    fixed_epochs: int | None = None
    keeps_weights: bool = False
    reported_before: int = 0

    @property
    def num_epochs(self) -> int:
        """The most that are trained now."""
        return self.fixed_epochs or min(self.pause_at or self.max_epochs, self.max_epochs)


def train_networks(
    network: Network,
    start: Callable[[int], State],
    batching: Batching,
    feed: Feed,
    phase: Phase,
    checkpoint: Checkpoint,
    on_epoch: OnEpoch | None = None,
) -> TrainedHeads:
    """Trains every head of the phase. start: a head's number -> its state before the first epoch.

    Goes on from the checkpoint where there is one. Raises TrialFailure where a loss is not finite.
    """
    run = _Run(network, start, batching, feed, phase)
    run.restore(checkpoint.load())
    first = run.epoch
    while run.epoch < phase.num_epochs and not run.scores.all_stopped:
        run.train_epoch()
        if on_epoch is not None:
            on_epoch(run.report())
        if checkpoint.is_due:
            checkpoint.save(run.arrays())
    if run.epoch > first:  # else what is on disk may have come further than is wanted here
        checkpoint.save(run.arrays())
    return run.result()


class _Run:
    """The moving parts: each head's state, its answers so far, and the curve."""

    def __init__(
        self, network: Network, start: Callable[[int], State], batching: Batching, feed: Feed, phase: Phase
    ) -> None:
        self.network, self.start, self.batching, self.feed, self.phase = network, start, batching, feed, phase
        self.epoch = 0
        self.seeds = [derive_seed(task.seed, phase.name) for task in phase.tasks]
        self.scores = self._new_scores()
        self.states: dict[int, State] = {}
        self.best: dict[int, tuple[np.ndarray, ...]] = {}
        self.answers: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in phase.tasks]
        self.curves: list[np.ndarray] = []  # an epoch: [heads, 4]

    def _new_scores(self) -> HeadScores:
        phase = self.phase
        labels = [phase.labels[task.validate] for task in phase.tasks]
        return HeadScores(labels, phase.objective, None if phase.fixed_epochs else phase.patience)

    def train_epoch(self) -> None:
        last = self.curves[-1] if self.curves else np.zeros((len(self.phase.tasks), 4))
        self.curves.append(last.copy())
        for head in range(len(self.phase.tasks)):
            if not self.scores.stopped(head):
                self._train_head(head)
        self.epoch += 1

    def _train_head(self, head: int) -> None:
        self.network.resume(self.states.pop(head) if head in self.states else self.start(head))
        self.curves[-1][head, :2] = self._one_pass(head)
        task = self.phase.tasks[head]
        labels = self.phase.labels[task.validate]
        predicted, log_prob = self.network.predict(
            self.feed.scored_batches(task.validate, PREDICT_BATCH), labels
        )
        self._refuse_divergence(head, "validation", -float(log_prob.mean()))
        self.curves[-1][head, 2:] = -log_prob.mean(), (predicted == labels).mean()
        self.answers[head].append((predicted, log_prob))
        improved = self.scores.add(head, self.epoch, predicted, log_prob)
        if improved and self.phase.keeps_weights:
            self.best[head] = self.network.weights()
        if not self.scores.stopped(head):
            self.states[head] = self.network.state()

    def _one_pass(self, head: int) -> tuple[float, float]:
        """Mean loss and accuracy of one epoch of training."""
        phase, rows = self.phase, self.phase.tasks[head].train
        steps = self.batching.num_steps(len(rows))
        sums = []
        for number, batch in enumerate(self.batching.epoch(rows, self.seeds[head], self.epoch)):
            step = self.epoch * steps + number
            rate = warm_cosine(step, steps, phase.max_epochs, phase.warmup_epochs, phase.learning_rate)
            sums.append((*self.network.train(batch, rate, phase.weight_decay), len(batch.labels)))
        loss, right, count = (float(sum(float(each[part]) for each in sums)) for part in range(3))
        self._refuse_divergence(head, "training", loss)
        return loss / count, right / count

    def _refuse_divergence(self, head: int, which: str, loss: float) -> None:
        phase = self.phase
        if not np.isfinite(loss):
            raise TrialFailure(
                f"the {which} loss of head {head} became {loss} in epoch {self.epoch + 1} of phase {phase.name} "
                f"(learning rate {phase.learning_rate:g}); lower {phase.learning_rate_setting}"
            )

    def report(self) -> EpochReport:
        phase = self.phase
        loss, accuracy, val_loss, val_accuracy = map(float, self.curves[-1].mean(axis=0))
        epoch, most = phase.reported_before + self.epoch, phase.reported_before + phase.num_epochs
        return EpochReport(epoch, most, loss, accuracy, val_loss, val_accuracy, phase.name)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        found = {"curves": np.array(self.curves), "keeps_weights": np.array(self.phase.keeps_weights)}
        for head, answers in enumerate(self.answers):
            found[f"predicted/{head}"] = np.array([each[0] for each in answers])
            found[f"log_prob/{head}"] = np.array([each[1] for each in answers])
        for kind, kept in (("state", self.states), ("best", self.best)):
            for head, values in kept.items():
                found |= {f"{kind}/{head}/{number}": value for number, value in enumerate(values)}
        return found

    def restore(self, arrays: dict[str, np.ndarray] | None) -> None:
        """Goes back to where `arrays` were taken, or to the last epoch wanted now if that is earlier."""
        if arrays is None or (self.phase.keeps_weights and not arrays["keeps_weights"]):
            return
        trained = len(arrays["curves"])
        if trained > self.phase.num_epochs and self.phase.keeps_weights:
            return  # the weights of the epochs after would be taken for the best of those wanted
        self.epoch = min(trained, self.phase.num_epochs)
        self.curves = list(arrays["curves"][: self.epoch])
        for head in range(len(self.phase.tasks)):
            pairs = zip(arrays[f"predicted/{head}"], arrays[f"log_prob/{head}"], strict=True)
            self.answers[head] = list(pairs)[: self.epoch]
            for epoch, (predicted, log_prob) in enumerate(self.answers[head]):
                self.scores.add(head, epoch, predicted, log_prob)
        self.states = _grouped(arrays, "state")
        self.best = _grouped(arrays, "best")

    def result(self) -> TrainedHeads:
        heads = range(len(self.phase.tasks))
        curves = np.array(self.curves).mean(axis=1).T
        return TrainedHeads(
            honest=tuple(self.scores.honest(head) for head in heads),
            optimistic=tuple(self.scores.optimistic(head) for head in heads),
            best_epochs=tuple(self.scores.best_epoch(head) + 1 for head in heads),
            cut_by_max_epochs=tuple(not self.scores.stopped(head) for head in heads),
            weights=tuple(self.best[head] for head in heads) if self.phase.keeps_weights else (),
            curve=Curve(**{name: tuple(map(float, c)) for name, c in zip(CURVES, curves, strict=True)}),
        )


def _grouped(arrays: dict[str, np.ndarray], kind: str) -> dict[int, tuple[np.ndarray, ...]]:
    """`kind/HEAD/NUMBER` -> {head: (arrays in the order of their numbers)}."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for name, value in arrays.items():
        if name.startswith(f"{kind}/"):
            _, head, number = name.split("/")
            found.setdefault(int(head), {})[int(number)] = value
    return {head: tuple(each[i] for i in range(len(each))) for head, each in found.items()}
