"""A model of the user's own: a KerasTuner build function, or a HyperModel, found by its name; which
hyperparameters it declares, what it builds, and how its outputs are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data.errors import UserError
from data.own_code import at_fault, own_function
from search.experiment.settings import ModelSettings
from search.features.devices import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras
    import keras_tuner

BUILD = "model.build"
MOST_BUILDS = 40  # to find hyperparameters
LEAST = 1e-7  # of a probability, as Keras's own losses have it
OutputKind = Literal["classes", "one_hot", "binary"]
# What Keras calls a loss, in small letters without dashes -> how it takes labels.
READ_BY_LOSS: dict[str, OutputKind] = {
    "sparsecategoricalcrossentropy": "classes",
    "categoricalcrossentropy": "one_hot",
    "categoricalfocalcrossentropy": "one_hot",
    "binarycrossentropy": "binary",
    "binaryfocalcrossentropy": "binary",
}


@dataclass(frozen=True)
class Outputs:
    """How a model's outputs are read. kind: how its loss takes labels. logits: whether they are
    logits; else probabilities."""

    kind: OutputKind
    logits: bool
    num_classes: int

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """int [n] as the loss takes them."""
        if self.kind == "one_hot":
            return np.eye(self.num_classes, dtype=np.float32)[labels]
        return labels.astype(np.float32)[:, None] if self.kind == "binary" else labels

    def log_probabilities(self, found: np.ndarray) -> np.ndarray:
        """float64 [n, classes], of outputs [n, classes or 1]."""
        values = np.asarray(found, np.float64)
        if self.logits:
            pair = [-np.logaddexp(0, values), -np.logaddexp(0, -values)]
            if self.kind == "binary":
                return np.concatenate(pair, axis=1)
            return values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        if self.kind == "binary":
            values = np.concatenate([1 - values, values], axis=1)
        return np.log(np.clip(values, LEAST, 1.0))


def hypermodel_of(name: str) -> "keras_tuner.HyperModel":
    """Raises UserError where there is no such function or class."""
    import_tensorflow_quietly()
    from keras_tuner.engine.hypermodel import HyperModel
    from keras_tuner.src.engine.hypermodel import get_hypermodel

    try:
        found = own_function(name)
    except UserError as error:
        raise UserError(f"{BUILD}: {error}") from error
    if isinstance(found, type):
        found = _called(name, found)
        if not isinstance(found, HyperModel):
            raise UserError(
                f"{BUILD}: {name} is a class; allowed: a function that takes hp, or a subclass of "
                "keras_tuner.HyperModel"
            )
    return get_hypermodel(found)


def _called(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What it gives back. Raises UserError with file and line for whatever it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        raise at_fault(name, error, BUILD) from error


def declared(name: str) -> dict[str, Any]:
    """The hyperparameters that it declares, as an experiment file writes them. It is built with all
    at their defaults, with all at their largest, and with every choice, so that those are found
    which it asks for now and then only. Raises UserError for one that cannot be searched here."""
    hypermodel = hypermodel_of(name)
    import keras_tuner

    found: dict[str, Any] = {}
    tried: list[dict[str, Any]] = []
    pending: list[dict[str, Any]] = [{}]
    while pending and len(tried) < MOST_BUILDS:
        parameters = keras_tuner.HyperParameters()
        parameters.values = dict(pending[0])
        tried.append(pending[0])
        _called(name, hypermodel.build, parameters)
        for each in parameters.space:
            found.setdefault(each.name, each)
        pending = [each for each in _corners(found) if each not in tried]
    return {each: _written(name, found[each]) for each in sorted(found)}


def _corners(found: dict[str, Any]) -> list[dict[str, Any]]:
    """All at their largest, and so with each value of each choice."""
    listed = {
        name: list(each.values) for name, each in found.items() if not hasattr(each, "min_value")
    }
    largest = {name: each.max_value for name, each in found.items() if name not in listed}
    last = {**largest, **{name: values[-1] for name, values in listed.items()}}
    return [last, *({**last, name: value} for name in listed for value in listed[name])]


def _written(name: str, declared_one: Any) -> Any:
    """As an experiment file writes it: a value, a range, or values to choose from."""
    kind = type(declared_one).__name__
    if kind == "Fixed":
        return declared_one.value
    if kind == "Boolean":
        return {"choices": [False, True]}
    if kind == "Choice":
        values = list(declared_one.values)
        return {"choices": values} if len(values) > 1 else values[0]
    low, high, step = declared_one.min_value, declared_one.max_value, declared_one.step
    if declared_one.sampling not in ("linear", "log", None):
        raise _unsearchable(name, declared_one.name, f"sampling is {declared_one.sampling}")
    if low == high:
        return low
    is_log = declared_one.sampling == "log"
    if is_log and step is not None:
        raise _unsearchable(
            name, declared_one.name, "it has a step and sampling log; leave out one"
        )
    number = int if kind == "Int" else float
    found = {"min": number(low), "max": number(high)}
    if step is not None and not (kind == "Int" and step == 1):
        found["step"] = number(step)
    return {**found, "sampling": "log"} if is_log else found


def _unsearchable(name: str, parameter: str, why: str) -> UserError:
    return UserError(f"{BUILD}: {name} declares {parameter}, which cannot be searched here: {why}")


def parameters_of(model: ModelSettings) -> "keras_tuner.HyperParameters":
    """The values of one setting, as a build function asks for them."""
    import keras_tuner

    found = keras_tuner.HyperParameters()
    found.values = dict(model.hyperparameters)
    return found


def build_own(model: ModelSettings, seed: int) -> "tuple[keras.Model, keras_tuner.HyperParameters]":
    """The compiled model of a setting, its first weights drawn from the seed, and what it was built
    from. Raises UserError, with file and line, for what is wrong with it."""
    assert model.build is not None, "mode fit has a build function"
    hypermodel = hypermodel_of(model.build)
    import keras

    keras.backend.clear_session(free_memory=False)  # names count from 1, so that weights are named
    keras.utils.set_random_seed(seed % 2**32)
    parameters = parameters_of(model)
    built = _called(model.build, hypermodel.build, parameters)
    if not isinstance(built, keras.Model):
        raise UserError(
            f"{BUILD}: {model.build} returned {type(built).__name__}; allowed: a compiled "
            "keras.Model"
        )
    if not built.compiled:
        raise UserError(
            f"{BUILD}: {model.build} returned a model that is not compiled; end with "
            "model.compile(optimizer=..., loss=...)"
        )
    return built, parameters


def outputs_of(built: "keras.Model", name: str, num_classes: int, size: int) -> Outputs:
    """How its outputs are read: from its loss, held against its answers on two made-up pictures.
    Raises UserError where that is not clear."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    try:
        found = np.asarray(built(pictures, training=False))
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(
            f"{BUILD}: the model of {name} takes no pictures [n, {size}, {size}, 3] "
            f"({type(error).__name__}: {text}); dataset.image_size sets their side"
        ) from error
    outputs = _by_loss(built, name, num_classes)
    columns = 1 if outputs.kind == "binary" else num_classes
    if found.shape != (2, columns):
        raise UserError(
            f"{BUILD}: the model of {name} gives outputs {['n', *found.shape[1:]]}; "
            f"with this loss and {num_classes} classes they are [n, {columns}]"
        )
    sums = found.sum(axis=1) if outputs.kind != "binary" else np.ones(2)
    apart = found.min() < -1e-3 or found.max() > 1 + 1e-3 or abs(sums - 1).max() > 1e-2
    if not outputs.logits and apart:
        raise UserError(
            f"{BUILD}: the loss of {name} takes probabilities, and its outputs are none (from "
            f"{found.min():.3g} to {found.max():.3g}); end in softmax (sigmoid for one output), or "
            "give the loss from_logits=True"
        )
    return outputs


def _by_loss(built: "keras.Model", name: str, num_classes: int) -> Outputs:
    import keras

    try:
        loss = keras.losses.get(built.loss)
    except (TypeError, ValueError):
        loss = built.loss
    bases = [getattr(loss, "__name__", ""), *(each.__name__ for each in type(loss).__mro__)]
    kinds = [
        READ_BY_LOSS[key]
        for each in bases
        if (key := each.replace("_", "").lower()) in READ_BY_LOSS
    ]
    if not kinds or (kinds[0] == "binary" and num_classes != 2):
        given = getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss
        raise UserError(
            f"{BUILD}: the model of {name} is compiled with the loss {given}, which does not say "
            f"how its outputs are read for {num_classes} classes; allowed: sparse or categorical "
            "crossentropy (focal too) on one output per class; binary crossentropy on one output "
            "for two classes"
        )
    logits = bool(getattr(loss, "from_logits", False))
    return Outputs(kinds[0], logits, num_classes)
