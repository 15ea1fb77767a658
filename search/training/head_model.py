"""The network of stacked heads, [heads, batch, features] -> [heads, batch, classes], and its losses.

Every operation here gives each head the same bits wherever it is in a stack and whatever is beside it.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

PACKET = 16  # floats that the widest processors work on at once


def stacked_model(kernels: Sequence[tuple[int, int]]) -> "keras.Model":
    """Features [heads, batch, in], a dropout mask, and each layer's kernel [heads, in, out] and bias [heads, 1, out] -> logits.

    Weights are inputs because a Keras layer's own would fix the number of heads.
    """
    import keras

    dense = _stacked_dense_class()
    features = keras.Input(batch_shape=(None, None, kernels[0][0]), name="features")
    mask = keras.Input(batch_shape=(None, None, None), name="dropout_mask")
    weights = [
        (keras.Input(batch_shape=(None, *sizes)), keras.Input(batch_shape=(None, 1, sizes[1])))
        for sizes in kernels
    ]
    hidden = features
    for kernel, bias in weights[:-1]:
        hidden = keras.layers.Multiply()([dense("relu")(hidden, kernel, bias), mask])
    logits = dense(None)(hidden, *weights[-1])
    flat = [each for pair in weights for each in pair]
    return keras.Model([features, mask, *flat], logits, name="stacked_heads")


def losses_of(logits: Any, truth: Any, smoothing: Any = None) -> Any:
    """Cross entropy of each image: logits [..., batch, classes], truth [..., batch] -> [..., batch].

    Worked out on batches rounded up to PACKET images: what is left over at the end of an array goes another way through the
    processor, with other last bits. smoothing: as Keras's label_smoothing; None leaves it out of the graph.
    """
    import tensorflow as tf

    images = truth.shape[-1] if truth.shape[-1] is not None else tf.shape(truth)[-1]
    if not isinstance(images, int) or images % PACKET:
        rest = [[0, 0]] * (len(truth.shape) - 1) + [[0, -images % PACKET]]
        truth, logits = tf.pad(truth, rest), tf.pad(logits, [*rest, [0, 0]])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
    if smoothing is not None:
        spread = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
        losses = (1 - smoothing) * losses + smoothing * spread
    return losses[..., :images]


@lru_cache(maxsize=1)
def _stacked_dense_class() -> Any:
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def add_bias(values: Any, bias: Any) -> Any:
        # A sum's order depends on where in the stack a head is; a product's does not.
        def gradient(upstream: Any) -> Any:
            return upstream, tf.matmul(tf.ones_like(upstream[:, :, :1]), upstream, transpose_a=True)

        return values + bias, gradient

    class StackedDense(keras.layers.Layer):
        """A dense layer a head: [heads, batch, in] x [heads, in, units] + [heads, 1, units]."""

        def __init__(self, activation: str | None) -> None:
            super().__init__()
            self.activation = keras.activations.get(activation)

        def call(self, inputs: Any, kernel: Any, bias: Any) -> Any:
            return self.activation(add_bias(keras.ops.matmul(inputs, kernel), bias))

    return StackedDense
