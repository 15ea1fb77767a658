"""A backbone, or the part of it above a cut, with a head on it: compiled once a process, trained a
batch at a time.

It holds one set of weights; whoever trains several heads puts each one's state in before its turn
and takes it out after. Which batches, how long and what is best is `network_training`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search.training.head_scores import Answer
from search.training.head_shape import HeadShape, HeadState, HeadWeights
from search.training.losses import LOSSES
from search.training.optimizer import Adam

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BFLOAT16_FROM = (8, 0)  # NVIDIA's compute capability


@dataclass(frozen=True)
class Batch:
    """inputs [b, ...] uint8, float16 or float32. targets float32 [b, classes]: a distribution each.
    kept float32 [b, units]: the dropout mask, scaled. labels int32 [b], for the accuracy. counts
    float32 [b]: what each image counts in the loss; None: all the same.
    """

    inputs: np.ndarray
    targets: np.ndarray
    kept: np.ndarray
    labels: np.ndarray
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Acceleration:
    """What only a GPU gains from. XLA on a CPU is ten times slower, and there bfloat16 is slower
    than float32.
    """

    compiled_by_xla: bool
    dtype: str


def acceleration(capability: tuple[int, int] | None) -> Acceleration:
    """capability: as `devices.compute_capability`. Cards before BFLOAT16_FROM have no units for
    bfloat16.
    """
    if capability is None:
        return Acceleration(False, "float32")
    return Acceleration(True, "mixed_bfloat16" if capability >= BFLOAT16_FROM else "float32")


@contextlib.contextmanager
def built_in(dtype: str) -> Iterator[None]:
    """Layers made in this context compute in `dtype`."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Network:
    """`body` (inputs -> pooled features [n, dim]) and a head of `shape` on it.

    trained: names of the body's layers that train. as_training: whether the body's batch norms and
    dropout are those of training; where not, its batch norms are frozen, weights and statistics.
    loss: its name in LOSSES.
    """

    def __init__(
        self,
        body: keras.Model,
        trained: frozenset[str],
        shape: HeadShape,
        as_training: bool = False,
        compiled_by_xla: bool = False,
        loss: str = "cross_entropy",
    ) -> None:
        import tensorflow as tf

        self.body, self.shape, self._as_training = body, shape, as_training
        self._loss = LOSSES[loss]
        for layer in body.layers:
            # A batch norm below those that train must not move its statistics.
            layer.trainable = layer.name in trained
        self._head = [tf.Variable(np.zeros(size, np.float32)) for size in _head_sizes(shape)]
        training = _trained_variables(body, trained, as_training)
        self._trained = [variable.value for variable in training] + self._head
        self._moments = [[tf.Variable(tf.zeros_like(v)) for v in self._trained] for _ in range(2)]
        self._step = tf.Variable(0.0)
        kernels = [variable.value for variable in training if "kernel" in variable.name]
        self._adam = Adam(self._trained, self._moments, self._step, [*kernels, *self._head[::2]])
        # Statistics of batch norms and the state of the body's own dropout change too where it is
        # run as in training.
        self._dropout = _dropout_states(body) if as_training else []
        self._moving = [*_statistics(body, trained), *self._dropout] if as_training else []
        self._fresh_body = [v.numpy() for v in self._body_variables]
        self._train = tf.function(
            self._train_graph, reduce_retracing=True, jit_compile=compiled_by_xla
        )
        self._predict = tf.function(self._predict_graph, reduce_retracing=True)

    @property
    def _body_variables(self) -> list[tf.Variable]:
        return self._trained[: len(self._trained) - len(self._head)] + self._moving

    def start(
        self, head: HeadWeights, seed: int, body: Sequence[np.ndarray] | None = None
    ) -> HeadState:
        """The state before the first step: this head on the body as it was built, or with the
        weights `body`.
        """
        self._assign(self._body_variables, self._fresh_body)
        if body is not None:
            self.body.set_weights(list(body))
        self._assign(self._head, head)
        for number, state in enumerate(self._dropout):
            state.assign(np.array([seed % 2**32, number], np.uint32))
        for variable in (*self._moments[0], *self._moments[1], self._step):
            variable.assign(np.zeros(variable.shape, np.float32))
        return self.state()

    def state(self) -> HeadState:
        """All that training changes: weights, statistics, moments, the number of steps."""
        return tuple(variable.numpy() for variable in self._variables)

    def resume(self, state: HeadState) -> None:
        self._assign(self._variables, state)

    @property
    def _variables(self) -> list[tf.Variable]:
        return [
            *self._body_variables,
            *self._head,
            *self._moments[0],
            *self._moments[1],
            self._step,
        ]

    @staticmethod
    def _assign(variables: Sequence[tf.Variable], values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    @property
    def num_steps(self) -> int:
        return int(self._step.numpy())

    def weights(self) -> tuple[np.ndarray, ...]:
        """A copy of the body's weights in Keras's order, then the head's."""
        return (*self.body.get_weights(), *(variable.numpy() for variable in self._head))

    def put(self, weights: Sequence[np.ndarray]) -> None:
        """The reverse of `weights`."""
        at = len(weights) - len(self._head)
        self.body.set_weights(list(weights[:at]))
        self._assign(self._head, weights[at:])

    def train(
        self, batch: Batch, learning_rate: float, weight_decay: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One step. The sum of the losses and the number of right answers, as tensors: nobody waits
        for them.
        """
        rates = np.float32(learning_rate), np.float32(weight_decay) if weight_decay else None
        weighted = batch.targets, batch.counts
        return self._train(batch.inputs, weighted, batch.kept, batch.labels, *rates)

    def predict(
        self, batches: Iterable[np.ndarray], labels: np.ndarray, whole: bool = False
    ) -> Answer:
        """The class given, int16 [v], the log-probability of the label, float32 [v], and where
        `whole`, of every class, float32 [v, classes]."""
        logits = [self._predict(batch) for batch in batches]
        log_probs = np.concatenate([part.numpy() for part in logits])
        truth = np.take_along_axis(log_probs, labels[:, None].astype(np.int64), axis=1)[:, 0]
        predicted = log_probs.argmax(axis=1).astype(np.int16)
        return (predicted, truth, log_probs) if whole else (predicted, truth)

    def _train_graph(
        self,
        inputs: tf.Tensor,
        weighted: tuple[tf.Tensor, tf.Tensor | None],
        kept: tf.Tensor,
        labels: tf.Tensor,
        rate: tf.Tensor,
        weight_decay: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """weighted: targets and counts."""
        import tensorflow as tf

        gradients, losses, logits = self._gradients(inputs, weighted, kept)
        self._adam.apply(gradients, rate, weight_decay)
        right = tf.equal(tf.argmax(logits, -1, tf.int32), labels)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.float32))

    def gradients(self, batch: Batch) -> list[np.ndarray]:
        """Of the mean loss over a batch, for each variable that trains, the body's first."""
        return [
            np.asarray(each)
            for each in self._gradients(batch.inputs, (batch.targets, batch.counts), batch.kept)[0]
        ]

    def _gradients(
        self, inputs: tf.Tensor, weighted: tuple[tf.Tensor, tf.Tensor | None], kept: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self._logits(inputs, kept, self._as_training)
            targets, counts = weighted
            losses = self._loss.of_targets(logits, targets)
            losses = losses if counts is None else losses * counts
            loss = tf.reduce_mean(losses)
        return tape.gradient(loss, self._trained), losses, logits

    def _predict_graph(self, inputs: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.nn.log_softmax(self._logits(inputs, 1.0, False))

    def _logits(self, inputs: tf.Tensor, kept: tf.Tensor | float, training: bool) -> tf.Tensor:
        import tensorflow as tf

        hidden = tf.cast(self.body(tf.cast(inputs, tf.float32), training=training), tf.float32)
        for kernel, bias in zip(self._head[:-2:2], self._head[1:-2:2], strict=True):
            hidden = tf.nn.relu(hidden @ kernel + bias) * kept
        return hidden @ self._head[-2] + self._head[-1]


def _head_sizes(shape: HeadShape) -> list[tuple[int, ...]]:
    return [size for kernel in shape.kernels for size in (kernel, kernel[1:])]


def _trained_variables(
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


def _statistics(body: keras.Model, trained: frozenset[str]) -> list[tf.Variable]:
    """What moves of itself in the layers named: means and variances of batch norms."""
    layers = [layer for layer in body.layers if layer.name in trained]
    return [v.value for layer in layers for v in layer.weights if not v.trainable]


def _dropout_states(body: keras.Model) -> list[tf.Variable]:
    """Keras's seed generators, whose state moves at each call; in the order of the layers."""
    weights = {id(variable) for variable in body.weights}
    return [v.value for v in body.variables if id(v) not in weights]
