"""Networks of Keras: those of `keras.applications` that the table of backbones names, with the
preprocessing that each wants; any other of them, `keras:NAME`; and any Keras model's file, `file`;
the latter two up to a layer too, `keras:NAME:LAYER`, `file:LAYER`.

What the layer gives is pooled to [n, d] where it is a map. A network of keras.applications that the
table does not name has its own module's preprocessing before it; a model from a file takes raw
pictures, 0 to 255.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.messages import did_you_mean, words_of
from search.features.unfolded import Unfolded, unfolded
from search.features.weights import check_file, h5_config

if TYPE_CHECKING:
    import keras

    Preprocess = Callable[[keras.KerasTensor], keras.KerasTensor]
    Build = Callable[[keras.KerasTensor, int, str | None, bool], keras.Model]

OTHERS = re.compile(r"(keras:[A-Za-z]\w{0,99}|file)(:[^:\n]{1,200})?")
MODEL_SUFFIXES = (".keras", ".h5")
SMALLEST = 8  # the least that any data set has; a network may refuse more
NAMED = "model.backbone"


def is_file(name: str) -> bool:
    return name.partition(":")[0] == "file"


def from_applications(
    name: str, inputs: keras.KerasTensor, image_size: int, weights: str | None, include_top: bool
) -> keras.Model:
    """Raises UserError where there is no such network or layer, or it takes no such size."""
    import keras

    _, constructor, *layer = name.split(":", 2)
    module = _module_of(constructor)
    try:
        whole = getattr(keras.applications, constructor)(
            weights=weights,
            include_top=include_top,
            input_tensor=module.preprocess_input(inputs),
            input_shape=(image_size, image_size, 3),
        )
    except ValueError as error:
        raise _refused(name, image_size, error) from error
    if include_top:
        return keras.Model(inputs, whole.output, name=constructor)
    named = {each.name: [each.output] for each in whole.layers}
    features = _features(name, Unfolded(list(whole.outputs), named), layer)
    return keras.Model(inputs, features, name=constructor)


def _module_of(constructor: str) -> Any:
    """The module of keras.applications that has it, and its preprocessing."""
    import keras

    names = [each for each, value in vars(keras.applications).items() if inspect.isfunction(value)]
    if constructor not in names:
        raise UserError(
            f"{NAMED}: keras.applications has no network called {constructor}"
            f"{did_you_mean(constructor, names)}"
        )
    modules = [each for each in vars(keras.applications).values() if inspect.ismodule(each)]
    own = [each for each in modules if hasattr(each, constructor)]
    return own[0] if own else importlib.import_module("keras.applications.imagenet_utils")


def check_model_file(name: str, weights: str) -> None:
    """Raises UserError where the weights of such a backbone are no file of a whole Keras model, or
    hold code. Nothing is built."""
    path = Path(weights)
    how = "save the whole model, model.save('NAME.keras'), and name that file"
    if path.is_dir():
        raise UserError(
            f"model.weights {weights} is a folder, as of a SavedModel, whose layers have no names; "
            f"allowed for model.backbone {name}: a file of a whole Keras model, .keras or .h5. "
            f"Where it was built, {how}"
        )
    if path.suffix not in MODEL_SUFFIXES:
        raise UserError(
            f"model.backbone {name} is made of a Keras model's file, and model.weights is "
            f"{weights}; allowed: a file of a whole model, .keras or .h5, such as weights: "
            "my_network.keras"
        )
    check_file(path, takes_torch=False)
    if path.suffix == ".h5" and h5_config(path) is None:
        raise UserError(
            f"weights file {weights} holds weights alone, and model.backbone {name} needs a whole "
            f"model; {how}"
        )


def from_file(
    name: str, inputs: keras.KerasTensor, image_size: int, weights: str | None, include_top: bool
) -> keras.Model:
    """weights: the path of the .keras or .h5 file. Raises UserError where it cannot be read, has no
    such layer or takes no pictures of this size. No code of it is run."""
    import keras

    if include_top or weights is None:
        raise ValueError("a model from a file has no ImageNet top, and is a file")
    try:
        whole = keras.saving.load_model(weights, compile=False, safe_mode=True)
        found = unfolded(whole, inputs)
        layer = name.split(":", 1)[1:]
        model = keras.Model(inputs, _features(name, found, layer), name="file")
    except UserError:
        raise
    except Exception as error:  # whatever Keras raises for a file that is no such model
        if "Could not locate class" in str(error):
            raise _without_code(name, weights, error) from error
        raise _refused(f"{name} ({weights})", image_size, error) from error
    for each in model.layers:
        each.trainable = True  # whatever it was when it was saved
    return model


def _without_code(name: str, weights: str, error: Exception) -> UserError:
    found = re.search(r"Could not locate class '([^']{1,100})'", str(error))
    kind = f" {found[1]}" if found else ""
    return UserError(
        f"{NAMED}: {name} ({weights}) has a class of your own{kind}, and a model's file does not "
        "bring the code of its classes; give the model as a function in a code file instead, "
        "model.build: FILE.py:FUNCTION"
    )


def _features(name: str, whole: Unfolded, layer: list[str]) -> keras.KerasTensor:
    """What the layer gives, or the model where none is named, as [n, d]."""
    import keras

    names = list(whole.named)
    if layer and layer[0] not in names:
        raise UserError(
            f"{NAMED}: {name} names a layer that is not there{did_you_mean(layer[0], names)}; its "
            f"last ones are {', '.join(names[-8:])}"
        )
    if layer and len(whole.named[layer[0]]) > 1:
        raise UserError(
            f"{NAMED}: {name} names a layer that runs {len(whole.named[layer[0]])} times in one "
            f"picture; name one after it; the last ones are {', '.join(names[-8:])}"
        )
    outputs = keras.tree.flatten(whole.named[layer[0]] if layer else whole.outputs)
    if len(outputs) != 1:
        raise UserError(
            f"{NAMED}: {name} gives {len(outputs)} outputs, and features are one; name a layer "
            f"that gives one, {name.removesuffix(''.join(layer)).rstrip(':')}:LAYER; the last ones "
            f"are {', '.join(names[-8:])}"
        )
    (found,) = outputs
    if len(found.shape) == 4:
        return keras.layers.GlobalAveragePooling2D(name="pooled")(found)
    return found if len(found.shape) == 2 else keras.layers.Flatten(name="flat")(found)


def _refused(name: str, image_size: int, error: Exception) -> UserError:
    return UserError(
        f"{NAMED}: {name} cannot be built for pictures of {image_size} pixels "
        f"({words_of(error, 200)}); choose another image_size, network or file"
    )


def scale_to_one(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """0..255 to -1..1: keras.applications' mode "tf"."""
    from keras import layers

    return layers.Rescaling(1 / 127.5, offset=-1.0, name="preprocessing")(inputs)


