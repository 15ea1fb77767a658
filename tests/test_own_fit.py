"""How a model of the user's own is tried before a search and trained in it: forms of KerasTuner's
`fit`, steps of one's own, several calls of Keras's fit, seeds, what its logs tell."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import EXPERIMENT

from data.errors import UserError
from data.own_code import given
from search.driver.code_files import code_of
from search.driver.experiment_file import load_config
from search.driver.prepare import prepare, resources_of
from search.driver.specs import Epochs
from search.experiment.settings import ModelSettings
from search.experiment.trial import LostNetwork
from search.features.process_cache import dataset_of
from search.training.fit_mode import train_fit, whole_own_model
from search.training.own_call import check_own_model
from search.training.own_fit import ACCURACIES
from search.training.run_trial import run_trial
from search.training.run_values import TrainedHeads, TrialFailure
from search.training.training_mode import load_trial
from search.training.trial_files import heads_file, load_head

BUILD = """import keras
import keras_tuner
import tensorflow as tf
from keras import layers

loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
weights = dict()


def build(hp):
    {first}
    inputs = keras.Input((8, 8, 3))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    model = {kind}(inputs, layers.Dense(10, name="out", **weights)(flat))
    model.compile("{optimizer}", loss={loss}, metrics=[{metrics}] or None)
    return model


class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp)

"""


def _code(fit: str = "", before: str = "", **parts: str) -> str:
    usual = {"first": "pass", "kind": "keras.Model", "optimizer": "adam", "loss": "loss_of"}
    return before + BUILD.format(**{**usual, "metrics": "", **parts}) + fit


@contextmanager
def _at_hand(folder: Path, code: str, name: str = "Mine", **training: Any) -> Iterator[Any]:
    (folder / "mine.py").write_text(code)
    experiment = {
        **EXPERIMENT,
        "model": {"build": f"{folder}/mine.py:{name}"},
        "training": {"max_epochs": 4, "patience": 2, "batch_size": 512, **training},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "controls": []},
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
    }
    config = load_config(experiment)
    with given(code_of(config)):
        yield config


def _tried(folder: Path, code: str, name: str = "Mine", is_weighted: bool = False) -> None:
    with _at_hand(folder, code, name) as config:
        build = config.model.written["build"]
        check_own_model(ModelSettings(build=build), 10, 8, is_weighted)


def _trained(
    folder: Path,
    code: str,
    name: str = "Mine",
    num_seeds: int = 1,
    augmentation: dict[str, Any] | None = None,
    rung: int | None = None,
    **training: Any,
) -> TrainedHeads:
    """One fold. rung: of how many epochs, where it is not of all."""
    with _at_hand(folder, code, name, **training) as config:
        resources = resources_of(config, folder / "run")
        spec = prepare(config, resources).specs.baseline()
        protocol = {"head_seeds": tuple(range(1, num_seeds + 1)), "max_epochs": rung}
        changes = {
            "settings": spec.settings.model_copy(update={"augmentation": augmentation or {}}),
            "protocol": spec.protocol.model_copy(update=protocol),
        }
        spec = spec.model_copy(update=changes)
        return train_fit(load_trial(spec, resources)).heads


LOOP = """
    def fit(self, hp, model, x, callbacks, validation_data, **kwargs):
        for each in callbacks:
            each.set_model(model)
        for epoch in range(kwargs["epochs"]):
            for _ in range(kwargs["steps_per_epoch"]):
                model.train_on_batch(*next(x))
            for each in callbacks:
                each.on_epoch_end({told})
"""
FITS = {
    "its own shuffle": """
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, shuffle=True, **kwargs)
""",
    "x and y": """
    def fit(self, hp, model, x, y, **kwargs):
        return model.fit(x, y, **kwargs)
""",
    "a metric of its own": LOOP.format(told='epoch, logs={"my_metric": 0.5}'),
    "no logs": LOOP.format(told="epoch"),
}


@pytest.mark.parametrize("form", FITS)
def test_forms_of_fit_that_kerastuner_teaches_are_called(form: str, tmp_path: Path) -> None:
    _tried(tmp_path, _code(FITS[form]))
    losses = _trained(tmp_path, _code(FITS[form])).curve.values["loss"]
    assert len(losses) > 0
    assert np.isfinite(losses).all()


WRONG_FITS = {
    "arrays": (
        """
    def fit(self, hp, model, x, y, **kwargs):
        tf.data.Dataset.from_tensor_slices((x, y))
