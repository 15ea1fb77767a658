"""A Keras model of the user's own: its hyperparameters searched with the augmentations, trained by
Keras's fit, killed, resumed, verified and kept; and what a build function does wrong."""

import csv
import json
import logging
import threading
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from small_search import EXPERIMENT, after, own_model_experiment, sit, table_of

from data.errors import UserError
from data.own_code import given, read_code
from search import AugmentationTuner, run_search
from search.commands.check import make_plan
from search.driver.code_files import code_of
from search.driver.experiment_file import load_config
from search.experiment.dimensions import Choices, Range
from search.experiment.settings import ModelSettings
from search.training import own_model
from search.training.own_model import build_own, declared
from search.training.own_outputs import Outputs, outputs_of
from search.verification.bundle import make_bundle
from search.verification.grading import Extent, grade
from search.verification.verify import verify

MODEL = """import keras


def build(hp):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(hp.Int("filters", 4, 8, step=4), 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(10),
        ]
    )
    rate = hp.Float("rate", 1e-3, 1e-2, sampling="log")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"])
    return model
"""


def _experiment(folder: Path, code: str | None = MODEL, **sections: Any) -> dict[str, Any]:
    if code is not None:
        (folder / "my_model.py").write_text(code)
    usual = {
        "model": {"build": "my_model.py:build"},
        "training": {"max_epochs": 2, "patience": 2, "batch_size": 256},
    }
    return own_model_experiment(folder / "cache", **{**usual, **sections})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_is_searched_killed_resumed_verified_and_kept(here: Path) -> None:
    config = load_config(_experiment(here))
    assert make_plan(config).network is not None
    whole = sit(config, here / "whole")
    assert whole.outcome == "finished"
    stop = threading.Event()
    assert sit(config, here / "run", after(2, stop.set), stop=stop).outcome == "stopped"
    assert sit(config, here / "run").outcome == "finished"
    assert table_of(here / "run") == table_of(here / "whole")
    with (here / "run" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    tried = [row for row in rows if row["kind"] == "trial"]
    assert {row["hyperparameters.filters"] for row in tried} <= {"4", "8"}
    assert all(1e-3 <= float(row["hyperparameters.rate"]) <= 1e-2 for row in tried)
    assert "hyperparameters.filters" in (here / "run" / "report.html").read_text()
    model = keras.saving.load_model(here / "run" / "model" / "model.keras")
    found = model.predict(np.zeros((2, 20, 30, 3), np.uint8), verbose=0)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    with pytest.raises(UserError, match="--run-code"):
        verify(here / "run")
    assert verify(here / "run", run_code=here / "my_model.py").same
    bundle = Path(make_bundle(here / "run", "Ada", here / "ada.zip").path)
    assert grade(bundle, Extent(train=False)).same
    assert grade(bundle, Extent(run_code=here)).same


@pytest.fixture(scope="module")
def tuner(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A search of a live function with a callback, from Python."""
    folder = tmp_path_factory.mktemp("live")
    heard: list[float] = []
    made = AugmentationTuner(_experiment(folder, None), folder / "run", hypermodel=live_build)
    made.search(callbacks=[_Listening(heard)])
    made.heard = heard
    return made


class _Listening(keras.callbacks.Callback):
    def __init__(self, heard: list[float]) -> None:
        super().__init__()
        self.heard = heard

    def __deepcopy__(self, memo: Any) -> "_Listening":
        return _Listening(self.heard)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.heard.append((logs or {})["val_loss"])


def live_build(hp: keras_tuner.HyperParameters) -> keras.Model:
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Flatten(),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    rate = hp.Choice("rate", [0.01, 0.1])
    model.compile(keras.optimizers.SGD(rate), loss="categorical_crossentropy")
    return model


def test_a_live_function_is_searched_from_python(tuner: Any) -> None:
    assert tuner.result.outcome == "finished"
    best = tuner.get_best_hyperparameters(1)[0]
    assert best.get("rate") in (0.01, 0.1)
    assert isinstance(best.get("vertical_flip"), bool)
    built = tuner.hypermodel.build(best)
    assert built.optimizer.learning_rate.numpy() == pytest.approx(best.get("rate"))


def test_its_callbacks_hear_keras_s_own_validation(tuner: Any) -> None:
    completed = [r for r in tuner.result.state.records if r.status == "completed"]
    assert len(tuner.heard) >= 2 * sum(r.kind != "test" for r in completed)
    assert all(np.isfinite(tuner.heard))


def test_its_best_model_takes_raw_images(tuner: Any) -> None:
    (model,) = tuner.get_best_models(1)
    found = model.predict(np.zeros((2, 8, 8, 3), np.uint8), verbose=0)
    assert found.shape == (2, 10)


def test_an_edited_live_function_is_another(tuner: Any) -> None:
    def live_build(hp: keras_tuner.HyperParameters) -> keras.Model:
        return _changed(hp)

    config = {**_experiment(tuner.run_dir.parent, None)}
    other = AugmentationTuner(config, tuner.run_dir, hypermodel=live_build)
    with pytest.raises(UserError, match=r"hypermodel\.py was edited"):
        other.search()


def _changed(hp: keras_tuner.HyperParameters) -> keras.Model:
    return live_build(hp)


def test_a_config_that_was_loaded_before_takes_a_hypermodel(here: Path) -> None:
    config = load_config({**_experiment(here, None), "model": {}})
    made = AugmentationTuner(config, here / "run", hypermodel=live_build)
    assert (made.config.space.mode, made.config.training.written["views"]) == ("fit", "fresh")


GRAIN = """

def darken(images, strength, units):
    return (images * (1 - strength * units[:, :1, None, None])).astype("uint8")
"""


@pytest.mark.slow
def test_worker_processes_are_given_the_code(here: Path) -> None:
    darken = {"my_model.py:darken": {"min": 0, "max": 0.5}}
    config = load_config(_experiment(here, MODEL + GRAIN, augmentation=darken))
    result = run_search(config, here / "run")
    assert result.outcome == "finished"
    here_again = sit(config, here / "here")
    tables = (found.state.records for found in (result, here_again))
    scores = [[r.result.score for r in table if r.result] for table in tables]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_callbacks_are_for_a_model_of_one_s_own(here: Path) -> None:
    made = AugmentationTuner({**EXPERIMENT, "tracking": {"uri": None}}, here / "run")
    with pytest.raises(TypeError, match="for a model of your own"):
        made.search(callbacks=[_Listening([])])
    with pytest.raises(TypeError, match=r"np\.savez\('photos\.npz', x_train=x, y_train=y\)"):
        made.search(np.zeros((2, 8, 8, 3)), np.zeros(2))


MANY = """import keras
import keras_tuner


class Many(keras_tuner.HyperModel):
    def build(self, hp):
        hp.Fixed("fixed", 3)
        hp.Boolean("batch_norm")
        hp.Int("one", 4, 4)
        hp.Int("filters", 4, 16)
        if hp.Choice("kind", ["plain", "deep"]) == "deep":
            with hp.conditional_scope("kind", ["deep"]):
                hp.Float("depth.share", 0.0, 1.0, step=0.25)
        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(10, "softmax"))
        model.compile(loss="sparse_categorical_crossentropy")
        return model
"""


def test_every_hyperparameter_that_it_declares_is_searched_conditional_ones_too(here: Path) -> None:
    model = {"build": "my_model.py:Many", "hyperparameters": {"filters": [4, 8]}}
    space = load_config(_experiment(here, MANY, model=model)).space
    assert space.dimensions == {
        **{name: space.dimensions[name] for name in ("rotation_range", "vertical_flip")},
        "hyperparameters.batch_norm": Choices((False, True)),
        "hyperparameters.depth.share": Range(0.0, 1.0, 0.25),
        "hyperparameters.filters": Choices((4, 8)),
        "hyperparameters.kind": Choices(("plain", "deep")),
    }
    assert space.fixed["model"]["hyperparameters.fixed"] == 3
    values = space.hyperparameters().values
    settings = space.settings(dict(values))
    assert settings.model.hyperparameters["depth.share"] == 0.0
    assert settings.model.hyperparameters["one"] == 4
    assert space.named_values(settings)["hyperparameters.kind"] == "plain"


def test_the_first_weights_follow_from_the_seed(here: Path) -> None:
    config = load_config(_experiment(here))
    model = ModelSettings(build="my_model.py:build", hyperparameters={"filters": 4, "rate": 0.01})
    with given(code_of(config)):
        first, second, other = (build_own(model, seed)[0].get_weights() for seed in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize(
    ("loss", "units", "activation", "kind", "logits"),
    [
        ("sparse_categorical_crossentropy", 2, "softmax", "classes", False),
        (keras.losses.CategoricalFocalCrossentropy(from_logits=True), 2, None, "one_hot", True),
        (keras.losses.categorical_crossentropy, 2, "softmax", "one_hot", False),
        ("binary_crossentropy", 1, "sigmoid", "binary", False),
        (keras.losses.BinaryCrossentropy(from_logits=True), 1, None, "binary", True),
    ],
)
def test_how_outputs_are_read_follows_from_the_loss(
    loss: Any, units: int, activation: str | None, kind: str, logits: bool
) -> None:
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Rescaling(1 / 255)]
    model = keras.Sequential([*layers, keras.layers.Dense(units, activation)])
    model.compile(loss=loss)
    outputs = outputs_of(model, "m.py:build", 2, 8)
    assert (outputs.kind, outputs.logits) == (kind, logits)
    labels = np.array([0, 1, 1])
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    log_prob = outputs.log_probabilities(np.asarray(model(pictures)))
    assert np.exp(log_prob).sum(axis=1) == pytest.approx(np.ones(3))
    own = float(np.mean(model.compute_loss(y=outputs.targets(labels), y_pred=model(pictures))))
    if "focal" not in str(loss).lower():
        assert -log_prob[np.arange(3), labels].mean() == pytest.approx(own, rel=1e-4)


SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)


def _ending(loss: Any, units: int, *last: Any) -> keras.Model:
    flat = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([*flat, keras.layers.Dense(units), *last])
    model.compile(loss=loss)
    return model


def _one_over(values: Any) -> Any:
    return 1 / (1 + keras.ops.exp(-values))


def _applied(function: Any) -> Any:
    return keras.layers.Lambda(function)


@pytest.mark.parametrize(
    ("loss", "units", "last"),
    [
        (SPARSE, 2, [keras.layers.Softmax(), keras.layers.Identity()]),
        (keras.losses.CategoricalFocalCrossentropy(from_logits=True), 2, [_applied(tf.nn.softmax)]),
        (BINARY, 1, [keras.layers.Activation("sigmoid", dtype="float32")]),
        (BINARY, 1, [_applied(tf.nn.sigmoid), keras.layers.Reshape((1,))]),
    ],
)
def test_probabilities_are_read_as_such_whatever_the_loss_says(
    loss: Any, units: int, last: list[Any]
) -> None:
    outputs = outputs_of(_ending(loss, units, *last), "m.py:build", 2, 8)
    assert not outputs.logits
    assert "says from_logits=True, and its outputs are probabilities" in outputs.remark
    found = np.array([[0.9]]) if units == 1 else np.array([[0.1, 0.9]])
    assert np.exp(outputs.log_probabilities(found)) == pytest.approx(np.array([[0.1, 0.9]]))


NEAR = keras.layers.Rescaling(1e-2, offset=0.5)  # begins between 0 and 1


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize(
    ("loss", "units", "last", "message"),
    [
        (SPARSE, 2, keras.layers.Activation("sigmoid"), "ends in one sigmoid per class"),
        (BINARY, 1, keras.layers.Softmax(), "softmax of one output, which is always 1"),
        ("binary_crossentropy", 1, keras.layers.Softmax(), "softmax of one output"),
        ("binary_crossentropy", 1, NEAR, "takes probabilities, and its outputs are none"),
    ],
)
def test_outputs_that_are_no_probabilities_are_refused(
    loss: Any, units: int, last: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        outputs_of(_ending(loss, units, last), "m.py:build", 2, 8)


def test_logits_stay_logits_wherever_they_begin() -> None:
    zero = _ending(BINARY, 1, keras.layers.Rescaling(0.0))
    near = _ending(BINARY, 1, NEAR)
    by_hand = _ending(BINARY, 1, _applied(_one_over))
    read = [outputs_of(each, "m.py:build", 2, 8) for each in (zero, near, by_hand)]
    assert [each.logits for each in read] == [True, True, True]
    assert [bool(each.remark) for each in read] == [False, False, True]


@pytest.mark.parametrize("units", [1, 2])
def test_a_bias_between_0_and_1_makes_no_probabilities(units: int) -> None:
    def begun(loss: Any) -> keras.Model:
        made = _ending(loss, units)
        made.layers[-1].set_weights([np.zeros((192, units)), np.full(units, 0.5)])
        return made

    assert outputs_of(begun(SPARSE if units > 1 else BINARY), "m.py:build", 2, 8).logits
    loss = "sparse_categorical_crossentropy" if units > 1 else "binary_crossentropy"
    with pytest.raises(UserError, match="takes probabilities, and its outputs are none"):
        outputs_of(begun(loss), "m.py:build", 2, 8)


def test_sigmoids_by_hand_beside_from_logits_are_remarked_upon() -> None:
    read = outputs_of(_ending(SPARSE, 2, _applied(_one_over)), "m.py:build", 2, 8)
    assert read.logits
    assert "lie between 0 and 1 on all pictures tried" in read.remark


def _not_negative(values: Any) -> Any:
    tf.debugging.assert_non_negative(values)
    return values


@pytest.mark.parametrize("first", [keras.layers.Embedding(256, 2), _applied(_not_negative)])
def test_no_pixel_below_0_or_above_255_is_asked_of_a_model(first: Any) -> None:
    end = [keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((8, 8, 3)), first, *end])
    model.compile(loss=BINARY)
    assert outputs_of(model, "m.py:build", 2, 8).logits


def test_logits_of_any_size_are_read() -> None:
    found = Outputs("classes", True, 3).log_probabilities(np.array([[1e4, 0, -1e4]]))
    assert found.tolist() == [[0.0, -1e4, -2e4]]
    pair = Outputs("binary", True, 2).log_probabilities(np.array([[-1e4], [0.0]]))
    assert pair == pytest.approx(np.array([[0, -1e4], [np.log(0.5), np.log(0.5)]]))


END = "    model.compile(loss='sparse_categorical_crossentropy')\n    return model\n"
START = (
    "import keras\ndef build(hp):\n    model = keras.Sequential([keras.Input((8, 8, 3)), "
    "keras.layers.Flatten(), keras.layers.Dense(10, 'softmax')])\n"
)
WRONG = {
    "import keras\ndef build(hp):\n    raise ValueError('no layers')\n": "line 3: ValueError: no",
    "def build():\n    pass\n": "TypeError: build",
    "import keras\nbuild = 3\n": "defines no such function",
    START + "    return model\n": "is not compiled",
    START + "    return None\n": "returned NoneType; allowed: a compiled",
    START + "    model.compile(loss='mse')\n    return model\n": "with the loss mean_squared_error",
    START.replace("10", "9") + END: r"gives outputs \['n', 9\]; with this loss and 10 classes",
    START.replace("8, 8", "9, 9") + END: r"takes no pictures \[n, 8, 8, 3\]",
    START.replace("'softmax'", "'linear'") + END: "takes probabilities, and its outputs are none",
    START + "    hp.Int('n', 1, 8, step=2, sampling='log')\n" + END: "declares n, which cannot be",
}


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_is_told_before_anything_is_trained(code: str, here: Path) -> None:
    with pytest.raises(UserError, match=WRONG[code]) as refused:
        sit(load_config(_experiment(here, code)), here / "run")
    assert "model.build: " in str(refused.value)
    assert not (here / "run" / "trials.csv").exists()


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ({"build": "my_model.py:build"}, {"mode": "frozen"}, "is trained by mode: fit"),
        ({}, {"mode": "fit"}, "model.build names none"),
        ({"build": "my_model.py:build", "dropout": 0.5}, {}, "model.dropout has no effect"),
        ({"build": "my_model.py:build"}, {"mixup": 0.5}, "training.mixup has no effect"),
        ({"build": "my_model.py"}, {}, "FILE.py:FUNCTION"),
        ({"build": ["a.py:b", "c.py:d"]}, {}, "cannot be searched"),
        (
            {"build": "my_model.py:build", "hyperparameters": {"filter": 3}},
            {},
            "declares none of that name; did you mean .filters",
        ),
    ],
)
def test_settings_that_do_not_go_with_it_are_refused(
    model: dict[str, Any], training: dict[str, Any], message: str, here: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_config(_experiment(here, model=model, training=training))


@pytest.mark.slow
def test_a_trial_that_diverges_fails_and_says_so(here: Path) -> None:
    code = MODEL.replace("Adam(rate)", "SGD(1e30)")
    result = sit(load_config(_experiment(here, code)), here / "run")
    assert result.outcome == "failed"
    assert "lower its learning rate" in str(result.reason)
    assert json.loads((here / "run" / "environment.json").read_text())["code"].keys() == {
        "my_model.py"
    }


def test_a_model_that_never_leaves_chance_gives_no_effect(here: Path) -> None:
    code = MODEL.replace("Adam(rate)", "SGD(0.0)")
    training = {"max_epochs": 3, "patience": 1, "batch_size": 256}
    result = sit(load_config(_experiment(here, code, training=training)), here / "run")
    assert result.outcome == "failed"
    assert "1 of 1 models did not train: 1 never left chance" in str(result.reason)


def test_declared_is_what_kerastuner_finds(here: Path) -> None:
    config = load_config(_experiment(here))
    with given(code_of(config)):
        assert declared("my_model.py:build") == {
            "filters": {"min": 4, "max": 8, "step": 4},
            "rate": {"min": 0.001, "max": 0.01, "sampling": "log"},
        }


def test_layers_that_are_built_now_and_then_have_their_hyperparameters_found(here: Path) -> None:
    loop = "    for n in range(hp.Int('layers', 1, 3)):\n        hp.Int(f'u{n}', 2, 4)\n"
    code = START.replace("    model =", f"{loop}    model =")
    config = load_config(_experiment(here, code + END))
    names = [name.removeprefix("hyperparameters.") for name in config.space.dimensions]
    assert {"layers", "u0", "u1", "u2"} <= set(names)


SEVERAL = """
def build(hp):
    kind = hp.Choice("kind", ["a", "b", "c"])
    deep = hp.Choice("depth", [6, 23, 36])
    bn, drop = hp.Boolean("bn"), hp.Boolean("drop")
    hp.Choice("optimizer", ["adam", "rmsprop", "sgd"])
    hp.Choice("rate", [0.1, 0.01, 0.001])
    layers = hp.Int("layers", 1, 4)
    {then}
"""


@pytest.mark.parametrize(
    ("then", "more", "most"),
    [
        ("pass", set(), 7),
        ("if kind == 'b': hp.Float('alpha', 0, 1)", {"alpha"}, 30),
        ("if bn and not drop: hp.Float('alpha', 0, 1)", {"alpha"}, 30),
        ("if drop and not bn: hp.Float('alpha', 0, 1)", {"alpha"}, 30),
        ("[hp.Int(f'u{n}', 2, 9) for n in range(layers)]", {"u0", "u1", "u2", "u3"}, 30),
        ("if kind == 'b': [hp.Int(f'u{n}', 2, 9) for n in range(layers)]", {"u0", "u3"}, 30),
    ],
)
def test_few_builds_find_what_it_declares_and_more_what_it_declares_now_and_then(
    then: str, more: set[str], most: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "several.py").write_text(SEVERAL.format(then=then))
    built: list[Any] = []

    def counted(name: str, function: Any, *arguments: Any) -> Any:
        built.append(dict(arguments[0].values))
        return function(*arguments)

    monkeypatch.setattr(own_model, "called", counted)
    with given((read_code("several.py", here / "several.py", "x"),)):
        found = declared("several.py:build")
    assert {"kind", "depth", "bn", "drop", "optimizer", "rate", "layers"} | more <= set(found)
    assert len(built) <= most


def test_the_default_of_a_choice_is_the_first_that_is_tried(here: Path) -> None:
    code = "def build(hp):\n    hp.Choice('rate', [0.1, 0.01], default=0.01)\n"
    (here / "several.py").write_text(code + "    hp.Boolean('bn', default=True)\n")
    with given((read_code("several.py", here / "several.py", "x"),)):
        found = declared("several.py:build")
    assert found == {"bn": {"choices": [True, False]}, "rate": {"choices": [0.01, 0.1]}}


def test_models_that_are_built_anew_are_no_cause_for_a_warning(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "mine.py").write_text(START + END)
    with given((read_code("mine.py", here / "mine.py", "x"),)):
        build_own(ModelSettings(build="mine.py:build"), 0)
    logger = logging.getLogger("tensorflow")
    logger.warning("5 out of the last 5 calls to f triggered tf.function retracing. Tracing is")
    logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_a_build_that_takes_long_says_which_of_how_many_it_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (here / "several.py").write_text(SEVERAL.format(then="pass"))
    monkeypatch.setattr(own_model, "SAY_AFTER_SECONDS", -1.0)
    with given((read_code("several.py", here / "several.py", "x"),)):
        declared("several.py:build")
    assert "several.py:build: build 3 of 7, which find its hyperparameters" in caplog.text


@pytest.mark.slow
def test_it_is_judged_by_auc_with_classes_weighted_and_clean_epochs_last(here: Path) -> None:
    training = {
        **_experiment(here)["training"],
        "class_weight": "balanced",
        "augmented_share": 0.5,
        "clean_epochs": 1,
    }
    evaluation: dict[str, Any] = {**_experiment(here)["evaluation"], "objective": "auc"}
    config = load_config(_experiment(here, training=training, evaluation=evaluation))
    result = sit(config, here / "run")
    assert result.outcome == "finished"
    assert all(0 < r.result.metrics["auc"] < 1 for r in result.state.records if r.result)
