"""The source `digits`, scikit-learn's, which needs no file, and those of the course's two
exercises, which are made of it so that the right answer is known: `turned_digits`, on which
rotation must help, and `mirrored_digits`, on which a horizontal flip must hurt."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from data.listing import Listing
from data.settings import DatasetConfig
from data.splits import TEST, TRAIN, VALIDATION, splits_to_draw

TURN = 45  # degrees, to either side: how far the scored digits are turned at most
MARGIN, ENLARGED = 2, 4  # pixels around a digit, so that turning cuts nothing off, and times
# Of every ten digits of a class: two to learn from, five and three to be scored on.
OF_TEN = np.array([TRAIN, TRAIN, *[VALIDATION] * 5, *[TEST] * 3], np.int8)
UNLIKE_THEIR_MIRROR = (2, 3, 4, 5, 6, 7, 9)  # 0, 1 and 8 hardly differ from it


def list_digits(config: DatasetConfig, cache_dir: Path) -> Listing:
    """scikit-learn's 1797 digits, 8 x 8 greys of 0..16 scaled to 0..255, split from the seed."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return Listing(
        names=tuple(f"digit {number:04d}" for number in range(len(images))),
        labels=bunch.target.astype(np.int32),
        splits=np.full(len(images), TRAIN, np.int8),
        class_names=tuple(str(name) for name in bunch.target_names),
        read=images.__getitem__,
        fingerprint=sha256(images.tobytes()).hexdigest(),
        draw=splits_to_draw(None, config.split, "digits"),
    )


def list_turned_digits(config: DatasetConfig, cache_dir: Path) -> Listing:
    """All digits, 48 x 48: upright to learn from, turned by up to `TURN` degrees to be scored on.
    Raises UserError for `dataset.split`, since the splits are fixed."""
    from data.views import augment

    digits = list_digits(config.model_copy(update={"split": None}), cache_dir)
    splits = OF_TEN[_ranks_in_class(digits.labels) % len(OF_TEN)]
    small = np.pad(_pictures(digits), ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    large = small.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
    images = np.repeat(large[..., None], 3, axis=3)
    scored = np.flatnonzero(splits != TRAIN)
    images[scored] = augment(images, scored, {"rotation_range": TURN}, seed=0, view=0)
    return replace(
        _with_images(digits, images),
        splits=splits,
        draw=splits_to_draw((TRAIN, VALIDATION, TEST), config.split, config.source),
    )


def list_mirrored_digits(config: DatasetConfig, cache_dir: Path) -> Listing:
    """The digits that differ from their mirror image, every second one mirrored; the class is
    whether a digit is. Splits are drawn from the seed."""
    digits = list_digits(config, cache_dir)
    kept = np.flatnonzero(np.isin(digits.labels, UNLIKE_THEIR_MIRROR))
    labels = (_ranks_in_class(digits.labels) % 2).astype(np.int32)[kept]
    images = _pictures(digits)[kept]
    images[labels == 1] = images[labels == 1, :, ::-1]
    return replace(
        _with_images(digits, images),
        names=tuple(digits.names[place] for place in kept),
        labels=labels,
        splits=digits.splits[kept],
        class_names=("as written", "mirrored"),
    )


def _pictures(listing: Listing) -> np.ndarray:
    """uint8 [n, 8, 8]."""
    return np.stack([np.asarray(listing.read(place)) for place in range(len(listing.names))])


def _ranks_in_class(labels: np.ndarray) -> np.ndarray:
    """The place of each image among those of its class, int64 [n], from 0."""
    ranks = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        here = np.flatnonzero(labels == label)
        ranks[here] = np.arange(len(here))
    return ranks


def _with_images(listing: Listing, images: np.ndarray) -> Listing:
    fingerprint = sha256(images.tobytes()).hexdigest()
    return replace(listing, read=images.__getitem__, fingerprint=fingerprint)
