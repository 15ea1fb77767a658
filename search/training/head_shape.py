"""One head: its sizes, its first weights, itself as a plain Keras model, and many of its shape
stacked in one.

Every operation of the stacked model gives each head the same bits wherever it is in a stack and
whatever is beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class HeadShape:
    """dim -> units -> classes; with units 0, dim -> classes."""

    dim: int
    units: int
    classes: int

    @property
    def kernels(self) -> tuple[tuple[int, int], ...]:
        inner = ((self.dim, self.units), (self.units, self.classes))
        return inner if self.units else ((self.dim, self.classes),)


HeadWeights = tuple[np.ndarray, ...]  # kernel, bias[, kernel, bias] of one head
HeadState = tuple[np.ndarray, ...]  # all that a head's training goes on from


def initial_weights(shape: HeadShape, seed: int) -> HeadWeights:
    """Glorot-uniform kernels and zero biases, as keras.layers.Dense starts, from the head's seed
    alone.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    weights: list[np.ndarray] = []
    for fan_in, fan_out in shape.kernels:
        limit = np.sqrt(6 / (fan_in + fan_out))
        weights.append(generator.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return tuple(weights)


def plain_head(shape: HeadShape, weights: HeadWeights, dropout: float = 0.0) -> keras.Model:
    """One head as an ordinary Keras model: features [n, dim] -> class probabilities [n,
    classes]."""
    import keras

    inputs = keras.Input((shape.dim,), name="features")
    hidden = inputs
    if shape.units:
        hidden = keras.layers.Dense(shape.units, activation="relu", name="hidden")(hidden)
        hidden = keras.layers.Dropout(dropout, name="dropout")(hidden)
    outputs = keras.layers.Dense(shape.classes, activation="softmax", name="classes")(hidden)
    model = keras.Model(inputs, outputs, name="head")
    model.set_weights(list(weights))
    return model


def stacked_model(kernels: Sequence[tuple[int, int]]) -> keras.Model:
    """Features [heads, batch, in], a dropout mask, and each layer's kernel [heads, in, out] and
    bias [heads, 1, out] -> logits.

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


@lru_cache(maxsize=1)
def _stacked_dense_class() -> type[keras.Layer]:
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def add_bias(
        values: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        # A sum's order depends on where in the stack a head is; a product's does not.
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return upstream, tf.matmul(tf.ones_like(upstream[:, :, :1]), upstream, transpose_a=True)

        return values + bias, gradient

    class StackedDense(keras.layers.Layer):
        """A dense layer a head: [heads, batch, in] x [heads, in, units] + [heads, 1, units]."""

        def __init__(self, activation: str | None) -> None:
            super().__init__()
            self.activation = keras.activations.get(activation)

        def call(self, inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
            return self.activation(add_bias(keras.ops.matmul(inputs, kernel), bias))

    return StackedDense
