"""Which images each head of a trial trains on and is scored on. Stratified, seeded, and blind to
the test split."""

import numpy as np

from data.dataset import TEST, TRAIN, VALIDATION, Dataset
from search.experiment.seeds import derive_seed
from search.experiment.trial import Protocol
from search.training.head_feed import HeadTask


def pool_rows(dataset: Dataset, protocol: Protocol) -> np.ndarray:
    """int64, ascending: the images a trial may touch. Test images only where the protocol trains
    the final models.

    Of a data set that was limited a final model trains on what was kept, as the trials did, and not
    on the validation images too, which would be many more.
    """
    splits = np.asarray(dataset.splits)
    wanted = [TRAIN, VALIDATION]
    if protocol.epochs is not None:
        wanted = [TRAIN, TEST] if dataset.limited else [TRAIN, VALIDATION, TEST]
    return np.flatnonzero(np.isin(splits, wanted)).astype(np.int64)


def head_tasks(
    dataset: Dataset, pool: np.ndarray, protocol: Protocol
) -> tuple[tuple[HeadTask, ...], np.ndarray]:
    """The heads, folds fastest, and the fold int16 [len(pool)] that scores each image of the pool
    (-1: never scored).

    Rows in the tasks are positions in `pool`.
    """
    fold = _fold_of(dataset, pool, protocol)
    trains = (
        np.ones(len(pool), bool) if protocol.folds > 1 and protocol.epochs is None else fold < 0
    )
    # Heads of one fold share their rows: of a million images those of fifteen heads would take 120
    # MB.
    rows = [
        (np.flatnonzero(trains & (fold != number)), np.flatnonzero(fold == number))
        for number in range(fold.max() + 1)
    ]
    tasks = [
        HeadTask(train=train, validate=validate, seed=derive_seed(seed, "head", number))
        for seed in protocol.head_seeds
        for number, (train, validate) in enumerate(rows)
    ]
    return tuple(tasks), fold.astype(np.int16)


def scored_images(dataset: Dataset, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """What a trial of this protocol gives answers for: int64 [n], ascending, and the fold of each,
    int16 [n]."""
    pool = pool_rows(dataset, protocol)
    fold = _fold_of(dataset, pool, protocol).astype(np.int16)
    return pool[fold >= 0], fold[fold >= 0]


def _fold_of(dataset: Dataset, pool: np.ndarray, protocol: Protocol) -> np.ndarray:
    splits = np.asarray(dataset.splits)[pool]
    if protocol.epochs is not None:
        return np.where(splits == TEST, 0, -1)
    if protocol.folds == 1:
        return np.where(splits == VALIDATION, 0, -1)
    groups = None if dataset.groups is None else np.asarray(dataset.groups)[pool]
    return stratified_folds(
        np.asarray(dataset.labels)[pool], protocol.folds, protocol.fold_seed, groups
    )


def stratified_folds(
    labels: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """A fold in 0..folds-1 for each image, the same for images of one group.

    Each class has at least as many groups as there are folds (`prepare` checks). labels: int [n];
    groups: int [n], None where every image stands for itself. Groups are stratified by their first
    image's class, which for copies is that of all: StratifiedGroupKFold, for groups of several
    classes, takes a third of a second per thousand groups, and every trial asks.
    """
    from sklearn.model_selection import StratifiedKFold

    each = np.arange(len(labels)) if groups is None else groups
    _, firsts, group = np.unique(each, return_index=True, return_inverse=True)
    fold = np.empty(len(firsts), np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(np.zeros(len(firsts)), labels[firsts])):
        fold[held_out] = number
    return fold[group]
