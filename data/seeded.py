"""As many random numbers as a picture has pixels, from one seed: the words of NumPy's Philox as
they come, and normal numbers by a table. No version of NumPy changes either."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

SEEDS = 2**53  # a uniform draw times this, floored, is a seed and exact as a float
QUANTILES = 2**16


def random_bytes(seed: float, count: int) -> NDArray[np.uint8]:
    """Uniform in 0 .. 255, uint8 [count]."""
    words = np.random.Philox(key=int(seed)).random_raw(-(-count // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:count]


def random_normals(seed: float, count: int) -> NDArray[np.float32]:
    """Of mean 0 and standard deviation 1, none beyond 4.33: float32 [count]."""
    return _normal_quantiles()[random_bytes(seed, 2 * count).view("<u2")]


@lru_cache(maxsize=1)
def _normal_quantiles() -> NDArray[np.float32]:
    """The middle of each of 65536 equally likely intervals."""
    inverse = NormalDist().inv_cdf
    lower = [inverse((place + 0.5) / QUANTILES) for place in range(QUANTILES // 2)]
    return np.array([*lower, *(-each for each in reversed(lower))], np.float32)
