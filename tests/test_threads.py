"""Threads of the numerical libraries: shared by one operation, or one for each of several."""

import os
from pathlib import Path

import numpy as np
import pytest
from tiny_networks import noise, tiny_model

from search.driver.prepare import resources_of
from search.experiment.config import ExperimentConfig
from search.features.devices import (
    OPERATION_THREADS,
    PROCESS_THREADS,
    operations_at_once,
    set_threads,
)
from search.features.extractor import build_extractor


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OPERATION_THREADS, *PROCESS_THREADS):
        monkeypatch.setenv(name, "7")


def test_side_by_side_gives_each_operation_one_thread() -> None:
    set_threads(3, side_by_side=True)
    assert os.environ[OPERATION_THREADS] == "1"
    assert {os.environ[name] for name in PROCESS_THREADS} == {"3"}
    assert operations_at_once(3) == 3


def test_otherwise_one_operation_has_all_threads() -> None:
    set_threads(3, side_by_side=False)
    assert {os.environ[name] for name in (OPERATION_THREADS, *PROCESS_THREADS)} == {"3"}
    assert operations_at_once(3) == 1


@pytest.mark.parametrize(("mode", "weights"), [("frozen", "imagenet"), ("scratch", "random")])
def test_heads_and_networks_train_side_by_side(mode: str, weights: str, tmp_path: Path) -> None:
    config = ExperimentConfig.model_validate(
        {
            "name": "threads",
            "dataset": {"source": "digits"},
            "augmentation": {"rotation_range": {"min": 0, "max": 40}},
            "model": {"weights": weights},
            "training": {"mode": mode},
        }
    )
    assert resources_of(config, tmp_path).side_by_side


def test_tensorflow_s_features_are_the_same_to_the_bit_however_many_run_at_once() -> None:
    images = noise(150, 8)
    features = []
    for side_by_side in (False, True):
        set_threads(3, side_by_side)
        extractor = build_extractor(tiny_model(), "tensorflow", num_threads=3)
        streams = extractor._runner._streams  # type: ignore[attr-defined]
        assert streams == (3 if side_by_side else 1)
        features.append(extractor.extract(np.array_split(images, 7), len(images)))
    np.testing.assert_array_equal(features[0], features[1])
