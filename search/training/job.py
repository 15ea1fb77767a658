"""What a training mode is given and gives back: the boundary between `run_trial`, which knows specs and scores, and the modes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from data.dataset import Dataset
from search.experiment.trial import Resources, TrialSpec
from search.training.head_feed import HeadTask
from search.training.heads import TrainedHeads
from search.training.progress import OnEpoch

# Pictures uint8 [k, s, s, 3] and the head that answers for each, int [k] -> the class given, int [k].
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Job:
    """A spec with its images. pool: int64, positions in the Dataset; rows of the tasks are positions in `pool`."""

    spec: TrialSpec
    resources: Resources
    dataset: Dataset
    pool: np.ndarray
    tasks: tuple[HeadTask, ...]
    on_epoch: OnEpoch | None = None

    @property
    def labels(self) -> np.ndarray:
        """int [len(pool)]"""
        return np.asarray(self.dataset.labels)[self.pool]

    @cached_property
    def trained(self) -> np.ndarray:
        """int64, ascending: positions in `pool` of the images that some head trains on. No other image is ever augmented."""
        return np.unique(np.concatenate([task.train for task in self.tasks])).astype(np.int64)

    @property
    def num_classes(self) -> int:
        return len(self.dataset.class_names)

    @property
    def keeps_weights(self) -> bool:
        """Whether somebody will ask for the weights: the final model, or the label-safety probes."""
        return self.spec.protocol.epochs is not None or bool(self.spec.probes)


@dataclass(frozen=True)
class Trained:
    """What a mode gives back. answer: by the best weights of each head, on any pictures; asked for where the spec has probes.
    validation_hash: before and after. head_best_epochs: of a first phase, if there was one. path: see `TrialResult`."""

    heads: TrainedHeads
    answer: Answer
    validation_hash: tuple[str, str]
    features_seconds: float
    images_extracted: int
    engine: str | None
    path: str | None = None
    head_best_epochs: tuple[int, ...] = field(default=())
