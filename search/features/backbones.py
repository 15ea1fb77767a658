"""The backbones: one record each, with its own preprocessing, least size and way to ImageNet
weights.

A built model takes raw images (0..255, uint8 or float) and gives pooled features, so that whatever
is saved from it takes what a camera gives. The scalings are those of
`keras.applications.imagenet_utils.preprocess_input`, by its names. Reading weights from files is
`weights`' part, running a backbone fast is `extractor`'.
"""

from __future__ import annotations

import contextlib
import difflib
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UserError
from search.features.keras_networks import (
    OTHERS,
    SMALLEST,
    application,
    check_model_file,
    from_applications,
    from_file,
    inside,
    is_file,
    scale_to_one,
    standardize,
    subtract_mean_of_bgr,
)
from search.features.lite0 import build_lite0, load_torch_weights, package_file
from search.features.weights import check_file, file_identity, load_file, text_identity

if TYPE_CHECKING:
    import keras

    from search.features.keras_networks import Build


def build_small_cnn(
    inputs: keras.KerasTensor, _size: int, _weights: str | None, include_top: bool
) -> keras.Model:
    import keras
    from keras import layers

    if include_top:
        raise ValueError("small-cnn has no ImageNet top")
    x = layers.Rescaling(1 / 255, name="preprocessing")(inputs)
    x = layers.Conv2D(32, 3, name="conv")(x)
    # The same numbers as with the activation in the convolution, of a quarter as many.
    x = layers.ReLU(name="relu")(layers.MaxPooling2D(2, name="pool")(x))
    return keras.Model(inputs, layers.Flatten(name="flatten")(x), name="small-cnn")


@dataclass(frozen=True)
class Backbone:
    """One network. smallest_size: the least side in pixels of its square images.

    `build(inputs, image_size, weights, include_top)` makes the model from raw inputs [n, s, s, 3]
    to features [n, d]; its `weights` is None for fresh ones or "imagenet" for a download.
    `load_torch` reads a .pth file into the built model; `package_file` is where ImageNet weights
    lie that need no download. from_file: it is made of its weights file, a whole Keras model, whose
    path `build` is given as `weights`. for_tiny: what `init` takes for tiny pictures.
    """

    name: str
    smallest_size: int
    build: Build
    load_torch: Callable[[keras.Model, Path], None] | None = None
    package_file: Callable[[], Path] | None = None
    has_imagenet: bool = True
    from_file: bool = False
    for_tiny: bool = False


class BackboneTable(dict[str, Backbone]):
    """Records by name. Those of `OTHERS` are in it, and not counted among its names."""

    pattern = OTHERS.pattern
    others = ("keras:NAME of keras.applications", "file (its place is model.weights)")

    def __missing__(self, name: str) -> Backbone:
        if not OTHERS.fullmatch(name):
            raise KeyError(name)
        whole = is_file(name)
        build = partial(from_file if whole else from_applications, name)
        return Backbone(name, SMALLEST, build, has_imagenet=not whole, from_file=whole)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            isinstance(name, str) and OTHERS.fullmatch(name) is not None
        )


BACKBONES = BackboneTable(
    (backbone.name, backbone)
    for backbone in (
        Backbone(
            "efficientnet-lite0",
            32,
            build_lite0,
            load_torch=load_torch_weights,
            package_file=package_file,
        ),
        Backbone("small-cnn", 8, build_small_cnn, has_imagenet=False, for_tiny=True),
        Backbone("xception", 71, application("Xception", scale_to_one)),
        Backbone("mobilenet-v2", 32, application("MobileNetV2", scale_to_one)),
        Backbone("mobilenet-v3-small", 32, application("MobileNetV3Small", inside)),
        Backbone("mobilenet-v3-large", 32, application("MobileNetV3Large", inside)),
        Backbone("efficientnet-v2-b0", 32, application("EfficientNetV2B0", inside)),
        Backbone("efficientnet-v2-s", 32, application("EfficientNetV2S", inside)),
        Backbone("resnet50", 32, application("ResNet50", subtract_mean_of_bgr)),
        Backbone("resnet50-v2", 32, application("ResNet50V2", scale_to_one)),
        Backbone("densenet121", 32, application("DenseNet121", standardize)),
        Backbone("nasnet-mobile", 32, application("NASNetMobile", scale_to_one)),
        Backbone("inception-v3", 75, application("InceptionV3", scale_to_one)),
        Backbone("vgg16", 32, application("VGG16", subtract_mean_of_bgr)),
        Backbone("convnext-tiny", 32, application("ConvNeXtTiny", inside)),
    )
)
NO_DOWNLOAD = next(each.name for each in BACKBONES.values() if each.package_file)
OF_TINY = next(each.name for each in BACKBONES.values() if each.for_tiny)


