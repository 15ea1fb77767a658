"""How weights move: Adam with decoupled weight decay on TensorFlow variables, by TensorFlow's fused
kernel, and the learning rate over the steps. What is trained is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's own defaults for Adam


@dataclass(frozen=True)
class Schedule:
    """How a training of `max_epochs` goes over its steps. weight_decay: as `Adam` has it."""

    peak: float
    warmup_epochs: float
    max_epochs: int
    weight_decay: float

    def rate(self, step: int, steps_an_epoch: int) -> float:
        return warm_cosine(step, steps_an_epoch, self.max_epochs, self.warmup_epochs, self.peak)


@dataclass(frozen=True)
class Adam:
    """Keras's Adam over some variables, with their first and second moments. step: a float
    variable, how many were taken. kernels: the variables that decay.
    """

    variables: Sequence[tf.Variable]
    moments: Sequence[Sequence[tf.Variable]]
    step: tf.Variable
    kernels: Sequence[tf.Variable]

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor,
        weight_decay: tf.Tensor | None,
    ) -> None:
        """One step, in one pass over the weights instead of a dozen. weight_decay: None leaves it
        out of the graph; else kernels first shrink by the share learning_rate * weight_decay, apart
        from their gradients.

        I. Loshchilov and F. Hutter, "Decoupled weight decay regularization"
        (https://arxiv.org/abs/1711.05101), as Keras's AdamW does.
        """
        self.step.assign_add(1.0)
        if weight_decay is not None:
            for kernel in self.kernels:
                kernel.assign_sub(learning_rate * weight_decay * kernel)
        for variable, *moments, gradient in zip(
            self.variables, *self.moments, gradients, strict=True
        ):
            _apply(variable, moments, self.step, gradient, learning_rate)


def _apply(
    variable: tf.Variable,
    moments: Sequence[tf.Variable],
    step: tf.Variable,
    gradient: tf.Tensor,
    learning_rate: tf.Tensor,
) -> None:
    import tensorflow as tf

    first, second = moments
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=tf.pow(BETA_1, step),
        beta2_power=tf.pow(BETA_2, step),
        lr=learning_rate,
        beta1=BETA_1,
        beta2=BETA_2,
        epsilon=EPSILON,
        grad=gradient,
    )


def warm_cosine(
    step: int, steps_an_epoch: int, max_epochs: int, warmup_epochs: float, peak: float
) -> float:
    """The rate at `step` (from 0): a line up to `peak` over the warm-up, then half a cosine down to
    0 at the end of `max_epochs`.

    The cosine is that of I. Loshchilov and F. Hutter, "SGDR" (https://arxiv.org/abs/1608.03983),
    without restarts.
    """
    warmup = min(warmup_epochs, max_epochs) * steps_an_epoch
    if step < warmup:
        return peak * min(1.0, (step + 1) / warmup)
    after_warmup = max_epochs * steps_an_epoch - warmup
    return (
        peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / after_warmup)))
        if after_warmup > 0
        else 0.0
    )
