"""One model of the user's own while Keras's `fit` trains it: what it is fed, its answers after each
epoch, its best weights.

A HyperModel may call `fit` several times, to train a head first, say. Epochs are counted through,
and each call has patience of its own.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.training.head_scores import HeadAnswer, HeadScores
from search.training.head_shape import HeadWeights
from search.training.head_tasks import HeadTask
from search.training.losses import class_weights
from search.training.lost_networks import by_guessing
from search.training.own_call import Batches, FitData, FitEvents
from search.training.own_outputs import Outputs
from search.training.pictures import ImageFeed
from search.training.training_mode import LoadedTrial

if TYPE_CHECKING:
    import keras

SCORING_BATCH = 256
SEEN = 256  # clean training pictures that tell what Keras's logs do not
# What Keras calls the share of right answers; others end alike, such as top_k_..._accuracy.
ACCURACIES = (
    "accuracy",
    "acc",
    "sparse_categorical_accuracy",
    "categorical_accuracy",
    "binary_accuracy",
)


@dataclass
class OwnFit:
    """One model of a trial while it trains: its answers after each epoch, its best weights. called:
    epochs before the present call of Keras's `fit`; fresh: before patience was last given anew;
    over: calls that are over. diverged: what there is to say of a loss that is no number, and in
    which epoch, from 1, it became so; what came before counts."""

    trial: LoadedTrial
    head: int  # its place among the trial's tasks
    model: "keras.Model"
    outputs: Outputs
    scores: HeadScores
    keeps_weights: bool
    epochs: int
    best: HeadWeights = ()
    curve: list[tuple[float, float, float, float]] = field(default_factory=list)
    called: int = 0
    fresh: int = 0
    over: int = 0
    diverged: str = ""
    diverged_in: int = 0

    @property
    def task(self) -> HeadTask:
        return self.trial.tasks[self.head]

    @property
    def feed(self) -> ImageFeed:
        most = self.trial.spec.settings.training.max_epochs  # of the highest rung
        return ImageFeed(self.trial.pictures_of(most), self.trial.scored)

    @property
    def data(self) -> FitData:
        size, task = self.trial.spec.settings.training.batch_size, self.task
        steps = (-(-len(task.train) // size), -(-len(task.validate) // SCORING_BATCH))
        return FitData(self._batches(size), steps[0], self._clean_batches(), steps[1])

    @property
    def heard(self) -> FitEvents:
        return FitEvents(self._epoch_ended, self._call_begins, self._call_is_over)

    @property
    def is_cut(self) -> bool:
        """Whether it is max_epochs that ended it: not patience, and no callback of the user's."""
        return not self.scores.stopped(self.head) and len(self.curve) - self.fresh >= self.epochs

    def _batches(self, size: int) -> Batches:
        """Augmented pictures float32 [b, s, s, 3], 0 to 255, with their targets and, where classes
        are weighted, a weight each: one epoch after another, each in an order of its own."""
        kind, labels = self.trial.spec.settings.training.class_weight, self.trial.labels
        weights = class_weights(kind, labels[self.task.train], self.trial.num_classes)
        thread, epoch, over = threading.get_ident(), 0, 0
        while True:
            for pictures, rows in self._epoch(epoch, size):
                weighted = () if weights is None else (weights[labels[rows]],)
                yield pictures.astype(np.float32), self._targets(rows), *weighted
                # Keras reads ahead in a thread, how far is chance; another call begins in this one.
                if self.over > over and threading.get_ident() == thread:
                    over, epoch = self.over, len(self.curve) - 1
                    break
            epoch += 1

    def _epoch(self, epoch: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pictures uint8 [b, s, s, 3] with their rows."""
        key = [derive_seed(self.task.seed, "fit"), epoch]
        rows = np.random.Generator(np.random.Philox(key=key)).permutation(self.task.train)
        return _with_rows(self.feed.batches(epoch, rows, size), rows)

    def _clean_batches(self) -> Batches:
        """What it is scored on, over and over, for Keras's own validation."""
        rows = self.task.validate
        while True:
            for pictures, here in _with_rows(self.feed.scored_batches(rows, SCORING_BATCH), rows):
                yield pictures.astype(np.float32), self._targets(here)

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return self.outputs.targets(self.trial.labels[rows])

    def answers(self, rows: np.ndarray) -> HeadAnswer:
        """On clean pictures: the class int16 [n], the logarithm of the true one's probability,
        float32 [n], and of every one's, float32 [n, classes], where the objective needs them."""
        found = [
            self.outputs.log_probabilities(self.model.predict_on_batch(each.astype(np.float32)))
            for each in self.feed.scored_batches(rows, SCORING_BATCH)
        ]
        log_prob = np.concatenate(found)
        true = self.trial.labels[rows]
        chosen = np.minimum(log_prob[np.arange(len(rows)), true], 0.0).astype(np.float32)
        predicted = log_prob.argmax(axis=1).astype(np.int16)
        if not OBJECTIVES[self.trial.spec.protocol.objective].needs_all:
            return predicted, chosen
        return predicted, chosen, np.minimum(log_prob, 0.0).astype(np.float32)

    def _call_begins(self, logs: Any = None) -> None:
        """A loop that calls `fit` for one epoch at a time is one training with one patience."""
        if self.scores.stopped(self.head) or len(self.curve) - self.called > 1:
            self.scores.be_patient_anew(self.head)
            self.fresh = len(self.curve)
        self.called = len(self.curve)

    def _call_is_over(self, logs: Any = None) -> None:
        self.over += 1

    def _epoch_ended(self, _: int = 0, logs: dict[str, Any] | None = None) -> None:
        """Scores it, and asks Keras to stop once it is stale or lost."""
        if self.diverged:  # own code calls Keras's `fit` once more
            self.model.stop_training = True
            return
        epoch = len(self.curve)
        loss, accuracy = self._learnt(logs or {})
        if self._diverges(epoch, "training", loss):
            return
        found = self.answers(self.task.validate)
        val_loss = -float(found[1].mean())
        if self._diverges(epoch, "validation", val_loss):
            return
        self._add(epoch, loss, accuracy, found)
        if self.scores.stopped(self.head):
            self.model.stop_training = True

    def _add(self, epoch: int, loss: float, accuracy: float, found: HeadAnswer) -> None:
        right = float((found[0] == self.trial.labels[self.task.validate]).mean())
        self.curve.append((loss, accuracy, -float(found[1].mean()), right))
        if self.scores.add(self.head, epoch, *found) and self.keeps_weights:
            self.best = tuple(self.model.get_weights())

    def _diverges(self, epoch: int, which: str, loss: float) -> bool:
        if np.isfinite(loss):
            return False
        self.diverged_in = epoch + 1
        self.diverged = (
            f"the {which} loss of the model became {loss} in epoch {epoch + 1}; lower its "
            "learning rate"
        )
        if epoch == 0:  # it is scored all the same
            labels, objective = self.trial.labels, self.trial.spec.protocol.objective
            found = by_guessing(self.task, labels, self.trial.num_classes, objective)
            right = float((found[0] == labels[self.task.validate]).mean())
            self._add(0, -float(found[1].mean()), right, found)
        self.model.stop_training = True
        return True

    def _learnt(self, logs: dict[str, Any]) -> tuple[float, float]:
        """Loss and accuracy in training; on clean pictures of it where the logs have none."""
        told = [key for key in ACCURACIES if key in logs]
        if told and "loss" in logs:
            return float(logs["loss"]), float(logs[told[0]])
        rows = self.task.train[:SEEN]
        predicted, log_prob, *_ = self.answers(rows)
        accuracy = logs[told[0]] if told else (predicted == self.trial.labels[rows]).mean()
        return float(logs.get("loss", -log_prob.mean())), float(accuracy)


def _with_rows(
    batches: Iterator[np.ndarray], rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start = 0
    for pictures in batches:
        yield pictures, rows[start : start + len(pictures)]
        start += len(pictures)
