"""Whether the images of an experiment are enough for its plan: for its folds, and for what its
trials answer."""

import numpy as np

from data.dataset import TRAIN, VALIDATION, Dataset
from data.errors import UserError
from data.strict_zip import MOST_BYTES
from search.driver.specs import STREAMS
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.training.head_tasks import cross_folds


def check_folds(config: ExperimentConfig, dataset: Dataset) -> None:
    folds = config.evaluation.folds
    if folds > 1 and dataset.limited:
        raise UserError(
            f"evaluation.folds is {folds}, which would train on the whole validation split, and "
            "dataset.limit_per_class is set; write folds: 1"
        )
    if folds == 1:
        return
    pool = np.flatnonzero(np.isin(dataset.splits, (TRAIN, VALIDATION)))
    labels = np.asarray(dataset.labels)[pool]
    each = np.arange(len(pool)) if dataset.groups is None else np.asarray(dataset.groups)[pool]
    # copies, and images of one group, go into one fold together, and count once
    counts = np.bincount(
        np.unique(np.stack([labels, each]), axis=1)[0], minlength=len(dataset.class_names)
    )
    if counts.min() < folds:
        name = dataset.class_names[int(counts.argmin())]
        what = "images outside the test split (copies count once); lower folds or add images"
        if dataset.notes.groups is not None:
            what = "groups outside the test split; lower folds or add groups"
        raise UserError(
            f"evaluation.folds is {folds}, but class {name!r} has {counts.min()} {what}"
        )
    if dataset.notes.groups is not None:
        _check_group_folds(config, dataset, pool)


def _check_group_folds(config: ExperimentConfig, dataset: Dataset, pool: np.ndarray) -> None:
    """Raise UserError where a fold of those that will be drawn has no image of a class."""
    folds, labels = config.evaluation.folds, np.asarray(dataset.labels)[pool]
    for phase in sorted({*STREAMS.values()} - {"test"}):
        fold = cross_folds(dataset, pool, folds, derive_seed(config.seed, phase, "folds"))
        counts = np.zeros((len(dataset.class_names), folds), int)
        np.add.at(counts, (labels, fold), 1)
        if not counts.all():
            name = dataset.class_names[int(np.argwhere(counts == 0)[0][0])]
            raise UserError(
                f"evaluation.folds is {folds}, but the groups of class {name!r} cannot be dealt so "
                "that each fold has one; lower folds"
            )


def check_answers(config: ExperimentConfig, dataset: Dataset) -> None:
    """Raise UserError where a trial's answers would be more than their reader takes."""
    evaluation = config.evaluation
    if not OBJECTIVES[evaluation.objective].needs_all:
        return
    seeds = max(evaluation.seeds, evaluation.confirm.seeds if evaluation.confirm else 0)
    images, classes = len(dataset.labels), len(dataset.class_names)
    if 4 * seeds * images * (classes + 2) > MOST_BYTES:
        raise UserError(
            f"evaluation.objective is {evaluation.objective}, which keeps the probabilities of all "
            f"{classes} classes for {images:,} images and {seeds} seeds: more than "
            f"{MOST_BYTES >> 20} MiB per trial; lower seeds or choose another objective"
        )
