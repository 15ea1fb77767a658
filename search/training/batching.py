"""The batches of one epoch of a network's training: which images, in which order, mixed with which,
with which targets and dropout.

All is drawn from the head's seed and the epoch, so that an epoch can be trained again alone. What
the images are (pixels or a frozen prefix's outputs) is `pictures`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.views import unit_draws
from search.experiment.seeds import derive_seed
from search.training.losses import ClassWeight, class_weights
from search.training.network_variables import Steps
from search.training.pictures import Feed

MIXING_STREAM = 0  # of a seed that is used for nothing else
PART_BYTES = 16_000_000  # of inputs that are taken in one graph call; of mixed ones four times that


@dataclass(frozen=True)
class Mixing:
    """Mixup and CutMix: two images of a batch in one, and their labels in the same shares. Alphas
    of the Beta distributions of the shares; 0 is off. Where both are on, each image draws which.
    """

    mixup: float
    cutmix: float

    @property
    def is_on(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0


NO_MIXING = Mixing(0.0, 0.0)


@dataclass(frozen=True)
class Batching:
    """How a head's images become batches.

    labels: int [n], and positions: int64 [n], in the Dataset, of the rows that `feed` knows.
    input_bytes: of one that it gives. needs_company: a batch of one image would be an average over
    nothing else (batch norms that train), so none is made.
    """

    feed: Feed
    labels: np.ndarray
    positions: np.ndarray
    num_classes: int
    batch_size: int
    head_units: int
    dropout: float = 0.0
    label_smoothing: float = 0.0
    mixing: Mixing = NO_MIXING
    needs_company: bool = False
    input_bytes: int = 1
    class_weight: ClassWeight = "none"

    def num_steps(self, num_images: int) -> int:
        """Steps an epoch of that many images takes."""
        return -(-self._num_used(num_images) // self.batch_size)

    def _num_used(self, num_images: int) -> int:
        alone = self.needs_company and num_images % self.batch_size == 1
        return num_images - 1 if alone and num_images > 1 else num_images

    def epoch(self, rows: np.ndarray, seed: int, epoch: int) -> Iterator[Steps]:
        """The batches of an epoch of the images at `rows`, as many together as PART_BYTES hold."""
        generator = np.random.Generator(np.random.Philox(key=[seed, 2 * epoch + 1]))
        order = generator.permutation(rows)[: self._num_used(len(rows))]
        dropout = np.random.Generator(np.random.Philox(key=[seed, 2 * epoch + 2]))
        weights = class_weights(self.class_weight, self.labels[rows], self.num_classes)
        start, steps = 0, max(1, PART_BYTES // (self.input_bytes * self.batch_size))
        for inputs in self.feed.batches(epoch, order, steps * self.batch_size):
            here = order[start : start + len(inputs)]
            yield self._steps(inputs, here, seed, epoch, dropout, weights)
            start += len(inputs)

    def _steps(
        self,
        inputs: np.ndarray,
        rows: np.ndarray,
        seed: int,
        epoch: int,
        dropout: np.random.Generator,
        weights: np.ndarray | None,
    ) -> Steps:
        labels = self.labels[rows].astype(np.int32)
        targets = np.eye(self.num_classes, dtype=np.float32)[labels]
        if self.mixing.is_on:
            inputs, targets = self._mixed(inputs, targets, rows, derive_seed(seed, "mixing"), epoch)
        counts = None if weights is None else targets @ weights
        smoothing = np.float32(self.label_smoothing)
        targets = (1 - smoothing) * targets + smoothing / np.float32(self.num_classes)
        stay = dropout.random((len(rows), self.head_units), np.float32) >= self.dropout
        kept = stay / np.float32(1 - self.dropout)
        return Steps(inputs, targets, kept, labels, self.batch_size, counts)

    def _mixed(
        self, inputs: np.ndarray, targets: np.ndarray, rows: np.ndarray, seed: int, epoch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each batch by itself."""
        mixed = []
        for start in range(0, len(rows), self.batch_size):
            here = slice(start, start + self.batch_size)
            images, share = mix(inputs[here], self.positions[rows[here]], self.mixing, seed, epoch)
            own = share[:, None] * targets[here]
            mixed.append((images, own + (1 - share[:, None]) * np.roll(targets[here], 1, axis=0)))
        images, targets = (np.concatenate(each) for each in zip(*mixed, strict=True))
        return images, targets


def mix(
    images: np.ndarray, positions: np.ndarray, mixing: Mixing, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [b, s, s, c], and the share of each that is still its own, float32 [b]; the
    rest is the image before it in the batch (the last, for the first).

    positions: int64 [b], of the images in the Dataset. What is drawn for an image is a pure
    function of (seed, epoch, image); its partner is its neighbour in the batch, whose order is
    drawn too. Mixup (H. Zhang et al., https://arxiv.org/abs/1710.09412) adds the two images; CutMix
    (S. Yun et al., https://arxiv.org/abs/1905.04899) pastes a box of the other.
    """
    from scipy.special import betaincinv

    which, level, across, down = unit_draws(seed, MIXING_STREAM, epoch, positions).T
    cuts = which < 0.5 if mixing.mixup and mixing.cutmix else np.full(len(which), mixing.cutmix > 0)
    alpha = np.where(cuts, mixing.cutmix, mixing.mixup)
    share = betaincinv(alpha, alpha, level)
    own = np.repeat(share[:, None, None], images.shape[1], axis=1) * np.ones(
        (1, 1, images.shape[2])
    )
    own[cuts] = ~_boxes(share[cuts], across[cuts], down[cuts], images.shape[1])
    weight = own[..., None].astype(np.float32)
    return _blend(images, weight), own.mean(axis=(1, 2)).astype(np.float32)


def _blend(images: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Each image and the one before it, in the shares of `weight` [b, s, s, 1]."""
    return images * weight + np.roll(images, 1, axis=0) * (1 - weight)


def _boxes(share: np.ndarray, across: np.ndarray, down: np.ndarray, size: int) -> np.ndarray:
    """bool [k, size, size]: a square of area 1 - share about a point anywhere, cut off at the
    edges.
    """
    half = np.sqrt(1 - share) * size / 2
    pixel = np.arange(size) + 0.5
    inside = [np.abs(pixel - centre[:, None] * size) < half[:, None] for centre in (down, across)]
    return inside[0][:, :, None] & inside[1][:, None, :]