""",
        r"mine\.py, line \d+: \w+Error: .*a fit of one's own is given x=, a generator",
    ),
    "epochs twice": (
        """
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, epochs=3, **kwargs)
""",
        "multiple values for keyword argument 'epochs'.*steps_per_epoch",
    ),
    "no end": (
        """
    def fit(self, hp, model, x, validation_data, **kwargs):
        for pictures, labels in validation_data:
            pass
""",
        "1000 batches of validation_data .* take validation_steps of them",
    ),
    "callbacks left out": (
        """
    def fit(self, hp, model, *args, callbacks=(), **kwargs):
        return model.fit(*args, **kwargs)
""",
        "did not call the callbacks",
    ),
    "a hyperparameter of its own": (
        """
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, shuffle=hp.Boolean("shuffle"), **kwargs)
""",
        "declares shuffle now and then only, or in fit",
    ),
}


@pytest.mark.parametrize("case", WRONG_FITS)
def test_a_fit_that_does_not_work_is_told_before_the_search(case: str, tmp_path: Path) -> None:
    fit, message = WRONG_FITS[case]
    with pytest.raises(UserError, match=message):
        _tried(tmp_path, _code(fit))


STEP = """import keras
class Stepping(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        found = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(found, self.trainable_variables))
        return {"my_loss": loss}
"""
EAGER = """import keras
class Stepping(keras.Model):
    def call(self, *inputs, training=False, mask=None):
        if training:
            inputs[0].numpy()
        return super().call(*inputs)
"""


def test_a_step_of_one_s_own_is_tried_as_fit_will_call_it(tmp_path: Path) -> None:
    code = _code(before=STEP, kind="Stepping")
    _tried(tmp_path, code, "build")
    with pytest.raises(UserError, match=r"line 4: ValueError: too many values"):
        _tried(tmp_path, code, "build", is_weighted=True)


def test_a_step_that_is_no_graph_is_told_before_the_search(tmp_path: Path) -> None:
    code = _code(before=EAGER, kind="Stepping")
    with pytest.raises(UserError, match=r"line 5: AttributeError: .*no attribute 'numpy'") as told:
        _tried(tmp_path, code, "build")
    assert "\x1b" not in str(told.value)
    _tried(tmp_path, code.replace("metrics=", "run_eagerly=True, metrics="), "build")


def test_the_one_loss_of_a_list_or_a_mapping_is_read(tmp_path: Path) -> None:
    plain, *others = [
        _trained(tmp_path, _code(loss=loss), "build").curve
        for loss in ("loss_of", "[loss_of]", "{'out': loss_of}")
    ]
    assert others == [plain, plain]


def test_a_build_that_sets_its_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line \d+: its first weights are the same.*sets one"):
        _tried(tmp_path, _code(first="keras.utils.set_random_seed(42)"), "build")


def test_layers_with_seeds_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = _code().replace("dict()", "dict(kernel_initializer=keras.initializers.GlorotNormal(1))")
    with caplog.at_level(logging.WARNING):
        _tried(tmp_path, code, "build")
    assert "its first weights are the same whatever the seed" in caplog.text


TWO_CALLS = """
    def fit(self, hp, model, *args, **kwargs):
        model.optimizer.learning_rate = 0.0
        model.fit(*args, **kwargs)
        model.optimizer.learning_rate = 0.01
        return model.fit(*args, **kwargs)
