"""Which images a trial may touch where the data set was limited: the final model stays one of few
images."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import folder_config, opened, write_folders
from sklearn.model_selection import StratifiedKFold

from data.dataset import TEST, TRAIN, VALIDATION, Dataset, open_dataset
from data.dataset_notes import DataNotes
from data.errors import UserError
from data.settings import DatasetConfig
from search.driver.experiment_file import parse_config
from search.driver.plan_checks import allowed_folds
from search.driver.prepare import Heard, prepare, resources_of
from search.experiment.trial import Protocol
from search.training.head_tasks import head_tasks, pool_rows, stratified_folds


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


def test_the_final_model_trains_on_the_same_images_and_is_scored_on_the_test_split(
    limited: Dataset,
) -> None:
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
    steps: list[str] = []
    with pytest.raises(UserError, match="limit_per_class is set; write folds: 1"):
        prepare(config, resources_of(config, tmp_path), Heard(doing=steps.append))
    assert not steps  # TensorFlow was not started


@pytest.mark.parametrize(
    ("limit", "num", "folds"), [(None, 12, (5, 10)), (None, 6, (5,)), (7, 12, ())]
)
def test_folds_that_would_be_refused_are_not_advised(
    tmp_path: Path, limit: int | None, num: int, folds: tuple[int, ...]
) -> None:
    write_folders(tmp_path / "data", {"cat": num, "dog": 12})
    data = {"source": "folder", "path": str(tmp_path / "data"), "image_size": 8}
    config = parse_config(
        {
            "name": "few",
            "dataset": {**data, "split": {"test": 0}, "limit_per_class": limit},
            "augmentation": {"horizontal_flip": [False, True]},
            "model": {"backbone": "small-cnn", "weights": "random"},
            "evaluation": {"folds": 1, "test": False},
        },
        "test",
    )
    assert allowed_folds(config, opened(config.dataset, tmp_path / "cache")) == folds


def test_folds_without_copies_are_those_of_scikit_learn() -> None:
    labels = np.tile(np.arange(4), 50)
    plain = stratified_folds(labels, 5, 7)
    for number, (_, held_out) in enumerate(
        StratifiedKFold(5, shuffle=True, random_state=7).split(labels, labels)
    ):
        assert (plain[held_out] == number).all()
    assert np.array_equal(plain, stratified_folds(labels, 5, 7, np.arange(200)))


@pytest.mark.parametrize("seed", range(5))
def test_copies_go_into_one_fold_and_folds_stay_stratified(seed: int) -> None:
    labels, groups = np.tile(np.arange(4), 50), np.arange(200)
    groups[100:160] = groups[:60]  # of the same class each
    fold = stratified_folds(labels, 5, seed, groups)
    assert np.array_equal(fold[100:160], fold[:60])
    counts = np.array([np.bincount(labels[fold == number], minlength=4) for number in range(5)])
    assert counts.sum() == 200
    assert counts.min() >= 6  # 10 each without copies


def test_a_data_sets_copies_meet_in_no_head(tmp_path: Path) -> None:
    write_folders(tmp_path / "data", {"cat": 20, "dog": 20})
    for number in range(10):
        shutil.copy(
            tmp_path / f"data/cat/{number:03d}.png", tmp_path / f"data/cat/again{number}.png"
        )
    dataset = opened(folder_config(tmp_path / "data"), tmp_path / "cache")
    protocol = Protocol(folds=5, fold_seed=1, head_seeds=(1,), view_seed=1, views=1)
    pool = pool_rows(dataset, protocol)
    tasks, _ = head_tasks(dataset, pool, protocol)
    assert dataset.groups is not None
    groups = dataset.groups[pool]
    assert len(np.unique(groups)) < len(groups)
    for task in tasks:
        assert not set(groups[task.train]) & set(groups[task.validate])


def test_copies_count_once_where_a_class_must_reach_every_fold(tmp_path: Path) -> None:
    write_folders(tmp_path / "data", {"cat": 6, "dog": 12})
    for number in range(6):
        shutil.copy(
            tmp_path / f"data/cat/{number:03d}.png", tmp_path / f"data/cat/again{number}.png"
        )
    config = parse_config(
        {
            "name": "copies",
            "dataset": {"source": "folder", "path": str(tmp_path / "data"), "image_size": 8},
            "augmentation": {"horizontal_flip": [False, True]},
            "model": {"backbone": "small-cnn", "weights": "random"},
            "evaluation": {"folds": 6},
            "execution": {"cache_dir": str(tmp_path)},
        },
        "test",
    )
    with pytest.raises(
        UserError, match=r"class 'cat' has 5 images outside the test split \(copies count once\)"
    ):
        prepare(config, resources_of(config, tmp_path))


def test_heads_of_one_fold_share_their_rows() -> None:
    """A million images have five folds' rows, 40 MB, and not those of every head."""
    labels, pool = np.arange(200) % 4, np.arange(200)
    names = tuple(str(number) for number in pool)
    splits = np.full(200, TRAIN, np.int8)
    images = np.zeros((200, 1, 1, 3), np.uint8)
    dataset = Dataset(
        images, labels.astype(np.int32), splits, tuple("abcd"), names, "digest", DataNotes()
    )
    protocol = Protocol(folds=5, fold_seed=1, head_seeds=(1, 2, 3), view_seed=1, views=1)
    tasks, _ = head_tasks(dataset, pool, protocol)
    assert len(tasks) == 15
    assert (
        len({id(task.train) for task in tasks}) == len({id(task.validate) for task in tasks}) == 5
    )
    assert len({task.seed for task in tasks}) == 15
