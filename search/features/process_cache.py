"""What is expensive to open, kept by the process that runs trials under the values that made it:
images, backbones, features."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.dataset import Dataset, open_dataset
from data.packed import open_packed, packed_folder
from data.settings import DatasetConfig
from search.experiment.precisions import Precision
from search.experiment.trial import FeatureDtype, Resources, TrialSpec
from search.features.devices import import_tensorflow_quietly
from search.features.store import FeatureStore, KeptNumbers

if TYPE_CHECKING:
    import keras

    from search.features.extractor import Extractor

_LOG = logging.getLogger(__name__)
NUM_CHECK_IMAGES = 16  # real images on which an engine is compared with Keras before it is trusted


def dataset_of(config: DatasetConfig, seed: int, resources: Resources) -> Dataset:
    """The decoded images, opened once a process: those sent to this machine, or those it can read
    itself."""
    return received(resources) or _read(config, seed, resources.cache_dir, resources.num_threads)


def received(resources: Resources) -> Dataset | None:
    """The images that were sent to this machine; None where there are none, or they are no longer
    what was sent (the log says)."""
    digest = resources.dataset_digest
    if digest is None:
        return None
    folder = packed_folder(resources.cache_dir, digest)
    try:
        return _received(folder)
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError) as error:
        _LOG.warning("%s cannot be used and is wanted again (%s)", folder, error)
        return None


@lru_cache(maxsize=4)
def _read(config: DatasetConfig, seed: int, cache_dir: Path, num_threads: int) -> Dataset:
    return open_dataset(config, cache_dir, seed, num_threads)


_received = lru_cache(maxsize=4)(open_packed)


def store_of(spec: TrialSpec, resources: Resources) -> FeatureStore:
    """The features of a trial's dataset by its backbone, opened once a process."""
    model = spec.settings.model
    network, numbers = (model.backbone, model.weights), (spec.precision, spec.feature_dtype)
    return _store(spec.dataset, spec.dataset_seed, network, numbers, resources)


@lru_cache(maxsize=4)
def _store(
    config: DatasetConfig,
    seed: int,
    network: tuple[str, str],
    numbers: tuple[Precision, FeatureDtype],
    resources: Resources,
) -> FeatureStore:
    """network: backbone and weights. numbers: computed in, and kept in."""
    from search.features.backbones import weights_identity
    from search.features.extractor import expected_engine
    from search.features.keras_networks import is_file

    dataset = dataset_of(config, seed, resources)
    (backbone, weights), (precision, dtype) = network, numbers

    def extractor() -> "Extractor":
        return extractor_of(dataset, backbone, weights, precision, resources)

    identity = f"{backbone}/{weights_identity(backbone, weights)}/{numbers_identity(precision)}"
    if is_file(backbone):  # as `unfolded` makes it: before, the mean of a Normalization was lost
        identity += "/2"
    if dtype != "float32":
        identity += f"/{dtype}"
    engine = expected_engine(resources.feature_engine)
    kept = KeptNumbers(getattr(np, dtype))
    return FeatureStore(dataset, extractor, identity, engine, resources, kept)


@lru_cache(maxsize=4)
def extractor_of(
    dataset: Dataset, backbone: str, weights: str, precision: Precision, resources: Resources
) -> "Extractor":
    """The frozen backbone, compiled once a process and compared with Keras on images of the
    dataset."""
    import_tensorflow_quietly()
    from search.features.backbones import build_backbone

    return extractor_for(
        build_backbone(backbone, weights, dataset.images.shape[1]), dataset, precision, resources
    )


def numbers_identity(precision: Precision) -> str:
    """The precision with all that its features depend on, but images, weights and engine."""
    from search.features.quantised import int8_versions

    return f"int8 ({int8_versions()})" if precision == "int8" else precision


def extractor_for(
    model: "keras.Model", dataset: Dataset, precision: Precision, resources: Resources
) -> "Extractor":
    """Any frozen network from images to one tensor, compiled and compared with Keras on images of
    the dataset. Raises Int8Unavailable where it cannot be had in int8."""
    from search.features.calibration import calibration_of
    from search.features.extractor import build_extractor
    from search.features.quantised import Quantising, build_quantised

    count = len(dataset.images)
    spread = np.linspace(0, count - 1, min(NUM_CHECK_IMAGES, count)).astype(int)
    pictures = np.asarray(dataset.images[spread])
    threads, cache_dir = resources.num_threads, resources.cache_dir
    if precision == "int8":
        wanted = Quantising(model, calibration_of(dataset), threads, cache_dir)
        return build_quantised(wanted, pictures)
    engine = resources.feature_engine
    return build_extractor(model, engine, precision, threads, cache_dir, pictures)
