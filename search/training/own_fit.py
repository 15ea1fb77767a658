"""One model of the user's own while Keras's `fit` trains it: what it is fed, its answers after each
epoch, its best weights."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.training.class_weights import class_weights
from search.training.head_scores import HeadAnswer, HeadScores
from search.training.head_shape import HeadWeights
from search.training.head_tasks import HeadTask
from search.training.own_outputs import Outputs
from search.training.pictures import ImageFeed
from search.training.run_values import TrialFailure
from search.training.training_mode import LoadedTrial

if TYPE_CHECKING:
    import keras

SCORING_BATCH = 256
SEEN = 256  # clean training pictures that tell the accuracy where the model has no such metric


@dataclass
class OwnFit:
    """One model of a trial while it trains: its answers after each epoch, its best weights."""

    trial: LoadedTrial
    task: HeadTask
    model: "keras.Model"
    outputs: Outputs
    scores: HeadScores
    keeps_weights: bool
    epochs: int
    best: HeadWeights = ()
    curve: list[tuple[float, float, float, float]] = field(default_factory=list)

    @property
    def feed(self) -> ImageFeed:
        return ImageFeed(self.trial.pictures_of(self.epochs), self.trial.scored)

    def batches(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Augmented pictures float32 [b, s, s, 3], 0 to 255, with their targets and, where classes
        are weighted, a weight each: one epoch after another, each in an order of its own."""
        size, seed = (
            self.trial.spec.settings.training.batch_size,
            derive_seed(self.task.seed, "fit"),
        )
        labels = self.trial.labels
        kind = self.trial.spec.settings.training.class_weight
        weights = class_weights(kind, labels[self.task.train], self.trial.num_classes)
        for epoch in count():
            generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
            rows = generator.permutation(self.task.train)
            start = 0
            for pictures in self.feed.batches(epoch, rows, size):
                here = rows[start : start + len(pictures)]
                start += len(pictures)
                weighted = () if weights is None else (weights[labels[here]],)
                yield pictures.astype(np.float32), self._targets(here), *weighted

    def clean_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What it is scored on, over and over, for Keras's own validation."""
        rows = self.task.validate
        while True:
            start = 0
            for pictures in self.feed.scored_batches(rows, SCORING_BATCH):
                here = rows[start : start + len(pictures)]
                start += len(pictures)
                yield pictures.astype(np.float32), self._targets(here)

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return self.outputs.targets(self.trial.labels[rows])

    def steps(self, rows: np.ndarray, size: int) -> int:
        return -(-len(rows) // size)

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

    def epoch_ended(self, epoch: int, logs: dict[str, Any] | None) -> None:
        """Scores it, and asks Keras to stop once it is stale. Raises TrialFailure where a loss is
        not finite."""
        loss = float((logs or {}).get("loss", np.nan))
        self._refuse_divergence(epoch, "training", loss)
        found = self.answers(self.task.validate)
        val_loss = -float(found[1].mean())
        self._refuse_divergence(epoch, "validation", val_loss)
        right = float((found[0] == self.trial.labels[self.task.validate]).mean())
        self.curve.append((loss, self._accuracy(logs or {}), val_loss, right))
        if self.scores.add(0, epoch, *found) and self.keeps_weights:
            self.best = tuple(self.model.get_weights())
        if self.scores.stopped(0):
            self.model.stop_training = True

    def _refuse_divergence(self, epoch: int, which: str, loss: float) -> None:
        if not np.isfinite(loss):
            raise TrialFailure(
                f"the {which} loss of the model became {loss} in epoch {epoch + 1}; lower its "
                "learning rate"
            )

    def _accuracy(self, logs: dict[str, Any]) -> float:
        own = [key for key in logs if key == "acc" or key.endswith("accuracy")]
        if own := [key for key in own if not key.startswith("val_")]:
            return float(logs[own[0]])
        rows = self.task.train[:SEEN]
        return float((self.answers(rows)[0] == self.trial.labels[rows]).mean())
