"""A model of the user's own, tried before anything is spent: built, asked and taught two made-up
pictures, and built again to see that nothing about it is chance."""

from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from data.own_code import at_fault, line_of_definition
from search.experiment.settings import ModelSettings
from search.training.own_model import BUILD, build_own, fits_itself
from search.training.own_outputs import Outputs, made_up_pictures, outputs_of

if TYPE_CHECKING:
    import keras


def check_own_model(settings: ModelSettings, num_classes: int, size: int) -> None:
    """Raises UserError, with file and line where code is at fault, for a model that cannot be
    trained on pictures of this size, and for one that is another each time it is built."""
    model, _ = build_own(settings, seed=0)
    outputs = outputs_of(model, str(settings.build), num_classes, size)
    first, again, other = (_weights(model, size), *(_built(settings, n, size) for n in (0, 1)))
    if _shapes(first) != _shapes(again) or _shapes(first) != _shapes(other):
        raise _by_chance(settings, "with one setting, its layers differ")
    if any((one != two).any() for one, two in zip(first, again, strict=True)):
        raise _by_chance(settings, "from one seed, its first weights differ")
    if not fits_itself(str(settings.build)):
        _check_step(model, outputs, str(settings.build), size)


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


def _check_step(model: "keras.Model", outputs: Outputs, name: str, size: int) -> None:
    """One step of training: what its loss and its metrics make of the labels."""
    model.run_eagerly = True  # quicker than to compile a graph for it
    try:
        model.train_on_batch(made_up_pictures(size), outputs.targets(np.array([0, 1])))
    except BaseException as error:
        raise at_fault(name, error, BUILD) from error