def standardize(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """0..1, less ImageNet's mean, over its standard deviation, each channel apart: mode "torch"."""
    from keras import layers

    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale = [1 / 255 / deviation for deviation in deviations]
    offset = [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)]
    return layers.Rescaling(scale, offset=offset, name="preprocessing")(inputs)


def subtract_mean_of_bgr(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Channels turned to blue, green, red, less ImageNet's mean: mode "caffe"."""
    import keras

    bgr = keras.ops.flip(inputs, axis=-1)
    return keras.layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68], name="preprocessing")(
        bgr
    )


def inside(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Nothing: keras.applications builds these with their preprocessing inside."""
    return inputs


def application(constructor: str, preprocess: Preprocess) -> Build:
    """The builder of a network of `keras.applications`, by the name of its constructor."""
    return partial(_application, constructor=constructor, preprocess=preprocess)


def _application(
    inputs: keras.KerasTensor,
    image_size: int,
    weights: str | None,
    include_top: bool,
    *,
    constructor: str,
    preprocess: Preprocess,
) -> keras.Model:
    import keras

    options = {} if include_top else {"pooling": "avg"}
    model = getattr(keras.applications, constructor)(
        weights=weights,
        include_top=include_top,
        input_tensor=preprocess(inputs),
        input_shape=(image_size, image_size, 3),
        **options,
    )
    # Made again: keras.applications wraps its input in a list, and warns at each call with a plain
    # tensor.
    return keras.Model(inputs, model.output, name=model.name)
