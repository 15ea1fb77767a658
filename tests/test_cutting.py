"""Where a backbone is cut: the layers that train, the one tensor below them, and that the two
halves are the whole."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from data.errors import UserError
from search.features.backbones import build_backbone
from search.training.cutting import cut
from search.training.head_shape import HeadShape, initial_weights
from search.training.network import Network
from search.training.network_variables import Steps

if TYPE_CHECKING:
    import keras

SIZE = 8


def _residual() -> "keras.Model":
    """conv -> [a -> b] + shortcut -> conv, with batch norms: a cut between a and b has two tensors
    below it."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3))
    stem = layers.ReLU(name="stem_relu")(
        layers.Conv2D(4, 3, padding="same", name="stem_conv")(inputs)
    )
    x = layers.Conv2D(4, 3, padding="same", name="block1a_conv")(stem)
    x = layers.BatchNormalization(name="block1a_bn")(x)
    x = layers.Conv2D(4, 3, padding="same", name="block1b_conv")(x)
    x = layers.Add(name="block1b_add")([x, stem])
    x = layers.DepthwiseConv2D(5, padding="same", name="block10a_conv")(x)
    x = layers.ReLU(max_value=6, name="block10a_relu")(
        layers.BatchNormalization(name="block10a_bn")(x)
    )
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(x), name="residual")


def _images(count: int = 6) -> np.ndarray:
    return (
        np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.float32) / 255
    )


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("block10a", "block10a_conv"),
        ("block10a_bn", "block10a_bn"),
        ("block1", "block1a_conv"),
        ("block1b", "block1b_conv"),
        ("last: 2", "block10a_relu"),
    ],
)
def test_training_begins_at_the_layer_or_the_first_of_the_block(start: str, first: str) -> None:
    backbone = _residual()
    names = [layer.name for layer in backbone.layers]
    assert cut(backbone, start).trained == set(names[names.index(first) :])


@pytest.mark.parametrize("start", ["block10a", "block1b", "last: 3", "block1"])
def test_prefix_and_suffix_together_are_the_backbone(start: str) -> None:
    backbone = _residual()
    parts = cut(backbone, start)
    assert parts.prefix is not None
    np.testing.assert_allclose(
        parts.suffix(parts.prefix(_images())), backbone(_images()), rtol=1e-5, atol=1e-6
    )


def test_where_a_shortcut_runs_beside_the_cut_is_made_below_it() -> None:
    backbone = _residual()
    parts = cut(backbone, "block1b")
    assert parts.prefix is not None
    assert parts.prefix.layers[-1].name == "stem_relu"
    assert "block1a_conv" in {layer.name for layer in parts.suffix.layers} - parts.trained


def test_a_name_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no layer or block 'blok10a'.*block10a"):
        cut(_residual(), "blok10a")


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match=r"last: 99, but residual has 11 layers"):
        cut(_residual(), "last: 99")


@pytest.mark.parametrize("start", ["all", "stem_conv", "last: 11"])
def test_where_every_layer_trains_nothing_is_cut(start: str) -> None:
    parts = cut(_residual(), start)
    assert (parts.prefix, parts.reason) == (None, "every layer trains")


def test_where_two_tensors_run_side_by_side_all_the_way_the_cut_is_impossible() -> None:
    import keras
    from keras import layers

    inputs = keras.Input((SIZE, SIZE, 3))
    left = layers.Conv2D(2, 3, name="left")(inputs)
    right = layers.Conv2D(2, 3, name="right")(inputs)
    both = layers.Concatenate(name="both")([left, right])
    backbone = keras.Model(
        inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, name="top")(both))
    )
    # Above the concatenation one tensor is enough; at it, two arrive.
    assert cut(backbone, "top").prefix is not None
    parts = cut(backbone, "both")
    assert parts.prefix is None
    assert parts.reason == "no single tensor lies below both"


def test_the_suffix_has_the_gradients_of_the_uncut_model() -> None:
    """One step of Adam moves weights by their gradients' signs: so gradients themselves are
    compared, in float32 and as kept."""
    backbone = _residual()
    parts = cut(backbone, "block10a")
    assert parts.prefix is not None
    shape = HeadShape(4, 5, 3)
    targets, kept = np.eye(3, dtype=np.float32)[[0, 1, 2] * 2], np.ones((6, 5), np.float32)
    batch = Steps(_images(), targets, kept, np.zeros(6), 6)
    head = initial_weights(shape, 3)
    whole = Network(backbone, parts.trained, shape)
    expected = whole.gradients(whole.start(head, 1), batch)
    suffix = Network(parts.suffix, parts.trained, shape)
    live = suffix.start(head, 1)
    for dtype, tolerance in ((np.float32, 1e-5), (np.float16, 5e-3)):
        outputs = np.asarray(parts.prefix(_images())).astype(dtype)
        found = suffix.gradients(live, replace(batch, inputs=outputs))
        for ours, theirs in zip(found, expected, strict=True):
            assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs)


def test_lite0_is_cut_after_its_112_channel_stage() -> None:
    parts = cut(build_backbone("efficientnet-lite0", "random", 64), "block6a")
    assert parts.prefix is not None
    assert parts.prefix.output.shape[1:] == (4, 4, 112)
