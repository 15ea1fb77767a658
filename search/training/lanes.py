"""How many networks train side by side: as many as there are processors for and memory holds."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from search.features.devices import free_memory, operations_at_once, sees_gpu

if TYPE_CHECKING:
    import keras

MEMORY_SHARE = 0.5  # of the memory that is free: the last few of an epoch may be twice as many
NUMBER_BYTES = 4 * 2  # a layer's output and its gradient
_LOG = logging.getLogger(__name__)


def num_lanes(body: keras.Model, batch_size: int, num_threads: int) -> int:
    """Networks of this body at once. One at a time where a GPU, or each operation, uses all there
    is. Says once in a process where memory holds fewer.
    """
    wanted = 1 if sees_gpu() else operations_at_once(num_threads)
    return fitting_lanes(wanted, step_bytes(body, batch_size), free_memory())


def fitting_lanes(wanted: int, bytes_each: int, free: int | None) -> int:
    """As many of the lanes wanted as `free` bytes hold, at least one. None: not known."""
    fit = wanted if free is None else min(wanted, int(MEMORY_SHARE * free) // bytes_each)
    if fit >= wanted:
        return wanted
    _say_once(
        f"memory holds {max(fit, 1)} network{'s' * (fit > 1)} in training at once, not {wanted}: a "
        f"step takes {bytes_each / 1e9:.2g} GB and {(free or 0) / 1e9:.2g} GB are free; it takes "
        "longer, the numbers are the same; lower training.batch_size or dataset.image_size"
    )
    return max(fit, 1)


@lru_cache(maxsize=8)
def _say_once(line: str) -> None:
    _LOG.warning("%s", line)


def step_bytes(body: keras.Model, batch_size: int) -> int:
    """What a step of training holds of the layers' outputs, about."""
    import keras

    outputs = [each for layer in body.layers for each in keras.tree.flatten(layer.output)]
    return NUMBER_BYTES * batch_size * sum(int(np.prod(each.shape[1:])) for each in outputs)
