"""One run over the heads of a trial, epoch by epoch, whatever they are: when each has stopped,
which epoch is its best, the curve, the report, and where a run that was cut short goes on. How an
epoch is trained is a `Trainer`'s: `heads` and `network_training`.
"""

import numpy as np

from search.experiment.trial import LostNetwork
from search.training.checkpoint_contents import KeptTraining
from search.training.head_scores import HeadAnswer, HeadScores
from search.training.head_shape import HeadWeights
from search.training.lost_networks import Course, by_guessing, lost_of, need_others, need_trained
from search.training.progress import EpochReport, OnEpoch
from search.training.run_values import HeadEpoch, RunPlan, TrainedHeads, Trainer, TrialFailure
from search.training.trial_files import Checkpoint


def train(
    trainer: Trainer,
    plan: RunPlan,
    checkpoint: Checkpoint | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainedHeads:
    """Trains every head of the plan, from the checkpoint where there is one. Raises TrialFailure
    where a loss is not finite, or where so many heads do not train.
    """
    run = _begun(trainer, plan, checkpoint)
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


def _begun(trainer: Trainer, plan: RunPlan, checkpoint: Checkpoint | None) -> "_Run":
    """From the checkpoint, if there is one that this run could have written."""
    run = _Run(trainer, plan, keeps_answers=checkpoint is not None)
    arrays = checkpoint.load() if checkpoint is not None else None
    if checkpoint is None or arrays is None:
        return run
    try:
        run.restore(arrays)
    except ValueError as error:
        checkpoint.begin_anew(f"is of another kind ({error})")
        return _Run(trainer, plan, keeps_answers=True)
    return run


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
        reasons = []
        for reached in self.trainer.train(self.epoch, self.active):
            if why := self._why_diverged(reached):
                reasons.append(why)
                self.diverged[reached.head] = self.epoch
            if not why:
                curve[reached.head] = self._score(reached)
            elif self.epoch == 0:
                curve[reached.head] = self._score(self._guessing(reached))
        if reasons:
            self._need_others(reasons)
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

    def _why_diverged(self, reached: HeadEpoch) -> str:
        """In words; none where its losses are finite."""
        losses = {"training": reached.loss, "validation": -float(reached.log_prob.mean())}
        which = next((name for name, loss in losses.items() if not np.isfinite(loss)), None)
        if which is None:
            return ""
        plan = self.plan
        phase = f" of phase {plan.phase}" if plan.phase else ""
        return (
            f"the {which} loss of head {reached.head} became {losses[which]} in epoch "
            f"{self.epoch + 1}{phase} (learning rate {plan.learning_rate:g}); lower "
            f"{plan.learning_rate_setting}"
        )

    def _need_others(self, reasons: list[str]) -> None:
        """reasons: of those that diverged in this epoch."""
        plan = self.plan
        if not plan.may_lose:
            raise TrialFailure(reasons[0])
        need_others(self.diverged, len(plan.tasks), "networks", reasons[-1], plan.is_final)

    def _guessing(self, reached: HeadEpoch) -> HeadEpoch:
        """For one that never gave an answer."""
        plan, head = self.plan, reached.head
        found = by_guessing(plan.tasks[head], plan.labels, plan.num_classes, plan.objective)
        right = float((found[0] == self.labels[head]).mean())
        return HeadEpoch(head, -float(found[1].mean()), right, *found)

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
        """Heads that did not train. Raises TrialFailure where they are too many."""
        plan = self.plan
        if not plan.may_lose or plan.goes_on:
            return ()
        courses = list(map(self._course, self._heads))
        lost = lost_of(courses, plan.labels, plan.images_count_alike)
        advice = f"change {plan.learning_rate_setting}"
        need_trained(lost, len(courses), "networks", advice, plan.is_final)
        return lost

    def _course(self, head: int) -> Course:
        plan, ended = self.plan, self.plan.is_final or self.scores.stopped(head)
        return Course(
            task=plan.tasks[head],
            curve=np.array(self.curves)[:, head],
            epochs=self.diverged.get(head, self.scores.last_epoch(head)) + 1,
            diverged=head in self.diverged,
            ended=ended,
            cut=not ended and not plan.pauses,
            agreement=self.scores.agreement(head),
            began=plan.began[head] if plan.began else None,
            label_smoothing=plan.label_smoothing,
        )

    def report(self) -> EpochReport:
        plan = self.plan
        loss, accuracy, val_loss, val_accuracy = map(float, self.curves[-1].mean(axis=0))
        epoch, most = plan.reported_before + self.epoch, plan.reported_before + plan.num_epochs
        return EpochReport(epoch, most, loss, accuracy, val_loss, val_accuracy, plan.phase)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        states = self.trainer.states
        return KeptTraining(
            curves=self.curves,
            answers=self.answers,
            diverged=self.diverged,
            states={head: states[head] for head in self.active},
            best=self.best,
            keeps_weights=self.plan.keeps_weights,
        ).arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Goes back to where `arrays` were taken, or to the last epoch wanted now if that is
        earlier. Raises ValueError where they are not those of such a run.
        """
        plan, kept = self.plan, KeptTraining.of(arrays, self.labels, self.plan.objective)
        if plan.keeps_weights and not kept.keeps_weights:
            return
        kept.need_classes(plan.num_classes)
        trained = len(kept.curves)
        if trained > plan.num_epochs and plan.keeps_weights:
            return  # the weights of the epochs after would be taken for the best of those wanted
        self.epoch = min(trained, plan.num_epochs)
        self.curves = list(kept.curves[: self.epoch])
        for head in self.active:
            self.answers[head] = list(kept.answers[head][: self.epoch])
            for epoch, answer in enumerate(self.answers[head]):
                self.scores.add(head, epoch, *answer)
        self.diverged = {head: at for head, at in kept.diverged.items() if at < self.epoch}
        self.best = dict(kept.best)
        self.active = self._still_training()
        self._need_all(kept, goes_on=trained == self.epoch)
        self.trainer.resume(kept.states, kept.best, trained)

    def _need_all(self, kept: KeptTraining, goes_on: bool) -> None:
        whole = all(len(self.answers[head]) == self.epoch for head in self.active)
        if not whole or (goes_on and not set(self.active) <= kept.states.keys()):
            raise ValueError("it lacks heads that still train")
        if self.plan.keeps_weights and kept.best.keys() != set(self._heads):
            raise ValueError("it lacks weights")

    def result(self) -> TrainedHeads:
        lost = self.lost()
        cut = [not self.scores.stopped(h) and h not in self.diverged for h in self._heads]
        weights = [self.best[head] for head in self._heads] if self.plan.keeps_weights else []
        return TrainedHeads.of(self.scores, np.array(self.curves), cut, weights, lost)

    @property
    def _heads(self) -> range:
        return range(len(self.plan.tasks))
