"""How the `fit` of a model of the user's own is called: Keras's, or a HyperModel's own; in a trial,
and before anything is spent, when the model is built, asked and taught two made-up pictures, and
built again to see that nothing about it is chance."""

import inspect
import logging
import random
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import UserError
from data.live_code import callbacks_given
from data.own_code import at_fault, line_of_definition
from search.experiment.settings import ModelSettings
from search.features.devices import sees_gpu
from search.training.own_model import (
    BUILD,
    OwnModel,
    build_own,
    fits_itself,
    hypermodel_of,
    naming_values,
    refuse_undeclared,
)
from search.training.own_outputs import Outputs, made_up_pictures, outputs_of
from search.training.run_values import TrialFailure

if TYPE_CHECKING:
    import keras

Batches = Generator[tuple[np.ndarray, ...], None, None]
GIVEN = (  # to a fit of one's own
    "a fit of one's own is given x=, a generator of batches (pictures, targets) without end, "
    "steps_per_epoch of them an epoch, validation_data= and validation_steps= alike, epochs=, "
    "callbacks= and verbose=, and no arrays"
)
MOST_BATCHES = 1000

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitData:
    """Batches without end, and how many of them are an epoch; clean ones for Keras's validation."""

    batches: Batches
    steps: int
    clean: Batches
    clean_steps: int


@dataclass(frozen=True)
class FitEvents:
    """What is to be heard of a training: each epoch with Keras's logs, and where a call of Keras's
    `fit` begins and ends."""

    ended: Callable[..., None]
    begins: Callable[..., None]
    is_over: Callable[..., None]


def call_fit(
    settings: ModelSettings, built: OwnModel, data: FitData, epochs: int, heard: FitEvents
) -> None:
    """Trains it. Raises UserError, with file and line, for what own code raises."""
    (model, parameters), name = built, str(settings.build)
    if not sees_gpu():
        model.jit_compile = False  # Keras would, and is slower by it on a processor
    try:
        arguments = _arguments(name, data, epochs, heard)
        with warnings.catch_warnings():  # of Keras's default, which a fit of one's own leaves
            warnings.filterwarnings("ignore", "`shuffle=True` was passed, but will be ignored")
            warnings.filterwarnings("ignore", ".*received `from_logits=True`")  # said at the start
            hypermodel_of(name).fit(parameters, model, **arguments)
    except TrialFailure:
        raise
    except BaseException as error:
        told = at_fault(name, error, BUILD)
        if fits_itself(name) and isinstance(error, TypeError | ValueError):
            told = UserError(f"{told}; {GIVEN}")
        raise told from error
    refuse_undeclared(settings, parameters)


def unheard(name: str) -> str:
    """What to say of a fit that told of no epoch."""
    return f"{BUILD}: the fit of {name} did not call the callbacks that it was given"


def _arguments(name: str, data: FitData, epochs: int, heard: FitEvents) -> dict[str, Any]:
    """Of Keras's `fit`. Its own validation is left out where nothing would hear of it."""
    import keras

    ours = keras.callbacks.LambdaCallback(
        on_epoch_end=heard.ended, on_train_begin=heard.begins, on_train_end=heard.is_over
    )
    own = callbacks_given(name)
    found = {
        "x": data.batches,
        "epochs": epochs,
        "steps_per_epoch": data.steps,
        "callbacks": [*own, ours],
        "verbose": 0,
    }
    if own or fits_itself(name):
        found["validation_data"] = data.clean
        found["validation_steps"] = data.clean_steps
    if not fits_itself(name):
        return {**found, "shuffle": False}  # each epoch's order is drawn from the seed
    if "y" in inspect.signature(hypermodel_of(name).fit).parameters:
        found["y"] = None
    return found


def check_own_model(
    settings: ModelSettings,
    num_classes: int,
    size: int,
    is_weighted: bool = False,
    again: bool = True,
) -> None:
    """Raises UserError, with file and line where code is at fault, for a model that cannot be
    trained on pictures of this size, and for one that is another each time it is built, or the same
    whatever the seed. is_weighted: whether its classes are weighted. again: whether it is built
    again to see the latter, which takes as long as all else."""
    with naming_values(settings):
        built = build_own(settings, seed=0)
        outputs = outputs_of(built[0], str(settings.build), num_classes, size)
        if outputs.remark:
            _LOG.warning("%s", outputs.remark)
        if again:
            _check_draws(settings, built[0], size)
        _check_fit(settings, built, _fit_data(outputs, size, is_weighted))


