"""Adam with decoupled weight decay on TensorFlow variables, by TensorFlow's fused kernel. What is trained is not known here."""

from collections.abc import Sequence
from typing import Any

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's own defaults for Adam


def apply_adam(variable: Any, moments: tuple[Any, Any], step: Any, gradient: Any, learning_rate: Any) -> None:
    """One step of Keras's Adam: one pass over the weights instead of a dozen. step: float, from 1."""
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


def decay(variables: Sequence[Any], learning_rate: Any, weight_decay: Any) -> None:
    """Shrinks weights by the share learning_rate * weight_decay, apart from their gradients.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (https://arxiv.org/abs/1711.05101), as Keras's AdamW does.
    """
    for variable in variables:
        variable.assign_sub(learning_rate * weight_decay * variable)
