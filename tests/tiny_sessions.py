"""A whole search with real training that takes seconds: a small network on small digits, in the
calling process."""

import csv
from pathlib import Path
from typing import Any

from search.driver.experiment_file import parse_config
from search.driver.session import SearchResult, SessionOptions, run_search
from search.experiment.config import ExperimentConfig

EXPERIMENT: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8, "learning_rate": 0.01},
    "training": {"max_epochs": 4, "patience": 3, "batch_size": 128, "views": 2},
    "search": {"algorithm": "random", "trials": 3},
    "evaluation": {"folds": 2, "seeds": 2, "confirm": {"top": 1, "seeds": 2, "views": 2}},
    "tracking": {"uri": None},
}


def tiny_config(cache: Path, **changes: Any) -> ExperimentConfig:
    return parse_config({**EXPERIMENT, "execution": {"cache_dir": str(cache)}, **changes}, "test")


def run_here(config: ExperimentConfig, run_dir: Path, **options: Any) -> SearchResult:
    return run_search(config, run_dir, options=SessionOptions(inline=True, **options))


def table_of(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
