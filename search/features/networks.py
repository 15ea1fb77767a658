"""How the networks that Keras has are made here: raw images in, pooled features out, preprocessing
inside.

The scalings are those of `keras.applications.imagenet_utils.preprocess_input`, by its names. Which
network is offered under which name, and where its weights come from, is `backbones`' part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    Preprocess = Callable[[keras.KerasTensor], keras.KerasTensor]
    Build = Callable[[keras.KerasTensor, int, str | None, bool], keras.Model]


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


def build_small_cnn(
    inputs: keras.KerasTensor, _size: int, _weights: str | None, include_top: bool
) -> keras.Model:
    import keras
    from keras import layers

    if include_top:
        raise ValueError("small-cnn has no ImageNet top")
    x = layers.Rescaling(1 / 255, name="preprocessing")(inputs)
    x = layers.Conv2D(32, 3, activation="relu", name="conv")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    return keras.Model(inputs, layers.Flatten(name="flatten")(x), name="small-cnn")
