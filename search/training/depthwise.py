"""Depthwise convolutions whose gradients TensorFlow computes slowly on a CPU, with the same gradients computed as matrix products.

For small planes only: between every place of the input and every place of the output stands at most one weight of the kernel, so
both gradients are products over (places x places) matrices, one a channel. What trains is `network`'s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

MOST_PAIRS = (
    4096  # places of the input x places of the output, beyond which TensorFlow's own way is no slower
)


def with_fast_gradients(model: keras.Model) -> keras.Model:
    """A functional model that computes the same with the same gradients; itself where no layer gains."""
    import keras

    gaining = {layer.name for layer in model.layers if _gains(layer)}
    if not gaining:
        return model

    def copy(layer: keras.Layer) -> keras.Layer:
        kind = _fast_class() if layer.name in gaining else layer.__class__
        return kind.from_config(layer.get_config())

    fast = keras.models.clone_model(model, clone_function=copy)
    fast.set_weights(model.get_weights())
    return fast


def _gains(layer: keras.Layer) -> bool:
    import keras

    if not isinstance(layer, keras.layers.DepthwiseConv2D) or layer.compute_dtype != "float32":
        return False
    plain = layer.padding == "same" and layer.depth_multiplier == 1 and layer.dilation_rate == (1, 1)
    shapes = layer.input.shape[1:3], layer.output.shape[1:3]
    known = layer.data_format == "channels_last" and None not in (*shapes[0], *shapes[1])
    return plain and known and int(np.prod(shapes[0])) * int(np.prod(shapes[1])) <= MOST_PAIRS


@lru_cache(maxsize=1)
def _fast_class() -> Any:
    import keras

    class FastDepthwise(keras.layers.DepthwiseConv2D):
        """As its base, with gradients by `_convolve`."""

        def call(self, inputs: Any) -> Any:
            outputs = _convolve(inputs, self.kernel, self.strides[0])
            if self.use_bias:
                outputs = outputs + self.bias
            return outputs if self.activation is None else self.activation(outputs)

    return FastDepthwise


def _convolve(inputs: Any, kernel: Any, stride: int) -> Any:
    """inputs [n, h, w, c], kernel [k, k, c, 1] -> [n, ceil(h / stride), ceil(w / stride), c], padded as "same"."""
    import tensorflow as tf

    steps = [1, stride, stride, 1]

    @tf.custom_gradient
    def convolve(inputs: Any, kernel: Any) -> Any:
        outputs = tf.nn.depthwise_conv2d(inputs, kernel, steps, "SAME")

        def gradients(upstream: Any) -> tuple[Any, Any]:
            return _gradients(inputs, kernel, upstream, stride)

        return outputs, gradients

    return convolve(inputs, tf.convert_to_tensor(kernel))


def _gradients(inputs: Any, kernel: Any, upstream: Any, stride: int) -> tuple[Any, Any]:
    """Of the sum of outputs * upstream, for the inputs and the kernel."""
    import tensorflow as tf

    (height, width, channels), size = inputs.shape[1:], kernel.shape[0]
    taps = _taps((height, width), tuple(upstream.shape[1:3]), size, stride)  # [k * k, in places, out places]
    pairs = tf.constant(taps.reshape(size * size, -1))
    places = tf.reshape(tf.transpose(inputs, [3, 1, 2, 0]), [channels, height * width, -1])
    arriving = tf.reshape(tf.transpose(upstream, [3, 1, 2, 0]), [channels, taps.shape[2], -1])
    together = tf.reshape(tf.matmul(places, arriving, transpose_b=True), [channels, -1])
    for_kernel = tf.reshape(tf.transpose(tf.matmul(together, pairs, transpose_b=True)), kernel.shape)
    if stride == 1:
        turned = tf.reverse(kernel, [0, 1])
        return tf.nn.depthwise_conv2d(upstream, turned, [1, 1, 1, 1], "SAME"), for_kernel
    weights = tf.matmul(tf.reshape(kernel, [-1, channels]), pairs, transpose_a=True)
    weights = tf.reshape(weights, [channels, *taps.shape[1:]])
    back = tf.reshape(tf.matmul(weights, arriving), [channels, height, width, -1])
    return tf.transpose(back, [3, 1, 2, 0]), for_kernel


@lru_cache(maxsize=64)
def _taps(inputs: tuple[int, int], outputs: tuple[int, int], size: int, stride: int) -> np.ndarray:
    """float32 [k * k, in places, out places]: 1 where that weight of the kernel leads from the one to the other."""
    along = [_taps_along(into, out, size, stride) for into, out in zip(inputs, outputs, strict=True)]
    both = np.einsum("kio,ljp->klijop", *along)
    return both.reshape(size * size, inputs[0] * inputs[1], outputs[0] * outputs[1])


def _taps_along(inputs: int, outputs: int, size: int, stride: int) -> np.ndarray:
    """float32 [k, inputs, outputs] along one axis; "same" padding as TensorFlow's: the smaller half of it first."""
    before = max((outputs - 1) * stride + size - inputs, 0) // 2
    taps = np.zeros((size, inputs, outputs), np.float32)
    for tap in range(size):
        for out in range(outputs):
            place = out * stride + tap - before
            if 0 <= place < inputs:
                taps[tap, place, out] = 1
    return taps
