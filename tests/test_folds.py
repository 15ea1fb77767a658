"""Which images a trial may touch where the data set was limited: the final model stays one of few images."""

from pathlib import Path

import numpy as np
import pytest

from data.dataset import TEST, TRAIN, VALIDATION, Dataset, open_dataset
from data.errors import UserError
from data.notes import DataNotes
from data.settings import DatasetConfig
from search.driver.prepare import prepare, resources_of
from search.experiment.config import parse_config
from search.experiment.trial import Protocol
from search.training.folds import head_tasks, pool_rows


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(source="digits", image_size=8, limit_per_class=7)
    return open_dataset(config, tmp_path_factory.mktemp("cache"), 1)


def _protocol(epochs: int | None) -> Protocol:
    return Protocol(folds=1, fold_seed=1, head_seeds=(1,), view_seed=1, views=1, epochs=epochs)


def test_seven_images_of_each_class_train(limited: Dataset) -> None:
    pool = pool_rows(limited, _protocol(None))
    (task,), _ = head_tasks(limited, pool, _protocol(None))
    assert np.bincount(limited.labels[pool[task.train]]).tolist() == [7] * 10
    assert (limited.splits[pool[task.validate]] == VALIDATION).all()


def test_the_final_model_trains_on_the_same_images_and_is_scored_on_the_test_split(limited: Dataset) -> None:
    pool = pool_rows(limited, _protocol(3))
    (task,), _ = head_tasks(limited, pool, _protocol(3))
    assert (limited.splits[pool[task.train]] == TRAIN).all()
    assert len(task.train) == 70
    assert (limited.splits[pool[task.validate]] == TEST).all()


def test_folds_over_a_limited_data_set_are_refused(tmp_path: Path) -> None:
    config = parse_config(
        {
            "name": "few",
            "dataset": {"source": "digits", "image_size": 8, "limit_per_class": 7},
            "augmentation": {"horizontal_flip": [False, True]},
            "model": {"backbone": "small-cnn", "weights": "random"},
            "execution": {"cache_dir": str(tmp_path)},
        },
        "test",
    )
    with pytest.raises(UserError, match="limit_per_class is set; write folds: 1"):
        prepare(config, resources_of(config, tmp_path))


def test_heads_of_one_fold_share_their_rows() -> None:
    """A million images have five folds' rows, 40 MB, and not those of every head."""
    labels, pool = np.arange(200) % 4, np.arange(200)
    names = tuple(str(number) for number in pool)
    splits = np.full(200, TRAIN, np.int8)
    images = np.zeros((200, 1, 1, 3), np.uint8)
    dataset = Dataset(images, labels.astype(np.int32), splits, tuple("abcd"), names, "digest", DataNotes())
    protocol = Protocol(folds=5, fold_seed=1, head_seeds=(1, 2, 3), view_seed=1, views=1)
    tasks, _ = head_tasks(dataset, pool, protocol)
    assert len(tasks) == 15
    assert len({id(task.train) for task in tasks}) == len({id(task.validate) for task in tasks}) == 5
    assert len({task.seed for task in tasks}) == 15
