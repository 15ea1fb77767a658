"""What each head of a trial trains on and is scored on: folds, stratified, seeded and blind to the
test split, and within an epoch its batches and its dropout, drawn from its own seed alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.dataset import TEST, TRAIN, VALIDATION, Dataset
from data.groups import deal_groups
from search.experiment.seeds import derive_seed
from search.experiment.settings import ModelSettings
from search.experiment.trial import Protocol

# of all heads together in one part of an epoch; at most 336 MB of 1280 features
BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class HeadTask:
    """One head: positions (rows of the feature arrays) it trains on and is scored on, and its
    seed."""

    train: np.ndarray
    validate: np.ndarray
    seed: int


def pool_rows(dataset: Dataset, protocol: Protocol) -> np.ndarray:
    """int64, ascending: the images a trial may touch. Test images only where the protocol trains
    the final models.

    Of a data set that was limited a final model trains on what was kept, as the trials did, and not
    on the validation images too, which would be many more.
    """
    usable = [TRAIN, VALIDATION]
    if protocol.epochs is not None:
        usable = [TRAIN, TEST] if dataset.limited else [TRAIN, VALIDATION, TEST]
    return dataset.indices(*usable)


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
    return cross_folds(dataset, pool, protocol.folds, protocol.fold_seed)


def cross_folds(dataset: Dataset, pool: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each image of the pool, in a cross-validation over all of it."""
    labels = np.asarray(dataset.labels)[pool]
    groups = None if dataset.groups is None else np.asarray(dataset.groups)[pool]
    if groups is not None and dataset.notes.groups is not None:
        return deal_groups(labels, groups, [1 / folds] * folds, seed)
    return stratified_folds(labels, folds, seed, groups)


def stratified_folds(
    labels: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """A fold in 0..folds-1 for each image, the same for copies of one image.

    Each class has at least as many groups as there are folds (`prepare` checks). labels: int [n];
    groups: int [n], None where every image stands for itself. Groups are stratified by their first
    image's class, which for copies is that of all. Groups of several classes are dealt by
    `deal_groups`.
    """
    from sklearn.model_selection import StratifiedKFold

    each = np.arange(len(labels)) if groups is None else groups
    _, firsts, group = np.unique(each, return_index=True, return_inverse=True)
    fold = np.empty(len(firsts), np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(np.zeros(len(firsts)), labels[firsts])):
        fold[held_out] = number
    return fold[group]


@dataclass(frozen=True)
class EpochFeed:
    """Batches of a number of steps: rows int32 [steps, heads, batch], weight float32 of the same
    shape (0 pads a batch), and keep, the dropout mask, bool [steps, heads, batch, units] (None
    where nothing is dropped). balance: float32 as weight, what each image counts in the loss (None:
    all the same).
    """

    rows: np.ndarray
    weight: np.ndarray
    keep: np.ndarray | None
    keep_rate: float
    balance: np.ndarray | None = None


def epoch_feeds(
    tasks: Sequence[HeadTask],
    num_steps: int,
    batch_size: int,
    model: ModelSettings,
    epoch: int,
    num_lanes: int = 1,
) -> Iterator[EpochFeed]:
    """The batches of one epoch, for each head from its own seed alone, in parts of which memory
    holds one a lane. A head with more images than fit in `num_steps` leaves out a few, others each
    epoch.
    """
    drawn = [_draw_epoch(task, num_steps, batch_size, epoch) for task in tasks]
    drops = model.dropout > 0 and model.head_units > 0
    generators = [_generator(task, 2 * epoch + 2) for task in tasks]
    for part in _parts(num_steps, len(tasks) * batch_size, BLOCK_ROWS // num_lanes):
        rows, weight = (np.stack([each[which][part] for each in drawn], axis=1) for which in (0, 1))
        shape = (len(rows), batch_size, model.head_units)
        keep = (
            np.stack([_draw_kept(each, shape, model.dropout) for each in generators], axis=1)
            if drops
            else None
        )
        yield EpochFeed(rows, weight, keep, 1 - model.dropout if drops else 1.0)


def _parts(num_steps: int, rows_a_step: int, block_rows: int) -> Iterator[slice]:
    """An even number of steps each, so that a mask's random numbers, two to a word, do not depend
    on where the parts end.
    """
    length = max(2, block_rows // rows_a_step // 2 * 2)
    for start in range(0, num_steps, length):
        yield slice(start, min(start + length, num_steps))


def _generator(task: HeadTask, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[task.seed, stream]))


def _draw_epoch(
    task: HeadTask, num_steps: int, batch_size: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    order = _generator(task, 2 * epoch + 1).permutation(task.train)
    order = order[: num_steps * batch_size].astype(np.int32)
    weight = np.zeros(num_steps * batch_size, np.float32)
    weight[: len(order)] = 1
    rows = np.resize(order, num_steps * batch_size)
    return rows.reshape(num_steps, batch_size), weight.reshape(num_steps, batch_size)


def _draw_kept(
    generator: np.random.Generator, shape: tuple[int, ...], dropout: float
) -> np.ndarray:
    # 16 random bits a unit: the rate is exact to 1/65536, at a quarter of the cost of doubles.
    bits = generator.integers(0, 2**16, shape, dtype=np.uint16)
    return bits >= round(dropout * 2**16)
