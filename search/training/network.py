"""A backbone, or the part of it above a cut, with a head on it: compiled once a process, for any
number of networks of that kind.

What a network is made of is in its `Live` variables, which the graphs are given: several train side
by side, and none is copied between two epochs. Which batches, how long and what is best is
`network_training`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from search.training.depthwise import override
from search.training.head_scores import HeadAnswer
from search.training.head_shape import HeadShape, HeadState, HeadWeights
from search.training.losses import LOSSES
from search.training.network_variables import (
    Live,
    Steps,
    StepValues,
    dropout_states,
    moving_statistics,
    trained_variables,
)
from search.training.optimizer import Adam

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class Network:
    """`body` (inputs -> pooled features [n, dim]) and a head of `shape` on it. The body's own
    variables stay as they were built.

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
        self._own = trained_variables(body, trained, as_training)
        # Statistics of batch norms and the state of the body's own dropout change too where it is
        # run as in training.
        self._dropout = dropout_states(body) if as_training else []
        self._moving = [*moving_statistics(body, trained), *self._dropout] if as_training else []
        self._decays = ["kernel" in v.name for v in self._own] + [
            len(size) > 1 for size in _head_sizes(shape)
        ]
        # XLA compiles a step, for a loop's batches differ in size.
        self._step = tf.function(self._step_graph, jit_compile=True) if compiled_by_xla else None
        self._train = tf.function(self._train_graph, reduce_retracing=True)
        self._predict = tf.function(self._predict_graph, reduce_retracing=True)

    def start(self, head: HeadWeights, seed: int, body: Sequence[np.ndarray] | None = None) -> Live:
        """A network before its first step: this head on the body as it was built, or with the
        weights `body`.
        """
        dropout = {
            id(state): np.array([seed % 2**32, number], np.uint32)
            for number, state in enumerate(self._dropout)
        }
        given = self._given(body)
        moving = [dropout.get(id(v), given.get(id(v))) for v in self._moving]
        return self._live([*(given[id(v)] for v in self._own), *head], moving)

    def _given(self, body: Sequence[np.ndarray] | None) -> dict[int, np.ndarray]:
        """What each of the body's weights is, by the variable's id."""
        values = self.body.get_weights() if body is None else body
        return {id(v): value for v, value in zip(self.body.weights, values, strict=True)}

    @staticmethod
    def _live(trained: Sequence[np.ndarray], moving: Sequence[np.ndarray | None]) -> Live:
        import tensorflow as tf

        first, second = ([tf.Variable(np.zeros_like(each)) for each in trained] for _ in range(2))
        own, others = ([tf.Variable(each) for each in some] for some in (trained, moving))
        return Live(own, others, first, second, tf.Variable(0.0))

    def resume(self, state: HeadState) -> Live:
        """The network whose `state` this was. Raises ValueError where it was another's."""
        import tensorflow as tf

        own = [*_kinds(self._own), *((size, "float32") for size in _head_sizes(self.shape))]
        _need("state", state, [*own, *_kinds(self._moving), *own, *own, ((), "float32")])
        found = [tf.Variable(value) for value in state]
        count, rest = len(self._decays), len(self._moving)
        first = count + rest
        second = first + count
        moments = found[first:second], found[second:-1]
        return Live(found[:count], found[count:first], *moments, found[-1])

    def weights(self, live: Live) -> tuple[np.ndarray, ...]:
        """A copy of the body's weights in Keras's order, then the head's."""
        changed = dict(zip(map(id, (*self._own, *self._moving)), self._body_of(live), strict=True))
        body = [changed.get(id(v), v).numpy() for v in self.body.weights]
        return (*body, *(variable.numpy() for variable in live.trained[len(self._own) :]))

    def need_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Raises ValueError where they are not of such a network."""
        head = [(size, "float32") for size in _head_sizes(self.shape)]
        _need("weights", weights, [*_kinds(self.body.weights), *head])

    def _body_of(self, live: Live) -> list[tf.Variable]:
        return [*live.trained[: len(self._own)], *live.moving]

    def put(self, weights: Sequence[np.ndarray]) -> Live:
        """The reverse of `weights`."""
        at = len(weights) - len(_head_sizes(self.shape))
        return self.start(tuple(weights[at:]), 0, weights[:at])

    def train(
        self, live: Live, steps: Steps, rates: np.ndarray, weight_decay: float
    ) -> tuple[float, float]:
        """Takes the steps, at `rates` float32 [steps]. The sum of the losses and the number of
        right answers.
        """
        decay = np.float32(weight_decay) if weight_decay else None
        loss, right = self._train(live, steps.values, rates, steps.batch_size, decay)
        return float(loss), float(right)

    def predict(
        self, live: Live, batches: Iterable[np.ndarray], labels: np.ndarray, whole: bool = False
    ) -> HeadAnswer:
        """The class given, int16 [v], the log-probability of the label, float32 [v], and where
        `whole`, of every class, float32 [v, classes]."""
        logits = [self._predict(live.trained, live.moving, batch) for batch in batches]
        log_probs = np.concatenate([part.numpy() for part in logits])
        truth = np.take_along_axis(log_probs, labels[:, None].astype(np.int64), axis=1)[:, 0]
        predicted = log_probs.argmax(axis=1).astype(np.int16)
        return (predicted, truth, log_probs) if whole else (predicted, truth)

    def _train_graph(
        self,
        live: Live,
        values: StepValues,
        rates: tf.Tensor,
        batch_size: tf.Tensor,
        weight_decay: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        take = self._step or self._step_graph
        loss, right = 0.0, 0.0
        for number in tf.range(tf.size(rates)):
            rows = slice(number * batch_size, (number + 1) * batch_size)
            batch = StepValues(*(None if each is None else each[rows] for each in values))
            here = take(live, batch, rates[number], weight_decay)
            loss, right = loss + here[0], right + here[1]
        return loss, right

    def _step_graph(
        self, live: Live, batch: StepValues, rate: tf.Tensor, weight_decay: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        gradients, losses, logits, moved = self._gradients(live, batch)
        for variable, value in zip(live.moving, moved, strict=True):
            variable.assign(tf.cast(value, variable.dtype))  # Keras counts its draws in int64
        kernels = [v for v, decays in zip(live.trained, self._decays, strict=True) if decays]
        adam = Adam(live.trained, [live.first, live.second], live.step, kernels)
        adam.apply(gradients, rate, weight_decay)
        right = tf.equal(tf.argmax(logits, -1, tf.int32), batch.labels)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.float32))

    def gradients(self, live: Live, steps: Steps) -> list[np.ndarray]:
        """Of the mean loss over one batch, for each variable that trains, the body's first."""
        import tensorflow as tf

        in_graph = tf.function(lambda *given: self._gradients(*given)[0])
        found = in_graph(live, steps.values)
        return [np.asarray(each) for each in found]

    def _gradients(
        self, live: Live, batch: StepValues
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Those, the losses, the logits, and what `moving` becomes."""
        import tensorflow as tf

        values = [variable.read_value() for variable in live.trained]
        with tf.compat.v1.get_default_graph().gradient_override_map(override()):
            logits, moved = self._logits(
                (values, live.moving), batch.inputs, batch.kept, self._as_training
            )
        losses = self._loss.of_targets(logits, batch.targets)
        losses = losses if batch.counts is None else losses * batch.counts
        gradients = tf.gradients(tf.reduce_mean(losses), values)
        return gradients, losses, logits, moved

    def _predict_graph(
        self, trained: list[tf.Variable], moving: list[tf.Variable], inputs: tf.Tensor
    ) -> tf.Tensor:
        import tensorflow as tf

        values = [variable.read_value() for variable in trained]
        return tf.nn.log_softmax(self._logits((values, moving), inputs, 1.0, False)[0])

    def _logits(
        self,
        values: tuple[list[tf.Tensor], list[tf.Variable]],
        inputs: tf.Tensor,
        kept: tf.Tensor | float,
        training: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """values: of what trains, and the moving variables. Also what the latter become."""
        import keras
        import tensorflow as tf

        trained, moving = values[0], [variable.read_value() for variable in values[1]]
        own, head = trained[: len(self._own)], trained[len(self._own) :]
        places = zip((*self._own, *self._moving), (*own, *moving), strict=True)
        with keras.StatelessScope(state_mapping=list(places)) as scope:
            hidden = self.body(tf.cast(inputs, tf.float32), training=training)
        hidden = tf.cast(hidden, tf.float32)
        for kernel, bias in zip(head[:-2:2], head[1:-2:2], strict=True):
            hidden = tf.nn.relu(hidden @ kernel + bias) * kept
        moved = [scope.get_current_value(variable) for variable in self._moving]
        return hidden @ head[-2] + head[-1], moved


Kinds = list[tuple[tuple[int, ...], str]]  # shapes, and the types of their numbers


def _kinds(variables: Sequence[keras.Variable]) -> Kinds:
    return [(tuple(v.shape), _type_of(np.dtype(v.dtype))) for v in variables]


def _need(what: str, arrays: Sequence[np.ndarray], kinds: Kinds) -> None:
    if [(each.shape, _type_of(each.dtype)) for each in arrays] != kinds:
        raise ValueError(f"its {what} is of another network")


def _type_of(dtype: np.dtype) -> str:
    """Keras has its draws counted in signed integers, `start` in others."""
    return "integer" if dtype.kind in "iu" else dtype.name


def _head_sizes(shape: HeadShape) -> list[tuple[int, ...]]:
    return [size for kernel in shape.kernels for size in (kernel, kernel[1:])]
