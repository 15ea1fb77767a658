"""Where a backbone is cut for fine-tuning: which of its layers train, and the one tensor below them
at which it falls in two.

What stands before the tensor is frozen and is computed once; what stands after it is trained, or at
least run, at every step. The prefix's outputs are computed by the fast extractor, kept as float16
beside the views of mode frozen, and mapped into memory. Where the disk is too small they are
computed again every epoch, by the same extractor in the same precision: slower, with the same
result.
"""

from __future__ import annotations

import difflib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset
from data.errors import UserError
from search.experiment.precisions import Precision
from search.experiment.settings import TrainingSettings, last_layers
from search.experiment.trial import Resources, TrialSpec
from search.features.devices import import_tensorflow_quietly
from search.features.process_cache import extractor_for, numbers_identity
from search.features.store import FeatureStore, KeptNumbers
from search.training.training_mode import LoadedTrial

if TYPE_CHECKING:
    import keras

    from search.features.extractor import Extractor

ALL = "all"
BYTES = 2  # a number of the kept outputs
_LOG = logging.getLogger(__name__)
_Tensor = tuple[str, int, int]  # operation, its node, which of the node's outputs


@dataclass(frozen=True)
class BackboneCut:
    """A backbone in two. prefix: images -> the tensor; None where the whole network runs, for the
    `reason` given. suffix: the tensor (or images) -> pooled features. trained: names of the layers
    that train, all of them in the suffix.
    """

    prefix: keras.Model | None
    suffix: keras.Model
    trained: frozenset[str]
    reason: str | None = None


def cut(backbone: keras.Model, start: str) -> BackboneCut:
    """Cuts `backbone` so that as much as can be of what stands before `start` is in the prefix.

    start: `all`, `last: N` layers, or the name of a layer or block. Where no single tensor lies
    just below it, the cut is made at the nearest one further down, and the layers between are in
    the suffix without being trained. Raises UserError for a name that is not the backbone's, or
    more layers than it has.
    """
    first = _first_trained(backbone, start)
    trained = frozenset(layer.name for layer in backbone.layers[first:])
    if not any(layer.trainable_weights for layer in backbone.layers[:first]):
        return BackboneCut(None, backbone, trained, "every layer trains")
    tensor = _tensor_below(backbone, backbone.layers[first].name)
    if tensor is None:
        return BackboneCut(
            None, backbone, trained, f"no single tensor lies below {backbone.layers[first].name}"
        )
    import keras

    prefix = keras.Model(backbone.inputs[0], tensor, name=f"{backbone.name}-prefix")
    return BackboneCut(
        prefix, keras.Model(tensor, backbone.output, name=f"{backbone.name}-suffix"), trained
    )


def why_whole(cut: CutSummary, training: TrainingSettings) -> str | None:
    """Why the whole network has to run at each step; None where its suffix can train from kept
    outputs of the prefix.
    """
    if cut.cut_after is None:
        return cut.reason
    if training.views == "fresh":
        return "training.views is fresh: no picture comes twice"
    if training.mixup or training.cutmix:
        return "mixup and cutmix mix images"
    return None


@dataclass(frozen=True)
class CutSummary:
    """What is to be known of a cut without its networks. cut_after: the prefix's last layer; None
    where there is no prefix, or where it is not kept, for the `reason` given.
    """

    cut_after: str | None
    reason: str | None


def cut_of(spec: TrialSpec) -> CutSummary:
    """Up to where a trial keeps what its backbone gives, or why its whole network runs. Raises
    UserError where it has no such layer.
    """
    model, training = spec.settings.model, spec.settings.training
    network, start = (model.backbone, model.weights), str(training.finetune.start)
    found = cut_summary(network, spec.dataset.image_size, start)
    reason = why_whole(found, training)
    return found if reason is None else CutSummary(None, reason)


@lru_cache(maxsize=64)
def cut_summary(network: tuple[str, str], image_size: int, start: str) -> CutSummary:
    """The same, by name. network: backbone and weights, which no cut depends on: random ones are as
    good, unless the backbone is made of their file."""
    import_tensorflow_quietly()
    from search.features.backbones import build_backbone, find_backbone

    backbone, weights = network
    weights = weights if find_backbone(backbone).from_file else "random"
    found = cut(build_backbone(backbone, weights, image_size), start)
    return CutSummary(found.prefix.layers[-1].name if found.prefix else None, found.reason)


