"""What each head of a stack trains on in an epoch: its batches and its dropout, drawn from its own
seed alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from search.experiment.trial import ModelSettings

BLOCK_ROWS = (
    65_536  # of all heads together in one part of an epoch; at most 336 MB of 1280 features
)


@dataclass(frozen=True)
class HeadTask:
    """One head: positions (rows of the feature arrays) it trains on and is scored on, and its
    seed."""

    train: np.ndarray
    validate: np.ndarray
    seed: int


@dataclass(frozen=True)
class EpochFeed:
    """Batches of a number of steps: rows int32 [steps, heads, batch], weight float32 of the same
    shape (0 pads a batch), and keep, the dropout mask, bool [steps, heads, batch, units] (None
    where nothing is dropped).
    """

    rows: np.ndarray
    weight: np.ndarray
    keep: np.ndarray | None
    keep_rate: float


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
