"""A Keras model with the models within it unfolded into their layers, so that each may be named,
cut at and trained.

Transfer learning as it is taught puts a whole network of keras.applications, as one layer, into a
Sequential. Where such a network begins, the unfolded one has an Identity of its name; and in the
place of layers that augment: no augmentation is to be none, and OpenVINO knows no such layers. The
unfolded model is held against the one from the file on made-up pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Unfolded:
    """outputs: of the model. named: what each layer gives, of the models within too, at each call
    of it; a layer whose name an outer one has is called MODEL_LAYER."""

    outputs: list[keras.KerasTensor]
    named: dict[str, list[Any]]


def unfolded(whole: keras.Model, inputs: keras.KerasTensor) -> Unfolded:
    """The model on these pictures, with layers and weights of its own. Raises whatever Keras does
    where it takes no such ones; ArithmeticError where its answers are not those of the model."""
    import keras

    wanted = whole.inputs[0].shape  # with the size of batches, where it was fitted without an Input
    fits = len(wanted) == len(inputs.shape) and all(
        side is None or side == given
        for side, given in zip(wanted[1:], inputs.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"it takes pictures {['n', *wanted[1:]]}")
    work = _Unfolding({each.name for each in _plain(whole).operations})
    given = [inputs, *whole.inputs[1:]]
    found = work.run(whole, given)
    for original, copy in work.copies.values():
        if getattr(copy, "weights", ()):
            _give_weights(original, copy)
    if len(given) == 1:
        _compare(whole, keras.Model(inputs, found))
    order = [each.name for each in keras.Model(given, found).operations]
    return Unfolded(found, {name: work.named[name] for name in order if name in work.named})


def _give_weights(original: Any, copy: Any) -> None:
    """Some layers keep what follows from their weights, as a Normalization its mean, and work it
    out when they are loaded."""
    copy.set_weights(original.get_weights())
    for one, other in zip(original._flatten_layers(), copy._flatten_layers(), strict=False):
        if hasattr(other, "finalize_state"):
            store: dict[str, Any] = {}
            one.save_own_variables(store)
            other.load_own_variables(store)


def _compare(whole: keras.Model, made: keras.Model) -> None:
    """Raises ArithmeticError where they differ on made-up pictures. A model that answers at random
    has nothing to be held against."""
    import keras

    shape = whole.inputs[0].shape[0] or 2, *made.inputs[0].shape[1:]
    pictures = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)

    def answers(model: keras.Model) -> list[np.ndarray]:
        found = keras.tree.flatten(model(pictures, training=False))
        return [np.asarray(each, np.float32) for each in found]

    first, again = answers(whole), answers(whole)
    if all(map(_are_close, first, again)) and not all(map(_are_close, answers(made), first)):
        raise ArithmeticError(
            "its layers, put together anew, answer otherwise than the model in the file, so that "
            "its features would be others; save it from layers that are made from their settings "
            "and weights alone"
        )


def _are_close(found: np.ndarray, wanted: np.ndarray) -> bool:
    scale = float(np.nan_to_num(np.abs(wanted)).max(initial=0.0))
    return np.allclose(found, wanted, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)


@dataclass
class _Unfolding:
    """taken: names of operations. copies: of operations, each with its own, by its identity; of a
    model within, the Identity before it."""

    taken: set[str]
    copies: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    named: dict[str, list[Any]] = field(default_factory=dict)

    def run(self, model: keras.Model, inputs: list[Any], within: str = "") -> list[Any]:
        """What it gives of these inputs. within: a model's name."""
        import keras

        call = partial(self._called, within)
        run = _plain(model)._run_through_graph
        found = run(inputs, operation_fn=lambda each: each, call_fn=call)
        return list(keras.tree.flatten(found))

    def _called(self, within: str, operation: Any, *given: Any, **by: Any) -> Any:
        import keras

        if id(operation) not in self.copies:
            name = self._name(operation, within)
            self.copies[id(operation)] = operation, _copied(operation, name)
        copy = self.copies[id(operation)][1]
        if _is_graph(operation):
            inputs = [copy(each) for each in keras.tree.flatten(given)]
            found: Any = self.run(operation, inputs, copy.name)
            found = keras.tree.pack_sequence_as(operation.output, found)
        elif _is_pipeline(operation):
            found = copy(given[0])
            for each in operation.layers:
                found = self._called(copy.name, each, found)
        else:
            found = copy(*given, **by)
        self.named.setdefault(copy.name, []).append(found)
        return found

    def _name(self, operation: Any, within: str) -> str:
        """Its own, or MODEL_NAME where another one has that."""
        name = str(operation.name)
        while within and name in self.taken:
            name = f"{within}_{name}"
        self.taken.add(name)
        return name


def _plain(model: keras.Model) -> keras.Model:
    """A Sequential, and any form of inputs and outputs, as lists of tensors."""
    import keras

    return keras.Model(list(model.inputs), list(model.outputs))


def _is_graph(operation: Any) -> bool:
    """Whether it is a model whose layers can be told one by one."""
    import keras

    is_model = isinstance(operation, keras.Model)
    return is_model and bool(getattr(operation, "inputs", None) and hasattr(operation, "outputs"))


def _is_pipeline(operation: Any) -> bool:
    import keras

    return type(operation) is keras.layers.Pipeline


def _only_augments(operation: Any) -> bool:
    """Whether it changes pictures in training alone, where the search's own augmentation does."""
    import keras

    kind = type(operation)
    is_ours = getattr(keras.layers, kind.__name__, None) is kind
    names = kind.__name__.startswith("Rand") or kind.__name__ in ("AugMix", "CutMix", "MixUp")
    return is_ours and names and kind is not keras.layers.RandomCrop


def _copied(operation: Any, name: str) -> Any:
    import keras

    if _is_graph(operation) or _is_pipeline(operation) or _only_augments(operation):
        return keras.layers.Identity(name=name)
    copy = operation.__class__.from_config(operation.get_config())
    copy.name = name
    return copy
