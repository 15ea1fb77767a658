"""Training, validation and test: their numbers, the names people give them, the seeded stratified
draw, and copies: the same image more than once, in two classes or in two splits.

A source declares the splits it has; `splits_to_draw` decides what is left to draw, `draw_splits`
draws it. Copies are found by digests of the decoded pixels: a picture saved again under another
name or in another lossless format is one; one that was cropped or compressed again is not. Folds of
a cross-validation are the search's business.
"""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from data.errors import UserError
from data.settings import Split

TRAIN, VALIDATION, TEST = 0, 1, 2
LEFT_OUT = 3  # a training image beyond dataset.limit_per_class: in no split that anything asks for
SPLIT_NAMES = ("train", "validation", "test")
ALIASES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "test": TEST,
    "testing": TEST,
}


def split_number(name: str) -> int | None:
    """The split a name stands for ("val" is validation), whatever its case; None where it is no
    such name."""
    return ALIASES.get(name.strip().lower())


def splits_to_draw(
    declared: Sequence[int] | None, wanted: Split | None, where: str
) -> Split | None:
    """What has to be drawn from train, given the splits a source has (None: it has no splits at
    all).

    A split that is there is used as it is; `dataset.split` draws those that are not. Raises
    UserError where there is no train or no validation, and where `dataset.split` has nothing to
    draw.
    """
    if declared is None:
        return wanted or Split()
    present = set(declared)
    if TRAIN not in present:
        raise UserError(
            f"{where} has no train split; add one, or remove the splits and set dataset.split"
        )
    if wanted is None and VALIDATION not in present:
        raise UserError(
            f"{where} has no validation split; add one, or set dataset.split: {{validation: 0.15, "
            "test: 0}, drawn from train"
        )
    if wanted is None:
        return None
    if {VALIDATION, TEST} <= present:
        raise UserError(
            f"dataset.split is set, but {where} has its own validation and test; remove "
            "dataset.split"
        )
    return Split(
        validation=0 if VALIDATION in present else wanted.validation,
        test=0 if TEST in present else wanted.test,
    )


def draw_splits(
    labels: np.ndarray, declared: np.ndarray, draw: Split | None, seed: int, copy_of: np.ndarray
) -> np.ndarray:
    """The final split of every image, int8 [n]: `declared`, with the fractions of `draw` taken from
    train.

    Stratified: a class of k distinct images gives each drawn split max(1, round(k * fraction)).
    `copy_of` int64 [n] is the position of the first image with the same content (its own for most);
    copies follow it into its split, so that a draw never leaks. The draw depends on the seed, the
    labels and their order, and on nothing else.
    """
    splits = declared.astype(np.int8)
    if draw is None or not len(labels):
        return splits
    firsts = np.flatnonzero((declared == TRAIN) & (copy_of == np.arange(len(labels))))
    order, ranks, counts = _ranks_in_class(labels[firsts], seed)
    num_test, num_validation = _allot(counts, draw.test), _allot(counts, draw.validation)
    classes = labels[firsts[order]]
    drawn = np.full(len(firsts), TRAIN, np.int8)
    drawn[order[ranks < (num_test + num_validation)[classes]]] = VALIDATION
    drawn[order[ranks < num_test[classes]]] = TEST
    splits[firsts] = drawn
    copies = np.flatnonzero((declared == TRAIN) & (copy_of != np.arange(len(labels))))
    splits[copies] = splits[copy_of[copies]]
    return splits


def limit_training(
    splits: np.ndarray, labels: np.ndarray, limit: int | None, seed: int
) -> np.ndarray:
    """The splits with all but `limit` training images of each class left out; as they are where
    `limit` is None.

    The draw depends on the seed, the labels and their order, and on nothing else; a smaller limit
    keeps a part of what a larger one does.
    """
    if limit is None:
        return splits
    training = np.flatnonzero(splits == TRAIN)
    order, ranks, _ = _ranks_in_class(labels[training], seed)
    limited = splits.copy()
    limited[training[order[ranks >= limit]]] = LEFT_OUT
    return limited


def _ranks_in_class(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random order grouped by class, the rank of each of its members within the class, and the
    class sizes."""
    key = int.from_bytes(sha256(f"split {seed}".encode()).digest()[:16], "big")
    draws = np.random.Philox(key=key).random_raw(len(labels))
    order = np.lexsort((draws, labels))
    counts = np.bincount(labels, minlength=int(labels.max(initial=0)) + 1)
    starts = np.cumsum(counts) - counts
    return order, np.arange(len(labels)) - starts[labels[order]], counts


def _allot(counts: np.ndarray, fraction: float) -> np.ndarray:
    return np.maximum(np.rint(counts * fraction).astype(np.int64), 1) * (fraction > 0)


DIGEST_BYTES = 32


def first_copies(digests: np.ndarray) -> np.ndarray:
    """int64 [n]: the position of the first image with the same digest; its own for most.

    digests: uint8 [n, 32].
    """
    raw = digests.tobytes()
    first: dict[bytes, int] = {}
    keys = (raw[start : start + DIGEST_BYTES] for start in range(0, len(raw), DIGEST_BYTES))
    return np.fromiter(
        (first.setdefault(key, place) for place, key in enumerate(keys)), np.int64, len(digests)
    )


def find_contradictions(copy_of: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pairs int64 [k, 2] of (an image, a copy of it in another class): every image whose copies
    disagree.

    copy_of int64 [n] is `first_copies`; labels int32 [n].
    """
    disagreeing = np.flatnonzero(labels != labels[copy_of])
    groups, places = np.unique(copy_of[disagreeing], return_index=True)
    other = np.full(len(labels), -1, np.int64)
    other[groups] = disagreeing[places]
    pairs = np.flatnonzero(other[copy_of] >= 0)
    firsts = copy_of[pairs]
    partners = np.where(labels[pairs] == labels[firsts], other[firsts], firsts)
    return np.stack([pairs, partners], axis=1)


def find_leaks(copy_of: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Pairs int64 [k, 2] of (an image, its copy in a later split), of which the first must not be
    used.

    Test outranks validation, which outranks train: what is measured on stays whole. copy_of int64
    [n] is `first_copies`; splits int8 [n].
    """
    best = splits.copy()
    np.maximum.at(best, copy_of, splits)
    top = np.flatnonzero(splits == best[copy_of])
    groups, places = np.unique(copy_of[top], return_index=True)
    keeper = np.full(len(splits), -1, np.int64)
    keeper[groups] = top[places]
    leaking = np.flatnonzero(splits < best[copy_of])
    return np.stack([leaking, keeper[copy_of[leaking]]], axis=1)
