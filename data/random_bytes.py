"""As many random numbers as a picture has pixels, from one seed: the words of NumPy's Philox as
they come, which no version of NumPy changes."""

import numpy as np
from numpy.typing import NDArray

SEEDS = 2**53  # a uniform draw times this, floored, is a seed and exact as a float


def random_words(seed: float, count: int) -> NDArray[np.uint16]:
    """Uniform in 0 .. 65535, uint16 [count]."""
    return random_bytes(seed, 2 * count).view(np.uint16)


def random_bytes(seed: float, count: int) -> NDArray[np.uint8]:
    """Uniform in 0 .. 255, uint8 [count]."""
    words = np.random.Philox(key=int(seed)).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]
