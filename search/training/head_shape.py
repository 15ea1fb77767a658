"""One head: its sizes, its first weights, and itself as a plain Keras model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


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


def initial_weights(shape: HeadShape, seed: int) -> HeadWeights:
    """Glorot-uniform kernels and zero biases, as keras.layers.Dense starts, from the head's seed alone."""
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    weights: list[np.ndarray] = []
    for fan_in, fan_out in shape.kernels:
        limit = np.sqrt(6 / (fan_in + fan_out))
        weights.append(generator.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return tuple(weights)


def plain_head(shape: HeadShape, weights: HeadWeights, dropout: float = 0.0) -> "keras.Model":
    """One head as an ordinary Keras model: features [n, dim] -> class probabilities [n, classes]."""
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
