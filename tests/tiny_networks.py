"""A network and pictures that cost next to nothing: for what does not depend on either."""

from typing import Any

import numpy as np

from search.features.backbones import build_backbone


def tiny_model(seed: int = 0) -> Any:
    """Of pictures 8 by 8."""
    return build_backbone("small-cnn", "random", 8, seed=seed)


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)
