"""One made-up record for each of three tables, as whoever adds one would write it. The contract
tests run over them beside the tables' own; nothing else in the project knows them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.augmentation_record import Augmentation, plain, symmetric
from data.value_forms import Number
from search.experiment.objectives import ImageAnswers, ObjectiveRecord, Unit
from search.training.losses import Loss, by_targets


def _invert(images: NDArray[np.uint8], drawn: NDArray[np.float64]) -> None:
    """Moves each level towards its opposite by a share of |drawn[:, 0]|."""
    share = np.abs(drawn[:, 0])[:, None, None, None]
    images[...] = np.rint((1 - share) * images + share * (255 - images.astype(float)))


INVERT = Augmentation(
    name="invert",
    stream=900,
    identity=0.0,
    form=Number(0, 1),
    unit="of the way to the negative",
    about="Moves pictures towards their negative.",
    examples=(0.1, 0.3, 1.0),
    draw=symmetric,
    paint=_invert,
    step=lambda value, size: 0.5 / 255,
    exports={"torchvision": plain("v2.RandomInvert(0.5),")},
)


def _f1_parts(answers: ImageAnswers) -> NDArray[np.float64]:
    """The mean F1 of the classes that have images, plus each image's influence on it. F1 of a class
    is 2 a / d, a the share of images rightly given it, d the shares that are of it and are given
    it, summed: an image that counts a_i and d_i moves it by (2 a_i - F1 d_i) / d.
    """
    parts = np.zeros(answers.predicted.shape)
    for label in np.unique(answers.true):
        given, is_so = answers.predicted == label, answers.true == label
        either = given.astype(float) + is_so
        whole = either.mean(axis=-1, keepdims=True)
        f1 = 2 * (given & is_so).mean(axis=-1, keepdims=True) / whole
        parts += f1 + (2 * (given & is_so) - f1 * either) / whole
    return parts / len(np.unique(answers.true))


def _f1_flip(true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of one right answer that becomes wrong, by any other class."""
    counts = np.bincount(true)
    present = counts > 0
    moved = np.zeros(len(counts))
    moved[present] = len(true) / (2 * counts[present])
    others = (moved.sum() - moved) / max(np.count_nonzero(present) - 1, 1)
    flips: NDArray[np.float64] = ((moved + others) / np.count_nonzero(present))[true]
    return flips


def _f1_score(answers: ImageAnswers, chosen: NDArray[np.bool_]) -> float:
    if not chosen.any():
        return 0.0
    some = (answers.predicted[chosen], answers.log_prob[chosen], answers.true[chosen])
    return float(_f1_parts(ImageAnswers(*some)).mean())


MACRO_F1 = ObjectiveRecord(
    name="macro_f1",
    parts=_f1_parts,
    score=_f1_score,
    flip=_f1_flip,
    direction="max",
    best=1.0,
    bounds=(-1.0, 1.0),
    unit=Unit(100.0, 1, "points", "macro-F1"),
    words="macro-F1",
)


def _focal(logits: Any, targets: Any) -> Any:
    """Cross-entropy in which what is nearly certain counts for less."""
    import tensorflow as tf

    log_prob = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(targets * (1 - tf.exp(log_prob)) ** 2 * log_prob, axis=-1)


FOCAL = Loss("focal", "cross-entropy for what is hard", by_targets(_focal), _focal)
