"""The frozen prefix of a cut backbone: whether a trial can train from its kept outputs, and the store that keeps them.

Outputs are computed by the fast extractor, kept as float16 beside the views of mode frozen, and mapped into memory. Where the disk
is too small they are computed again every epoch, by the same extractor in the same precision: slower, with the same result.
"""

import logging
import shutil
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from data.settings import DatasetConfig
from search.experiment.settings import TrainingSettings
from search.experiment.trial import Precision, Resources, TrialSpec
from search.features.greetings import import_tensorflow_quietly
from search.features.opened import dataset_of, extractor_for
from search.features.store import FeatureStore
from search.training.cutting import cut
from search.training.job import Job

if TYPE_CHECKING:
    from search.features.extractor import Extractor

BYTES = 2  # a number of the outputs
_LOG = logging.getLogger(__name__)


def why_whole(cut: "CutSummary", training: TrainingSettings) -> str | None:
    """Why the whole network has to run at each step; None where its suffix can train from kept outputs of the prefix."""
    if cut.cut_after is None:
        return cut.reason
    if training.views == "fresh":
        return "training.views is fresh: no picture comes twice"
    if training.mixup or training.cutmix:
        return "mixup and cutmix mix images"
    return None


@dataclass(frozen=True)
class CutSummary:
    """What is to be known of a cut without its networks. cut_after: the prefix's last layer; None where there is no prefix."""

    cut_after: str | None
    reason: str | None


def cut_of(spec: TrialSpec) -> CutSummary:
    """Where the backbone of a trial is cut. Raises UserError where it has no such layer."""
    model, start = spec.settings.model, str(spec.settings.training.finetune.start)
    return cut_summary(model.backbone, spec.dataset.image_size, start)


@lru_cache(maxsize=64)
def cut_summary(backbone: str, image_size: int, start: str) -> CutSummary:
    """The same, by name: built with random weights, which no cut depends on."""
    import_tensorflow_quietly()
    from search.features.backbones import build_backbone

    found = cut(build_backbone(backbone, "random", image_size), start)
    return CutSummary(found.prefix.layers[-1].name if found.prefix else None, found.reason)


def prefix_store(job: Job) -> FeatureStore:
    """The outputs of the prefix for the trial's backbone and start. Its cut has a prefix."""
    spec = job.spec
    model, start = spec.settings.model, spec.settings.training.finetune.start
    key = (spec.dataset, spec.dataset_seed, model.backbone, model.weights, str(start), spec.precision)
    return _prefix_store(*key, job.resources)


@lru_cache(maxsize=2)
def _prefix_store(
    config: DatasetConfig,
    seed: int,
    backbone: str,
    weights: str,
    start: str,
    precision: Precision,
    resources: Resources,
) -> FeatureStore:
    from search.features.backbones import build_backbone, weights_identity
    from search.features.extractor import expected_engine

    dataset = dataset_of(config, seed, resources)
    prefix = cut(build_backbone(backbone, weights, config.image_size), start).prefix
    assert prefix is not None, "only a backbone that was cut has a store"

    @lru_cache(maxsize=1)
    def extractor() -> "Extractor":
        return extractor_for(prefix, dataset, precision, resources)

    layer = prefix.layers[-1].name
    identity = f"{backbone}/{weights_identity(backbone, weights)}/{precision}/up to {layer}/float16"
    engine = expected_engine(resources.feature_engine)
    narrow = "write training.views: fresh, or another layer in training.finetune.from"
    return FeatureStore(dataset, extractor, identity, engine, resources, np.float16, narrow)


def say_if_too_large(job: Job, output_shape: tuple[int, ...]) -> str | None:
    """Logs and returns a line where the outputs will not all be kept."""
    views = job.spec.protocol.views
    num_views = views if isinstance(views, int) and job.spec.settings.augmentation else 0
    needed, available = stored_bytes(output_shape, len(job.pictures.trained), num_views), room(job.resources)
    if needed <= available:
        return None
    line = (
        f"the frozen prefix's outputs take {needed / 1e9:.3g} GB and {available / 1e9:.3g} GB may be kept in "
        f"{job.resources.views_dir}: those that do not fit are computed again every epoch; free the disk, raise "
        "execution.disk_gb, or lower training.views"
    )
    _LOG.warning("%s", line)
    return line


def stored_bytes(output_shape: tuple[int, ...], num_images: int, num_views: int) -> int:
    return int(np.prod(output_shape)) * BYTES * num_images * num_views


def room(resources: Resources) -> float:
    """Bytes that may be kept below `views_dir`."""
    folder = next(each for each in (resources.views_dir, *resources.views_dir.parents) if each.exists())
    free = float(shutil.disk_usage(folder).free)
    return free if resources.disk_gb is None else min(free, resources.disk_gb * 1e9)
