"""The batches of one epoch of a network's training: which images, in which order, with which targets and dropout.

All is drawn from the head's seed and the epoch, so that an epoch can be trained again alone. What the images are (pixels or a frozen
prefix's outputs) is `pictures`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from search.experiment.seeds import derive_seed
from search.training.mixing import NO_MIXING, Mixing, mix
from search.training.network import Batch

Inputs = Callable[
    [int, np.ndarray, int], Iterator[np.ndarray]
]  # epoch, rows, batch size -> batches in the rows' order


@dataclass(frozen=True)
class Batching:
    """How a head's images become batches.

    labels: int [n], and positions: int64 [n], in the Dataset, of the rows that `inputs` knows. needs_company: a batch of one image
    would be an average over nothing else (batch norms that train), so none is made.
    """

    inputs: Inputs
    labels: np.ndarray
    positions: np.ndarray
    num_classes: int
    batch_size: int
    head_units: int
    dropout: float = 0.0
    label_smoothing: float = 0.0
    mixing: Mixing = NO_MIXING
    needs_company: bool = False

    def num_steps(self, num_images: int) -> int:
        """Steps an epoch of that many images takes."""
        return -(-self._num_used(num_images) // self.batch_size)

    def _num_used(self, num_images: int) -> int:
        alone = self.needs_company and num_images % self.batch_size == 1
        return num_images - 1 if alone and num_images > 1 else num_images

    def epoch(self, rows: np.ndarray, seed: int, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch of the images at `rows`."""
        generator = np.random.Generator(np.random.Philox(key=[seed, 2 * epoch + 1]))
        order = generator.permutation(rows)[: self._num_used(len(rows))]
        dropout = np.random.Generator(np.random.Philox(key=[seed, 2 * epoch + 2]))
        start = 0
        for inputs in self.inputs(epoch, order, self.batch_size):
            here = order[start : start + len(inputs)]
            yield self._batch(inputs, here, seed, epoch, dropout)
            start += len(inputs)

    def _batch(
        self, inputs: np.ndarray, rows: np.ndarray, seed: int, epoch: int, dropout: np.random.Generator
    ) -> Batch:
        labels = self.labels[rows].astype(np.int32)
        targets = np.eye(self.num_classes, dtype=np.float32)[labels]
        if self.mixing.is_on:
            mixing_seed = derive_seed(seed, "mixing")
            inputs, share = mix(inputs, self.positions[rows], self.mixing, mixing_seed, epoch)
            targets = share[:, None] * targets + (1 - share[:, None]) * np.roll(targets, 1, axis=0)
        smoothing = np.float32(self.label_smoothing)
        targets = (1 - smoothing) * targets + smoothing / np.float32(self.num_classes)
        kept = dropout.random((len(rows), self.head_units), np.float32) >= self.dropout
        return Batch(inputs, targets, kept / np.float32(1 - self.dropout), labels)