def find_backbone(name: str) -> Backbone:
    """The record of that name. Raises UserError with the nearest known name."""
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name, BACKBONES, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UserError(f"backbone {name!r} is not known{hint}; allowed: {', '.join(BACKBONES)}")


def check_backbone(name: str, weights: str, image_size: int) -> None:
    """Raises UserError for what is wrong before anything is built: name, size, weights that cannot
    exist."""
    backbone = find_backbone(name)
    if image_size < backbone.smallest_size:
        raise UserError(
            f"image_size {image_size} is too small for {name}: allowed is {backbone.smallest_size} "
            "or more; raise dataset.image_size or choose another backbone"
        )
    if weights == "imagenet" and not backbone.has_imagenet:
        raise UserError(
            f"{name} has no ImageNet weights, which are the default; write `model: {{backbone: "
            f"{name}, weights: random}}` (with `training: {{mode: scratch}}` it learns from your "
            f"pictures alone) or give a file of its weights, or use backbone {NO_DOWNLOAD}"
        )
    file = _file_of(backbone, weights)
    if backbone.from_file:
        check_model_file(name, weights)
    elif file is not None:
        check_file(file, takes_torch=backbone.load_torch is not None)


def try_backbone(name: str, weights: str, image_size: int) -> None:
    """Builds one that no table vouches for, and asks it. Raises UserError as `build_backbone`, and
    where its features of noise are no numbers."""
    if name in list(BACKBONES) and weights in ("imagenet", "random"):
        return
    model = build_backbone(name, weights, image_size)
    noise = np.random.default_rng(0).integers(0, 256, (2, image_size, image_size, 3), np.uint8)
    refuse_nan(np.asarray(model(noise, training=False)), f"model.backbone {name} ({weights})")


def refuse_nan(features: np.ndarray, what: str) -> None:
    """Raise UserError where features are not finite."""
    if not np.isfinite(features).all():
        raise UserError(
            f"{what}: its features are NaN or infinite on pictures of 0 to 255; see its weights "
            "and its scaling, or choose another"
        )


def weights_identity(name: str, weights: str, seed: int = 0) -> str:
    """A hash, the same where `build_backbone` gives the same weights; nothing is built or
    downloaded."""
    backbone = find_backbone(name)
    file = _file_of(backbone, weights)
    if file is not None:
        return file_identity(name, file)
    return text_identity(name, weights, *([str(seed)] if weights == "random" else []))


def build_backbone(
    name: str, weights: str, image_size: int, include_top: bool = False, seed: int = 0
) -> keras.Model:
    """A Keras model from raw images [n, image_size, image_size, 3] (0..255, uint8 or float) to
    features float32 [n, d], preprocessing inside; with `include_top`, to ImageNet probabilities [n,
    1000].

    `weights` is `imagenet`, `random` (the same for the same `seed`) or the path of a weights file.
    Raises UserError for an unknown name, a size too small, weights that cannot be downloaded and
    files that do not fit.
    """
    import keras

    check_backbone(name, weights, image_size)
    backbone = find_backbone(name)
    file = _file_of(backbone, weights)
    downloads = weights == "imagenet" and file is None
    with (
        _seeded(seed),
        _quiet(),
        _explained_download(name) if downloads else contextlib.nullcontext(),
    ):
        inputs = keras.Input((image_size, image_size, 3), name="image")
        given = weights if backbone.from_file else "imagenet" if downloads else None
        model = backbone.build(inputs, image_size, given, include_top)
    if file is not None and not backbone.from_file:
        load_file(model, file, backbone.load_torch)
    return model


def _file_of(backbone: Backbone, weights: str) -> Path | None:
    """Where the weights lie; None for those that are drawn or downloaded."""
    if weights == "imagenet":
        return backbone.package_file() if backbone.package_file else None
    return None if weights == "random" else Path(weights)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Keras's initializers draw their seeds from Python's `random`, whose state is put back
    afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Download bars go to stderr, for stdout is for results; no word of sizes, for the weights fit
    any."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        yield


@contextlib.contextmanager
def _explained_download(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Keras raises a bare Exception where the download fails, an OSError where the disk does,
        # and a ValueError that speaks of the hash where something else came than was asked for.
        if (
            type(error) is not Exception
            and not isinstance(error, OSError)
            and "hash" not in str(error)
        ):
            raise
        raise UserError(
            f"the ImageNet weights of {name} could not be downloaded ({error}); connect to the "
            f"network, give `weights: FILE` or `weights: random`, or use backbone {NO_DOWNLOAD}, "
            "which needs no download"
        ) from error