def _check_draws(settings: ModelSettings, built: "keras.Model", size: int) -> None:
    first, again, other = (_weights(built, size), *(_built(settings, n, size) for n in (0, 1)))
    if _shapes(first) != _shapes(again) or _shapes(first) != _shapes(other):
        raise _by_chance(settings, "with one setting, its layers differ")
    if any((one != two).any() for one, two in zip(first, again, strict=True)):
        raise _by_chance(settings, "from one seed, its first weights differ")
    _check_seeds(settings, first, other)


def _built(settings: ModelSettings, seed: int, size: int) -> list[np.ndarray]:
    model, _ = build_own(settings, seed)
    return _weights(model, size)


def _weights(model: "keras.Model", size: int) -> list[np.ndarray]:
    model(made_up_pictures(size), training=False)  # some have no weights before
    return [np.asarray(each) for each in model.get_weights()]


def _shapes(weights: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [each.shape for each in weights]


def _by_chance(settings: ModelSettings, what: str) -> UserError:
    name = str(settings.build)
    return UserError(
        f"{BUILD}: {name}: {line_of_definition(name)}built twice {what}; let it draw nothing but "
        "by Keras, NumPy's and Python's usual generators, which are seeded before each build"
    )


def _check_seeds(settings: ModelSettings, first: list[np.ndarray], other: list[np.ndarray]) -> None:
    """Trainings from several seeds are to show what chance does: they begin with other weights,
    unless all are read from a file. Raises UserError where the build sets a seed itself."""
    drawn = [n for n, values in enumerate(first) if values.size and values.min() != values.max()]
    if not drawn or any((first[n] != other[n]).any() for n in drawn):
        return
    name = str(settings.build)
    said = f"{BUILD}: {name}: {line_of_definition(name)}its first weights are the same whatever "
    if _drawing_after(settings, 0) == _drawing_after(settings, 1):
        raise UserError(
            f"{said}the seed: it sets one itself, and trainings from several seeds would say "
            "nothing of chance; leave out set_random_seed, which is called before each build"
        )
    _LOG.warning(
        "%sthe seed; where they are not read from a file, leave out the seed= of its layers: "
        "trainings from several seeds say little of chance so",
        said,
    )


def _drawing_after(settings: ModelSettings, seed: int) -> float:
    """What Python's generator, which Keras seeds with its own, goes on with after a build."""
    build_own(settings, seed)
    return random.random()


def _check_fit(settings: ModelSettings, built: OwnModel, data: FitData) -> None:
    """One step of training, called as each trial will be."""
    model, heard = built[0], []

    def ended(epoch: int = 0, logs: dict[str, float] | None = None) -> None:
        heard.append(epoch)
        model.stop_training = True

    call_fit(settings, built, data, 1, FitEvents(ended, _passed_over, _passed_over))
    if not heard:
        raise UserError(unheard(str(settings.build)))


def _passed_over(logs: dict[str, float] | None = None) -> None:
    """Of a call that begins, or is over."""


def _fit_data(outputs: Outputs, size: int, is_weighted: bool) -> FitData:
    batch = (made_up_pictures(size), outputs.targets(np.array([0, 1])))
    weighted = (*batch, np.ones(2)) if is_weighted else batch
    return FitData(_again(weighted, "x"), 1, _again(batch, "validation_data"), 1)


def _again(batch: tuple[np.ndarray, ...], what: str) -> Batches:
    """Raises UserError where so many are asked for that all are."""
    yield from repeat(batch, MOST_BATCHES)
    raise UserError(
        f"{BUILD}: the fit took {MOST_BATCHES} batches of {what} for an epoch of one; it has no "
        f"end: take {'steps_per_epoch' if what == 'x' else 'validation_steps'} of them an epoch"
    )
