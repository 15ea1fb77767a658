"""The smallest experiment that goes through every phase, 13 trials on digits in seconds, and a
sitting of it in the calling process."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.driver.experiment_file import parse_config
from search.driver.session import SessionOptions, run_search
from search.experiment.config import ExperimentConfig
from search.experiment.trial import TrialRecord
from search.journal.state import SearchResult

EXPERIMENT: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8, "learning_rate": 0.01},
    "training": {"max_epochs": 3, "patience": 3, "batch_size": 128, "views": 1},
    "search": {"algorithm": "random", "trials": 2},
    "evaluation": {"folds": 2, "seeds": 1, "confirm": {"top": 1, "seeds": 1, "views": 1}},
}


def small_experiment(cache: Path, **sections: Any) -> dict[str, Any]:
    """As a file has it, untracked. sections: in place of the experiment's; `execution` beside the
    cache folder."""
    execution = {"cache_dir": str(cache), **sections.pop("execution", {})}
    return {**EXPERIMENT, "tracking": {"uri": None}, "execution": execution, **sections}


def own_model_experiment(cache: Path, **sections: Any) -> dict[str, Any]:
    """The same with one fold and no confirmation: a handful of trainings."""
    few: dict[str, Any] = {"folds": 1, "seeds": 1, "confirm": None, "controls": []}
    return small_experiment(cache, **{"evaluation": few, **sections})


def small_config(cache: Path, **sections: Any) -> ExperimentConfig:
    return parse_config(small_experiment(cache, **sections), "test")


def sit(
    config: ExperimentConfig, run_dir: Path, progress: Any = None, **options: Any
) -> SearchResult:
    return run_search(config, run_dir, progress, SessionOptions(inline=True, **options))


def undisturbed(config: ExperimentConfig, run_dir: Path) -> SearchResult:
    result = sit(config, run_dir)
    assert result.outcome == "finished"
    return result


def table_of(run_dir: Path) -> list[dict[str, str]]:
    """trials.csv, but for the seconds."""
    with (run_dir / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class Heard:
    """Progress that keeps the messages, and calls `told` with each trial that is told."""

    def __init__(self, told: Callable[[TrialRecord], object] = lambda record: None) -> None:
        self.messages: list[str] = []
        self._told = told

    def message(self, text: str) -> None:
        self.messages.append(text)

    def trial_told(self, record: TrialRecord) -> None:
        self._told(record)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def after(trials: int, step: Callable[[], object]) -> Heard:
    """Progress that does something once so many trials were told."""
    told: list[int] = []

    def count(record: TrialRecord) -> None:
        told.append(record.trial)
        if len(told) == trials:
            step()

    return Heard(count)
