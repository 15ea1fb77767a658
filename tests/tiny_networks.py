"""A network and pictures that cost next to nothing: for what does not depend on either."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from search.features.backbones import build_backbone
from search.features.feature_rows import NO_COST, FeatureCost


def tiny_model(seed: int = 0) -> Any:
    """Of pictures 8 by 8."""
    return build_backbone("small-cnn", "random", 8, seed=seed)


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


class HeldFeed:
    """A `Feed` of the same few images in every epoch, as they are, which cost nothing."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def open(self, epoch: int) -> FeatureCost:
        return NO_COST

    def batches(self, epoch: int, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return self.scored_batches(rows, batch_size)

    def scored_batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return (self._images[rows[at : at + batch_size]] for at in range(0, len(rows), batch_size))
