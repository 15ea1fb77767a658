"""Depthwise convolutions with gradients of our own: the same as TensorFlow's, for odd and even planes, kernels and strides."""

import numpy as np
import pytest

from search.training.depthwise import MOST_PAIRS, with_fast_gradients


def _gradients(model: object, images: np.ndarray, upstream: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    inputs = tf.constant(images)
    variables = [variable.value for variable in model.trainable_variables]  # type: ignore[attr-defined]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(model(inputs) * upstream)  # type: ignore[operator]
    return [each.numpy() for each in tape.gradient(total, [inputs, *variables])]


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(5, 5, 1), (10, 5, 2), (7, 3, 2), (8, 3, 1), (1, 5, 1), (4, 2, 2)]
)
def test_values_and_gradients_are_those_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    import keras

    inputs = keras.Input((size, size, 6))
    layer = keras.layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=stride == 1, name="depthwise"
    )
    model = keras.Model(inputs, layer(inputs))
    fast = with_fast_gradients(model)
    generator = np.random.default_rng(size)
    images = generator.standard_normal((3, size, size, 6)).astype(np.float32)
    upstream = generator.standard_normal((3, *model.output.shape[1:])).astype(np.float32)
    assert type(fast.get_layer("depthwise")).__name__ == "FastDepthwise"
    np.testing.assert_array_equal(fast(images), model(images))
    for ours, theirs in zip(
        _gradients(fast, images, upstream), _gradients(model, images, upstream), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_model_with_nothing_to_gain_is_left_as_it_is() -> None:
    import keras

    side = int(MOST_PAIRS**0.25) + 1
    inputs = keras.Input((side, side, 2))
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3, padding="same")(inputs))
    assert with_fast_gradients(model) is model
