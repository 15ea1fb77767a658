"""The stacked Keras model: kernels [heads, in, out], one Adam, an epoch as one graph call.

A stack is compiled once for a shape and a loss in a process, whatever the number of heads, and
filled afresh for each trial. Nothing here decides when to stop or what is best; `heads` shares
heads out between several stacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from search.features.feature_rows import FeatureRows
from search.training.head_scores import HeadAnswer
from search.training.head_shape import HeadShape, HeadWeights, initial_weights, stacked_model
from search.training.losses import LOSSES, Loss, log_prob_of_labels
from search.training.optimizer import Adam

if TYPE_CHECKING:
    import tensorflow as tf

    from search.training.head_tasks import EpochFeed

    _Tensors = tuple[tf.Tensor, ...]

PREDICT_ROWS = 1024
_Parts = tuple[bool, bool, bool]


class Rates(NamedTuple):
    """What an epoch of all heads is trained by."""

    learning: float
    weight_decay: float = 0.0
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class StackState:
    """Everything that a stack's training goes on from. arrays: weights, then Adam's first and
    second moments, each [heads, ...]; steps: taken so far.
    """

    arrays: tuple[np.ndarray, ...]
    steps: float

    @classmethod
    def fresh(cls, shape: HeadShape, seeds: Sequence[int]) -> StackState:
        """Fresh weights for each head's seed, and a fresh optimizer."""
        heads = [initial_weights(shape, seed) for seed in seeds]
        weights = [np.stack(parts) for parts in zip(*heads, strict=True)]
        # biases: [heads, 1, out]
        weights = [each if each.ndim == 3 else each[:, None] for each in weights]
        return cls((*weights, *(np.zeros_like(each) for each in weights * 2)), 0.0)

    @classmethod
    def joined(cls, states: Sequence[StackState]) -> StackState:
        """The heads of all, in order. All have taken as many steps."""
        arrays = zip(*(state.arrays for state in states), strict=True)
        return cls(tuple(np.concatenate(parts) for parts in arrays), states[0].steps)

    def __getitem__(self, heads: slice | np.ndarray) -> StackState:
        return StackState(tuple(each[heads] for each in self.arrays), self.steps)


@lru_cache(maxsize=128)  # a lane a processor, a shape a backbone and width
def stack_of(lane: int, shape: HeadShape, loss: str) -> Stack:
    """The stack of a lane, compiled at its first use in a process. loss: its name in LOSSES."""
    return Stack(shape, LOSSES[loss])


