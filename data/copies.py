"""The same image more than once: which images are copies, which stand in two classes, and which
leak from one split into another.

Works on digests of the decoded pixels, so a picture saved again under another name or in another
lossless format is still a copy; one that was cropped or compressed again is not.
"""

import numpy as np

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
