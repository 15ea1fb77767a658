"""The pictures on which a network is quantised: training images of the dataset, clean and
augmented, the same for every search on it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.dataset import TRAIN, Dataset
from data.views import augment

MOST_IMAGES = 100  # clean; as many augmented ones are beside them
FEWEST_IMAGES = 20  # of fewer, five folds tell nothing
SEED = 1
# Every kind of augmentation, up to strengths that few searches reach: ranges that only clean
# pictures were seen to need would cut off what augmented ones need more.
AUGMENTED = {"policy": "trivial_augment_wide"}


@dataclass(frozen=True, eq=False)
class Calibration:
    """pictures: uint8 [2 k, s, s, 3], k clean ones, then the same augmented; labels: int [2 k]."""

    pictures: np.ndarray
    labels: np.ndarray

    @cached_property
    def identity(self) -> str:
        """A hash of pictures and labels."""
        digest = hashlib.sha256(repr(self.pictures.shape).encode())
        digest.update(np.ascontiguousarray(self.pictures).data)
        digest.update(np.ascontiguousarray(self.labels, dtype=np.int64).data)
        return digest.hexdigest()

    @property
    def sources(self) -> np.ndarray:
        """int [2 k]: the same number for a clean picture and its augmented one. Photographs of a
        class follow one another, so that neighbours are in different folds."""
        return np.tile(np.arange(self.num_images), 2)

    @property
    def num_images(self) -> int:
        return len(self.pictures) // 2

    @property
    def fault(self) -> str | None:
        """Why nothing can be calibrated on them, in words; None where it can."""
        if self.num_images < FEWEST_IMAGES:
            return (
                f"there are {self.num_images} training images to calibrate it on, and "
                f"{FEWEST_IMAGES} are needed"
            )
        if len(np.unique(self.labels)) < 2:
            return "the training images to calibrate it on are of one class"
        if self.pictures[: self.num_images].std(axis=0).mean() < 1:  # of 255 levels
            return "the training images to calibrate it on are all alike"
        return None


def calibration_of(dataset: Dataset) -> Calibration:
    rows = np.flatnonzero(np.asarray(dataset.splits) == TRAIN)
    if len(rows) > MOST_IMAGES:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MOST_IMAGES, replace=False))
    clean = np.asarray(dataset.images[rows])
    augmented = augment(dataset.images, rows, AUGMENTED, SEED, 0)
    labels = np.asarray(dataset.labels)[rows].astype(np.int64)
    return Calibration(np.concatenate([clean, augmented]), np.tile(labels, 2))
