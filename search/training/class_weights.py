"""What images count in the loss where `training.class_weight` is balanced.

The loss of a step is the sum over its B images of w(class) times the image's loss, over B, as
Keras's `fit(class_weight=...)` has it; w = n / (K n_class) of the n images that the head trains on,
of K classes with images (scikit-learn's `balanced`), so that every class weighs the same and the
mean weight is 1. A mixed image (mixup, cutmix) has its classes' weights in their shares.
"""

from typing import Literal

import numpy as np

ClassWeight = Literal["none", "balanced"]


def class_weights(kind: ClassWeight, labels: np.ndarray, num_classes: int) -> np.ndarray | None:
    """float32 [classes]; None where every image counts as much. labels: int [n], of the images that
    train."""
    if kind == "none":
        return None
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights.astype(np.float32)
