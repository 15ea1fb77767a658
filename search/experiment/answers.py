"""What a trial answered, per image, as it is kept: arrays in a file without pickles, whose reader
believes nothing."""

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.strict_zip import ArrayForm, read_npz

if TYPE_CHECKING:
    from data.dataset import Dataset

# `log_probs` where the objective needs it.
PREDICTION_FORMS = {
    "images": ArrayForm("<i8", 1),
    "predicted": ArrayForm("<i2", 2),
    "log_prob": ArrayForm("<f4", 2),
    "fold": ArrayForm("<i2", 1),
    "log_probs": ArrayForm("<f4", 3),
}
MOST_LOG_PROB = 1e-4  # 0 but for float32's rounding


@dataclass(frozen=True)
class Truth:
    """What answers are held against. labels: int [images of the Dataset]. groups: int64 of the same
    length, or None: as the Dataset has them."""

    labels: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def of(cls, dataset: "Dataset") -> "Truth":
        groups = None if dataset.groups is None else np.asarray(dataset.groups)
        return cls(np.asarray(dataset.labels), groups)


@dataclass(frozen=True)
class Predictions:
    """Per-image answers of one trial.

    images: int64 [n], positions in the Dataset, ascending. predicted: int16 [seeds, n], the class
    given. log_prob: float32 [seeds, n], natural logarithm of the probability given to the true
    class. fold: int16 [n], which fold scored the image. log_probs: float32 [seeds, n, classes], of
    every class, where the objective needs them.
    groups: int64 [n], the same for images that are resampled together; None where each is by
    itself. The Dataset's, and in no file.
    """

    images: np.ndarray
    predicted: np.ndarray
    log_prob: np.ndarray
    fold: np.ndarray
    log_probs: np.ndarray | None = None
    groups: np.ndarray | None = None

    def of(self, truth: "Truth") -> "Predictions":
        """The same with the groups of their images."""
        groups = truth.groups
        return self if groups is None else replace(self, groups=groups[self.images])

    def is_paired_with(self, other: "Predictions") -> bool:
        """Whether both score the same images in the same folds with as many seeds."""
        return (
            self.predicted.shape == other.predicted.shape
            and np.array_equal(self.images, other.images)
            and np.array_equal(self.fold, other.fold)
        )

    def to_bytes(self) -> bytes:
        """An .npz without pickles. The same arrays give the same bytes."""
        buffer = io.BytesIO()
        arrays = {name: getattr(self, name) for name in PREDICTION_FORMS}
        np.savez(buffer, **{name: each for name, each in arrays.items() if each is not None})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Predictions":
        """Raises ValueError in one line for anything else than what `to_bytes` gives, and for
        values that no trial has."""
        found = cls(**read_npz(data, PREDICTION_FORMS, optional={"log_probs"}))
        num_seeds, num_images = found.predicted.shape
        if found.log_prob.shape != (num_seeds, num_images) or {
            len(found.images),
            len(found.fold),
        } != {num_images}:
            raise ValueError("its arrays are not of the same images and seeds")
        if not num_seeds or not num_images:
            raise ValueError("it holds no answers")
        if found.images[0] < 0 or (np.diff(found.images) <= 0).any():
            raise ValueError("its images are not ascending positions, each once")
        if not np.isfinite(found.log_prob).all() or found.log_prob.max() > MOST_LOG_PROB:
            raise ValueError("a log_prob is not the logarithm of a probability")
        if min(found.predicted.min(), found.fold.min()) < 0:
            raise ValueError("a class or a fold is below 0")
        found._check_all_classes()
        return found

    def _check_all_classes(self) -> None:
        if self.log_probs is None:
            return
        if self.log_probs.shape[:2] != self.predicted.shape or not self.log_probs.shape[2]:
            raise ValueError("its log_probs are not of the same images and seeds")
        if not np.isfinite(self.log_probs).all() or self.log_probs.max() > MOST_LOG_PROB:
            raise ValueError("one of log_probs is not the logarithm of a probability")
        if np.abs(np.exp(self.log_probs).sum(axis=2) - 1).max() > 1e-3:
            raise ValueError("log_probs are not of probabilities that sum to 1")
        if not np.array_equal(self.log_probs.argmax(axis=2), self.predicted):
            raise ValueError("a class given is not the likeliest of log_probs")


def predictions_name(trial: int) -> str:
    """Where in a run directory a trial's answers are. No journal can name another file."""
    return f"predictions/{trial:05d}.npz"
