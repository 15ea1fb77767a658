"""A model of the user's own: a KerasTuner build function, or a HyperModel, found by its name; which
hyperparameters it declares, and what it builds. How its outputs are read is `own_outputs`' part.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from itertools import combinations
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.messages import literal
from data.own_code import at_fault, own_function
from data.own_code_watch import SAY_AFTER_SECONDS
from search.experiment.settings import ModelSettings
from search.features.devices import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras
    import keras_tuner

OwnModel = tuple["keras.Model", "keras_tuner.HyperParameters"]
BUILD = "model.build"
MOST_BUILDS, FEW_BUILDS = 40, 6  # to find hyperparameters
BUILDING_SECONDS = 600.0  # of all that is tried at the start: a build may download weights

_LOG = logging.getLogger(__name__)


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
        found = called(name, found)
        if not isinstance(found, HyperModel):
            raise UserError(
                f"{BUILD}: {name} is a class; allowed: a function that takes hp, or a subclass of "
                "keras_tuner.HyperModel"
            )
    return get_hypermodel(found)


def called(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What it gives back. Raises UserError with file and line for whatever it raises."""
    try:
        with chdir("."):
            return function(*arguments)
    except BaseException as error:
        raise at_fault(name, error, BUILD) from error


def declared(name: str) -> dict[str, Any]:
    """The hyperparameters that it declares, as an experiment file writes them. It is built with all
    at their defaults, and with every choice in the company of others. Where they are not the same
    each time, it is built with all at their largest and each choice apart, so that those are found
    which it asks for now and then only. Raises UserError for one that cannot be searched here."""
    hypermodel = hypermodel_of(name)
    import keras_tuner

    found: dict[str, Any] = {}
    tried: list[dict[str, Any]] = []
    asked: set[frozenset[str]] = set()
    pending: list[dict[str, Any]] = [{}]
    start = time.monotonic()
    while pending and len(tried) < MOST_BUILDS:
        parameters = keras_tuner.HyperParameters()
        parameters.values = dict(pending[0])
        tried.append(pending[0])
        _tell_of_long(name, start, len(tried), len(pending))
        called(name, hypermodel.build, parameters)
        for each in parameters.space:
            _refuse_two_ranges(name, found.setdefault(each.name, each), each)
        asked.add(frozenset(each.name for each in parameters.space))
        wanted = _in_company(found) if len(asked) == 1 else _corners(found)
        pending = [each for each in wanted if each not in tried]
    return {each: _written(name, found[each]) for each in sorted(found)}


def _tell_of_long(name: str, start: float, number: int, pending: int) -> None:
    passed = time.monotonic() - start
    if passed > SAY_AFTER_SECONDS:
        most = min(number + pending - 1, MOST_BUILDS)
        _LOG.warning(
            "%s: %s: build %d of %d, which find its hyperparameters, %.0f s so far",
            *(BUILD, name, number, most, passed),
        )


def _refuse_two_ranges(name: str, first: Any, other: Any) -> None:
    """Raise UserError where one name stands for two hyperparameters: under two conditions, or by
    the value of another one. They are one dimension of the search, with one range."""
    ranges = [_written(name, each) for each in (first, other)]
    if ranges[0] != ranges[1]:
        texts = " and as ".join(literal(each) for each in ranges)
        raise UserError(
            f"{BUILD}: {name} declares {first.name} as {texts}, by the values of others, and one "
            f"name has one range; give each a name of its own, {first.name}_a and {first.name}_b"
        )


def _corners(found: dict[str, Any]) -> list[dict[str, Any]]:
    """All at their largest, and so with each value of each choice."""
    largest, listed = _largest_and_listed(found)
    last = {**largest, **{name: values[-1] for name, values in listed.items()}}
    return [last, *({**last, name: value} for name in listed for value in listed[name])]


def _in_company(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Numbers at their largest, and each value of each choice once or more, as many pairs of values
    together as so few builds can have."""
    largest, listed = _largest_and_listed(found)
    most = max(map(len, listed.values()), default=1)
    builds: list[dict[str, Any]] = []
    used: Counter[tuple[str, int]] = Counter()
    met: set[frozenset[tuple[str, int]]] = set()
    for _ in range(max(most, min(2 * most, FEW_BUILDS)) if listed else 1):
        chosen: list[tuple[str, int]] = []
        for name, values in listed.items():
            places = [(name, place) for place in range(len(values))]
            chosen.append(min(places, key=lambda at: (used[at], -_new(at, chosen, met))))
        used.update(chosen)
        met |= {frozenset(pair) for pair in combinations(chosen, 2)}
        builds.append({**largest, **{name: listed[name][place] for name, place in chosen}})
    return builds


def _new(at: Any, chosen: list[Any], met: set[Any]) -> int:
    """With how many of those that are chosen it was not together yet."""
    return sum(frozenset((at, other)) not in met for other in chosen)


def _largest_and_listed(found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Numbers at their largest, and the values of each choice."""
    listed = {
        name: list(each.values) for name, each in found.items() if not hasattr(each, "min_value")
    }
    return {name: each.max_value for name, each in found.items() if name not in listed}, listed


def _written(name: str, declared_one: Any) -> Any:
    """As an experiment file writes it: a value, a range, or values to choose from."""
    kind = type(declared_one).__name__
    if kind == "Fixed":
        return declared_one.value
    if kind in ("Boolean", "Choice"):
        # The first is what is trained where nothing else is said: no augmentation, say.
        values = sorted(declared_one.values, key=lambda value: value != declared_one.default)
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


@contextmanager
def naming_values(model: ModelSettings) -> Iterator[None]:
    """Whatever is wrong with a model is said with the values that it was built with."""
    try:
        yield
    except UserError as error:
        values = [f"{name} {literal(value)}" for name, value in model.hyperparameters.items()]
        if not values:
            raise
        raise UserError(f"{error} (built with {', '.join(values)})") from error


def build_own(model: ModelSettings, seed: int) -> OwnModel:
    """The compiled model of a setting, its first weights drawn from the seed, and what it was built
    from. Raises UserError, with file and line, for what is wrong with it."""
    assert model.build is not None, "mode fit has a build function"
    hypermodel = hypermodel_of(model.build)
    import keras

    logging.getLogger("tensorflow").addFilter(_is_no_retracing)
    keras.backend.clear_session(free_memory=False)  # names count from 1, so that weights are named
    keras.utils.set_random_seed(seed % 2**32)
    parameters = parameters_of(model)
    built = called(model.build, hypermodel.build, parameters)
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
    refuse_undeclared(model, parameters)
    return built, parameters


def _is_no_retracing(record: logging.LogRecord) -> bool:
    """TensorFlow warns of functions that are traced again: here each model is a new one."""
    return "triggered tf.function retracing" not in record.getMessage()


def refuse_undeclared(model: ModelSettings, parameters: "keras_tuner.HyperParameters") -> None:
    """Raise UserError for a hyperparameter that is asked for and was not found at the start: it
    would stay at its default, unseen."""
    found = sorted({each.name for each in parameters.space} - set(model.hyperparameters))
    if found:
        raise UserError(
            f"{BUILD}: {model.build} declares {', '.join(found)} now and then only, or in fit, so "
            "that it would not be searched; declare it in build, each time"
        )


def fits_itself(name: str) -> bool:
    """Whether it is a HyperModel with a `fit` of its own."""
    from keras_tuner.engine.hypermodel import HyperModel

    return type(hypermodel_of(name)).fit is not HyperModel.fit
