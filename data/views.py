"""Images to batches: clean ones, and augmented views, planned many at a time and painted by
threads. Random numbers are a pure function of where they are used: (seed, stream, view, image
index); any picture of a search can be drawn again alone, in any order.

The clean path takes no augmentation. What a setting means is `augmentations`, which owns the
streams; nothing here knows one by name.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data import geometry
from data.augmentation_record import AugmentationValues
from data.augmentations import AUGMENTATIONS, active, complete, draw
from data.geometry import Fill, Floats, Images
from data.moves import fill_of

Picks = NDArray[np.int64]
Indices = Sequence[int] | Picks

CHUNK = 8192  # images drawn at once: 10 MB of plans at most, whatever the size of the dataset
SHARE_STREAM = 2**32 - 1  # of no augmentation
BATCHES_AHEAD = 2  # a thread, painted and not yet asked for


@dataclass(frozen=True)
class PicturePlan:
    """k pictures, drawn and not yet painted: where each reads from (matrices [k, 2, 3], or None)
    and the numbers of each paint."""

    matrices: Floats | None
    fill: Fill
    paints: tuple[tuple[Callable[[Images, Floats], None], Floats], ...]

    def part(self, start: int, stop: int) -> "PicturePlan":
        matrices = None if self.matrices is None else self.matrices[start:stop]
        paints = tuple((apply, numbers[start:stop]) for apply, numbers in self.paints)
        return PicturePlan(matrices, self.fill, paints)


def plan_pictures(
    settings: AugmentationValues, size: int, units: Callable[[int], Floats]
) -> PicturePlan:
    """The plan for images of `size` pixels a side; `units`: a record's stream -> uniform draws [k,
    4]."""
    values = active(settings)  # a fill that nothing shows must not choose how the warp is computed
    numbers = draw(values, size, units)
    drawn = [(AUGMENTATIONS[name], found) for name, found in numbers.items()]
    parts = [record.matrix(found) for record, found in drawn if record.matrix]
    paints = [(record.paint, found) for record, found in drawn if record.paint]
    matrices = geometry.fold(parts, size) if parts else None
    return PicturePlan(matrices, fill_of(complete(values)), tuple(paints))


@dataclass(frozen=True)
class Painting:
    """How many pictures per batch, and how many threads paint them. Changes no picture."""

    batch_size: int
    num_threads: int = 2


def clean_batches(images: Images, indices: Indices, batch_size: int) -> Iterator[Images]:
    """The images as they are, uint8 [b, s, s, 3], in the order of `indices`; the last may be
    smaller."""
    picks = check_picks(images, indices, batch_size)
    return (images[picks[start : start + batch_size]] for start in range(0, len(picks), batch_size))


def augment(
    images: Images, indices: Indices, settings: AugmentationValues, seed: int, view: int
) -> Images:
    """View `view` of the images at `indices`, uint8 [k, s, s, 3]. Raises UserError where the
    settings are not allowed."""
    picks = check_picks(images, indices)
    return paint(
        images, picks, plan_pictures(settings, images.shape[1], _from_counter(seed, view, picks))
    )


def augmented_batches(
    images: Images,
    indices: Indices,
    settings: AugmentationValues,
    seed: int,
    view: int,
    painting: Painting,
) -> Iterator[Images]:
    """As clean_batches, augmented: each thread paints at most BATCHES_AHEAD batches before they are
    asked for.

    The pictures do not depend on `painting` or the order of `indices`. Where nothing is active,
    they are the clean ones. Raises UserError where the settings are not allowed, before the first
    batch is asked for.
    """
    values = active(settings)
    size, num_threads = painting.batch_size, painting.num_threads
    picks = check_picks(images, indices, size)
    if num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}; it must be at least 1")
    if not values:
        return clean_batches(images, picks, size)
    jobs = _jobs(images.shape[1], picks, values, seed, view, size)
    return painted_ahead(images, jobs, num_threads)


def is_augmented(seed: int, view: int, picks: Picks, share: float) -> NDArray[np.bool_]:
    """Which of the images at `picks` are augmented for a view, bool [k], where a share of 0 to 1 of
    them is: those of a smaller share are among those of a larger one, and each is painted as it is
    at any share."""
    return unit_draws(seed, SHARE_STREAM, view, picks)[:, 0] < share


def with_clean_ones(
    batches: Iterator[Images], images: Images, picks: Picks, augmented: NDArray[np.bool_]
) -> Iterator[Images]:
    """The batches of the images at `picks`, with those that are not `augmented`, bool [k], as they
    are."""
    start = 0
    for batch in batches:
        here = slice(start, start + len(batch))
        batch[~augmented[here]] = images[picks[here][~augmented[here]]]
        start += len(batch)
        yield batch


def paint(images: Images, picks: Picks, plan: PicturePlan) -> Images:
    """The pictures of a plan, uint8 [k, s, s, 3]: one warp an image, then each paint on the whole
    batch."""
    geometry.single_threaded()
    source = np.asarray(images)  # a memory map's own indexing costs more than a small warp
    if plan.matrices is None:
        out = source[picks]
    else:
        out = np.empty((len(picks), *source.shape[1:]), np.uint8)
        geometry.warp(source, picks, plan.matrices, plan.fill, out)
    for apply, numbers in plan.paints:
        apply(out, numbers)
    return out


def painted_ahead(
    images: Images, jobs: Iterator[tuple[Picks, PicturePlan]], num_threads: int
) -> Iterator[Images]:
    """Paints jobs (indices, plan) in order on a pool of threads, at most BATCHES_AHEAD a thread
    ahead."""
    pending: deque[Future[Images]] = deque()
    with ThreadPoolExecutor(num_threads, thread_name_prefix="paint") as pool:
        try:
            for picks, plan in jobs:
                pending.append(pool.submit(paint, images, picks, plan))
                if len(pending) > BATCHES_AHEAD * num_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:  # the reader went away
                future.cancel()


def check_picks(images: Images, indices: Indices, batch_size: int = 1) -> Picks:
    """The indices as int64 [k]. Raises ValueError where images, indices or batch size cannot be
    painted."""
    square = images.ndim == 4 and images.shape[1] == images.shape[2] and images.shape[3] == 3
    if images.dtype != np.uint8 or not square:
        raise ValueError(
            f"images are uint8 [n, s, s, 3]; received {images.dtype} {list(images.shape)}"
        )
    picks = np.asarray(indices, dtype=np.int64)
    if picks.ndim != 1 or (picks.size and not 0 <= picks.min() <= picks.max() < len(images)):
        raise ValueError(f"indices are one-dimensional, from 0 to {len(images) - 1}")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    return picks


def _jobs(
    size: int, picks: Picks, settings: AugmentationValues, seed: int, view: int, batch_size: int
) -> Iterator[tuple[Picks, PicturePlan]]:
    """The batches' indices and plans, drawn a chunk of whole batches at a time."""
    step = max(1, CHUNK // batch_size) * batch_size
    for first in range(0, len(picks), step):
        chunk = picks[first : first + step]
        plan = plan_pictures(settings, size, _from_counter(seed, view, chunk))
        for start in range(0, len(chunk), batch_size):
            yield chunk[start : start + batch_size], plan.part(start, start + batch_size)


def _from_counter(seed: int, view: int, picks: Picks) -> Callable[[int], Floats]:
    return lambda stream: unit_draws(seed, stream, view, picks)


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
    every four outputs."""
    generator = np.random.Generator(np.random.Philox(key=key, counter=block * BLOCK_IMAGES))
    return generator.random((BLOCK_IMAGES, NUMBERS))


def _key(seed: int, stream: int, view: int) -> int:
    """128 bits. Hashed, so that any integer is a seed and neighbouring seeds, streams and views
    share nothing."""
    digest = hashlib.blake2b(
        f"{int(seed)}/{int(stream)}/{int(view)}".encode(), digest_size=16
    ).digest()
    return int.from_bytes(digest, "little")
