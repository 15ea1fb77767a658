"""What networks are trained to make small: one record per loss, which says itself from logits and
targets; and what images count in it where `training.class_weight` is balanced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

PACKET = 16  # floats that the widest processors work on at once
ClassWeight = Literal["none", "balanced"]
OfLabels = Callable[["tf.Tensor", "tf.Tensor", "tf.Tensor | None"], "tf.Tensor"]
OfTargets = Callable[["tf.Tensor", "tf.Tensor"], "tf.Tensor"]


@dataclass(frozen=True)
class Loss:
    """One loss, said of two kinds of targets, which agree where both can be said. summary: its
    words, for people.

    of_labels: logits [..., batch, classes], labels int [..., batch], smoothing -> [..., batch].
    smoothing: as Keras's label_smoothing; None leaves it out of the graph. Every image has the same
    bits whatever its place and whatever is beside it. of_targets: logits [batch, classes], targets
    [batch, classes], a distribution each -> [batch].
    """

    name: str
    summary: str
    of_labels: OfLabels
    of_targets: OfTargets


def log_prob_of_labels(logits: "tf.Tensor", labels: "tf.Tensor") -> "tf.Tensor":
    """The logarithm of the probability given to the label, [..., batch]; as exact about places as
    `Loss.of_labels`.
    """
    return -_cross_entropy_of_labels(logits, labels, None)


def in_packets(of_labels: OfLabels) -> OfLabels:
    """`Loss.of_labels` from one that need not keep an image's bits: it is given batches rounded up
    to PACKET images. What is left over at the end of an array goes another way through the
    processor, with other last bits.
    """

    def rounded_up(
        logits: "tf.Tensor", labels: "tf.Tensor", smoothing: "tf.Tensor | None"
    ) -> "tf.Tensor":
        import tensorflow as tf

        images = labels.shape[-1] if labels.shape[-1] is not None else tf.shape(labels)[-1]
        if not isinstance(images, int) or images % PACKET:
            rest = [[0, 0]] * (len(labels.shape) - 1) + [[0, -images % PACKET]]
            labels, logits = tf.pad(labels, rest), tf.pad(logits, [*rest, [0, 0]])
        return of_labels(logits, labels, smoothing)[..., :images]

    return rounded_up


@in_packets
def _cross_entropy_of_labels(
    logits: "tf.Tensor", labels: "tf.Tensor", smoothing: "tf.Tensor | None"
) -> "tf.Tensor":
    import tensorflow as tf

    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if smoothing is None:
        return losses
    spread = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return (1 - smoothing) * losses + smoothing * spread


def _cross_entropy_of_targets(logits: "tf.Tensor", targets: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def by_targets(of_targets: OfTargets) -> OfLabels:
    """`Loss.of_labels` from `Loss.of_targets`, by way of one-hot targets."""

    @in_packets
    def of_labels(
        logits: "tf.Tensor", labels: "tf.Tensor", smoothing: "tf.Tensor | None"
    ) -> "tf.Tensor":
        import tensorflow as tf

        targets = tf.one_hot(labels, logits.shape[-1])
        if smoothing is not None:
            targets = (1 - smoothing) * targets + smoothing / logits.shape[-1]
        return of_targets(logits, targets)

    return of_labels


def _brier(logits: "tf.Tensor", targets: "tf.Tensor") -> "tf.Tensor":
    """Brier, "Verification of forecasts expressed in terms of probability", 1950."""
    import tensorflow as tf

    return tf.reduce_sum((tf.nn.softmax(logits) - targets) ** 2, axis=-1)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            "minus the logarithm of the label's probability",
            _cross_entropy_of_labels,
            _cross_entropy_of_targets,
        ),
        Loss(
            "brier",
            "the squared differences between probabilities and label, summed over the classes; 2 "
            "at most, so that a wrong label pulls less",
            by_targets(_brier),
            _brier,
        ),
    )
}


def class_weights(kind: ClassWeight, labels: np.ndarray, num_classes: int) -> np.ndarray | None:
    """What an image of each class counts in the loss, float32 [classes]; None where every one
    counts as much. labels: int [n], of the images that train.

    The loss of a step is the sum over its B images of w(class) times the image's loss, over B, as
    Keras's `fit(class_weight=...)` has it; w = n / (K n_class) of the n images, of K classes with
    images (scikit-learn's `balanced`), so that every class weighs the same and the mean weight is
    1. A mixed image (mixup, cutmix) has its classes' weights in their shares.
    """
    if kind == "none":
        return None
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)
