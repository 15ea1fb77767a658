"""Batch norms folded into the layers before them: the same features, and nothing else touched."""

from typing import Any

import numpy as np

from search.features.backbones import build_backbone
from search.features.folding import fold_batch_norm


def every_case() -> Any:
    """Convolutions of each kind before batch norm, and batch norms that must stay."""
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="first_stays")(inputs)
    x = layers.Conv2D(6, 3, use_bias=False, name="conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(scale=False, name="conv_folds")(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(center=False, name="depthwise_folds")(x)
    x = layers.SeparableConv2D(6, 3, padding="same", name="separable")(x)
    branch = x = layers.BatchNormalization(name="separable_folds")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="active")(x)
    x = layers.BatchNormalization(name="after_relu_stays")(x)
    x = layers.Conv2D(6, 1, name="shared")(x)
    x = layers.Add()([x, layers.BatchNormalization(name="of_two_uses_stays")(x), branch])
    x = layers.Flatten()(x)
    x = layers.BatchNormalization(name="dense_folds")(layers.Dense(5, name="dense")(x))
    return keras.Model(inputs, x)


def unsettle(model: Any, seed: int = 0) -> None:
    """Gives every batch norm statistics that matter."""
    draws = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([draws.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])


def test_folding_changes_no_feature() -> None:
    model = every_case()
    unsettle(model)
    images = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype(np.float32)
    folded = fold_batch_norm(model)
    np.testing.assert_allclose(folded(images), model(images), rtol=1e-4, atol=1e-4)


def test_only_batch_norms_right_after_a_linear_layer_fold() -> None:
    folded = fold_batch_norm(every_case())
    left = {layer.name for layer in folded.layers if type(layer).__name__ == "BatchNormalization"}
    assert left == {"first_stays", "after_relu_stays", "of_two_uses_stays"}


def test_folding_leaves_the_given_model_alone() -> None:
    model = every_case()
    unsettle(model)
    before = [weight.copy() for weight in model.get_weights()]
    fold_batch_norm(model)
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_no_batch_norm_of_lite0_is_left() -> None:
    lite0 = build_backbone("efficientnet-lite0", "imagenet", 32)
    assert not any(type(layer).__name__ == "BatchNormalization" for layer in fold_batch_norm(lite0).layers)


def test_an_output_that_is_a_convolution_stays_what_it_was() -> None:
    """Its batch norm cannot be folded: the convolution itself is asked for."""
    import keras
    from keras import layers

    inputs = keras.Input((4, 4, 3))
    conv = layers.Conv2D(2, 1)(inputs)
    model = keras.Model(inputs, [conv, layers.BatchNormalization()(conv)])
    unsettle(model)
    images = np.ones((1, 4, 4, 3), np.float32)
    for found, expected in zip(fold_batch_norm(model)(images), model(images), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
