"""The Python interface: a KerasTuner tuner that answers to KerasTuner's own calls."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner
import numpy as np
import pytest
from states import SPACE, make_state

from search import AugmentationTuner, ExperimentConfig
from search.driver.session import SessionOptions

EXPERIMENT: dict[str, Any] = {
    "name": "tuned",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8},
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
    assert values["vertical_flip"] == ("true" if best.settings["vertical_flip"] else "false")


def test_the_summary_is_kerastuner_s_own(tuner: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tuner.results_summary(2)
    shown = capsys.readouterr().out
    assert shown.count("Score:") == 2
    assert "rotation_range" in shown


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
    assert again.get_best_hyperparameters(1)[0].values == tuner.get_best_hyperparameters(1)[0].values


def test_scores_of_unlike_budgets_are_not_ranked_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = make_state("search")  # its trials stand on two rungs in turn
    monkeypatch.setattr("search.driver.session.run_search", lambda *given: SimpleNamespace(state=state))
    space = {name: part.get("choices", part) for name, part in SPACE.items()}
    tuner = AugmentationTuner(
        ExperimentConfig.model_validate({**EXPERIMENT, "augmentation": space}), tmp_path
    )
    tuner.search()
    ranked = [int(trial.trial_id) for trial in tuner.oracle.get_best_trials(9)]
    assert len(ranked) == 3
    assert {record.rung for record in state.records if record.trial in ranked} == {1}