"""


def test_a_second_call_of_fit_has_epochs_and_patience_of_its_own(tmp_path: Path) -> None:
    heads = _trained(tmp_path, _code(TWO_CALLS))
    assert len(heads.curve.loss) == 3 + 4  # the first is stale after its best and two more
    assert heads.best_epochs[0] > 3
    assert heads.cut_by_max_epochs == (True,)


@pytest.mark.slow
def test_a_second_call_of_fit_is_fed_the_same_whatever_keras_read_ahead(tmp_path: Path) -> None:
    batches: dict[str, Any] = {"batch_size": 16, "patience": 1}
    curves = [_trained(tmp_path, _code(TWO_CALLS), **batches).curve for _ in range(3)]
    assert curves[0] == curves[1] == curves[2]


def test_the_last_epochs_on_clean_pictures_are_counted_from_the_end_of_the_highest_rung(
    tmp_path: Path,
) -> None:
    augmented: dict[str, Any] = {"augmentation": {"rotation_range": 90.0}, "clean_epochs": 2}
    whole, paused, clean = [
        _trained(tmp_path, _code(), "build", rung=rung, max_epochs=4, patience=8, **changes).curve
        for rung, changes in ((None, augmented), (2, augmented), (2, {}))
    ]
    assert paused.loss == whole.loss[:2]
    assert paused.loss != clean.loss


def test_a_loop_over_calls_of_one_epoch_has_one_patience(tmp_path: Path) -> None:
    fit = """
    def fit(self, hp, model, *args, epochs, **kwargs):
        for n in range(epochs):
            model.optimizer.learning_rate = 0.0 if n else 0.01
            model.fit(*args, epochs=1, **kwargs)
            if model.stop_training:
                break
"""
    heads = _trained(tmp_path, _code(fit))
    assert (len(heads.curve.loss), heads.cut_by_max_epochs) == (3, (False,))


STOPS = """
    def fit(self, hp, model, *args, callbacks, **kwargs):
        own = keras.callbacks.EarlyStopping("val_loss", min_delta=100, patience=1)
        return model.fit(*args, callbacks=[*callbacks, own], **kwargs)
"""


def test_a_stop_by_a_callback_of_its_own_is_no_cut(tmp_path: Path) -> None:
    heads = _trained(tmp_path, _code(STOPS), patience=3, batch_size=16)
    assert (len(heads.curve.loss), heads.cut_by_max_epochs) == (2, (False,))


def test_a_model_at_chance_that_own_code_stops_did_not_train(tmp_path: Path) -> None:
    code = _code(STOPS).replace('"adam"', "keras.optimizers.SGD(0.0)")
    with pytest.raises(TrialFailure, match="1 of 1 models did not train: 1 never left chance"):
        _trained(tmp_path, code, patience=3)


def test_the_curve_s_accuracy_is_of_first_answers_only(tmp_path: Path) -> None:
    metrics = "keras.metrics.SparseTopKCategoricalAccuracy(10)"
    heads = _trained(tmp_path, _code(metrics=metrics), "build", max_epochs=1, patience=1)
    assert heads.curve.accuracy[0] < 0.9
    assert not [name for name in ACCURACIES if "top" in name]


CONDITIONS = """
    kind = hp.Choice("kind", ["adam", "sgd"])
    with hp.conditional_scope("kind", ["adam"]):
        hp.Float("rate", 1e-4, 1e-3)
    with hp.conditional_scope("kind", ["sgd"]):
        hp.Float("rate", {low}, 1e-3)
"""


def test_one_name_of_two_ranges_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"declares rate as .*0\.0001.* and as .*0\.0005.*rate_a"),
        _at_hand(tmp_path, _code(first=CONDITIONS.format(low=5e-4).strip()), "build"),
    ):
        pass
    with _at_hand(tmp_path, _code(first=CONDITIONS.format(low=1e-4).strip()), "build") as config:
        assert "hyperparameters.rate" in config.space.dimensions


SPOILT = """
    def fit(self, hp, model, *args, callbacks, **kwargs):
        fits.append(model)

        def spoil(epoch, logs):
            if epoch == {epoch} and len(fits) in {which}:
                model.set_weights([weight * float("nan") for weight in model.get_weights()])

        first = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
        for _ in range({calls}):
            model.fit(*args, callbacks=[first, *callbacks], **kwargs)
