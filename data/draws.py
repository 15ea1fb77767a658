"""Random numbers as a pure function of where they are used: (seed, stream, view, image index), and
nothing else.

Every picture of a search can be drawn again alone, in any order, on any number of threads. No state
is kept here and no augmentation is known here: `augmentations` owns the streams, `views` counts the
views.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

# Images that one generator call covers: enough to hide its set-up, few enough for scattered
# indices.
BLOCK_IMAGES = 1024
NUMBERS = 4  # one Philox 4x64 output block an image


def unit_draws(
    seed: int, stream: int, view: int, indices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Four independent uniform numbers in [0, 1) for each image index: float64 [k, 4], 53 random
    bits each.

    Philox 4x64-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
    2011), keyed by (seed, stream, view) and counted by the image's position in the dataset. `seed`
    is any integer. Indices are at least 0, in any order, repeated or not; anything else raises
    ValueError.
    """
    positions = np.asarray(indices, dtype=np.int64)
    if positions.ndim != 1 or (positions.size and positions.min() < 0):
        raise ValueError(
            f"image indices are one-dimensional and at least 0; received shape {positions.shape}"
        )
    key = _key(seed, stream, view)
    draws = np.empty((positions.size, NUMBERS))
    blocks = positions // BLOCK_IMAGES
    for block in np.unique(blocks):
        here = blocks == block
        draws[here] = _block(key, int(block))[positions[here] - block * BLOCK_IMAGES]
    return draws


def _block(key: int, block: int) -> NDArray[np.float64]:
    """The draws of a block of images, [BLOCK_IMAGES, 4]: NumPy's Philox adds one to its counter
    every four outputs.
    """
    generator = np.random.Generator(np.random.Philox(key=key, counter=block * BLOCK_IMAGES))
    return generator.random((BLOCK_IMAGES, NUMBERS))


def _key(seed: int, stream: int, view: int) -> int:
    """128 bits. Hashed, so that any integer is a seed and neighbouring seeds, streams and views
    share nothing.
    """
    digest = hashlib.blake2b(
        f"{int(seed)}/{int(stream)}/{int(view)}".encode(), digest_size=16
    ).digest()
    return int.from_bytes(digest, "little")
