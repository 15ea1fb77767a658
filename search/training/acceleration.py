"""How a network is built for what it runs on: what only a GPU gains from."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

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
