"""EfficientNet-Lite0 with the weights of its package ranks ImageNet's classes right on photographs
at hand."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import sklearn.datasets
from PIL import Image

from search.features.backbones import build_backbone
from search.features.lite0 import blocks

SCIKIT_LEARN = Path(sklearn.datasets.__file__).parent / "images"
SCIKIT_IMAGE = Path(skimage.__file__).parent / "data"

# The classes of ILSVRC 2012, counted from 0 in the order of their WordNet numbers, that say what a
# picture shows. ImageNet tells three cats apart that chelsea might be, and two small motorcycles
# but no large one; it has the daisy, not the dahlia.
PHOTOGRAPHS = [
    pytest.param(SCIKIT_LEARN / "china.jpg", {698: "palace"}, id="china"),
    pytest.param(SCIKIT_LEARN / "flower.jpg", {985: "daisy"}, id="flower"),
    pytest.param(
        SCIKIT_IMAGE / "chelsea.png",
        {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
        id="cat",
    ),
    pytest.param(SCIKIT_IMAGE / "coffee.png", {967: "espresso"}, id="coffee"),
    pytest.param(SCIKIT_IMAGE / "camera.png", {872: "tripod"}, id="camera"),
    pytest.param(SCIKIT_IMAGE / "rocket.jpg", {657: "missile"}, id="rocket"),
    pytest.param(
        SCIKIT_IMAGE / "motorcycle_left.png", {665: "moped", 670: "scooter"}, id="motorcycle"
    ),
]


@functools.lru_cache(maxsize=1)
def classifier() -> Any:
    return build_backbone("efficientnet-lite0", "imagenet", 224, include_top=True)


def centre(path: Path) -> np.ndarray:
    """uint8 [1, 224, 224, 3]: the middle of the picture, its short side brought to 256 first."""
    picture = Image.open(path).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + 224, top + 224)))[None]


@pytest.mark.parametrize(("path", "classes"), PHOTOGRAPHS)
def test_ranks_the_right_class_first(path: Path, classes: dict[int, str]) -> None:
    probabilities = np.asarray(classifier()(centre(path)))[0]
    assert int(probabilities.argmax()) in classes


def test_gives_probabilities_of_a_thousand_classes() -> None:
    probabilities = np.asarray(classifier()(centre(SCIKIT_IMAGE / "coffee.png")))
    assert probabilities.shape == (1, 1000)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_has_as_many_parameters_as_published() -> None:
    """4.7 million (github.com/tensorflow/tpu, efficientnet/lite), batch norm's moving statistics
    not counted.
    """
    trainable = sum(int(np.prod(weight.shape)) for weight in classifier().trainable_weights)
    assert trainable == 4_652_008


def test_blocks_follow_each_other_as_in_efficientnet_b0() -> None:
    names = [block.name for block in blocks()]
    assert names[:4] == ["block1a", "block2a", "block2b", "block3a"]
    assert len(names) == 16
    assert [block.stride for block in blocks()].count(2) == 4


def test_features_are_those_under_the_top() -> None:
    import keras

    images = centre(SCIKIT_IMAGE / "coffee.png")
    backbone = build_backbone("efficientnet-lite0", "imagenet", 224)
    pooled = keras.Model(classifier().input, classifier().get_layer("avg_pool").output)
    np.testing.assert_allclose(backbone(images), pooled(images), rtol=1e-6)
