"""Decoding a listing into one file, once and in parallel, for every later search to map into
memory.

The file is written beside its place and renamed whole; its layout is `store_format`. What the
images mean, and whether what was found is acceptable, is for `dataset` to say.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data.bit_depth import Level, Whites, check_depth_ranges, scales_of
from data.decode import decode_image, quiet_pillow
from data.errors import BadImage, UserError
from data.files import LEFTOVER_SECONDS, make_folder, replacing, sweep_leftovers
from data.listing import Listing, reason_of
from data.splits import DIGEST_BYTES, SPLIT_NAMES, find_contradictions, find_leaks, first_copies
from data.store_format import StoredImages, append_record, read_store

OnDecoded = Callable[[int, int], None]

AHEAD = 8  # images a thread that may be decoded before the first of them is written
NUM_FIRST = 3


class _Outcome(NamedTuple):
    pixels: np.ndarray | None
    digest: bytes
    conversions: tuple[str, ...]
    reason: str
    level: Level | None = None
    was_read: bool = True


@dataclass(frozen=True)
class Decoder:
    """How the images of a listing become pixels: side in pixels, pixel limit of the files,
    threads."""

    listing: Listing
    size: int
    max_pixels: int
    num_threads: int

    def decode(self, position: int, whites: Whites | None = None) -> _Outcome:
        try:
            decoded = decode_image(self.listing.read(position), self.size, self.max_pixels, whites)
        except OSError as error:
            return _Outcome(None, b"", (), reason_of(error), was_read=False)
        except BadImage as error:
            return _Outcome(None, b"", (), str(error))
        digest = sha256(decoded.pixels.data).digest()
        return _Outcome(decoded.pixels, digest, decoded.conversions, "", decoded.level)

    def readable(self) -> np.ndarray:
        """bool [n]: which images of the listing can be decoded. Keeps none of them."""
        with quiet_pillow():
            outcomes = self.decode_all(range(len(self.listing.names)))
            return np.array([each.pixels is not None for each in outcomes], bool)

    def decode_all(
        self, positions: Iterable[int], whites: Whites | None = None
    ) -> Iterator[_Outcome]:
        """Every outcome in the order asked for, with a bounded number of them in memory."""
        pending: deque[Future[_Outcome]] = deque()
        with ThreadPoolExecutor(self.num_threads, thread_name_prefix="decode") as pool:
            try:
                for position in positions:
                    pending.append(pool.submit(self.decode, position, whites))
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
    unread: list[int] = field(default_factory=list)  # of the bad ones
    # conversion to count and first positions
    converted: dict[str, list[int]] = field(default_factory=dict)
    # row to level, of more than 8 bits per channel
    levels: dict[int, Level] = field(default_factory=dict)

    def take(self, position: int, outcome: _Outcome) -> None:
        if outcome.pixels is None:
            self.bad.append((position, outcome.reason))
            self.unread.extend([] if outcome.was_read else [position])
            return
        if outcome.level is not None:
            self.levels[len(self.positions)] = outcome.level
        self.positions.append(position)
        self.digests += outcome.digest
        for conversion in outcome.conversions:
            entry = self.converted.setdefault(conversion, [0])
            entry[0] += 1
            entry.extend([position] if len(entry) <= NUM_FIRST else [])


def open_store(path: Path, decoder: Decoder, progress: OnDecoded | None) -> StoredImages:
    """The decoded images from the file at `path`, which is made, or made again, where it has to be.

    It is made again where it is damaged, and where a file that could not be read now can (a
    permission leaves no trace in size or date). Raises UserError where the disk has too little
    room, StorageError where it fails.
    """
    with quiet_pillow():
        stored = read_store(path, decoder.size, decoder.num_threads)
        if stored is None or any(decoder.decode(position).was_read for position in stored.unread):
            _build(path, decoder, progress)
            stored = read_store(path, decoder.size, decoder.num_threads)
    if stored is None:
        raise OSError(f"{path} does not read back as it was written; check the disk")
    return stored


def _build(path: Path, decoder: Decoder, progress: OnDecoded | None) -> None:
    folder = make_folder(path.parent, "the decoded images")
    sweep_leftovers(folder, LEFTOVER_SECONDS)
    image_bytes = decoder.size * decoder.size * 3
    _check_room(folder, len(decoder.listing.names) * image_bytes)
    with (
        replacing(path, "the decoded images", "every earlier file") as temporary,
        temporary.open("w+b") as file,
    ):
        log = _write_pixels(file, decoder, progress)
        scales = _scale_alike(file, decoder, log, progress)
        positions = np.array(log.positions, np.int64)
        digests = np.frombuffer(bytes(log.digests), np.uint8).reshape(-1, DIGEST_BYTES)
        copy_of = first_copies(digests)
        pairs = find_contradictions(copy_of, decoder.listing.labels[positions])
        leaks = find_leaks(copy_of, decoder.listing.splits[positions])
        leaks = leaks[~np.isin(leaks[:, 0], pairs[:, 0])]
        kept = np.setdiff1d(np.arange(len(positions)), np.concatenate([pairs[:, 0], leaks[:, 0]]))
        _close_gaps(file, kept, image_bytes)
        found = {"contradictions": positions[pairs].tolist(), "leaks": positions[leaks].tolist()}
        record = {"positions": positions[kept].tolist(), "converted": log.converted}
        record |= {"bad": log.bad, "unread": log.unread}
        append_record(file, digests[kept], record | found | {"scales": scales})


def _check_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise UserError(
            f"the decoded images take {num_bytes / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} GB "
            "are free; free some space or choose another cache folder"
        )


def _write_pixels(file: BinaryIO, decoder: Decoder, progress: OnDecoded | None) -> _Log:
    """Append the pixels of every good image, in the listing's order."""
    log, num_images = _Log(), len(decoder.listing.names)
    for position, outcome in enumerate(decoder.decode_all(range(num_images))):
        if outcome.pixels is not None:
            file.write(outcome.pixels.data)
        log.take(position, outcome)
        if progress is not None:
            progress(position + 1, num_images)
    return log


