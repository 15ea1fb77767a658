"""The gradient of a depthwise convolution's kernel, where TensorFlow's own is slow on a processor:
kernels of 5 by 5 and more on small maps, as in the upper half of most mobile networks.

Each channel's is what its inputs and the gradients of its outputs have in common at each offset:
one product of [positions, images] by [images, positions] a channel, of which those with the same
offset are added up. It is 1.4 to 5 times as fast (benchmarks/README.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

NAME = "AugsearchDepthwise"
LEAST_KERNEL = 5
MOST_PAIRS = 6000  # of an input's and an output's positions: a map of 10 by 10 at stride 2 has 2500


@lru_cache(maxsize=1)
def override() -> dict[str, str]:
    """For a graph's `gradient_override_map`; empty where a GPU computes them."""
    import tensorflow as tf

    from search.features.devices import sees_gpu

    if sees_gpu():
        return {}
    tf.RegisterGradient(NAME)(_gradient)
    return {"DepthwiseConv2dNative": NAME}


def _gradient(op: Any, upstream: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    inputs, kernel = op.inputs
    how: dict[str, Any] = {
        "strides": op.get_attr("strides"),
        "padding": op.get_attr("padding").decode(),
        "dilations": op.get_attr("dilations")[1:3],
    }
    of_inputs = tf.nn.depthwise_conv2d_backprop_input(tf.shape(inputs), kernel, upstream, **how)
    if _is_fast(op):
        return of_inputs, kernel_gradient(inputs, upstream, kernel.shape[0], how["strides"][1])
    of_kernel = tf.nn.depthwise_conv2d_backprop_filter(inputs, kernel.shape, upstream, **how)
    return of_inputs, of_kernel


def _is_fast(op: Any) -> bool:
    (_, height, width, _), (rows, columns, _, multiplier) = (each.shape for each in op.inputs)
    _, out_height, out_width, _ = op.outputs[0].shape
    return (
        op.get_attr("padding") == b"SAME"
        and op.get_attr("data_format") == b"NHWC"
        and list(op.get_attr("dilations")) == [1, 1, 1, 1]
        and height == width
        and rows == columns >= LEAST_KERNEL
        and multiplier == 1
        and height * width * out_height * out_width <= MOST_PAIRS
    )


def kernel_gradient(inputs: Any, upstream: Any, kernel: int, stride: int) -> Any:
    """[kernel, kernel, c, 1]. inputs: [b, s, s, c]; upstream: [b, t, t, c], of the outputs of a
    convolution with padding "same".
    """
    import tensorflow as tf

    size, out, channels = inputs.shape[1], upstream.shape[1], inputs.shape[3]
    flat = tf.transpose(tf.reshape(inputs, (-1, size * size, channels)), (2, 1, 0))
    outer = tf.transpose(tf.reshape(upstream, (-1, out * out, channels)), (2, 0, 1))
    pairs = tf.reshape(flat @ outer, (channels, size * size * out * out))
    found = pairs @ tf.constant(offsets(size, out, kernel, stride))
    return tf.reshape(tf.transpose(found), (kernel, kernel, channels, 1))


@lru_cache(maxsize=32)
def offsets(size: int, out: int, kernel: int, stride: int) -> np.ndarray:
    """float32 [size * size * out * out, kernel * kernel]: 1 where a kernel's place connects an
    input's position with an output's.
    """
    before = max((out - 1) * stride + kernel - size, 0) // 2
    place = np.arange(size)[:, None] - stride * np.arange(out) + before  # [input, output]
    hit = place[..., None] == np.arange(kernel)
    both = hit[:, None, :, None, :, None] & hit[None, :, None, :, None, :]
    return both.reshape(size * size * out * out, kernel * kernel).astype(np.float32)
