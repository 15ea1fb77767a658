"""Every backbone of the table through the fast engines against Keras, on photographs, at its
smallest size."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from search.features.backbones import BACKBONES, build_backbone
from search.features.extractor import build_extractor, by_keras, relative_difference

pytestmark = pytest.mark.slow

PICTURES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "retina.jpg",
)


@functools.lru_cache(maxsize=1)
def built(name: str) -> Any:
    """With ImageNet weights where no download is needed, else with random ones."""
    weights = "imagenet" if BACKBONES[name].package_file else "random"
    return build_backbone(name, weights, BACKBONES[name].smallest_size)


def photographs(size: int) -> np.ndarray:
    folder = Path(skimage.__file__).parent / "data"
    opened = [Image.open(folder / name).convert("RGB").resize((size, size)) for name in PICTURES]
    return np.stack([np.asarray(picture) for picture in opened])


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
@pytest.mark.parametrize("name", BACKBONES)
def test_the_engine_computes_what_keras_does(name: str, engine: str) -> None:
    images = photographs(BACKBONES[name].smallest_size)
    extractor = build_extractor(built(name), engine, check_images=images)
    assert extractor.engine == engine
    found = extractor.extract([images], len(images))
    # A hundredth of what is let pass at run time: float32 summed in another order, and nothing
    # more.
    assert relative_difference(found, by_keras(built(name), images)) < 1e-5
