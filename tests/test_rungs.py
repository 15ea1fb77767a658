"""Rungs of epochs: shares of a complete training, where networks train."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from search.commands.check import _rungs
from search.driver.algorithms import ALGORITHMS, budget_ladder, build_oracle, rounds_of
from search.driver.cut_checks import AMPLE
from search.driver.experiment_file import load_config, parse_config
from search.driver.specs import SpecFactory
from search.driver.workload import new_views, workload
from search.experiment.config import ExperimentConfig

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
RUNGS = sorted(name for name, each in ALGORITHMS.items() if each.budget_key)


def _scratch(training: dict[str, Any], **search: Any) -> ExperimentConfig:
    data = {
        "name": "x",
        "dataset": {"source": "digits", "image_size": 16},
        "augmentation": {"rotation_range": {"min": 0, "max": 30}},
        "model": {"backbone": "small-cnn", "weights": "random"},
        "training": {"mode": "scratch", "views": "fresh", **training},
        "search": {"algorithm": "halving", "trials": 12, **search},
        "evaluation": {"folds": 1, "seeds": 3, "controls": [], "confirm": None, "test": False},
    }
    return parse_config(data, "test")


LONG = {"max_epochs": 500, "patience": 30}


@pytest.mark.parametrize(
    ("training", "search", "ladder"),
    [
        (LONG, {}, (30, 500)),
        (LONG, {"reduction": 2}, (30, 67, 500)),
        (LONG, {"min_views": 50}, (50, 500)),
        (LONG, {"min_views": 149}, (500,)),
        ({"max_epochs": 100, "patience": 30}, {}, (30, 100)),
        ({"max_epochs": 40, "patience": 30}, {}, (40,)),  # hardly more than the least
        # nothing but max_epochs ends these, so that it is what a complete training takes
        ({"max_epochs": 18, "patience": 20}, {}, (2, 6, 18)),
        ({"max_epochs": 500, "patience": 30, "clean_epochs": 10}, {}, (30, 77, 196, 500)),
        ({"max_epochs": 500, "patience": [10, 30]}, {}, (30, 500)),
        (LONG, {"algorithm": "hyperband", "trials": 40}, (50, 500)),
        (LONG, {"algorithm": "hyperband", "trials": 40, "reduction": 2}, (38, 75, 500)),
    ],
)
def test_rungs_are_shares_of_a_complete_training_of_patience_or_more(
    training: dict[str, Any], search: dict[str, Any], ladder: tuple[int, ...]
) -> None:
    assert budget_ladder(_scratch(training, **search)) == ladder


@pytest.mark.parametrize("algorithm", RUNGS)
def test_no_rung_of_a_real_experiment_is_below_patience(algorithm: str) -> None:
    config = load_config(EXPERIMENTS / "malaria.yaml", [f"search.algorithm={algorithm}"])
    patience = config.space.with_augmentation({}).training.patience
    *lower, top = budget_ladder(config)
    assert top == 500
    assert all(patience <= budget < AMPLE * patience for budget in lower)


@pytest.mark.parametrize("algorithm", RUNGS)
def test_epochs_are_asked_for_as_planned_and_the_highest_rung_is_all(algorithm: str) -> None:
    config, key = _scratch(LONG, algorithm=algorithm, trials=20), ALGORITHMS[algorithm].budget_key
    oracle, asked = build_oracle(config, config.space), list[int]()
    while (trial := oracle.create_trial(f"t{len(asked)}")).status == "RUNNING":
        asked.append(trial.hyperparameters.values[key])
        oracle.update_trial(trial.trial_id, {"score": 1 / len(asked)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    planned = [each.budget for each in rounds_of(config) for _ in range(each.size)]
    assert sorted(asked) == sorted(planned)
    specs = SpecFactory(config, config.space, "float32")
    settings = specs.control({"rotation_range": 20.0})
    given = {each: specs.search("trial", "x", settings, each).protocol.max_epochs for each in asked}
    assert given == {each: None if each == 500 else each for each in asked}


def test_the_rungs_are_told_with_how_many_trials_stand_on_each() -> None:
    assert _rungs(_scratch(LONG)) == "12 trials on 30, 4 on up to 500 epochs"
    assert _rungs(_scratch({"max_epochs": 40, "patience": 30})) is None
    assert _rungs(_scratch(LONG, algorithm="random")) is None
    frozen = {
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 30}},
        "search": {"algorithm": "halving", "trials": 20},
    }
    assert _rungs(parse_config(frozen, "test")) == "20 trials on 2, 6 on 6, 2 on 16 views"


def test_work_is_counted_by_the_same_rungs() -> None:
    """A training that patience ends counts as one that is complete; at most it is max_epochs."""
    config = _scratch(LONG)
    work, at_most = workload(config), workload(config, to_the_end=True)
    assert work.ladder == (30, AMPLE * 30)
    assert work.phases["search"].views == 3 * (12 * 30 + 4 * (150 - 30))
    assert at_most.phases["search"].views == 3 * (12 * 30 + 4 * (500 - 30))
    assert new_views(150, work.ladder) == 120


def test_a_model_of_ones_own_begins_anew_on_each_rung() -> None:
    own = load_config(EXPERIMENTS / "digits-own.yaml", ["search.algorithm=halving"])
    assert budget_ladder(own) == (20, 300)
    assert workload(own).phases["search"].views == 2 * sum(
        each.size * min(each.budget, AMPLE * 20) for each in rounds_of(own)
    )


def test_epochs_that_are_searched_cannot_be_shared_out() -> None:
    with pytest.raises(UserError, match="the number of epochs is searched"):
        budget_ladder(_scratch({"max_epochs": [100, 500], "patience": 30}))