def _scale_alike(
    file: BinaryIO, decoder: Decoder, log: _Log, progress: OnDecoded | None
) -> dict[str, Any]:
    """Decode again what was scaled by a range of its own and not by that of the whole data set.

    Raises UserError where most images would come out black. Images of more than 8 bits are seldom;
    the others are read once.
    """
    names, splits = decoder.listing.names, decoder.listing.splits
    levels = [(log.positions[row], level) for row, level in log.levels.items()]
    scales = scales_of((names[position], level) for position, level in levels)
    check_depth_ranges(
        [(SPLIT_NAMES[splits[place]], names[place], level) for place, level in levels], scales
    )
    whites = {kind: scale.white for kind, scale in scales.items()}
    rows = [row for row, level in log.levels.items() if level.white != whites[level.kind]]
    outcomes = decoder.decode_all((log.positions[row] for row in rows), whites)
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome.pixels is None:
            raise UserError(
                f"{names[log.positions[row]]} changed while it was read ({outcome.reason}); try "
                "again"
            )
        file.seek(row * outcome.pixels.nbytes)
        file.write(outcome.pixels.data)
        log.digests[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] = outcome.digest
        if progress is not None:
            progress(len(names), len(names))  # no further, but a stop is asked for there
    return {kind: scale.model_dump() for kind, scale in scales.items()}


def _close_gaps(file: BinaryIO, kept: np.ndarray, image_bytes: int) -> None:
    """Move the kept images to the front, in place: none lands on one that is still to be read."""
    for place, row in enumerate(kept.tolist()):
        if place != row:
            file.seek(row * image_bytes)
            pixels = file.read(image_bytes)
            file.seek(place * image_bytes)
            file.write(pixels)
    file.truncate(len(kept) * image_bytes)
