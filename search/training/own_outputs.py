"""How the outputs of a model of the user's own are read: found from its loss, and held against its
answers on made-up pictures."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data.errors import UserError
from data.messages import literal, words_of
from search.training.own_model import BUILD

if TYPE_CHECKING:
    import keras

_LEAST = 1e-7  # of a probability, as Keras's own losses have it
_LINEAR = ("AddV2", "BiasAdd", "MatMul")  # of a Dense layer without an activation
_FORMS = ("Identity", "Cast", "Reshape", "Squeeze", "ExpandDims")  # change no number
OutputKind = Literal["classes", "one_hot", "binary"]
# What Keras calls a loss, in small letters without dashes -> how it takes labels.
READ_BY_LOSS: dict[str, OutputKind] = {
    "sparsecategoricalcrossentropy": "classes",
    "categoricalcrossentropy": "one_hot",
    "categoricalfocalcrossentropy": "one_hot",
    "binarycrossentropy": "binary",
    "binaryfocalcrossentropy": "binary",
}


@dataclass(frozen=True)
class Outputs:
    """How a model's outputs are read. kind: how its loss takes labels. logits: whether they are
    logits; else probabilities. remark: a line on what its loss takes them for instead."""

    kind: OutputKind
    logits: bool
    num_classes: int
    remark: str = ""

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """int [n] as the loss takes them."""
        if self.kind == "one_hot":
            return np.eye(self.num_classes, dtype=np.float32)[labels]
        return labels.astype(np.float32)[:, None] if self.kind == "binary" else labels

    @np.errstate(invalid="ignore")
    def log_probabilities(self, found: np.ndarray) -> np.ndarray:
        """float64 [n, classes], of outputs [n, classes or 1]; no numbers where those are none, for
        the caller to judge."""
        values = np.asarray(found, np.float64)
        if self.logits:
            pair = [-np.logaddexp(0, values), -np.logaddexp(0, -values)]
            if self.kind == "binary":
                return np.concatenate(pair, axis=1)
            return values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        if self.kind == "binary":
            values = np.concatenate([1 - values, values], axis=1)
        return np.log(np.clip(values, _LEAST, 1.0))


def outputs_of(built: "keras.Model", name: str, num_classes: int, size: int) -> Outputs:
    """How its outputs are read: from its loss, held against its answers on made-up pictures. Raises
    UserError where that is not clear."""
    answer = _answers(built, name, size)
    found, outputs = np.asarray(answer), _by_loss(built, name, num_classes)
    columns = 1 if outputs.kind == "binary" else num_classes
    if found.shape != (2, columns):
        raise UserError(
            f"{BUILD}: the model of {name} gives outputs {['n', *found.shape[1:]]}; "
            f"with this loss and {num_classes} classes they are [n, {columns}]"
        )
    if not np.isfinite(found).all():
        raise UserError(
            f"{BUILD}: the model of {name} answers with NaN or infinity, untrained, on pictures of "
            "0 to 255; see its scaling and its first weights"
        )
    is_activated = hasattr(answer, "_keras_logits")  # by softmax or sigmoid: Keras's mark of it
    if columns > 1:
        return _of_classes(outputs, built, name, size)
    if (found == 1).all() and _last_operation(built, size) == "Softmax":
        raise UserError(
            f"{BUILD}: the model of {name} ends in softmax of one output, which is always 1; end "
            "in sigmoid"
        )
    return _of_one(outputs, built, name, is_activated, size)


def _of_classes(outputs: Outputs, built: "keras.Model", name: str, size: int) -> Outputs:
    """What ends in softmax is probabilities, whatever the loss takes it for; so is what sums to 1
    on stranger pictures too."""
    last, found = _last_operation(built, size), _stretched(built, size)
    is_constant = not np.ptp(found, axis=0).any()  # as with weights that begin at 0
    sums_to_one = _are_shares(found) and abs(found.sum(axis=1) - 1).max() <= 1e-2
    is_linear = is_constant and (outputs.logits or last in _LINEAR)
    if sums_to_one and (last == "Softmax" or not (is_linear or last == "Sigmoid")):
        return _as_probabilities(outputs, name, "softmax")
    if last == "Sigmoid":
        raise UserError(
            f"{BUILD}: the model of {name} ends in one sigmoid per class, and its loss is of one "
            "class per picture; end in softmax, or in logits with from_logits=True"
        )
    if not outputs.logits:
        raise _no_probabilities(name, found)
    return outputs if is_constant or not _are_shares(found) else _between(outputs, name)


def _of_one(
    outputs: Outputs, built: "keras.Model", name: str, is_activated: bool, size: int
) -> Outputs:
    """Two answers from 0 to 1 may be logits too: they are asked for on stranger pictures."""
    if is_activated:
        return _as_probabilities(outputs, name, "sigmoid")
    found = _stretched(built, size)
    if not _are_shares(found):
        if not outputs.logits:
            raise _no_probabilities(name, found)
        return outputs
    last, is_constant = _last_operation(built, size), not np.ptp(found)
    if not outputs.logits and is_constant and last in _LINEAR:
        raise _no_probabilities(name, found)
    if not outputs.logits or last == "Sigmoid":
        return _as_probabilities(outputs, name, "sigmoid")
    return outputs if is_constant else _between(outputs, name)  # constant: logits that begin at 0


def _between(outputs: Outputs, name: str) -> Outputs:
    return replace(
        outputs,
        remark=f"{BUILD}: the outputs of {name} lie between 0 and 1 on all pictures tried, and are "
        "read as logits, since its loss says from_logits=True; if they are probabilities, leave it "
        "out",
    )


def _are_shares(found: np.ndarray) -> bool:
    return bool(found.min() >= -1e-3 and found.max() <= 1 + 1e-3)


def _as_probabilities(outputs: Outputs, name: str, activation: str) -> Outputs:
    if not outputs.logits:
        return outputs
    return replace(
        outputs,
        logits=False,
        remark=f"{BUILD}: the loss of {name} says from_logits=True, and its outputs are "
        f"probabilities ({activation}): they are read as such; leave out one of the two",
    )


def _no_probabilities(name: str, found: np.ndarray) -> UserError:
    return UserError(
        f"{BUILD}: the loss of {name} takes probabilities, and its outputs are none (from "
        f"{found.min():.3g} to {found.max():.3g}, by no softmax or sigmoid); end in softmax "
        "(sigmoid for one output), or give the loss from_logits=True"
    )


def _stretched(built: "keras.Model", size: int) -> np.ndarray:
    """[m, columns]: its answers on made-up pictures, and on multiples of them, from which logits
    seldom stay between 0 and 1; without those that are no number, or that it refuses: pixels are 0
    to 255, and no more is promised to a model."""
    pictures = made_up_pictures(size)
    found = [np.asarray(built(pictures * by, training=False)) for by in (1, 0)]
    for by in (-1, 1000, -1000):
        with suppress(Exception):  # whatever a layer that looks numbers up, or checks them, raises
            found.append(np.asarray(built(pictures * by, training=False)))
    answers = np.concatenate(found)
    return answers[~np.isnan(answers).any(axis=1)]


def _last_operation(built: "keras.Model", size: int) -> str:
    """What TensorFlow calls the operation that gives its outputs, whatever their form; empty for a
    model that is no graph."""
    import tensorflow as tf

    asked = tf.function(lambda pictures: built(pictures, training=False))
    try:
        output = asked.get_concrete_function(tf.constant(made_up_pictures(size))).outputs[0]
    except Exception:  # of a call that is Python and cannot be traced
        return ""
    while output.op.type in _FORMS:
        output = output.op.inputs[0]
    return str(output.op.type)


def made_up_pictures(size: int) -> np.ndarray:
    """float32 [2, size, size, 3], 0 to 255."""
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)


def _answers(built: "keras.Model", name: str, size: int) -> Any:
    """Its tensor, on two made-up pictures."""
    try:
        found = built(made_up_pictures(size), training=False)
        if isinstance(found, list | tuple | dict):
            raise UserError(
                f"{BUILD}: the model of {name} has {len(found)} outputs; allowed: one, of all "
                "classes"
            )
        return found
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{BUILD}: the model of {name} takes no pictures [n, {size}, {size}, 3] "
            f"({words_of(error)}); dataset.image_size sets their side"
        ) from error


def _by_loss(built: "keras.Model", name: str, num_classes: int) -> Outputs:
    import keras

    loss = _one_of(built.loss)
    with suppress(TypeError, ValueError):
        loss = keras.losses.get(loss)
    bases = [getattr(loss, "__name__", ""), *(each.__name__ for each in type(loss).__mro__)]
    kinds = [
        READ_BY_LOSS[key]
        for each in bases
        if (key := each.replace("_", "").lower()) in READ_BY_LOSS
    ]
    if not kinds or (kinds[0] == "binary" and num_classes != 2):
        given = getattr(loss, "name", None) or getattr(loss, "__name__", None) or literal(loss)
        raise UserError(
            f"{BUILD}: the model of {name} is compiled with the loss {given}, which does not say "
            f"how its outputs are read for {num_classes} classes; allowed: sparse or categorical "
            "crossentropy (focal too) on one output per class; binary crossentropy on one output "
            "for two classes"
        )
    logits = bool(getattr(loss, "from_logits", False))
    return Outputs(kinds[0], logits, num_classes)


def _one_of(loss: Any) -> Any:
    """A loss that stands in a list, or under the name of its output, by itself; of several, a plain
    list or mapping."""
    if isinstance(loss, Mapping):
        return next(iter(loss.values())) if len(loss) == 1 else dict(loss)
    if isinstance(loss, Sequence) and not isinstance(loss, str):
        return loss[0] if len(loss) == 1 else list(loss)
    return loss
