"""Decoding a listing into one file, once and in parallel, for every later search to map into memory.

The file is written beside its place and renamed whole; its layout is `store_format`. What the images
mean, and whether what was found is acceptable, is for `dataset` to say.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data.copies import DIGEST_BYTES, find_leaks, first_copies
from data.decode import BadImage, decode_image, quiet_pillow
from data.errors import UserError
from data.files import make_folder, replacing, sweep_leftovers
from data.listing import Listing, reason_of
from data.store_format import StoredImages, append_record, read_store

Progress = Callable[[int, int], None]

AHEAD = 8  # images a thread that may be decoded before the first of them is written
NUM_FIRST = 3
LEFTOVER_SECONDS = 6 * 3600.0


class _Outcome(NamedTuple):
    pixels: np.ndarray | None
    digest: bytes
    conversions: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Decoder:
    """How the images of a listing become pixels: side in pixels, pixel limit of the files, threads."""

    listing: Listing
    size: int
    max_pixels: int
    num_threads: int

    def decode(self, position: int) -> _Outcome:
        try:
            decoded = decode_image(self.listing.read(position), self.size, self.max_pixels)
        except OSError as error:
            return _Outcome(None, b"", (), reason_of(error))
        except BadImage as error:
            return _Outcome(None, b"", (), str(error))
        return _Outcome(decoded.pixels, sha256(decoded.pixels.data).digest(), decoded.conversions, "")

    def decode_all(self) -> Iterator[_Outcome]:
        """Every outcome in the listing's order, with a bounded number of them in memory."""
        pending: deque[Future[_Outcome]] = deque()
        with ThreadPoolExecutor(self.num_threads, thread_name_prefix="decode") as pool:
            try:
                for position in range(len(self.listing.names)):
                    pending.append(pool.submit(self.decode, position))
                    if len(pending) > AHEAD * self.num_threads:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:  # stopped by a signal or a full disk
                    future.cancel()


@dataclass
class _Log:
    """What a pass over the listing has found so far."""

    positions: list[int] = field(default_factory=list)
    digests: bytearray = field(default_factory=bytearray)
    bad: list[tuple[int, str]] = field(default_factory=list)
    converted: dict[str, list[int]] = field(default_factory=dict)  # conversion to count and first positions

    def take(self, position: int, outcome: _Outcome) -> None:
        if outcome.pixels is None:
            self.bad.append((position, outcome.reason))
            return
        self.positions.append(position)
        self.digests += outcome.digest
        for conversion in outcome.conversions:
            entry = self.converted.setdefault(conversion, [0])
            entry[0] += 1
            entry.extend([position] if len(entry) <= NUM_FIRST else [])


def open_store(path: Path, decoder: Decoder, progress: Progress | None) -> StoredImages:
    """The decoded images from the file at `path`, which is made, or made again, where it has to be.

    It is made again where it is damaged, and where a file that could not be read now can (a permission
    leaves no trace in size or date). Raises UserError where the disk has too little room, StorageError
    where it fails.
    """
    with quiet_pillow():
        stored = read_store(path, decoder.size, decoder.num_threads)
        if stored is None or any(decoder.decode(position).pixels is not None for position, _ in stored.bad):
            _build(path, decoder, progress)
            stored = read_store(path, decoder.size, decoder.num_threads)
    if stored is None:
        raise OSError(f"{path} does not read back as it was written; check the disk")
    return stored


def _build(path: Path, decoder: Decoder, progress: Progress | None) -> None:
    folder = make_folder(path.parent, "the decoded images")
    sweep_leftovers(folder, LEFTOVER_SECONDS)
    image_bytes = decoder.size * decoder.size * 3
    _check_room(folder, len(decoder.listing.names) * image_bytes)
    with (
        replacing(path, "the decoded images", "every earlier file") as temporary,
        temporary.open("w+b") as file,
    ):
        log = _write_pixels(file, decoder, progress)
        positions = np.array(log.positions, np.int64)
        digests = np.frombuffer(bytes(log.digests), np.uint8).reshape(-1, DIGEST_BYTES)
        leaks = find_leaks(first_copies(digests), decoder.listing.splits[positions])
        kept = np.setdiff1d(np.arange(len(positions)), leaks[:, 0])
        _close_gaps(file, kept, image_bytes)
        append_record(file, digests[kept], _record(log, positions, kept, leaks))


def _check_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise UserError(
            f"the decoded images take {num_bytes / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} GB are free; "
            "free some space or choose another cache folder"
        )


def _write_pixels(file: BinaryIO, decoder: Decoder, progress: Progress | None) -> _Log:
    """Append the pixels of every good image, in the listing's order."""
    log, num_images = _Log(), len(decoder.listing.names)
    for position, outcome in enumerate(decoder.decode_all()):
        if outcome.pixels is not None:
            file.write(outcome.pixels.data)
        log.take(position, outcome)
        if progress is not None:
            progress(position + 1, num_images)
    return log


def _close_gaps(file: BinaryIO, kept: np.ndarray, image_bytes: int) -> None:
    """Move the kept images to the front, in place: none lands on one that is still to be read."""
    for place, row in enumerate(kept.tolist()):
        if place != row:
            file.seek(row * image_bytes)
            pixels = file.read(image_bytes)
            file.seek(place * image_bytes)
            file.write(pixels)
    file.truncate(len(kept) * image_bytes)


def _record(log: _Log, positions: np.ndarray, kept: np.ndarray, leaks: np.ndarray) -> dict[str, Any]:
    return {
        "positions": positions[kept].tolist(),
        "bad": log.bad,
        "leaks": positions[leaks].tolist(),
        "converted": log.converted,
    }