class Stack:
    """Any number of heads of one shape, trained in step."""

    def __init__(self, shape: HeadShape, loss: Loss) -> None:
        import tensorflow as tf

        self.shape, self._loss = shape, loss
        self.model = stacked_model(shape.kernels)
        sizes = [
            size for fan_in, fan_out in shape.kernels for size in ((fan_in, fan_out), (1, fan_out))
        ]
        self._variables, *self._moments = (
            [tf.Variable(tf.zeros((0, *size)), shape=(None, *size)) for size in sizes]
            for _ in range(3)
        )
        self._step = tf.Variable(0.0)
        self._adam = Adam(self._variables, self._moments, self._step, self._variables[::2])
        self._predict, self._predict_whole = (
            tf.function(graph, input_signature=self._data(None))
            for graph in (self._predict_graph, self._predict_whole_graph)
        )
        self._train_graphs: dict[tuple[int, _Parts], Callable[..., list[tf.Tensor]]] = {}

    def _data(self, *rows: int | None) -> list[tf.TensorSpec]:
        """What features, labels and rows [..., heads, batch] are to a graph, whatever their
        numbers.
        """
        import tensorflow as tf

        features = tf.TensorSpec((None, self.shape.dim), tf.float32)
        return [features, tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, *rows), tf.int32)]

    def _train(self, batch: int, parts: _Parts) -> Callable[..., list[tf.Tensor]]:
        """The graph of an epoch. What a setting leaves out is not in it: not one operation more.
        parts: whether it decays weights, smooths labels, and balances classes."""
        import tensorflow as tf

        key = batch, parts
        if key not in self._train_graphs:
            weight = tf.TensorSpec((None, None, batch), tf.float32)
            keep = tf.TensorSpec((None, None, None, None), tf.bool)
            balance = tf.TensorSpec((None, None, None), tf.float32)
            numbers = (tf.TensorSpec((), tf.float32),) * 4
            self._train_graphs[key] = tf.function(
                partial(self._train_graph, *parts),
                input_signature=[tuple(self._data(None, batch)), (weight, keep, balance), numbers],
            )
        return self._train_graphs[key]

    def load(self, state: StackState) -> None:
        """Goes on from `state`, with its heads and no others."""
        for variable, value in zip(self._all_variables, state.arrays, strict=True):
            variable.assign(value)
        self._step.assign(state.steps)

    def state(self) -> StackState:
        """A copy of what `load` takes."""
        return StackState(tuple(v.numpy() for v in self._all_variables), float(self._step.numpy()))

    @property
    def _all_variables(self) -> list[tf.Variable]:
        return [*self._variables, *self._moments[0], *self._moments[1]]

    def weights(self, head: int) -> HeadWeights:
        """A copy of one head's weights, in the order of `plain_head`."""
        values = [variable[head].numpy() for variable in self._variables]
        return tuple(each if i % 2 == 0 else each[0] for i, each in enumerate(values))

    def train_epoch(
        self, features: FeatureRows, labels: np.ndarray, feeds: Iterable[EpochFeed], rates: Rates
    ) -> tuple[np.ndarray, np.ndarray]:
        """One pass over the feeds. Returns the mean loss and accuracy of each head, float
        [heads]."""
        parts = [self._train_part(features, labels, feed, rates) for feed in feeds]
        sums = (np.concatenate(steps) for steps in zip(*parts, strict=True))
        # fsum is exact, so that a head's loss does not depend on where parts end.
        loss, correct, total = (np.array([math.fsum(head) for head in steps.T]) for steps in sums)
        return loss / total, correct / total

    def _train_part(
        self, features: FeatureRows, labels: np.ndarray, feed: EpochFeed, rates: Rates
    ) -> list[np.ndarray]:
        """Sums over the images of each batch, float32 [steps, heads]: loss, as they count in it,
        right answers, images."""
        values, held = features.holding(feed.rows)
        steps, heads, batch = feed.rows.shape
        keep = feed.keep if feed.keep is not None else np.ones((steps, heads, 1, 1), bool)
        numbers = tuple(np.float32(number) for number in (1 / feed.keep_rate, *rates))
        data = values, _labels(labels, held), _local(feed.rows, held)
        balance = np.ones((1, 1, 1), np.float32) if feed.balance is None else feed.balance
        parts = rates.weight_decay > 0, rates.label_smoothing > 0, feed.balance is not None
        train = self._train(batch, parts)
        return [each.numpy() for each in train(data, (feed.weight, keep, balance), numbers)]

    def predict(
        self,
        features: FeatureRows,
        labels: np.ndarray,
        rows: Sequence[np.ndarray],
        whole: bool = False,
    ) -> list[HeadAnswer]:
        """For each head's rows: the class given, int16 [v], the log-probability of the true class,
        float32 [v], and where `whole`, of every class, float32 [v, classes].
        """
        longest = max(map(len, rows))
        length = min(PREDICT_ROWS, longest)
        padded = np.stack(
            [np.resize(each, -(-longest // length) * length) for each in rows]
        ).astype(np.int32)
        parts = [
            self._predict_part(features, labels, padded[:, at : at + length], whole)
            for at in range(0, padded.shape[1], length)
        ]
        found = [
            np.concatenate([each.numpy() for each in same], axis=1)
            for same in zip(*parts, strict=True)
        ]
        return [
            (found[0][h, : len(r)].astype(np.int16), *(each[h, : len(r)] for each in found[1:]))
            for h, r in enumerate(rows)
        ]

    def _predict_part(
        self, features: FeatureRows, labels: np.ndarray, rows: np.ndarray, whole: bool
    ) -> _Tensors:
        values, held = features.holding(rows)
        graph = self._predict_whole if whole else self._predict
        return graph(values, _labels(labels, held), _local(rows, held))

    def _train_graph(
        self,
        decays: bool,
        smooths: bool,
        balances: bool,
        data: _Tensors,
        masks: _Tensors,
        numbers: _Tensors,
    ) -> list[tf.Tensor]:
        import tensorflow as tf

        (features, labels, rows), (weight, keep, balance) = data, masks
        scale, learning_rate, weight_decay, smoothing = numbers
        truth, mask = tf.gather(labels, rows), tf.cast(keep, tf.float32) * scale
        count = tf.reduce_sum(weight, axis=2)
        counted = weight * balance if balances else weight
        share = counted / count[:, :, None]  # of an image in the mean loss of its batch
        smoothed = smoothing if smooths else None
        logits_of_steps = tf.TensorArray(
            tf.float32, tf.shape(rows)[0], element_shape=(None, *rows.shape[2:], self.shape.classes)
        )
        for step in tf.range(tf.shape(rows)[0]):
            inputs = tf.gather(features, rows[step])
            logits, gradients = self._gradients(
                inputs, mask[step], truth[step], share[step], smoothed
            )
            logits_of_steps = logits_of_steps.write(step, logits)
            self._adam.apply(gradients, learning_rate, weight_decay if decays else None)
        logits = logits_of_steps.stack()
        right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), truth), tf.float32)
        of_images = (
            self._loss.of_labels(logits, truth, smoothed) * counted,
            right * weight,
            weight,
        )
        return [tf.reduce_sum(values, axis=2) for values in of_images]

    def _gradients(
        self,
        inputs: tf.Tensor,
        mask: tf.Tensor,
        truth: tf.Tensor,
        share: tf.Tensor,
        smoothing: tf.Tensor | None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The logits of a step's batches, and for each variable the gradient of each head's mean
        loss.
        """
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self.model([inputs, mask, *self._variables])
            losses = self._loss.of_labels(logits, truth, smoothing)
        # Heads share no weight: the gradient of the sum is each head's own gradient.
        return logits, tape.gradient(losses, self._variables, output_gradients=share)

    def _predict_graph(self, features: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor) -> _Tensors:
        import tensorflow as tf

        logits = self._logits(features, rows)
        return tf.argmax(logits, -1, tf.int32), log_prob_of_labels(logits, tf.gather(labels, rows))

    def _predict_whole_graph(
        self, features: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor
    ) -> _Tensors:
        import tensorflow as tf

        logits = self._logits(features, rows)
        of_true = log_prob_of_labels(logits, tf.gather(labels, rows))
        return tf.argmax(logits, -1, tf.int32), of_true, tf.nn.log_softmax(logits)

    def _logits(self, features: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return self.model([tf.gather(features, rows), tf.ones([1, 1, 1]), *self._variables])


def _labels(labels: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    return (labels if held is None else labels[held]).astype(np.int32)


def _local(rows: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    """Rows as places in what is held, which is sorted."""
    return rows if held is None else np.searchsorted(held, rows).astype(np.int32)
