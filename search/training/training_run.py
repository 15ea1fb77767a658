"""One run over the heads of a trial, epoch by epoch, whatever they are: when each has stopped,
which epoch is its best, the curve, the report, and where a run that was cut short goes on. How an
epoch is trained is a `Trainer`'s: `heads` and `network_training`.
"""

import numpy as np

from search.experiment.trial import Curve, LostNetwork
from search.training.head_scores import HeadAnswer, HeadScores
from search.training.head_shape import HeadWeights
from search.training.lost_networks import lost_networks, lost_text, only_guessed
from search.training.progress import EpochReport, OnEpoch
from search.training.run_values import HeadEpoch, RunPlan, TrainedHeads, Trainer, TrialFailure
from search.training.trial_files import Checkpoint

HEAD_ANSWERS = ("predicted", "log_prob", "log_probs")  # as a checkpoint names them
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def train(
    trainer: Trainer,
    plan: RunPlan,
    checkpoint: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainedHeads:
    """Trains every head of the plan, from the checkpoint where there is one. Raises TrialFailure
    where a loss is not finite, or where so many heads do not train.
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
    # else what is on disk may have come further than is wanted here
    if checkpoint is not None and run.epoch > first:
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
        self.answers: list[list[HeadAnswer]] = [[] for _ in plan.tasks]
        self.diverged: dict[int, int] = {}  # head -> the epoch, from 0
        # an epoch: [heads, 4]; heads that have stopped keep their last values
        self.curves: list[np.ndarray] = []

    def train_epoch(self) -> None:
        curve = self.curves[-1].copy() if self.curves else np.zeros((len(self.plan.tasks), 4))
        for reached in self.trainer.train(self.epoch, self.active):
            if self._is_finite(reached):
                curve[reached.head] = self._score(reached)
        self.curves.append(curve)
        self.epoch += 1
        self._drop_stopped()

    def _score(self, reached: HeadEpoch) -> tuple[float, float, float, float]:
        head, predicted, log_prob = reached.head, reached.predicted, reached.log_prob
        if self.keeps_answers:
            self.answers[head].append(reached.answer)
        improved = self.scores.add(head, self.epoch, *reached.answer)
        if improved and self.plan.keeps_weights:
            self.best[head] = self.trainer.weights(head)
        right = float((predicted == self.labels[head]).mean())
        return reached.loss, reached.accuracy, -float(log_prob.mean()), right

    def _is_finite(self, reached: HeadEpoch) -> bool:
        """Where not, the head is lost, or the trial."""
        losses = {"training": reached.loss, "validation": -float(reached.log_prob.mean())}
        which = next((name for name, loss in losses.items() if not np.isfinite(loss)), None)
        if which is None:
            return True
        plan, head = self.plan, reached.head
        self.diverged[head] = self.epoch
        if not plan.may_lose or self.epoch == 0 or 2 * len(self.diverged) >= len(plan.tasks):
            phase = f" of phase {plan.phase}" if plan.phase else ""
            raise TrialFailure(
                f"the {which} loss of head {head} became {losses[which]} in epoch {self.epoch + 1}"
                f"{phase} (learning rate {plan.learning_rate:g}); lower "
                f"{plan.learning_rate_setting}"
            )
        return False

    def _drop_stopped(self) -> None:
        alive = self._still_training()
        if alive and len(alive) < len(self.active):
            self.trainer.keep(alive)
        self.active = alive

    def _still_training(self) -> list[int]:
        return [
            head
            for head in self.active
            if not self.scores.stopped(head) and head not in self.diverged
        ]

    def lost(self) -> tuple[LostNetwork, ...]:
        """Heads that did not train. Raises TrialFailure where they are half or more."""
        if not self.plan.may_lose:
            return ()
        tasks, curves = self.plan.tasks, np.array(self.curves)
        ended = [head for head in range(len(tasks)) if self.scores.stopped(head)]
        guessed = {
            head: self.scores.last_epoch(head)
            for head in ended
            if self.plan.accuracy_tells
            and only_guessed(tasks[head], self.plan.labels, curves[:, head])
        }
        found = lost_networks({"chance": guessed, "diverged": self.diverged})
        if 2 * len(found) >= len(tasks):
            raise TrialFailure(
                f"{len(found)} of {len(tasks)} networks did not train: {lost_text(found)}; try "
                f"another {self.plan.learning_rate_setting}, or weaker augmentation"
            )
        return found

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
            "diverged": np.array(list(self.diverged.items()), np.int64).reshape(-1, 2),
        }
        for head, answers in enumerate(self.answers):
            for name, values in zip(HEAD_ANSWERS, zip(*answers, strict=True), strict=False):
                found[f"{name}/{head}"] = np.array(values)
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
            kept = [arrays[key] for name in HEAD_ANSWERS if (key := f"{name}/{head}") in arrays]
            self.answers[head] = list(zip(*kept, strict=True))[: self.epoch]
            for epoch, answer in enumerate(self.answers[head]):
                self.scores.add(head, epoch, *answer)
        self.diverged = {head: at for head, at in arrays["diverged"].tolist() if at < self.epoch}
        self.trainer.states = _grouped(arrays, "state")
        self.best = _grouped(arrays, "best")
        self.active = self._still_training()

    def result(self) -> TrainedHeads:
        heads, lost = range(len(self.plan.tasks)), self.lost()
        curves = np.array(self.curves).mean(axis=1).T
        return TrainedHeads(
            honest=tuple(self.scores.honest(head) for head in heads),
            optimistic=tuple(self.scores.optimistic(head) for head in heads),
            best_epochs=tuple(self.scores.best_epoch(head) + 1 for head in heads),
            cut_by_max_epochs=tuple(
                not self.scores.stopped(head) and head not in self.diverged for head in heads
            ),
            weights=tuple(self.best[head] for head in heads) if self.plan.keeps_weights else (),
            curve=Curve(
                **{name: tuple(map(float, c)) for name, c in zip(CURVES, curves, strict=True)}
            ),
            lost=lost,
        )


def _grouped(arrays: dict[str, np.ndarray], kind: str) -> dict[int, tuple[np.ndarray, ...]]:
    """`kind/HEAD/NUMBER` -> {head: (arrays in the order of their numbers)}."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for name, value in arrays.items():
        if name.startswith(f"{kind}/"):
            _, head, number = name.split("/")
            found.setdefault(int(head), {})[int(number)] = value
    return {head: tuple(each[i] for i in range(len(each))) for head, each in found.items()}
