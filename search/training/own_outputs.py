"""How the outputs of a model of the user's own are read: found from its loss, and held against its
answers on made-up pictures."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data.errors import UserError
from data.messages import literal
from data.own_code import words_of
from search.training.own_model import BUILD

if TYPE_CHECKING:
    import keras

_LEAST = 1e-7  # of a probability, as Keras's own losses have it
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
    logits; else probabilities."""

    kind: OutputKind
    logits: bool
    num_classes: int

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """int [n] as the loss takes them."""
        if self.kind == "one_hot":
            return np.eye(self.num_classes, dtype=np.float32)[labels]
        return labels.astype(np.float32)[:, None] if self.kind == "binary" else labels

    def log_probabilities(self, found: np.ndarray) -> np.ndarray:
        """float64 [n, classes], of outputs [n, classes or 1]."""
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
    """How its outputs are read: from its loss, held against its answers on two made-up pictures.
    Raises UserError where that is not clear."""
    found = _answers(built, name, size)
    outputs = _by_loss(built, name, num_classes)
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
    sums = found.sum(axis=1) if outputs.kind != "binary" else np.ones(2)
    apart = found.min() < -1e-3 or found.max() > 1 + 1e-3 or abs(sums - 1).max() > 1e-2
    if not outputs.logits and apart:
        raise UserError(
            f"{BUILD}: the loss of {name} takes probabilities, and its outputs are none (from "
            f"{found.min():.3g} to {found.max():.3g}); end in softmax (sigmoid for one output), or "
            "give the loss from_logits=True"
        )
    return outputs


def made_up_pictures(size: int) -> np.ndarray:
    """float32 [2, size, size, 3], 0 to 255."""
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)


def _answers(built: "keras.Model", name: str, size: int) -> np.ndarray:
    try:
        found = built(made_up_pictures(size), training=False)
        if isinstance(found, list | tuple | dict):
            raise UserError(
                f"{BUILD}: the model of {name} has {len(found)} outputs; allowed: one, of all "
                "classes"
            )
        return np.asarray(found)
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
