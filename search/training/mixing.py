"""Mixup and CutMix: two images of a batch in one, and their labels in the same shares. Training images only.

What is drawn for an image is a pure function of (seed, epoch, image); its partner is its neighbour in the batch, whose order is drawn
too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.draws import unit_draws

STREAM = 0  # of a seed that is used for nothing else


@dataclass(frozen=True)
class Mixing:
    """Alphas of the Beta distributions of the shares; 0 is off. Where both are on, each image draws which."""

    mixup: float
    cutmix: float

    @property
    def is_on(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0


NO_MIXING = Mixing(0.0, 0.0)


def mix(
    images: np.ndarray, positions: np.ndarray, mixing: Mixing, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [b, s, s, c], and the share of each that is still its own, float32 [b]; the rest is the image before it in the
    batch (the last, for the first).

    positions: int64 [b], of the images in the Dataset. Mixup (H. Zhang et al., https://arxiv.org/abs/1710.09412) adds the two images;
    CutMix (S. Yun et al., https://arxiv.org/abs/1905.04899) pastes a box of the other.
    """
    from scipy.special import betaincinv

    which, level, across, down = unit_draws(seed, STREAM, epoch, positions).T
    cuts = which < 0.5 if mixing.mixup and mixing.cutmix else np.full(len(which), mixing.cutmix > 0)
    alpha = np.where(cuts, mixing.cutmix, mixing.mixup)
    share = betaincinv(alpha, alpha, level)
    own = np.repeat(share[:, None, None], images.shape[1], axis=1) * np.ones((1, 1, images.shape[2]))
    own[cuts] = ~_boxes(share[cuts], across[cuts], down[cuts], images.shape[1])
    weight = own[..., None].astype(np.float32)
    return _blend(images, weight), own.mean(axis=(1, 2)).astype(np.float32)


def _blend(images: Any, weight: np.ndarray) -> Any:
    """Each image and the one before it, in the shares of `weight` [b, s, s, 1]; those that a GPU painted stay there."""
    if isinstance(images, np.ndarray):
        return images * weight + np.roll(images, 1, axis=0) * (1 - weight)
    import tensorflow as tf

    levels = tf.cast(images, tf.float32)
    return levels * weight + tf.roll(levels, 1, axis=0) * (1 - weight)


def _boxes(share: np.ndarray, across: np.ndarray, down: np.ndarray, size: int) -> np.ndarray:
    """bool [k, size, size]: a square of area 1 - share about a point anywhere, cut off at the edges."""
    half = np.sqrt(1 - share) * size / 2
    pixel = np.arange(size) + 0.5
    inside = [np.abs(pixel - centre[:, None] * size) < half[:, None] for centre in (down, across)]
    return inside[0][:, :, None] & inside[1][:, None, :]
