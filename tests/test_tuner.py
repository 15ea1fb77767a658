"""The Python interface: a KerasTuner tuner that answers to KerasTuner's own calls."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner
import numpy as np
import pytest
import yaml
from states import SPACE, make_state

from data.errors import UserError
from search import AugmentationTuner, ExperimentConfig, load_config, run_search
from search.driver.python_words import PYTHON_WORDS, TUNER_PLACES
from search.driver.session import SessionOptions

EXPERIMENT: dict[str, Any] = {
    "name": "tuned",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {
        "rotation_range": {"min": 0, "max": 30},
        "vertical_flip": [False, True],
        "brightness_range": [[1.0, 1.0], [0.8, 1.2]],
        "fill_mode": ["nearest", "reflect"],
    },
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": {"min": 8, "max": 16}},
    "training": {"max_epochs": 3, "batch_size": 128, "views": 1},
    "search": {"algorithm": "bayesian", "trials": 3},
    "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    "tracking": {"uri": None},
}


@pytest.fixture(scope="module")
def tuner(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("tuner")
    config = ExperimentConfig.model_validate(
        {**EXPERIMENT, "execution": {"cache_dir": str(folder / "cache")}}
    )
    made = AugmentationTuner(config, folder / "run")
    made.search(options=SessionOptions(inline=True))
    return made


def test_it_is_a_kerastuner_tuner(tuner: Any) -> None:
    assert isinstance(tuner, keras_tuner.engine.base_tuner.BaseTuner)


def test_the_best_hyperparameters_are_those_of_the_best_trial(tuner: Any) -> None:
    best = max(tuner.result.state.of_kind("trial"), key=lambda record: record.result.score)
    values = tuner.get_best_hyperparameters(1)[0].values
    assert values["rotation_range"] == best.settings["rotation_range"]
    assert values["vertical_flip"] is best.settings["vertical_flip"]
    assert (
        tuner.get_best_hyperparameters(1)[0].get("vertical_flip") is best.settings["vertical_flip"]
    )
    assert {name: type(value) for name, value in values.items()} == {
        "rotation_range": float,
        "vertical_flip": bool,
        "brightness_range": tuple,
        "head_units": int,
        "fill_mode": str,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": "val_accuracy"}, "objective= is evaluation.objective"),
        ({"max_trials": 3, "seed": 1}, "max_trials= is search.trials; seed= is seed, at the top"),
        ({"directory": "x", "project_name": "y"}, "directory= is run_dir=, the second argument"),
        ({"overwrite": True}, r"overwrite= is search\(options=SessionOptions\(fresh=True\)\)"),
        ({"tuner_id": "a"}, "tuner_id= is not known"),
    ],
)
def test_what_kerastuner_s_tuners_take_is_told_with_its_place(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        AugmentationTuner(EXPERIMENT, **given)


KINDS = (
    keras_tuner.RandomSearch,
    keras_tuner.Hyperband,
    keras_tuner.BayesianOptimization,
    keras_tuner.Tuner,
)


def test_every_argument_of_kerastuner_s_tuners_has_a_place() -> None:
    names: set[str] = set()
    for kind in KINDS:
        names |= set(inspect.signature(kind.__init__).parameters)
    assert names - {"self", "hypermodel", "kwargs"} - {"max_model_size", "tuner_id"} <= set(
        TUNER_PLACES
    )


def test_without_an_experiment_or_with_too_much_it_says_how_one_is_given() -> None:
    with pytest.raises(TypeError, match=r"objective=, no experiment; .*The experiment is"):
        AugmentationTuner(hypermodel=lambda hp: None, objective="x")
    with pytest.raises(TypeError, match=r"received 4 positional arguments; allowed: the exper"):
        AugmentationTuner(EXPERIMENT, None, None, 10)


def test_a_model_in_the_place_of_the_experiment_is_told_where_it_goes() -> None:
    with pytest.raises(TypeError, match="give the model as hypermodel="):
        AugmentationTuner(lambda hp: None)


def test_errors_speak_of_arguments_and_not_of_options(tuner: Any) -> None:
    other = {**EXPERIMENT, "seed": 7}
    with pytest.raises(UserError) as refused:
        AugmentationTuner(other, tuner.run_dir).search(options=SessionOptions(inline=True))
    with pytest.raises(UserError) as again:
        run_search(other, tuner.run_dir, options=SessionOptions(inline=True))
    with pytest.raises(UserError, match=r"^overrides received"):
        load_config(EXPERIMENT, ["trials"])
    for error in (refused, again):
        assert "choose another run_dir" in str(error.value)
        assert "SessionOptions(fresh=True)" in str(error.value)
        assert "--" not in str(error.value)


def test_every_option_that_a_message_names_has_a_word_of_python() -> None:
    import search

    folder = Path(search.__file__).parent
    texts = [
        path.read_text()
        for part in ("driver", "journal", "experiment", "execution", "training", "features")
        for path in (folder / part).glob("*.py")
    ]
    named = {found for text in texts for found in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    of_commands = {"--run-code", "--no-train", "--uri", "--weights", "--out", "--head"}
    assert named - of_commands <= set(PYTHON_WORDS)


def test_the_summary_is_kerastuner_s_own(tuner: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tuner.results_summary(2)
    shown = capsys.readouterr().out
    assert shown.count("Score:") == 2
    assert "rotation_range" in shown


def test_the_search_space_is_shown_in_values_of_their_own_types(
    tuner: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tuner.search_space_summary()
    shown = capsys.readouterr().out
    assert "vertical_flip (Choices)\n{'choices': [False, True]}" in shown
    assert "{'choices': [[1.0, 1.0], [0.8, 1.2]]}" in shown
    assert "rotation_range (Range)" in shown


def test_reload_says_where_a_search_is_kept(tuner: Any) -> None:
    with pytest.raises(UserError, match=r"reload\(\) has nothing to read: .*call search\(\)"):
        tuner.reload()


@pytest.mark.parametrize("given", [(3, None), (None, 4), ("loud", None), (None, {"fresh": True})])
def test_a_search_refuses_arguments_of_another_kind_before_it_makes_a_folder(
    given: Any, tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match=r"(progress|options) received .*; allowed: None"):
        run_search(EXPERIMENT, tmp_path / "run", *given)
    assert not (tmp_path / "run").exists()


def test_the_best_model_takes_raw_images_of_any_size(tuner: Any) -> None:
    model = tuner.get_best_models(1)[0]
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    probabilities = model.predict(images, verbose=0)
    assert probabilities.shape == (3, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_tuner_leaves_no_files_of_its_own(tuner: Any) -> None:
    names = {path.name for path in tuner.run_dir.iterdir()}
    assert "journal.jsonl" in names
    assert not [name for name in names if name.startswith(("tuner", "oracle", "trial_"))]


def test_searching_again_trains_nothing(tuner: Any) -> None:
    again = AugmentationTuner(tuner.config, tuner.run_dir)
    assert again.search(options=SessionOptions(inline=True)).outcome == "already finished"
    assert (
        again.get_best_hyperparameters(1)[0].values == tuner.get_best_hyperparameters(1)[0].values
    )


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_that_is_none_is_refused(tuner: Any, count: Any) -> None:
    for call in (tuner.get_best_hyperparameters, tuner.get_best_models):
        with pytest.raises(UserError, match="allowed: whole numbers from 1"):
            call(count)


def test_more_than_there_are_are_all_there_are(tuner: Any) -> None:
    assert len(tuner.get_best_hyperparameters(np.int64(100))) == 3


def test_before_a_search_there_is_nothing_to_be_best(tuner: Any, tmp_path: Path) -> None:
    fresh = AugmentationTuner(tuner.config, str(tmp_path / "run"))
    assert fresh.run_dir == tmp_path / "run"
    for call in (fresh.get_best_hyperparameters, fresh.get_best_models):
        with pytest.raises(UserError, match="call search\\(\\) first"):
            call(1)
    fresh.results_summary()


@pytest.mark.parametrize("arguments", [((1, 2), {}), ((), {"epochs": 3, "validation_data": 1})])
def test_what_is_meant_for_keras_is_refused_and_shown_how_to_give(
    tuner: Any, arguments: Any
) -> None:
    positional, named = arguments
    with pytest.raises(TypeError, match=r"search\(\) received .*source: arrays, path: photos.npz"):
        tuner.search(*positional, **named)


def test_an_experiment_is_taken_as_a_path_a_text_a_mapping_or_a_config(tmp_path: Path) -> None:
    path = tmp_path / "tuned.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT))
    tuners = [
        AugmentationTuner(given) for given in (path, str(path), EXPERIMENT, load_config(EXPERIMENT))
    ]
    assert len({tuner.config.hash for tuner in tuners}) == 1
    assert {tuner.run_dir for tuner in tuners} == {Path("runs/tuned")}


def test_a_search_is_begun_from_a_path_too(tuner: Any, tmp_path: Path) -> None:
    path = tmp_path / "tuned.yaml"
    cache = {"execution": {"cache_dir": tuner.config.execution.cache_dir}}
    path.write_text(yaml.safe_dump({**EXPERIMENT, **cache}))
    assert run_search(str(path), str(tuner.run_dir)).outcome == "already finished"


def test_scores_of_unlike_budgets_are_not_ranked_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = make_state("search")  # its trials stand on two rungs in turn
    monkeypatch.setattr(
        "search.driver.tuner.run_search", lambda *given: SimpleNamespace(state=state)
    )
    parts: dict[str, Any] = SPACE
    space = {name: part.get("choices", part) for name, part in parts.items()}
    sections = {"augmentation": space, "model": {**EXPERIMENT["model"], "head_units": 8}}
    tuner = AugmentationTuner({**EXPERIMENT, **sections}, tmp_path)
    tuner.search()
    ranked = [int(trial.trial_id) for trial in tuner.oracle.get_best_trials(9)]
    assert len(ranked) == 3
    assert {record.rung for record in state.records if record.trial in ranked} == {1}
