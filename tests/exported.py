"""Exported code executed: each library's object made into a function from images to augmented
images, seeded."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from search.export.exporters import Exported, Policy, write

Floats = NDArray[np.floating]
Apply = Callable[[NDArray[Any]], Floats]
SIZE, COUNT, SEED = 32, 600, 5


def exported(to: str, **augmentation: Any) -> Exported:
    return write(Policy("A test", augmentation, SIZE), to)


def executed(to: str, augmentation: dict[str, Any]) -> Any:
    """The object called `augmentation` that the exported code makes."""
    names: dict[str, Any] = {}
    exec(exported(to, **augmentation).code, names)
    return names["augmentation"]


def with_keras(augmentation: dict[str, Any]) -> Apply:
    import keras

    keras.utils.set_random_seed(SEED)
    layers = executed("keras", augmentation)
    return lambda images: np.asarray(layers(images.astype(np.float32), training=True))


def with_generator(augmentation: dict[str, Any]) -> Apply:
    np.random.seed(SEED)  # noqa: NPY002 -- ImageDataGenerator draws from NumPy's global generator
    made = executed("imagedatagenerator", augmentation)
    return lambda images: np.stack(
        [made.random_transform(image.astype(np.float32)) for image in images]
    )


def with_albumentations(augmentation: dict[str, Any]) -> Apply:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for its newest version
    pytest.importorskip("albumentations", reason="Albumentations is not installed")
    made = executed("albumentations", augmentation)
    made.set_random_seed(SEED)
    return lambda images: np.stack([made(image=image)["image"] for image in images])


def with_torchvision(augmentation: dict[str, Any]) -> Apply:
    """Its build with CUDA ends the process where TensorFlow was imported first: a segmentation
    fault, seen with torch 2.14 beside TensorFlow 2.21. The other way round both work.
    """
    if "tensorflow" in sys.modules and "torchvision" not in sys.modules:
        pytest.skip(
            "TensorFlow was imported first; run `pytest tests/test_export.py -k torchvision`"
        )
    torch = pytest.importorskip("torch", reason="torchvision is not installed")
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.manual_seed(SEED)
    made = executed("torchvision", augmentation)

    def apply(images: NDArray[Any]) -> Floats:
        tensors = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
        return np.stack([made(tensor).numpy().transpose(1, 2, 0) for tensor in tensors])

    return apply
