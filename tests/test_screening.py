"""Screening designs: what each trial is of, before any is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.driver.algorithms import build_oracle, num_settings, num_trials
from search.driver.experiment_file import load_config, parse_config
from search.evidence.screening import screening_points
from search.experiment.config import ExperimentConfig
from search.experiment.settings import Settings, setting_key

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
FLAGS: dict[str, Any] = {"horizontal_flip": [False, True], "vertical_flip": [False, True]}
LIGHT = {"brightness_range": {"choices": [[1.0, 1.0], [0.8, 1.2]]}}


def _rows(points: np.ndarray) -> set[tuple[float, ...]]:
    return set(map(tuple, points.tolist()))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("count", "levels", "distinct"),
    [
        (2, (2, 2), 2),
        (3, (2, 2), 3),
        (4, (2, 2), 3),
        (4, (2, 2, 2), 4),
        (8, (2, 2, 2), 7),
        (9, (2, 2, 2), 7),
        (16, (2, 2, 2, 2), 15),
        (6, (3, 2), 5),
        (5, (None, 2), 5),
    ],
)
def test_no_column_is_constant_and_no_row_repeated_while_others_are_left(
    count: int, levels: tuple[int | None, ...], distinct: int, seed: int
) -> None:
    points = screening_points(count, levels, seed)
    assert len(points) == count
    assert (np.ptp(points, axis=0) > 0).all()
    assert len(_rows(points)) == distinct
    assert points.any(axis=1).all()


@pytest.mark.parametrize("seed", range(4))
def test_three_points_of_two_flags_are_each_alone_and_both(seed: int) -> None:
    points = screening_points(3, (2, 2), seed) > 0
    assert _rows(points) == {(True, False), (False, True), (True, True)}


def test_where_repeats_are_few_among_many_settings_they_are_exchanged() -> None:
    points = screening_points(40, (2,) * 6, 1)
    assert len(_rows(points)) == 40
    assert (points > 0).sum(axis=0) == pytest.approx(20, abs=3)
    assert abs(np.corrcoef(points.T) - np.eye(6)).max() < 0.4


def test_a_row_of_options_alone_is_no_augmentation() -> None:
    points = screening_points(6, (2, 4), 3, options=(1,))
    assert (points[:, 0] > 0).all()
    assert len(_rows(points)) == 4


def _screening(augmentation: dict[str, Any], trials: int) -> ExperimentConfig:
    data = {
        "dataset": {"source": "digits"},
        "augmentation": augmentation,
        "search": {"algorithm": "screening", "trials": trials},
    }
    return parse_config({"name": "x", **data}, "test")


def _proposed(config: ExperimentConfig) -> list[Settings]:
    oracle, found = build_oracle(config, config.space), list[Settings]()
    while (trial := oracle.create_trial(f"t{len(found)}")).status == "RUNNING":
        found.append(config.space.settings(trial.hyperparameters.values))
    return found


@pytest.mark.parametrize(
    ("augmentation", "trials", "distinct"),
    [
        (FLAGS, 4, 3),
        (FLAGS, 3, 3),
        ({**FLAGS, **LIGHT}, 8, 7),
        ({"rotation_range": [0, 20], "fill_mode": ["nearest", "wrap"]}, 4, 2),
        ({"horizontal_flip": [False, True], "fill_mode": ["nearest", "wrap"]}, 4, 1),
        ({**FLAGS, "zoom_range": 0.2}, 4, 3),  # always with a zoom
        ({"rotation_range": {"min": 0, "max": 30}, **FLAGS}, 12, 12),
    ],
)
def test_each_setting_is_proposed_and_counted_once(
    augmentation: dict[str, Any], trials: int, distinct: int
) -> None:
    config = _screening(augmentation, trials)
    proposed = _proposed(config)
    assert all(settings.augmentation for settings in proposed)
    assert len(set(map(setting_key, proposed))) == len(proposed) == distinct
    assert num_trials(config, config.space) == num_settings(config, config.space) == distinct


@pytest.mark.parametrize("name", ["quickstart", "malaria", "trash"])
def test_recorded_experiments_try_all_three_together_and_each_alone(name: str) -> None:
    """Their figures are in the README and in experiments/README.md."""
    config = load_config(EXPERIMENTS / f"{name}.yaml")
    first, *others = [sorted(settings.augmentation) for settings in _proposed(config)]
    names = list(config.space.screened())
    assert first == sorted(names)
    assert others == [[name] for name in names]
