"""The stacked Keras model: kernels [heads, in, out], one Adam, an epoch as one graph call; and each head as a plain model.

A stack is compiled once for a number of heads and a shape in a process, and started afresh for each trial. Nothing here
decides when to stop or what is best.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from search.features.rows import FeatureRows
from search.training.adam import apply_adam, decay

if TYPE_CHECKING:
    import keras

    from search.training.head_feed import EpochFeed

PREDICT_ROWS = 1024


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


@lru_cache(maxsize=16)
def stack_of(num_heads: int, shape: HeadShape) -> "Stack":
    """The stack of this size, compiled at its first use in a process."""
    return Stack(num_heads, shape)


class Stack:
    """`num_heads` heads of one shape, trained in step."""

    def __init__(self, num_heads: int, shape: HeadShape) -> None:
        import tensorflow as tf

        self.num_heads, self.shape = num_heads, shape
        self.model = _stacked_model(num_heads, shape)
        self._variables = [variable.value for variable in self.model.trainable_variables]
        self._moments = [[tf.Variable(tf.zeros_like(v)) for v in self._variables] for _ in range(2)]
        self._step = tf.Variable(0.0)
        self._train = tf.function(self._train_graph, reduce_retracing=True)
        self._predict = tf.function(self._predict_graph, reduce_retracing=True)

    def start(self, seeds: Sequence[int]) -> None:
        """Fresh weights for each head's seed, and a fresh optimizer."""
        heads = [initial_weights(self.shape, seed) for seed in seeds]
        self._assign([np.stack(parts) for parts in zip(*heads, strict=True)], None, 0.0)

    def keep(self, heads: np.ndarray) -> "Stack":
        """A smaller stack that goes on with these heads where they are."""
        smaller = stack_of(len(heads), self.shape)
        moments = [[m.numpy()[heads] for m in moment] for moment in self._moments]
        values = [v.numpy().reshape(self.num_heads, *v.shape[1:])[heads] for v in self._variables]
        smaller._assign(values, moments, float(self._step.numpy()))
        return smaller

    def _assign(self, values: list[np.ndarray], moments: list[list[np.ndarray]] | None, step: float) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value.reshape(variable.shape))
        for i, moment in enumerate(self._moments):
            for j, variable in enumerate(moment):
                variable.assign(np.zeros(variable.shape, np.float32) if moments is None else moments[i][j])
        self._step.assign(step)

    def weights(self, head: int) -> HeadWeights:
        """A copy of one head's weights, in the order of `plain_head`."""
        return tuple(
            variable[head].numpy().reshape(self._plain_shape(i)) for i, variable in enumerate(self._variables)
        )

    def _plain_shape(self, index: int) -> tuple[int, ...]:
        kernel = self.shape.kernels[index // 2]
        return kernel if index % 2 == 0 else (kernel[1],)

    def train_epoch(
        self,
        features: FeatureRows,
        labels: np.ndarray,
        feeds: "Iterable[EpochFeed]",
        learning_rate: float,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One pass over the feeds. Returns the mean loss and accuracy of each head, float [heads]."""
        rates = learning_rate, weight_decay, label_smoothing
        parts = [self._train_part(features, labels, feed, *rates) for feed in feeds]
        loss, correct, total = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
        return loss / total, correct / total

    def _train_part(
        self,
        features: FeatureRows,
        labels: np.ndarray,
        feed: "EpochFeed",
        learning_rate: float,
        weight_decay: float,
        label_smoothing: float,
    ) -> list[np.ndarray]:
        """Sums over the part's images, each float32 [heads]: loss, right answers, images."""
        values, held = features.holding(feed.rows)
        steps, heads, _ = feed.rows.shape
        keep = feed.keep if feed.keep is not None else np.ones((steps, heads, 1, 1), bool)
        sums = self._train(
            values,
            _labels(labels, held),
            _local(feed.rows, held),
            feed.weight,
            keep,
            np.float32(1 / feed.keep_rate),
            learning_rate,
            # None leaves the graph as it is without: not one operation more.
            np.float32(weight_decay) if weight_decay else None,
            np.float32(label_smoothing) if label_smoothing else None,
        )
        return [each.numpy() for each in sums]

    def predict(
        self, features: FeatureRows, labels: np.ndarray, rows: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each head's rows: the class given, int16 [v], and the log-probability of the true class, float32 [v]."""
        longest = max(map(len, rows))
        length = min(PREDICT_ROWS, longest)
        padded = np.stack([np.resize(each, -(-longest // length) * length) for each in rows]).astype(np.int32)
        parts = [
            self._predict_part(features, labels, padded[:, at : at + length])
            for at in range(0, padded.shape[1], length)
        ]
        predicted, log_prob = (np.concatenate([p[i].numpy() for p in parts], axis=1) for i in range(2))
        return [(predicted[h, : len(r)].astype(np.int16), log_prob[h, : len(r)]) for h, r in enumerate(rows)]

    def _predict_part(self, features: FeatureRows, labels: np.ndarray, rows: np.ndarray) -> Any:
        values, held = features.holding(rows)
        return self._predict(values, _labels(labels, held), _local(rows, held))

    def _train_graph(
        self,
        features: Any,
        labels: Any,
        rows: Any,
        weight: Any,
        keep: Any,
        scale: Any,
        learning_rate: Any,
        weight_decay: Any,
        smoothing: Any,
    ) -> Any:
        import tensorflow as tf

        totals = [tf.zeros([self.num_heads])] * 3
        for step in tf.range(tf.shape(rows)[0]):
            inputs, truth = tf.gather(features, rows[step]), tf.gather(labels, rows[step])
            mask = tf.cast(keep[step], tf.float32) * scale
            with tf.GradientTape() as tape:
                logits = self.model([inputs, mask])
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
                if smoothing is not None:
                    spread = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
                    losses = (1 - smoothing) * losses + smoothing * spread
                losses *= weight[step]
                count = tf.reduce_sum(weight[step], axis=1)
                # Heads share no weight: the gradient of the sum is each head's own gradient.
                loss = tf.reduce_sum(tf.reduce_sum(losses, axis=1) / count)
            gradients = tape.gradient(loss, self._variables)
            self._step.assign_add(1.0)
            if weight_decay is not None:
                decay(self._variables[::2], learning_rate, weight_decay)
            for variable, first, second, gradient in zip(
                self._variables, *self._moments, gradients, strict=True
            ):
                apply_adam(variable, (first, second), self._step, gradient, learning_rate)
            right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), truth), tf.float32) * weight[step]
            sums = (tf.reduce_sum(losses, axis=1), tf.reduce_sum(right, axis=1), count)
            totals = [total + part for total, part in zip(totals, sums, strict=True)]
        return totals

    def _predict_graph(self, features: Any, labels: Any, rows: Any) -> Any:
        import tensorflow as tf

        logits = self.model([tf.gather(features, rows), tf.ones([1, 1, 1])])
        log_probs = tf.nn.log_softmax(logits)
        truth = tf.gather(labels, rows)
        return tf.argmax(logits, -1, tf.int32), tf.gather(log_probs, truth, batch_dims=2)


def _labels(labels: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    return (labels if held is None else labels[held]).astype(np.int32)


def _local(rows: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    """Rows as places in what is held, which is sorted."""
    return rows if held is None else np.searchsorted(held, rows).astype(np.int32)


def _stacked_model(num_heads: int, shape: HeadShape) -> "keras.Model":
    import keras

    features = keras.Input(batch_shape=(num_heads, None, shape.dim), name="features")
    mask = keras.Input(batch_shape=(None, None, None), name="dropout_mask")

    dense = _stacked_dense_class()
    hidden = features
    if shape.units:
        hidden = dense(num_heads, shape.dim, shape.units, "relu")(hidden)
        hidden = keras.layers.Multiply()([hidden, mask])
    logits = dense(num_heads, shape.units or shape.dim, shape.classes)(hidden)
    return keras.Model([features, mask], logits, name="stacked_heads")


@lru_cache(maxsize=1)
def _stacked_dense_class() -> Any:
    import keras

    class StackedDense(keras.layers.Layer):
        """A dense layer a head: [heads, batch, in] x [heads, in, units] + [heads, 1, units]."""

        def __init__(self, num_heads: int, fan_in: int, units: int, activation: str | None = None) -> None:
            super().__init__()
            self.activation = keras.activations.get(activation)
            self.kernel = self.add_weight(shape=(num_heads, fan_in, units), initializer="zeros")
            self.bias = self.add_weight(shape=(num_heads, 1, units), initializer="zeros")

        def call(self, inputs: Any) -> Any:
            return self.activation(keras.ops.matmul(inputs, self.kernel) + self.bias)

    return StackedDense
