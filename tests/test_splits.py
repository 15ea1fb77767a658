"""The draw of splits: stratified, seeded, from train alone."""

import numpy as np
import pytest

from data.dataset import TEST, TRAIN
from data.settings import Split
from data.splits import draw_splits


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
