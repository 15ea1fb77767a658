"""Data that memory should not hold: the same trial whether its features are held, read in parts, or
kept in half the space."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.driver.experiment_file import parse_config
from search.driver.prepare import prepare, resources_of
from search.features import feature_rows, store
from search.training import head_tasks
from search.training.run_trial import TrainedTrial, train_spec

EXPERIMENT: dict[str, Any] = {
    "name": "large",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": [0, 90]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8},
    "training": {"max_epochs": 3, "batch_size": 64, "views": 2},
    "evaluation": {"folds": 2, "seeds": 1},
}


def _trained(folder: Path, **execution: Any) -> TrainedTrial:
    config = parse_config(
        {**EXPERIMENT, "execution": {"cache_dir": str(folder), **execution}}, "test"
    )
    resources = resources_of(config, folder / "run")
    specs = prepare(config, resources).specs
    return train_spec(
        specs.search("trial", "turned", specs.control({"rotation_range": 20})),
        resources.model_copy(update={"keep_views": True}),
    )


def test_features_that_stay_on_the_disk_give_the_trial_that_features_in_memory_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _trained(tmp_path / "held")
    for module in (feature_rows, store):
        monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
        monkeypatch.setattr(module, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(head_tasks, "BLOCK_ROWS", 300)
    on_disk = _trained(tmp_path / "on disk")
    assert on_disk.result.validation_hash == held.result.validation_hash
    np.testing.assert_allclose(
        on_disk.predictions.log_prob, held.predictions.log_prob, rtol=1e-3, atol=1e-4
    )


def test_features_kept_in_float16_take_half_the_space_and_score_nearly_the_same(
    tmp_path: Path,
) -> None:
    whole, half = (_trained(tmp_path / name, feature_dtype=name) for name in ("float32", "float16"))
    np.testing.assert_allclose(half.predictions.log_prob, whole.predictions.log_prob, atol=0.05)
    sizes = [
        sum(file.stat().st_size for file in (tmp_path / name / "run" / "views").rglob("*.npy"))
        for name in ("float32", "float16")
    ]
    assert 1.9 < sizes[0] / sizes[1] < 2.0