"""


@pytest.mark.parametrize("calls", [1, 2])
def test_one_model_of_several_that_diverges_is_named(tmp_path: Path, calls: int) -> None:
    code = _code(SPOILT.format(epoch=1, which=(2,), calls=calls), before="fits = []\n")
    trained = _trained(tmp_path, code, num_seeds=3, max_epochs=2, patience=8, batch_size=64)
    assert trained.lost == (LostNetwork(head=1, why="diverged", epoch=2),)
    assert trained.best_epochs[1] == 1
    assert not trained.cut_by_max_epochs[1]
    assert np.isfinite(list(trained.curve.values.values())).all()


def test_one_model_that_diverges_in_its_first_epoch_is_named_and_scored_as_guessing(
    tmp_path: Path,
) -> None:
    code = _code(SPOILT.format(epoch=0, which=(2,), calls=1), before="fits = []\n")
    trained = _trained(tmp_path, code, num_seeds=3, max_epochs=2, patience=8, batch_size=64)
    assert trained.lost == (LostNetwork(head=1, why="diverged", epoch=1),)
    assert len(np.unique(trained.honest[1][0])) == 1
    assert np.isfinite(trained.honest[1][1]).all()
    assert np.isfinite(list(trained.curve.values.values())).all()


@pytest.mark.parametrize(("epoch", "which"), [(0, (1, 2)), (1, (1, 2))])
def test_a_trial_of_models_fails_where_half_diverge(
    tmp_path: Path, epoch: int, which: tuple[int, ...]
) -> None:
    code = _code(SPOILT.format(epoch=epoch, which=which, calls=1), before="fits = []\n")
    said = (
        r"^2 of 3 models diverged \(0, 1\): the \w+ loss of the model became nan in epoch "
        f"{epoch + 1}; lower its learning rate"
    )
    with pytest.raises(TrialFailure, match=said):
        _trained(tmp_path, code, num_seeds=3, max_epochs=2, patience=8, batch_size=64)


def test_a_model_that_max_epochs_cuts_at_chance_is_named(tmp_path: Path) -> None:
    code = _code().replace('"adam"', "keras.optimizers.SGD(0.0)")
    trained = _trained(tmp_path, code, max_epochs=2, patience=8)
    assert trained.lost == (LostNetwork(head=0, why="cut", epoch=2),)


FIRST_IS_DEAD = """
    def fit(self, hp, model, *args, **kwargs):
        fits.append(model)
        if len(fits) == 1:
            model.set_weights([0 * weight for weight in model.get_weights()])
            model.optimizer.learning_rate = 0.0
        model.fit(*args, **kwargs)
"""


def test_the_model_that_is_kept_of_final_ones_is_the_first_that_trained(tmp_path: Path) -> None:
    code = _code(FIRST_IS_DEAD, before="fits = []\n")
    with _at_hand(tmp_path, code, batch_size=64) as config:
        resources = resources_of(config, tmp_path / "run")
        specs = prepare(config, resources).specs
        final = specs.final("x", specs.control({}), Epochs(4))
        protocol = final.protocol.model_copy(update={"head_seeds": (1, 2)})
        final = final.model_copy(update={"protocol": protocol})
        outcome = run_trial(final, resources)
        assert outcome.result.lost == (LostNetwork(head=0, why="chance", epoch=4),)
        assert outcome.predictions is not None
        kept = load_head(heads_file(final, resources))
        model = whole_own_model(final.settings, 8, 10, kept)
        dataset = dataset_of(final.dataset, final.dataset_seed, resources)
        found = model.predict(np.asarray(dataset.images[outcome.predictions.images]), verbose=0)
    np.testing.assert_array_equal(found.argmax(axis=1), outcome.predictions.predicted[1])


@pytest.mark.parametrize(("num_dead", "num_probes"), [(1, 2), (5, 0)])
def test_pictures_at_extremes_are_shown_to_models_that_trained(
    num_dead: int, num_probes: int, tmp_path: Path
) -> None:
    dead = FIRST_IS_DEAD.replace("== 1", f"<= {num_dead}")
    code = _code(dead, before="fits = []\n")
    with _at_hand(tmp_path, code, batch_size=64, max_epochs=8, patience=5) as config:
        resources = resources_of(config, tmp_path / "run")
        spec = prepare(config, resources).specs.baseline()
        protocol = {"head_seeds": (1, 2, 3), "epochs": 8 if num_dead > 1 else None}
        changes = {
            "probes": {"rotation_range": 20},
            "protocol": spec.protocol.model_copy(update=protocol),
        }
        result = run_trial(spec.model_copy(update=changes), resources).result
    assert [each.head for each in result.lost] == list(range(min(num_dead, 3))), result.error
    assert len(result.probes) == num_probes
    assert all(each.clean_accuracy > 0.3 for each in result.probes)


def test_a_loop_that_tells_no_loss_has_one_in_its_curve(tmp_path: Path) -> None:
    assert np.isfinite(_trained(tmp_path, _code(FITS["no logs"]), max_epochs=1).curve.loss).all()
