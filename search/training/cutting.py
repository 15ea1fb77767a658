"""Where a backbone is cut for fine-tuning: which of its layers train, and the one tensor below them at which it falls in two.

What stands before the tensor is frozen and can be computed once; what stands after it is trained, or at least run, at every step.
Only graphs are dealt with here; what runs them is `prefixes` and `network`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from search.experiment.settings import last_layers

if TYPE_CHECKING:
    import keras

ALL = "all"
_Tensor = tuple[str, int, int]  # operation, its node, which of the node's outputs


@dataclass(frozen=True)
class Cut:
    """A backbone in two. prefix: images -> the tensor; None where the whole network runs, for the `reason` given. suffix: the tensor
    (or images) -> pooled features. trained: names of the layers that train, all of them in the suffix.
    """

    prefix: keras.Model | None
    suffix: keras.Model
    trained: frozenset[str]
    reason: str | None = None


def cut(backbone: keras.Model, start: str) -> Cut:
    """Cuts `backbone` so that as much as can be of what stands before `start` is in the prefix.

    start: `all`, `last: N` layers, or the name of a layer or block. Where no single tensor lies just below it, the cut is made at the
    nearest one further down, and the layers between are in the suffix without being trained. Raises UserError for a name that is
    not the backbone's, or more layers than it has.
    """
    first = _first_trained(backbone, start)
    trained = frozenset(layer.name for layer in backbone.layers[first:])
    if not any(layer.trainable_weights for layer in backbone.layers[:first]):
        return Cut(None, backbone, trained, "every layer trains")
    tensor = _tensor_below(backbone, backbone.layers[first].name)
    if tensor is None:
        return Cut(None, backbone, trained, f"no single tensor lies below {backbone.layers[first].name}")
    import keras

    prefix = keras.Model(backbone.inputs[0], tensor, name=f"{backbone.name}-prefix")
    return Cut(prefix, keras.Model(tensor, backbone.output, name=f"{backbone.name}-suffix"), trained)


def _first_trained(backbone: keras.Model, start: str) -> int:
    """The position among the layers of the first that trains; layers stand in the order in which they run."""
    names = [layer.name for layer in backbone.layers]
    count = last_layers(start)
    if start == ALL:
        return 0
    if count is None:
        found = next((i for i, name in enumerate(names) if _is_or_begins(name, start)), None)
        if found is None:
            raise UserError(
                f"training.finetune.from: {backbone.name} has no layer or block {start!r}{_nearest(start, names)}; give one of its "
                "names, `last: N`, or all"
            )
        return found
    if count > len(names):
        raise UserError(
            f"training.finetune.from: last: {count}, but {backbone.name} has {len(names)} layers; give fewer, or all"
        )
    return len(names) - count


def _is_or_begins(name: str, start: str) -> bool:
    """Whether `start` is the layer or the block it belongs to: block6 holds block6a_project_conv, block1 not block10a_conv."""
    rest = name.removeprefix(start)
    return name == start or (rest != name and not (start[-1:].isdigit() and rest[:1].isdigit()))


def _nearest(start: str, names: list[str]) -> str:
    blocks = [name[:at] for name in names for at, letter in enumerate(name) if letter == "_"]
    near = difflib.get_close_matches(start, dict.fromkeys([*blocks, *names]), n=3)
    return f"; the nearest are {', '.join(near)}" if near else ""


def _tensor_below(backbone: keras.Model, first: str) -> Any | None:
    """The last tensor before operation `first` that alone carries what comes after; None where only the image does."""
    entries = backbone.get_config()["layers"]
    used = [set(_tensors_in(entry["inbound_nodes"])) for entry in entries]
    position = next(i for i, entry in enumerate(entries) if entry["name"] == first)
    operations = {operation.name: operation for operation in backbone.operations}
    for at in range(position, 0, -1):
        before = {entry["name"] for entry in entries[:at]}
        crossing = {tensor for needs in used[at:] for tensor in needs if tensor[0] in before}
        has_weights = any(getattr(operations[name], "trainable_weights", ()) for name in before)
        if len(crossing) == 1 and has_weights:
            name, node, output = next(iter(crossing))
            return operations[name]._inbound_nodes[node].output_tensors[output]
    return None


def _tensors_in(node: Any) -> Iterator[_Tensor]:
    """What a serialized `inbound_nodes` takes in."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        name, number, output = node["config"]["keras_history"]
        yield name, number, output
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _tensors_in(child)
