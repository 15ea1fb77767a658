"""What every backbone of the table promises, at its smallest size with random weights."""

import importlib
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from search.features.backbones import (
    BACKBONES,
    Backbone,
    build_backbone,
    find_backbone,
    weights_identity,
)

# Where keras.applications keeps the `preprocess_input` of each; the two others are in OWN_SCALING.
MODULES = {
    "xception": "xception",
    "mobilenet-v2": "mobilenet_v2",
    "mobilenet-v3-small": "mobilenet_v3",
    "mobilenet-v3-large": "mobilenet_v3",
    "efficientnet-v2-b0": "efficientnet_v2",
    "efficientnet-v2-s": "efficientnet_v2",
    "resnet50": "resnet50",
    "resnet50-v2": "resnet_v2",
    "densenet121": "densenet",
    "nasnet-mobile": "nasnet",
    "inception-v3": "inception_v3",
    "vgg16": "vgg16",
    "convnext-tiny": "convnext",
}


# large ones, scaled as a smaller one is
LARGE = ("efficientnet-v2-s", "nasnet-mobile", "resnet50")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in BACKBONES
    ],
)
def named(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """A backbone's name and its model; pytest runs all tests of one before it builds the next."""
    return request.param, build_backbone(
        request.param, "random", BACKBONES[request.param].smallest_size, seed=1
    )


def pictures(name: str, count: int = 3) -> np.ndarray:
    size = BACKBONES[name].smallest_size
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def preprocessed(model: Any, images: np.ndarray) -> np.ndarray:
    """What the network itself sees: the output of the last of the layers that scale the input."""
    import keras

    scaling = (keras.layers.Rescaling, keras.layers.Normalization)
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    stop = next(i for i, layer in enumerate(layers) if not isinstance(layer, scaling))
    return np.asarray(keras.Model(model.input, layers[stop - 1].output)(images))


def by_keras(name: str, images: np.ndarray) -> np.ndarray:
    module = importlib.import_module(f"keras.applications.{MODULES[name]}")
    return module.preprocess_input(images.astype(np.float32))


OWN_SCALING = {
    "efficientnet-lite0": lambda images: (images.astype(np.float32) - 127) / 128,
    "small-cnn": lambda images: images.astype(np.float32) / 255,
}


def test_gives_a_row_of_features_an_image(named: tuple[str, Any]) -> None:
    name, model = named
    features = np.asarray(model(pictures(name)))
    assert features.ndim == 2
    assert len(features) == 3
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_scales_its_input_as_documented(named: tuple[str, Any]) -> None:
    name, model = named
    images = pictures(name)
    seen = preprocessed(model, images)
    expected = OWN_SCALING[name](images) if name in OWN_SCALING else by_keras(name, images)
    if np.array_equal(expected, images):
        # Keras leaves it to the network, which brings 0..255 to a few units about zero.
        assert np.abs(seen).max() < 3
    else:
        # Multiplying by 1/255 in place of dividing by 255 costs a few units in the last place of
        # float32.
        np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", BACKBONES)
def test_refuses_smaller_images_before_building(name: str) -> None:
    smallest = BACKBONES[name].smallest_size
    with pytest.raises(
        UserError, match=f"image_size {smallest - 1} is too small for {name}.*{smallest}"
    ):
        build_backbone(name, "random", smallest - 1)


def test_takes_float_images_as_it_takes_bytes() -> None:
    images = pictures("small-cnn")
    model = build_backbone("small-cnn", "random", 8)
    np.testing.assert_array_equal(model(images), model(images.astype(np.float32)))


def test_a_saved_backbone_loads_without_our_code() -> None:
    """Turning the channels is an operation of Keras, not a Lambda."""
    import keras

    from search.features.backbones import subtract_mean_of_bgr

    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, subtract_mean_of_bgr(inputs))
    again = keras.Model.from_config(model.get_config())
    image = np.arange(48, dtype=np.float32).reshape(1, 4, 4, 3)
    np.testing.assert_array_equal(again(image), model(image))


def flat_weights(seed: int) -> np.ndarray:
    model = build_backbone("mobilenet-v3-small", "random", 32, seed=seed)
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


def test_random_weights_follow_from_the_seed_alone() -> None:
    first = flat_weights(seed=5)
    random.random()
    np.testing.assert_array_equal(flat_weights(seed=5), first)
    assert not np.array_equal(flat_weights(seed=6), first)


def test_building_leaves_the_random_state_alone() -> None:
    before = random.getstate()
    build_backbone("small-cnn", "random", 8, seed=5)
    assert random.getstate() == before


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"'resnet-50' is not known; did you mean 'resnet50'\?; allowed: "
    ):
        find_backbone("resnet-50")


def test_small_cnn_has_no_imagenet_weights() -> None:
    with pytest.raises(
        UserError, match=r"small-cnn has no ImageNet.*\{backbone: small-cnn, weights: random\}"
    ):
        build_backbone("small-cnn", "imagenet", 32)


def test_a_failed_download_names_the_backbone_that_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a proxy that is not there; Keras keeps what it once downloaded, which no proxy can
    undo."""
    if list(
        (Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models").glob(
            "*mobilenet_v3*"
        )
    ):
        pytest.skip("weights downloaded before are at hand")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"mobilenet-v3-small could not be downloaded.*efficientnet-lite0"
    ):
        build_backbone("mobilenet-v3-small", "imagenet", 32)


def test_a_mistake_of_ours_is_not_called_a_failed_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_arguments: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setitem(BACKBONES, "broken", Backbone("broken", 8, build))
    with pytest.raises(TypeError, match="a bug"):
        build_backbone("broken", "imagenet", 8)


def test_weights_are_told_apart_by_name_kind_and_seed() -> None:
    identities = [
        weights_identity("small-cnn", "random", 0),
        weights_identity("small-cnn", "random", 1),
        weights_identity("vgg16", "random", 0),
        weights_identity("vgg16", "imagenet"),
        weights_identity("efficientnet-lite0", "imagenet"),
    ]
    assert len(set(identities)) == len(identities)
    assert weights_identity("vgg16", "imagenet", 1) == weights_identity("vgg16", "imagenet", 0)
