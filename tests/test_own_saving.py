"""How a model of the user's own is kept: whole where it loads without its code, else as weights
that `predict --run-code` puts into what its build function makes."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_search import Heard, own_model_experiment, sit
from typer.testing import CliRunner

from data.own_code import given
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.single_run import sync
from search.driver import winner
from search.driver.code_files import code_of
from search.driver.experiment_file import load_config
from search.training.own_model import build_own
from search.training.own_saving import why_no_file

HEAD = """import keras
from keras import layers


class Net(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.flat, self.top = layers.Flatten(), layers.Dense(outputs, "softmax")

    def call(self, pictures):
        return self.top(self.flat(pictures / 255.0))


class Scale(layers.Layer):
    def call(self, pictures):
        return pictures / 255


@keras.saving.register_keras_serializable()
class Known(Scale):
    pass


class Ends(Scale):
    def get_config(self):
        raise SystemExit(0)


class Hides(Scale):
    def save_own_variables(self, store):
        raise ValueError("not these")


def small(first):
    return keras.Sequential(
        [keras.Input((8, 8, 3)), first, layers.Flatten(), layers.Dense(10, "softmax")]
    )


def build(hp):
    model = MODEL
    model.compile("adam", loss="sparse_categorical_crossentropy")
    return model
"""
LAMBDA = "small(layers.Lambda(lambda pictures: pictures / 255))"
SUBCLASS = "Net(10)"  # whose arithmetic takes the pictures as it is trained on them, float32
WHY = {
    "small(layers.Rescaling(1 / 255))": "",
    SUBCLASS: "Object Net was created by passing",
    LAMBDA: "a `Lambda` layer",
    "small(Scale())": "Could not locate class 'Scale'",
    "small(Known())": "Could not locate class 'Known'",
    "small(layers.Activation(keras.ops.relu))": "",
    "small(Ends())": "SystemExit: 0",
}


def _experiment(folder: Path, model: str, **sections: Any) -> dict[str, Any]:
    (folder / "net.py").write_text(HEAD.replace("MODEL", model))
    usual = {
        "augmentation": {"horizontal_flip": [False, True]},
        "model": {"build": "net.py:build"},
        "training": {"max_epochs": 1, "patience": 1, "batch_size": 256},
        "search": {"algorithm": "random", "trials": 1},
    }
    return own_model_experiment(folder / "cache", **{**usual, **sections})


@pytest.mark.parametrize("model", WHY)
def test_whether_it_loads_without_its_code_is_known_before_anything_is_trained(
    model: str, here: Path
) -> None:
    config = load_config(_experiment(here, model))
    with given(code_of(config)):
        why = why_no_file(config.space.corners()[0], 10, 8)
    assert bool(why) == bool(WHY[model])
    assert WHY[model] in why
    assert "\n" not in why
    assert not why or "weights are kept alone" in why
    assert list(here.iterdir()) == [here / "net.py"]


def test_a_model_that_runs_eagerly_alone_is_told_at_the_start(here: Path) -> None:
    experiment = _experiment(here, "Eager(10)")
    code = "\nclass Eager(Net):\n    def call(self, pictures):\n"
    code += "        return super().call(pictures.numpy())\n"
    (here / "net.py").write_text((here / "net.py").read_text() + code)
    config = load_config(experiment)
    with given(code_of(config)):
        why = why_no_file(config.space.corners()[0], 10, 8)
    assert "cannot be made one that takes raw pictures (" in why
    assert "\n" not in why


def test_what_keras_cannot_save_at_all_is_told_too(here: Path) -> None:
    config = load_config(_experiment(here, "small(Hides())"))
    with given(code_of(config)):
        why = why_no_file(config.space.corners()[0], 10, 8)
    assert "nor can Keras save its weights" in why


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard]:
    """A finished search of a model that Keras cannot save, begun in its folder."""
    folder, heard = tmp_path_factory.mktemp("searched"), Heard()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = load_config(_experiment(folder, SUBCLASS))
        assert sit(config, folder / "run", heard).outcome == "finished"
    return folder, heard


def test_a_search_says_it_at_its_start_and_keeps_the_weights(
    searched: tuple[Path, Heard], here: Path
) -> None:
    folder, heard = searched
    said = [line for line in heard.messages if "predict needs --run-code net.py" in line]
    assert len(said) == 2  # before anything is trained, and where the file would be
    kept = folder / "run" / winner.WEIGHTS_FILE
    assert not (folder / "run" / winner.MODEL_FILE).exists()
    (here / "net.py").write_text((folder / "net.py").read_text())
    config = load_config(_experiment(here, SUBCLASS))
    with given(code_of(config)):
        model, _ = build_own(config.space.corners()[0].model, 5)
        model(np.zeros((1, 8, 8, 3), np.float32))
    before = model.get_weights()[0]
    with pytest.warns(UserWarning, match="optimizer"):  # of which there is none in it
        model.load_weights(kept)
    assert (before != model.get_weights()[0]).any()


def test_predict_runs_the_code_that_it_is_given_and_no_other(
    searched: tuple[Path, Heard], here: Path
) -> None:
    folder, _ = searched
    keras.utils.save_img(here / "a.png", np.full((8, 8, 3), 9, np.uint8), scale=False)
    asked = ["predict", str(folder / "run"), "a.png"]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == BAD_INPUT
    assert "needs its author's code, net.py (sha256" in refused.stderr
    assert "--run-code FILE with a copy that you have read" in refused.stderr
    edited = here / "edited.py"
    edited.write_text((folder / "net.py").read_text() + "\n")
    refused = CliRunner().invoke(app, [*asked, "--run-code", str(edited)])
    assert refused.exit_code == BAD_INPUT
    assert "holds no file with the hash of net.py" in refused.stderr
    found = CliRunner().invoke(app, [*asked, "--run-code", str(folder / "net.py")])
    assert found.exit_code == DONE, found.output
    assert sum(json.loads(found.stdout)["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_a_model_that_cannot_be_made_at_the_end_costs_no_result(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winner, "load_head", lambda path: (np.zeros(3),))
    heard = Heard()
    result = sit(load_config(_experiment(here, LAMBDA)), here / "run", heard)
    assert result.outcome == "finished"
    (said,) = (line for line in heard.messages if "could not be made" in line)
    assert "the search is kept, and the weights in" in said
    assert (here / "run" / "summary.json").exists()
    assert (here / "run" / "report.html").exists()


# MLflow's own call of SQLAlchemy and its own types, as in `test_sync`.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_sync_sends_all_but_the_model_and_says_why(
    searched: tuple[Path, Heard], mlflow_uri: str
) -> None:
    status = sync(searched[0] / "run", mlflow_uri)
    assert status.is_whole
    assert "no model is sent: it does not load without its author's code" in str(status)
