"""What the pictures of a backbone go through before it: the modes of keras.applications."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    Preprocess = Callable[[keras.KerasTensor], keras.KerasTensor]
    Build = Callable[[keras.KerasTensor, int, str | None, bool], keras.Model]
    import keras


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
