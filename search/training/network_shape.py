"""Which network a setting trains, how it is built for what it runs on, and how what it learnt is
put back into a plain backbone.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from search.experiment.settings import Settings, TrainingSettings
from search.features import devices
from search.features.devices import import_tensorflow_quietly
from search.training.cutting import ALL, cut
from search.training.head_shape import HeadShape, HeadWeights
from search.training.network import Network

if TYPE_CHECKING:
    import keras

BFLOAT16_FROM = (8, 0)  # NVIDIA's compute capability


@dataclass(frozen=True)
class Acceleration:
    """What only a GPU gains from. XLA on a CPU is ten times slower, and there bfloat16 is slower
    than float32.
    """

    compiled_by_xla: bool
    dtype: str


def acceleration(capability: tuple[int, int] | None) -> Acceleration:
    """capability: as `devices.compute_capability`. Cards before BFLOAT16_FROM have no units for
    bfloat16.
    """
    if capability is None:
        return Acceleration(False, "float32")
    return Acceleration(True, "mixed_bfloat16" if capability >= BFLOAT16_FROM else "float32")


@contextlib.contextmanager
def built_in(dtype: str) -> Iterator[None]:
    """Layers made in this context compute in `dtype`."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclass(frozen=True)
class NetworkShape:
    """Which network a setting trains. start: as `finetune.from`. uncut: the whole of it, whatever
    could be cut off. as_training, loss: as `Network` has them. head: units and classes.
    """

    backbone: str
    weights: str
    image_size: int
    start: str
    uncut: bool
    as_training: bool
    head: tuple[int, int]
    loss: str = TrainingSettings().loss

    @classmethod
    def whole(cls, settings: Settings, image_size: int, num_classes: int) -> "NetworkShape":
        """All of it, from its first layer on."""
        model, loss = settings.model, settings.training.loss
        head = model.head_units, num_classes
        return cls(model.backbone, model.weights, image_size, ALL, True, True, head, loss)

    @classmethod
    def above(
        cls, settings: Settings, image_size: int, num_classes: int, uncut: bool
    ) -> "NetworkShape":
        """What `finetune.from` names and all above it."""
        model, finetune = settings.model, settings.training.finetune
        head, as_training = (model.head_units, num_classes), finetune.batch_norm == "train"
        start, loss = str(finetune.start), settings.training.loss
        network = model.backbone, model.weights, image_size
        return cls(*network, start, uncut, as_training, head, loss)


@lru_cache(maxsize=2)
def network_of(shape: NetworkShape) -> Network:
    """The network of a setting, compiled at its first use in a process."""
    import_tensorflow_quietly()
    from search.features.backbones import build_backbone

    fast = acceleration(devices.compute_capability())
    with built_in(fast.dtype):
        whole = build_backbone(shape.backbone, shape.weights, shape.image_size)
        parts = cut(whole, shape.start)
    body = whole if shape.uncut else parts.suffix
    head = HeadShape(whole.output_shape[-1], *shape.head)
    return Network(body, parts.trained, head, shape.as_training, fast.compiled_by_xla, shape.loss)


def put_body(
    backbone: "keras.Model", settings: Settings, weights: Sequence[np.ndarray]
) -> HeadWeights:
    """The weights are those of the whole backbone or of its suffix, whichever was run, then the
    head's.
    """
    at = len(weights) - (4 if settings.model.head_units else 2)
    whole = at == len(backbone.weights)
    body = backbone if whole else cut(backbone, str(settings.training.finetune.start)).suffix
    body.set_weights(list(weights[:at]))
    return tuple(weights[at:])
