"""How the `fit` of a model of the user's own is called: Keras's, or a HyperModel's own; in a trial,
and with made-up pictures before one."""

import inspect
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import UserError
from data.live_code import callbacks_given
from data.own_code import at_fault
from search.experiment.settings import ModelSettings
from search.features.devices import sees_gpu
from search.training.own_model import BUILD, OwnModel, fits_itself, hypermodel_of, refuse_undeclared
from search.training.run_values import TrialFailure

Batches = Generator[tuple[np.ndarray, ...], None, None]
GIVEN = (  # to a fit of one's own
    "a fit of one's own is given x=, a generator of batches (pictures, targets) without end, "
    "steps_per_epoch of them an epoch, validation_data= and validation_steps= alike, epochs=, "
    "callbacks= and verbose=, and no arrays"
)


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
