"""Folds batch normalization into the convolution or dense layer before it, for inference only.

gamma (w * x + b - mean) / sqrt(variance + epsilon) + beta is again a convolution of x, with one kernel and
one bias (batch norm as in S. Ioffe and C. Szegedy, https://arxiv.org/abs/1502.03167). The given model is
left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

# The weight whose last axes are a layer's output channels.
_KERNEL_INDEX = {"Conv2D": 0, "DepthwiseConv2D": 0, "SeparableConv2D": 1, "Dense": 0}


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A copy of a functional `model` with every batch norm that directly follows a linear layer folded into
    it.

    Same inputs, outputs and layer names; a folded batch norm becomes an Identity, and batch norms elsewhere
    are copied.
    """
    import keras

    linear_before = _foldable(model)
    batch_norm_after = {linear: batch_norm for batch_norm, linear in linear_before.items()}

    def copy(layer: keras.Layer) -> keras.Layer:
        if layer.name in linear_before:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in batch_norm_after:
            config["use_bias"] = True
        return layer.__class__.from_config(config)

    def call(layer: keras.Layer, *tensors: Any, **options: Any) -> Any:
        # Keras keeps each call's options in the graph; a batch norm's mask is nothing to an Identity.
        return layer(*tensors) if layer.name in linear_before else layer(*tensors, **options)

    folded = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        if layer.name in batch_norm_after:
            batch_norm = model.get_layer(batch_norm_after[layer.name])
            folded.get_layer(layer.name).set_weights(_folded_weights(layer, batch_norm))
        elif layer.name not in linear_before and layer.weights:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _foldable(model: keras.Model) -> dict[str, str]:
    """Name of a batch norm -> name of the linear layer before it, where that layer feeds nothing else."""
    config = model.get_config()
    entries = {entry["name"]: entry for entry in config["layers"]}
    sources = {name: list(_tensors_in(entry["inbound_nodes"])) for name, entry in entries.items()}
    num_uses = Counter(source for names in sources.values() for source in names)
    num_uses.update(_tensors_in_outputs(config["output_layers"]))
    foldable = {}
    for name, entry in entries.items():
        if entry["class_name"] != "BatchNormalization" or len(entry["inbound_nodes"]) != 1:
            continue
        linear = entries[sources[name][0]]
        is_linear = linear["class_name"] in _KERNEL_INDEX and linear["config"]["activation"] == "linear"
        if is_linear and len(linear["inbound_nodes"]) == 1 and num_uses[linear["name"]] == 1:
            foldable[name] = linear["name"]
    return foldable


def _tensors_in(node: Any) -> Iterator[str]:
    """The layers whose outputs a serialized `inbound_nodes` refers to."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield node["config"]["keras_history"][0]
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _tensors_in(child)


def _tensors_in_outputs(outputs: Any) -> Iterator[str]:
    """The layers named in a serialized `output_layers`: one [name, node, tensor] or a list of them."""
    if outputs and isinstance(outputs[0], str):
        yield outputs[0]
    else:
        for output in outputs:
            yield from _tensors_in_outputs(output)


def _folded_weights(layer: keras.Layer, batch_norm: keras.Layer) -> list[np.ndarray]:
    """The linear layer's weights with the batch norm in them: kernels, then one bias [channels]."""
    mean, variance = (np.asarray(w, np.float64) for w in (batch_norm.moving_mean, batch_norm.moving_variance))
    scale = 1 / np.sqrt(variance + batch_norm.epsilon)
    if batch_norm.scale:
        scale = scale * np.asarray(batch_norm.gamma, np.float64)
    weights = layer.get_weights()
    bias = weights.pop() if layer.use_bias else 0.0
    shift = (bias - mean) * scale
    if batch_norm.center:
        shift = shift + np.asarray(batch_norm.beta, np.float64)
    index = _KERNEL_INDEX[type(layer).__name__]
    kernel = weights[index]
    # A depthwise kernel ends in [channels, multiplier], all others in [channels]: the output's channels
    # either way.
    tail = kernel.shape[-2:] if type(layer).__name__ == "DepthwiseConv2D" else kernel.shape[-1:]
    weights[index] = (kernel * scale.reshape(tail)).astype(kernel.dtype)
    return [*weights, shift.astype(kernel.dtype)]
