"""What every search algorithm must do, asked of each record in the table: without training, on
made-up scores."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import UserError
from search.driver import opening, oracles
from search.driver.algorithms import (
    ALGORITHMS,
    budget_ladder,
    build_oracle,
    num_settings,
    num_trials,
    rounds_of,
)
from search.driver.experiment_file import parse_config
from search.driver.oracles import most_telling
from search.experiment.config import ExperimentConfig
from search.experiment.settings import setting_key

TRIALS = 6
EXPERIMENT: dict[str, Any] = {
    "name": "contract",
    "dataset": {"source": "digits", "image_size": 32},
    "augmentation": {
        "rotation_range": {"min": 0, "max": 30, "step": 10},
        "zoom_range": {"min": 0.0, "max": 0.4, "step": 0.1},
        "brightness_range": [[1.0, 1.0], [0.8, 1.2]],
        "horizontal_flip": [False, True],
    },
    "model": {
        "learning_rate": {"min": 0.001, "max": 0.003, "step": 0.001},
        "head_units": [50, 100],
    },
}


def _config(algorithm: str, seed: int = 0, **search: Any) -> ExperimentConfig:
    settings = {"algorithm": algorithm, "trials": TRIALS, **search}
    return parse_config({**EXPERIMENT, "seed": seed, "search": settings}, "test")


def _proposals(config: ExperimentConfig, score: Any = None) -> list[dict[str, Any]]:
    """Everything an algorithm asks for, answered at once; `score` of the values, more is better."""
    oracle = build_oracle(config, config.space)
    score = score or (lambda values: -values["rotation_range"])
    asked: list[dict[str, Any]] = []
    while len(asked) < 10 * TRIALS:
        trial = oracle.create_trial(f"trial-{len(asked)}")
        if trial.status != "RUNNING":
            assert trial.status == "STOPPED"
            return asked
        asked.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {"score": score(trial.hyperparameters.values)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    raise AssertionError("it never stops")


@pytest.fixture(params=sorted(ALGORITHMS))
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_ends_after_no_more_trials_than_it_says(algorithm: str) -> None:
    config = _config(algorithm)
    assert 1 <= len(_proposals(config)) <= num_trials(config, config.space)


def test_every_proposal_is_a_setting_that_a_trial_accepts(algorithm: str) -> None:
    config = _config(algorithm)
    space = config.space
    for values in _proposals(config):
        settings = space.settings(values)
        assert 0 <= settings.augmentation.get("rotation_range", 0) <= 30
        assert settings.model.head_units in (50, 100)
        assert 0.001 <= settings.model.learning_rate <= 0.003


def test_the_same_seed_asks_the_same_and_another_seed_something_else(algorithm: str) -> None:
    first = _proposals(_config(algorithm, seed=0))
    assert first == _proposals(_config(algorithm, seed=0))
    if algorithm != "grid":  # a grid has one order, whatever the seed
        assert first != _proposals(_config(algorithm, seed=1))


def test_it_writes_nothing_to_the_disk(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _proposals(_config(algorithm))
    assert list(tmp_path.iterdir()) == []


def test_it_says_what_it_does(algorithm: str) -> None:
    record = ALGORITHMS[algorithm]
    assert record.name == algorithm
    assert record.summary[0].islower()
    assert not record.summary.endswith(".")


def test_a_budget_is_shared_out_in_rounds_or_not_at_all(algorithm: str) -> None:
    config = _config(algorithm)
    assert bool(rounds_of(config)) == (ALGORITHMS[algorithm].budget_key is not None)


@pytest.mark.parametrize("trials", [TRIALS, 20])
def test_every_budget_is_a_rung_of_the_ladder_and_is_asked_for_as_planned(
    algorithm: str, trials: int
) -> None:
    config = _config(algorithm, trials=trials)
    key = ALGORITHMS[algorithm].budget_key
    if key is None:
        assert budget_ladder(config) == ()
        return
    budgets = [values[key] for values in _proposals(config)]
    assert set(budgets) == set(budget_ladder(config))
    assert max(budgets) == 16
    planned = Counter[int]()
    for each in rounds_of(config):
        planned[each.budget] += each.size
    assert Counter(budgets) == planned


def test_a_failed_trial_does_not_end_the_search(algorithm: str) -> None:
    config = _config(algorithm)
    oracle = build_oracle(config, config.space)
    for number in range(4):
        trial = oracle.create_trial(f"trial-{number}")
        assert trial.status == "RUNNING"
        trial.status = "FAILED"
        oracle.end_trial(trial)


DRAWING = ("random", "hyperband", "halving", "asynchronous_halving")
FEW = {"horizontal_flip": [False, True], "rotation_range": {"min": 0, "max": 20, "step": 10}}


def _few(algorithm: str, augmentation: dict[str, Any], trials: int = 20) -> ExperimentConfig:
    search = {"algorithm": algorithm, "trials": trials}
    few = {**EXPERIMENT, "augmentation": augmentation, "model": {}, "search": search}
    return parse_config(few, "test")


@pytest.mark.parametrize("algorithm", DRAWING)
def test_a_small_space_is_used_up_without_repeats_or_no_augmentation(algorithm: str) -> None:
    config = _few(algorithm, FEW)
    key, asked = ALGORITHMS[algorithm].budget_key or "none", Counter[tuple[str, Any]]()
    for values in _proposals(config):
        settings = config.space.settings(values)
        assert settings.augmentation
        asked[setting_key(settings), values.get(key)] += 1
    assert len({setting for setting, _ in asked}) == 5
    assert set(asked.values()) == {1}
    assert {budget for _, budget in asked} >= {max(budget_ladder(config), default=None)}
    assert num_settings(config, config.space) in (5, 6)  # with no augmentation


@pytest.mark.parametrize("algorithm", DRAWING)
def test_settings_that_come_to_the_same_are_asked_for_once(algorithm: str) -> None:
    config = _few(algorithm, {"horizontal_flip": [False, True], "cval": [0, 255]})
    key = ALGORITHMS[algorithm].budget_key or "none"
    budgets = [values.get(key) for values in _proposals(config, lambda _: 0.0)]
    assert len(budgets) == len(set(budgets)) >= 1
    assert max(budget_ladder(config), default=None) in budgets


def test_no_more_settings_are_told_than_there_are_combinations(algorithm: str) -> None:
    config = _few(algorithm, FEW)
    settings = num_settings(config, config.space)
    assert settings <= 3 * 2
    assert settings <= num_trials(config, config.space)


def test_halving_plans_with_the_settings_that_there_are() -> None:
    sizes = [each.size for each in rounds_of(_few("halving", FEW))]
    assert sizes == [5, 1, 1]
    continuous = {**FEW, "zoom_range": {"min": 0.0, "max": 0.4}}
    assert rounds_of(_few("halving", continuous))[0].size == 20


@pytest.mark.parametrize(("trials", "is_told"), [(4, True), (20, False)])
def test_rungs_are_told_where_they_make_more_trials_than_were_asked_for(
    trials: int, is_told: bool
) -> None:
    config = _few("halving", FEW, trials)
    counts = {"num_trials": num_trials(config, config.space), "num_settings": trials}
    prepared: Any = SimpleNamespace(config=config, space=config.space, **counts)
    assert bool(opening._rungs(prepared)) == is_told


def test_combinations_that_change_pictures_are_counted() -> None:
    assert _few("grid", FEW).space.num_augmented == 5
    assert _few("grid", {**FEW, "vertical_flip": True}).space.num_augmented == 6
    assert _config("grid").space.num_augmented == 4 * 5 * 2 * 2 * 3 * 2 - 3 * 2
    assert _few("random", {"zoom_range": {"min": 0.0, "max": 0.4}}).space.num_augmented is None


def test_a_grid_over_a_range_without_step_says_what_to_write() -> None:
    augmentation = {"rotation_range": {"min": 0, "max": 30}}
    config = parse_config(
        {**EXPERIMENT, "augmentation": augmentation, "search": {"algorithm": "grid"}}, "test"
    )
    with pytest.raises(UserError, match="needs a step for rotation_range"):
        build_oracle(config, config.space)


def test_a_grid_counts_its_combinations() -> None:
    assert _config("grid").space.num_combinations == 4 * 5 * 2 * 2 * 3 * 2


def test_sharing_out_views_needs_a_number_of_views() -> None:
    search = {"algorithm": "halving"}
    config = parse_config({**EXPERIMENT, "training": {"views": "fresh"}, "search": search}, "test")
    with pytest.raises(UserError, match="needs a number"):
        build_oracle(config, config.space)


def test_the_bayesian_oracle_is_fitted_on_what_runs_the_best_and_the_latest() -> None:
    scores = {f"t{number}": float(number % 7) for number in range(40)}
    trials = {
        name: SimpleNamespace(trial_id=name, status="COMPLETED", score=score)
        for name, score in scores.items()
    }
    trials["t3"] = SimpleNamespace(trial_id="t3", status="RUNNING", score=None)
    kept = most_telling(trials, {"t3"}, sign=1, most=10)
    assert list(kept) == ["t3", "t6", "t13", "t20", "t27", "t34", "t35", "t36", "t37", "t38", "t39"]
    assert most_telling(trials, {"t3"}, sign=1, most=39) == trials


def test_a_long_bayesian_search_goes_on_proposing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracles, "MOST_FITTED", 6)
    assert len(_proposals(_config("bayesian", trials=15))) == 15
