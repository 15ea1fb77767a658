"""The table of training modes: what holds of every one, and that nothing asks for one by name."""

import ast

import pytest
from small_search import EXPERIMENT

from benchmarks.imports import source_trees
from data.errors import UserError
from search.driver.experiment_file import parse_config
from search.driver.prepare import networks_of
from search.experiment.config import ExperimentConfig
from search.experiment.settings import FinetuneSettings, TrainingSettings, flat
from search.training.modes import MODES, OF_OWN_MODELS

LONG = TrainingSettings(max_epochs=50, views=7, finetune=FinetuneSettings(max_epochs=20))


@pytest.mark.parametrize("name", MODES)
def test_a_mode_says_its_phases_by_settings_there_are_and_its_budget(name: str) -> None:
    mode = MODES[name]
    assert mode.name == name
    assert 0 < mode.head_spread < 1
    settings = {f"training.{key}": value for key, value in flat(LONG.model_dump()).items()}
    assert all(settings[setting] == epochs for setting, epochs in mode.phases(LONG))
    assert mode.most(LONG) == (7 if mode.budget == "views" else mode.phases(LONG)[-1][1])
    usual = TrainingSettings(max_epochs=50)
    assert {setting for setting, _ in mode.phases(usual)} == {"training.max_epochs"}


def _parsed(training: dict) -> ExperimentConfig:
    sections = {"training": training, "model": {"weights": "random"}}
    return parse_config({"dataset": EXPERIMENT["dataset"], **sections}, "a file")


@pytest.mark.parametrize("name", sorted(MODES.keys() - {OF_OWN_MODELS.name}))
def test_a_mode_has_its_views_unless_the_file_says_others_and_its_networks(name: str) -> None:
    mode, training = MODES[name], {"mode": name, "finetune": {"from": "all"}}
    config = _parsed(training)
    usual = TrainingSettings().views if mode.views is None else mode.views
    assert config.space.with_augmentation({}).training.views == usual
    assert _parsed({**training, "views": 3}).space.with_augmentation({}).training.views == 3
    assert networks_of(config)


def test_own_models_have_no_network_of_the_tables_and_no_other_mode() -> None:
    fit = OF_OWN_MODELS.name
    with pytest.raises(UserError, match=f"mode {fit} trains a model of your own"):
        _parsed({"mode": fit})
    own = ExperimentConfig.model_validate({**EXPERIMENT, "training": {"mode": fit}})
    assert networks_of(own) == []


def test_no_module_compares_with_the_name_of_a_mode() -> None:
    """What is asked of a mode is a field of its record, or a function."""
    asking = {
        name
        for name, tree in source_trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and _is_of_modes(node.left)
        and {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)} & set(MODES)
    }
    assert not asking


def _is_of_modes(node: ast.expr) -> bool:
    return "mode" in ast.unparse(node) or ast.unparse(node).endswith("get('mode')")
