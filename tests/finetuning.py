"""Experiments that train networks on a few digits, small enough for a test."""

from pathlib import Path
from typing import Any

from search.driver.experiment_file import parse_config
from search.driver.prepare import prepare, resources_of
from search.experiment.config import ExperimentConfig
from search.experiment.trial import Resources, TrialSpec

TRAINING: dict[str, Any] = {
    "mode": "finetune",
    "max_epochs": 2,
    "batch_size": 128,
    "views": 1,
    "finetune": {"from": "block7a", "learning_rate": 1e-3},
}


def finetune_config(
    folder: Path, training: dict[str, Any] | None = None, **sections: Any
) -> ExperimentConfig:
    experiment = {
        "name": "small",
        "dataset": {"source": "digits", "image_size": 32, "limit_per_class": 20},
        "augmentation": {"rotation_range": [0, 20]},
        "model": {"head_units": 8},
        "training": {**TRAINING, **(training or {})},
        "evaluation": {"folds": 1, "seeds": 2, "confirm": None},
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
        **sections,
    }
    return parse_config(experiment, "test")


def spec_of(
    config: ExperimentConfig, folder: Path, rotation: float = 20
) -> tuple[TrialSpec, Resources]:
    resources = resources_of(config, folder / "run")
    specs = prepare(config, resources).specs
    settings = specs.control({"rotation_range": rotation} if rotation else {})
    return specs.search("trial", "x", settings), resources


def scratch_spec(folder: Path) -> tuple[TrialSpec, Resources]:
    """Twelve epochs of a small network."""
    training = {
        "mode": "scratch",
        "max_epochs": 12,
        "patience": 12,
        "batch_size": 32,
        "mixup": 0.2,
        "views": "fresh",
    }
    model = {"backbone": "small-cnn", "weights": "random", "head_units": 8}
    dataset = {"source": "digits", "image_size": 16, "limit_per_class": 60}
    config = parse_config(
        {
            **finetune_config(folder).filled,
            "training": training,
            "model": model,
            "dataset": dataset,
        },
        "scratch",
    )
    return spec_of(config, folder)
