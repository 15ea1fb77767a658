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


def ends_of(record: Augmentation) -> tuple[Any, ...]:
    """The least and the largest number, or every choice, as its schema has them."""
    schema = record.form.schema
    schema = schema.get("anyOf", [schema])[0]
    schema = schema.get("items", schema)
    if schema["type"] == "boolean":
        return False, True
    return tuple(schema["enum"]) if "enum" in schema else (schema["minimum"], schema["maximum"])


def _kappa_parts(answers: ImageAnswers) -> NDArray[np.float64]:
    """Cohen's kappa, (r - e) / (1 - e), plus each image's influence on it: r the share of right
    answers, e what it would be by chance, the sum over classes of the share that is of it times the
    share that is given it."""
    classes = int(max(answers.predicted.max(), answers.true.max())) + 1
    parts = []
    for given in answers.predicted.reshape(-1, len(answers.true)):
        own, taken = (np.bincount(x, minlength=classes) / len(x) for x in (answers.true, given))
        right, chance = (given == answers.true).astype(float), float(own @ taken)
        kappa = (right.mean() - chance) / (1 - chance)
        moved = (right - right.mean()) * (1 - chance)
        moved -= (1 - right.mean()) * (taken[answers.true] + own[given] - 2 * chance)
        parts.append(kappa + moved / (1 - chance) ** 2)
    return np.array(parts).reshape(answers.predicted.shape)


def _kappa_flip(true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of one right answer among all right ones that becomes wrong."""
    own = np.bincount(true) / len(true)
    chance = float(own @ own)
    return np.full(len(true), 1 / (1 - chance) if chance < 1 else 1.0)


def _kappa_score(answers: ImageAnswers, chosen: NDArray[np.bool_]) -> float:
    if not chosen.any():
        return 0.0
    some = (answers.predicted[chosen], answers.log_prob[chosen], answers.true[chosen])
    return float(_kappa_parts(ImageAnswers(*some)).mean())


KAPPA = ObjectiveRecord(
    name="kappa",
    parts=_kappa_parts,
    score=_kappa_score,
    flip=_kappa_flip,
    direction="max",
    best=1.0,
    bounds=(-2.0, 2.0),
    unit=Unit(100.0, 1, "points", "kappa"),
    words="kappa",
    of_class="accuracy",
)


def _focal(logits: Any, targets: Any) -> Any:
    """Cross-entropy in which what is nearly certain counts for less."""
    import tensorflow as tf

    log_prob = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(targets * (1 - tf.exp(log_prob)) ** 2 * log_prob, axis=-1)


FOCAL = Loss("focal", "cross-entropy for what is hard", by_targets(_focal), _focal)
