"""What a network is made of: the variables that training changes, found in a Keras model, and the
steps it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.training.head_shape import HeadState

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class StepValues(NamedTuple):
    """What a graph is given of some steps: arrays or tensors, as `Steps` has them."""

    inputs: tf.Tensor
    targets: tf.Tensor
    kept: tf.Tensor
    labels: tf.Tensor
    counts: tf.Tensor | None


@dataclass(frozen=True)
class Steps:
    """The batches of some steps, one after another. inputs [n, ...] uint8, float16 or float32.
    targets float32 [n, classes]: a distribution each. kept float32 [n, units]: the dropout mask,
    scaled. labels int32 [n], for the accuracy. batch_size: of all but the last. counts float32
    [n]: what each image counts in the loss; None: all the same.
    """

    inputs: np.ndarray
    targets: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    batch_size: int
    counts: np.ndarray | None = None

    @property
    def num_steps(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    @property
    def values(self) -> StepValues:
        return StepValues(self.inputs, self.targets, self.kept, self.labels, self.counts)


class Live(NamedTuple):
    """The variables of one network: all that training changes. trained: the body's, then the
    head's. moving: statistics of batch norms and the state of the body's own dropout. first,
    second: moments of `trained`. step: how many were taken.
    """

    trained: list[tf.Variable]
    moving: list[tf.Variable]
    first: list[tf.Variable]
    second: list[tf.Variable]
    step: tf.Variable

    def state(self) -> HeadState:
        """Copies, in the order in which they are kept."""
        lists = (*self[:-1], [self.step])
        return tuple(variable.numpy() for each in lists for variable in each)


def trained_variables(
    body: keras.Model, trained: frozenset[str], as_training: bool
) -> list[keras.Variable]:
    """Of the layers named, in order; those of batch norms only where they train."""
    found: list[keras.Variable] = []
    for layer in body.layers:
        if layer.name in trained:
            frozen = set() if as_training else _of_batch_norms(layer)
            found += [v for v in layer.trainable_variables if id(v) not in frozen]
    return found


def _of_batch_norms(layer: keras.Layer) -> set[int]:
    import keras

    inner = [
        each
        for each in layer._flatten_layers()
        if isinstance(each, keras.layers.BatchNormalization)
    ]
    return {id(variable) for each in inner for variable in each.variables}


def moving_statistics(body: keras.Model, trained: frozenset[str]) -> list[keras.Variable]:
    """What moves of itself in the layers named: means and variances of batch norms."""
    layers = [layer for layer in body.layers if layer.name in trained]
    return [v for layer in layers for v in layer.weights if not v.trainable]


def dropout_states(body: keras.Model) -> list[keras.Variable]:
    """Keras's seed generators, whose state moves at each call; in the order of the layers."""
    weights = {id(variable) for variable in body.weights}
    return [v for v in body.variables if id(v) not in weights]
