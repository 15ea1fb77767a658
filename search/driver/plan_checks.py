"""Whether the plan of an experiment can be carried out: its images are enough for its folds and for
what its trials answer, and its trials tell its augmentations apart."""

import numpy as np

from data.augmentations import active, is_option
from data.dataset import TRAIN, VALIDATION, Dataset
from data.errors import UserError
from data.messages import first_of
from data.strict_zip import MOST_BYTES
from search.driver.cut_checks import cut_by_plan
from search.experiment.beside import searched_beside
from search.experiment.config import ExperimentConfig
from search.experiment.dimensions import Range
from search.experiment.kinds import KINDS
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.space import Space
from search.training.head_tasks import cross_folds

_USUAL_FOLDS = (5, 10)


def check_limit(config: ExperimentConfig) -> None:
    """Raise UserError where few images a class are to be trained on, and folds take more."""
    if config.evaluation.folds > 1 and config.dataset.limit_per_class is not None:
        raise UserError(
            f"evaluation.folds is {config.evaluation.folds}, which would train on the whole "
            "validation split, and dataset.limit_per_class is set; write folds: 1"
        )


def check_folds(config: ExperimentConfig, dataset: Dataset) -> None:
    folds = config.evaluation.folds
    if folds == 1:
        return
    pool = dataset.indices(TRAIN, VALIDATION)
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
    for phase in sorted({kind.part for kind in KINDS.values()} - {"test"}):
        fold = cross_folds(dataset, pool, folds, derive_seed(config.seed, phase, "folds"))
        counts = np.zeros((len(dataset.class_names), folds), int)
        np.add.at(counts, (labels, fold), 1)
        if not counts.all():
            name = dataset.class_names[int(np.argwhere(counts == 0)[0][0])]
            raise UserError(
                f"evaluation.folds is {folds}, but the groups of class {name!r} cannot be dealt so "
                "that each fold has one; lower folds"
            )


def allowed_folds(config: ExperimentConfig, dataset: Dataset) -> tuple[int, ...]:
    """Those that advice may name: of the usual numbers the ones that would not be refused."""

    def is_allowed(folds: int) -> bool:
        evaluation = config.evaluation.model_copy(update={"folds": folds})
        asked = config.model_copy(update={"evaluation": evaluation})
        try:
            check_limit(asked)
            check_folds(asked, dataset)
        except UserError:
            return False
        return True

    return tuple(folds for folds in _USUAL_FOLDS if is_allowed(folds))


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


def plan_lines(config: ExperimentConfig, space: Space) -> tuple[str, ...]:
    """What keeps a plan from telling what it might, a line each; `check` and `run` print them."""
    return (*cut_by_plan(space), *_untold(config, space), *_never_apart(config, space))


def _untold(config: ExperimentConfig, space: Space) -> tuple[str, ...]:
    """Where hardly two trials are alike in what is searched beside augmentation, and none are
    trained that are."""
    ranges = [
        written
        for name, written in searched_beside(space).items()
        if isinstance(space.dimensions[name], Range)
    ]
    if config.evaluation.confirm or not ranges:
        return ()
    names, one = " and ".join(ranges), "it" if len(ranges) == 1 else "them"
    return (
        f"{names}: searched over a range, of which hardly two trials have the same value, and an "
        "augmentation is compared with none at the same; write evaluation.confirm, which trains "
        f"both, or fix {one}: without, augmentations may stay NOT TRIED",
    )


def _never_apart(config: ExperimentConfig, space: Space) -> tuple[str, ...]:
    """Where several are on in every trial, and none is trained alone."""
    on = [name for name in active(space.fixed["augmentation"]) if not is_option(name)]
    if len(on) < 2 or (config.evaluation.confirm and config.evaluation.ablation):
        return ()
    return (
        f"{first_of(on)}: on in every trial, so that no training tells one from the others; write "
        "evaluation.confirm, and evaluation.ablation: true, which trains each alone: without, they "
        "stay NOT TRIED, and only the whole is told of",
    )
