"""Cuts a stream of image batches into batches of one fixed size, which is what a compiled network
takes.

The cuts stand at multiples of the size counted from the first image, so that what an image shares a
batch with, and with it the last bit of its features, does not depend on how the stream was cut
before.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np


class FixedBatch(NamedTuple):
    """`images` uint8 [size, h, w, c], of which the first `num_images` are images `start`, `start` +
    1 ... of the stream.
    """

    start: int
    num_images: int
    images: np.ndarray


def fixed_batches(
    batches: Iterable[np.ndarray], size: int, image_shape: tuple[int, ...]
) -> Iterator[FixedBatch]:
    """The images of `batches` (uint8 [b, h, w, c], any b) in batches of `size`; the last is filled
    up with zeros.

    Raises ValueError for images of another type or shape than `image_shape`.
    """
    start = 0
    rest = np.empty((0, *image_shape), np.uint8)
    for images in batches:
        if images.dtype != np.uint8 or images.shape[1:] != image_shape:
            raise ValueError(
                f"images are {images.dtype} {images.shape[1:]}; the extractor takes uint8 "
                f"{image_shape}"
            )
        images = np.concatenate([rest, images]) if len(rest) else np.ascontiguousarray(images)
        whole = len(images) // size * size
        for first in range(0, whole, size):
            yield FixedBatch(start + first, size, images[first : first + size])
        start += whole
        rest = images[whole:]
    if len(rest):
        padded = np.zeros((size, *image_shape), np.uint8)
        padded[: len(rest)] = rest
        yield FixedBatch(start, len(rest), padded)
