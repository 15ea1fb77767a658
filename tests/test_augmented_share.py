"""How often and when pictures are augmented: `training.augmented_share` and
`training.clean_epochs`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import EXPERIMENT, small_config

from data.dataset import Dataset
from data.dataset_notes import DataNotes
from data.errors import UserError
from data.views import is_augmented
from search.experiment.trial import Resources
from search.features.store import FeatureStore
from search.training.pictures import CLEAN, AugmentedPictures

IMAGES = 400
TURNED = {"rotation_range": 40}


def _dataset() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 8, 8, 3), np.uint8)
    labels, splits = np.zeros(IMAGES, np.int32), np.zeros(IMAGES, np.int8)
    names = tuple(map(str, range(IMAGES)))
    return Dataset(images, labels, splits, ("a",), names, "digest", DataNotes())


def _pictures(share: float = 1.0, **settings: Any) -> AugmentedPictures:
    rows = np.arange(IMAGES)
    return AugmentedPictures(_dataset(), rows, rows, TURNED, 5, 4, share=share, **settings)


def _painted(pictures: AugmentedPictures, view: int) -> np.ndarray:
    return np.concatenate(list(pictures.batches(view, np.arange(IMAGES), 64)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
def test_a_share_of_a_view_is_augmented_and_the_rest_is_clean(share: float) -> None:
    pictures, whole = _painted(_pictures(share), 1), _painted(_pictures(), 1)
    augmented = is_augmented(5, 1, np.arange(IMAGES), share)
    assert augmented.mean() == pytest.approx(share, abs=4 * np.sqrt(0.25 / IMAGES))
    np.testing.assert_array_equal(pictures[augmented], whole[augmented])
    np.testing.assert_array_equal(pictures[~augmented], _dataset().images[~augmented])


def test_what_is_augmented_at_a_smaller_share_is_so_at_a_larger_one_and_others_each_view() -> None:
    rows = np.arange(IMAGES)
    few, many = is_augmented(5, 0, rows, 0.3), is_augmented(5, 0, rows, 0.5)
    assert not (few & ~many).any()
    assert is_augmented(5, 0, rows, 1.0).all()
    assert not np.array_equal(few, is_augmented(5, 1, rows, 0.3))
    np.testing.assert_array_equal(is_augmented(5, 0, rows[::-1], 0.3), few[::-1])


class _Means:
    engine, versioned_engine, output_shape = "fake", "fake 1", (3,)

    def extract(self, batches: Iterable[np.ndarray], count: int) -> np.ndarray:
        return np.concatenate([batch.mean(axis=(1, 2)) for batch in batches]).astype(np.float32)


def test_kept_features_are_those_of_the_same_pictures(tmp_path: Path) -> None:
    resources = Resources(cache_dir=tmp_path / "cache", views_dir=tmp_path / "views")
    extractor: Any = _Means()
    store = FeatureStore(_dataset(), lambda: extractor, "backbone", "fake 1", resources)
    for share in (1.0, 0.4):
        pictures = _pictures(share)
        exact = _painted(pictures, 2).mean(axis=(1, 2)).astype(np.float32)
        np.testing.assert_array_equal(pictures.features(store, 2)[np.arange(IMAGES)], exact)
    clean = _pictures(0.4).features(store, CLEAN)[np.arange(IMAGES)]
    np.testing.assert_array_equal(clean, _dataset().images.mean(axis=(1, 2)).astype(np.float32))
    for share in (1.0, 0.4):
        _pictures(share).forget(store)
    assert not list((tmp_path / "views").rglob("*.npy"))


def test_the_last_epochs_are_clean() -> None:
    pictures = _pictures().clean_at_the_end(10, 3)
    assert [pictures.view(epoch) for epoch in range(10)] == [0, 1, 2, 3, 0, 1, 2, *[CLEAN] * 3]
    np.testing.assert_array_equal(_painted(pictures, CLEAN), _dataset().images)
    assert _pictures().clean_at_the_end(10, 0).clean_from is None


@pytest.mark.parametrize("clean_epochs", [3, {"min": 0, "max": 3}])
def test_epochs_that_are_all_clean_are_refused(tmp_path: Path, clean_epochs: Any) -> None:
    training = {**EXPERIMENT["training"], "clean_epochs": clean_epochs}
    with pytest.raises(UserError, match="clean_epochs is 3, and at most 3 epochs are trained"):
        small_config(tmp_path, training=training)


@pytest.mark.parametrize(
    "share", [0, 0.0, 1e-6, 0.049, [0, 0.5], [0.001, 0.5], {"min": 0, "max": 0.05}, -0.0]
)
def test_a_share_that_augments_nothing_or_hardly_a_picture_is_refused(
    tmp_path: Path, share: Any
) -> None:
    training = {**EXPERIMENT["training"], "augmented_share": share}
    with pytest.raises(UserError, match=r"training\.augmented_share.*0\.05") as caught:
        small_config(tmp_path, training=training)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 1, [0.05, 1], [0.5, 0], {"min": 0, "max": 1}])
def test_a_share_that_controls_can_be_trained_with_is_taken(tmp_path: Path, share: Any) -> None:
    config = small_config(tmp_path, training={**EXPERIMENT["training"], "augmented_share": share})
    assert config.space.with_augmentation({}).training.augmented_share >= 0.05