def prefix_store(trial: LoadedTrial) -> FeatureStore:
    """The outputs of the prefix for the trial's backbone and start. Its cut has a prefix."""
    model, start = trial.spec.settings.model, str(trial.spec.settings.training.finetune.start)
    network = model.backbone, model.weights, start
    return _prefix_store(trial.dataset, *network, trial.spec.precision, trial.resources)


@lru_cache(maxsize=2)
def _prefix_store(
    dataset: Dataset,
    backbone: str,
    weights: str,
    start: str,
    precision: Precision,
    resources: Resources,
) -> FeatureStore:
    from search.features.backbones import build_backbone, weights_identity
    from search.features.extractor import expected_engine

    prefix = cut(build_backbone(backbone, weights, dataset.images.shape[1]), start).prefix
    assert prefix is not None, "only a backbone that was cut has a store"

    @lru_cache(maxsize=1)
    def extractor() -> Extractor:
        return extractor_for(prefix, dataset, precision, resources)

    layer = prefix.layers[-1].name
    numbers = f"{numbers_identity(precision)}/up to {layer}/float16"
    identity = f"{backbone}/{weights_identity(backbone, weights)}/{numbers}"
    engine = expected_engine(resources.feature_engine)
    advice = "write training.views: fresh, or another layer in training.finetune.from"
    kept = KeptNumbers(np.float16, advice)
    return FeatureStore(dataset, extractor, identity, engine, resources, kept)


def warn_if_too_large(trial: LoadedTrial, output_shape: tuple[int, ...]) -> str | None:
    """Logs and returns a line where the outputs will not all be kept."""
    views = trial.spec.protocol.views
    num_views = views if isinstance(views, int) and trial.spec.settings.augmentation else 0
    needed, available = (
        stored_bytes(output_shape, len(trial.pictures.trained), num_views),
        free_bytes(trial.resources),
    )
    if needed <= available:
        return None
    line = (
        f"the frozen prefix's outputs take {needed / 1e9:.3g} GB and {available / 1e9:.3g} GB may "
        "be kept in "
        f"{trial.resources.views_dir}: those that do not fit are computed again "
        "every epoch; free the disk, raise "
        "execution.disk_gb, or lower training.views"
    )
    _LOG.warning("%s", line)
    return line


def stored_bytes(output_shape: tuple[int, ...], num_images: int, num_views: int) -> int:
    return int(np.prod(output_shape)) * BYTES * num_images * num_views


def free_bytes(resources: Resources) -> float:
    """Bytes that may be kept below `views_dir`."""
    folder = next(
        each for each in (resources.views_dir, *resources.views_dir.parents) if each.exists()
    )
    free = float(shutil.disk_usage(folder).free)
    return free if resources.disk_gb is None else min(free, resources.disk_gb * 1e9)


def _first_trained(backbone: keras.Model, start: str) -> int:
    """The position among the layers of the first that trains; layers stand in the order in which
    they run.
    """
    names = [layer.name for layer in backbone.layers]
    count = last_layers(start)
    if start == ALL:
        return 0
    if count is None:
        found = next((i for i, name in enumerate(names) if _is_or_begins(name, start)), None)
        if found is None:
            raise UserError(
                f"training.finetune.from: {backbone.name} has no layer or block "
                f"{start!r}{_nearest(start, names)}; give one of its "
                "names, `last: N`, or all"
            )
        return found
    if count > len(names):
        raise UserError(
            f"training.finetune.from: last: {count}, but {backbone.name} has {len(names)} "
            "layers; give fewer, or all"
        )
    return len(names) - count


def _is_or_begins(name: str, start: str) -> bool:
    """Whether `start` is the layer or the block it belongs to: block6 holds block6a_project_conv,
    block1 not block10a_conv.
    """
    rest = name.removeprefix(start)
    return name == start or (rest != name and not (start[-1:].isdigit() and rest[:1].isdigit()))


def _nearest(start: str, names: list[str]) -> str:
    blocks = [name[:at] for name in names for at, letter in enumerate(name) if letter == "_"]
    near = difflib.get_close_matches(start, dict.fromkeys([*blocks, *names]), n=3)
    return f"; the nearest are {', '.join(near)}" if near else ""


def _tensor_below(backbone: keras.Model, first: str) -> keras.KerasTensor | None:
    """The last tensor before operation `first` that alone carries what comes after; None where only
    the image does.
    """
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


def _tensors_in(node: object) -> Iterator[_Tensor]:
    """What a serialized `inbound_nodes` takes in."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        name, number, output = node["config"]["keras_history"]
        yield name, number, output
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _tensors_in(child)
