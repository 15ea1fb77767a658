"""What a training mode is, and what it is given and gives back: the boundary between `run_trial`,
which knows specs and scores, and the modes, which know how to train.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from data.dataset import Dataset
from data.errors import UserError
from search.experiment.settings import ModelSettings, Settings, TrainingSettings
from search.experiment.trial import Resources, TrialSpec
from search.features.feature_rows import NO_COST, FeatureCost
from search.features.process_cache import dataset_of
from search.training.head_shape import HeadWeights
from search.training.head_tasks import HeadTask, head_tasks, pool_rows
from search.training.pictures import AugmentedPictures, CleanPictures, Scored
from search.training.progress import OnEpoch
from search.training.run_values import TrainedHeads

if TYPE_CHECKING:
    import keras

Views = int | Literal["fresh"]
# Pictures uint8 [k, s, s, 3] and the head that answers for each, int [k] -> the class given, int
# [k].
Classify = Callable[[np.ndarray, np.ndarray], np.ndarray]
# The setting that ends a phase of training at the latest, and its epochs.
PhaseLimit = tuple[str, int]


@dataclass(frozen=True)
class LoadedTrial:
    """A spec with its images. pool: int64, positions in the Dataset; rows of the tasks are
    positions in `pool`. fold: int16 [len(pool)], which one scores the image; -1: never scored.
    scored: the pictures that heads are scored on.
    """

    spec: TrialSpec
    resources: Resources
    dataset: Dataset
    pool: np.ndarray
    tasks: tuple[HeadTask, ...]
    fold: np.ndarray
    scored: Scored
    on_epoch: OnEpoch | None = None

    @property
    def labels(self) -> np.ndarray:
        """int [len(pool)]"""
        return np.asarray(self.dataset.labels)[self.pool]

    @cached_property
    def pictures(self) -> AugmentedPictures:
        """Those that heads train on, before the last epochs."""
        return AugmentedPictures(
            dataset=self.dataset,
            pool=self.pool,
            trained=np.unique(np.concatenate([task.train for task in self.tasks])).astype(np.int64),
            augmentation=self.spec.settings.augmentation,
            seed=self.spec.protocol.view_seed,
            views=self.spec.protocol.views,
            num_threads=max(1, self.resources.num_threads // 2),
            share=self.spec.settings.training.augmented_share,
        )

    def pictures_of(self, max_epochs: int) -> AugmentedPictures:
        """The same in the last phase of the training, which is of so many epochs at most, on any
        rung."""
        clean_epochs = self.spec.settings.training.clean_epochs
        return self.pictures.clean_at_the_end(max_epochs, clean_epochs)

    @property
    def num_classes(self) -> int:
        return len(self.dataset.class_names)

    @property
    def keeps_weights(self) -> bool:
        """Whether somebody will ask for the weights: the final model, or the label-safety
        probes."""
        return self.spec.protocol.epochs is not None or bool(self.spec.probes)


def load_trial(
    spec: TrialSpec, resources: Resources, on_epoch: OnEpoch | None = None
) -> LoadedTrial:
    """The trial with its images, of which those that are scored are clean. Raises UserError where
    the data cannot be read.
    """
    dataset = dataset_of(spec.dataset, spec.dataset_seed, resources)
    pool = pool_rows(dataset, spec.protocol)
    tasks, fold = head_tasks(dataset, pool, spec.protocol)
    return LoadedTrial(
        spec, resources, dataset, pool, tasks, fold, CleanPictures(dataset, pool), on_epoch
    )


def refuse_clean_throughout(training: TrainingSettings, max_epochs: int) -> None:
    """Raise UserError where no epoch would be left to augment."""
    if training.clean_epochs >= max_epochs:
        raise UserError(
            f"training.clean_epochs is {training.clean_epochs}, and at most {max_epochs} epochs "
            "are trained: none would be augmented; lower clean_epochs"
        )


@dataclass(frozen=True)
class Trained:
    """What a mode gives back. answer: by the best weights of each head, on any pictures; asked for
    where the spec has probes. validation_hash: before and after. head_best_epochs: of a first
    phase, if there was one. path: see `TrialResult`.
    """

    heads: TrainedHeads
    answer: Classify
    validation_hash: tuple[str, str]
    cost: FeatureCost = NO_COST
    engine: str | None = None
    path: str | None = None
    head_best_epochs: tuple[int, ...] = ()


def one_phase(training: TrainingSettings) -> tuple[PhaseLimit, ...]:
    return (("training.max_epochs", training.max_epochs),)


@dataclass(frozen=True)
class Mode:
    """train: a trial to what it learnt. forget: deletes what the trial kept on disk for itself.
    put: the weights of a trained head, put into a backbone fresh from `build_backbone`; gives back
    those of the head. check: raises UserError for settings that do not go together. side_by_side:
    how it uses processors, as `features.devices.set_threads` has it. budget: what successive
    halving shares out. phases: of its training, in order. views: those of a file that says none,
    where they are others than usual. has_backbone: whether `model` says what is trained; else it
    is the user's own. whole: the model as it is kept (settings, image size, classes, weights), of a
    mode whose models are no backbone with a head. frozen: how much of a backbone runs as it is.
    head_spread: a bound on the difference of two heads' luck, over the
    standard deviation of the objective between images; 0.036 at most was seen of heads on frozen
    features, and of networks it is assumed.
    """

    name: str
    train: Callable[[LoadedTrial], Trained]
    put: Callable[["keras.Model", Settings, Sequence[np.ndarray]], HeadWeights]
    check: Callable[[ModelSettings, TrainingSettings], None]
    side_by_side: bool
    budget: Literal["views", "epochs"]
    forget: Callable[[LoadedTrial], None] = lambda trial: None  # it kept none
    phases: Callable[[TrainingSettings], tuple[PhaseLimit, ...]] = one_phase
    views: Views | None = None
    has_backbone: bool = True
    whole: Callable[[Settings, int, int, HeadWeights], "keras.Model"] | None = None
    frozen: Literal["all", "some", "none"] = "some"
    head_spread: float = 0.12

    @property
    def usual_spread(self) -> float:
        """What two heads differ by where nothing was seen of it: half of the bound."""
        return self.head_spread / 2

    def most(self, training: TrainingSettings) -> Views:
        """All of the budget."""
        return training.views if self.budget == "views" else self.phases(training)[-1][1]
