"""The draw of splits: stratified, seeded, from train alone."""

import numpy as np
import pytest

from data.dataset import TEST, TRAIN
from data.settings import Split
from data.splits import LEFT_OUT, draw_splits, limit_training


@pytest.mark.parametrize("seed", [0, 1, -7, 10**30])
def test_drawn_splits_are_stratified_for_any_seed(seed: int) -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), [100, 20, 7])
    declared, each = np.zeros(127, np.int8), np.arange(127)
    splits = draw_splits(labels, declared, Split(), seed, each)
    for label, expected in ((0, [70, 15, 15]), (1, [14, 3, 3]), (2, [5, 1, 1])):
        assert np.bincount(splits[labels == label]).tolist() == expected
    assert np.array_equal(splits, draw_splits(labels, declared, Split(), seed, each))


def test_a_drawn_split_takes_only_from_train() -> None:
    labels = np.tile(np.arange(2, dtype=np.int32), 20)
    declared = np.repeat(np.array([TRAIN, TEST], np.int8), 20)
    splits = draw_splits(labels, declared, Split(validation=0.2, test=0), 1, np.arange(40))
    assert (splits[20:] == TEST).all()
    assert np.bincount(splits[:20]).tolist() == [16, 4]


@pytest.mark.parametrize("seed", [0, 5])
def test_a_limit_keeps_so_many_training_images_a_class_and_all_others(seed: int) -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), [100, 20, 7])
    splits = np.where(np.arange(127) % 10 == 0, TEST, TRAIN).astype(np.int8)
    limited = limit_training(splits, labels, 10, seed)
    assert np.bincount(labels[limited == TRAIN]).tolist() == [10, 10, 6]
    assert ((limited == TEST) == (splits == TEST)).all()
    assert set(limited[limited != splits]) == {LEFT_OUT}
    assert np.array_equal(limited, limit_training(splits, labels, 10, seed))


def test_a_smaller_limit_keeps_a_part_of_what_a_larger_one_does() -> None:
    labels, splits = np.repeat(np.arange(2, dtype=np.int32), 50), np.zeros(100, np.int8)
    few, more = (
        set(np.flatnonzero(limit_training(splits, labels, n, 3) == TRAIN)) for n in (5, 20)
    )
    assert len(few) == 10
    assert few < more


def test_limits_of_other_seeds_are_other_images() -> None:
    labels, splits = np.repeat(np.arange(2, dtype=np.int32), 50), np.zeros(100, np.int8)
    assert not np.array_equal(
        limit_training(splits, labels, 5, 1), limit_training(splits, labels, 5, 2)
    )


def test_without_a_limit_nothing_is_left_out() -> None:
    splits = np.zeros(4, np.int8)
    assert limit_training(splits, np.array([0, 0, 1, 1], np.int32), None, 1) is splits
