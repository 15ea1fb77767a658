"""The file of decoded images: the pixels, their digests, a JSON record, and a footer that all of it
is checked by.

Knows how the file is laid out, written and verified. How pixels come about is `image_store`.
"""

import json
import logging
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data.dataset_notes import DepthScale
from data.listing import reason_of
from data.splits import DIGEST_BYTES

MAGIC = b"augimg-5"  # changes with the layout, and with how an image is decoded
FOOTER = struct.Struct("<32sQ8s")  # sha256 of digests and record, length of the record, magic
# so many bytes of pixels are checked at opening, spread evenly over larger files
CHECKED_BYTES = 1 << 29
CHECKED_AT_ONCE = 256  # images a thread checks at a time

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredImages:
    """What a listing decoded to; positions are the listing's.

    images: uint8 [n, s, s, 3], a read-only memory map; positions: int64 [n], of the images kept;
    digests: uint8 [n, 32], sha256 of each image's pixels; bad: (position, reason); unread: those of
    the bad ones that could not be read at all; leaks: (position left out, its copy kept);
    contradictions: (position left out, its copy in another class); converted: conversion to (count,
    the first positions); scales: of more than 8 bits, by kind.
    """

    images: np.ndarray
    positions: np.ndarray
    digests: np.ndarray
    bad: tuple[tuple[int, str], ...]
    unread: tuple[int, ...]
    leaks: tuple[tuple[int, int], ...]
    contradictions: tuple[tuple[int, int], ...]
    converted: dict[str, tuple[int, tuple[int, ...]]]
    scales: dict[str, DepthScale]


def append_record(file: BinaryIO, digests: np.ndarray, record: dict[str, Any]) -> None:
    """Close a file of pixels: digests uint8 [n, 32], then the fields of StoredImages after
    `digests`, as JSON."""
    raw, text = digests.tobytes(), json.dumps(record, separators=(",", ":")).encode()
    file.seek(0, 2)
    file.write(raw + text + FOOTER.pack(sha256(raw + text).digest(), len(text), MAGIC))


def read_store(path: Path, size: int, num_threads: int) -> StoredImages | None:
    """The file's content, or None where there is no file or it is not as it was written (the log
    says why)."""
    try:
        if not path.is_file():
            return None
        digests, record = _read_record(path, size)
        images = _map(path, len(digests), size)
        if not pixels_match(images, digests, num_threads):
            raise ValueError("the pixels are not those that were written")
    except (OSError, ValueError, struct.error) as error:
        logger.warning("%s is damaged (%s) and is made again", path, reason_of(error))
        return None
    return StoredImages(
        images=images,
        positions=np.array(record["positions"], np.int64),
        digests=digests,
        bad=tuple((position, reason) for position, reason in record["bad"]),
        unread=tuple(record["unread"]),
        leaks=tuple((left, kept) for left, kept in record["leaks"]),
        contradictions=tuple((one, other) for one, other in record["contradictions"]),
        converted={
            name: (entry[0], tuple(entry[1:])) for name, entry in record["converted"].items()
        },
        scales={kind: DepthScale.model_validate(scale) for kind, scale in record["scales"].items()},
    )


def _read_record(path: Path, size: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The digests uint8 [n, 32] and the record. Raises ValueError or struct.error where the file is
    not whole."""
    with path.open("rb") as file:
        num_bytes = file.seek(0, 2)
        file.seek(max(0, num_bytes - FOOTER.size))
        checksum, record_bytes, magic = FOOTER.unpack(file.read())
        # pixels, digests, record and footer fill the file exactly
        num_images, rest = divmod(
            num_bytes - FOOTER.size - record_bytes, size * size * 3 + DIGEST_BYTES
        )
        if magic != MAGIC or rest or num_images < 0:
            raise ValueError("it is cut short or no such file")
        file.seek(num_images * size * size * 3)
        digests, text = file.read(num_images * DIGEST_BYTES), file.read(record_bytes)
    if sha256(digests + text).digest() != checksum:
        raise ValueError("its record does not match its checksum")
    return np.frombuffer(digests, np.uint8).reshape(num_images, DIGEST_BYTES), json.loads(text)


def _map(path: Path, num_images: int, size: int) -> np.ndarray:
    shape = (num_images, size, size, 3)
    return (
        np.memmap(path, np.uint8, mode="r", shape=shape)
        if num_images
        else np.zeros(shape, np.uint8)
    )


def pixels_match(images: np.ndarray, digests: np.ndarray, num_threads: int) -> bool:
    """Whether the images' digests are those recorded; of a file over CHECKED_BYTES, of images
    spread evenly."""
    if not len(images):
        return True
    pixels = np.asarray(images)  # a memory map's own indexing is slow
    num_checked = min(len(pixels), max(1, CHECKED_BYTES // pixels[0].nbytes))
    rows = np.unique(np.linspace(0, len(pixels) - 1, num_checked).astype(np.int64))
    blocks = np.array_split(rows, -(-len(rows) // CHECKED_AT_ONCE))

    def matches(block: np.ndarray) -> bool:
        return all(
            sha256(pixels[row].data).digest() == digests[row].tobytes() for row in block.tolist()
        )

    with ThreadPoolExecutor(num_threads, thread_name_prefix="check") as pool:
        return all(pool.map(matches, blocks))
