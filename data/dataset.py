"""From a `dataset` section to labelled images in memory-mapped form: list, check, decode once, draw
the splits.

The parts are elsewhere (`sources`, `image_store`, `splits`, `checks`); this is their order.
Augmentation and batches are in `views`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL

from data.bit_depth import check_not_black
from data.checks import Inspection, check_dataset
from data.dataset_notes import Converted, DataNotes, DatasetContent, LeftOut, dataset_digest
from data.errors import UserError, of_dataset
from data.groups import (
    check_groups,
    crossing_groups,
    describe_groups,
    draw_all,
    grouped_by_name,
    groups_of,
)
from data.image_store import Decoder, open_store
from data.labels import is_missing, label_remarks, without_missing
from data.listing import Listing
from data.messages import did_you_mean, escaped, first_of, literal
from data.settings import DatasetConfig
from data.sources import SOURCES
from data.splits import LEFT_OUT, SPLIT_NAMES, TEST, TRAIN, VALIDATION, first_copies, limit_training
from data.store_format import MAGIC, StoredImages

TEXT_FILE = re.compile(r"\.(txt|csv|tsv|md|html?|ya?ml|log|py|docx?|pdf|zip)$", re.IGNORECASE)

__all__ = ["SPLIT_NAMES", "TEST", "TRAIN", "VALIDATION", "DataNotes", "Dataset", "open_dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Decoded images with their labels. An image's position in it is what its random draws are
    keyed on.

    images: uint8 [n, s, s, 3] RGB, a read-only memory map (open the dataset again in another
    process rather than pickle it: a pickle holds every pixel); labels: int32 [n] into class_names;
    splits: int8 [n] of TRAIN, VALIDATION and TEST, and of LEFT_OUT where `dataset.limit_per_class`
    is set (`limited`); names: one printable line each; digest: sha256 over pixels, labels, splits,
    class names, scales and named groups; groups: int64 [n], the same number for images that must
    stay in one split and in one fold, as copies of each other must, and those of a group that the
    experiment names; None where every image stands for itself.
    """

    images: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    digest: str
    notes: DataNotes
    groups: np.ndarray | None = None

    @property
    def limited(self) -> bool:
        """Whether `dataset.limit_per_class` left training images out."""
        return bool((np.asarray(self.splits) == LEFT_OUT).any())

    def indices(self, *splits: int) -> np.ndarray:
        """Positions of these splits' images, int64, ascending."""
        return np.flatnonzero(np.isin(self.splits, splits))


@of_dataset()
def open_dataset(
    config: DatasetConfig,
    cache_dir: Path,
    seed: int,
    num_threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """The images of `config`, decoded into `cache_dir` the first time and mapped from there ever
    after.

    seed: draws the splits the source does not have. progress(done, total) is called from this
    thread as images are decoded; not at all where they have been before. Raises DatasetError, in
    one line, with everything that is wrong with the dataset; what only needs the listing is found
    before anything is decoded.
    """
    listing = list_images(config, cache_dir)
    _check_listing(listing, config, seed)
    decoder = Decoder(listing, config.image_size, config.max_pixels, num_threads)
    stored = open_store(_store_path(listing, config, cache_dir), decoder, progress)
    if len(stored.images):
        check_not_black(stored.images)
    labels = listing.labels[stored.positions]
    copy_of = first_copies(stored.digests)
    groups = groups_of(listing, stored.positions, copy_of)
    splits = draw_all(listing, stored.positions, seed, groups)
    check_dataset(_inspection(labels, splits, listing, config, stored))
    splits = limit_training(splits, labels, config.limit_per_class, seed)
    named = listing.groups is not None
    return Dataset(
        images=stored.images,
        labels=labels,
        splits=splits,
        class_names=listing.class_names,
        names=tuple(listing.names[position] for position in stored.positions.tolist()),
        digest=dataset_digest(
            DatasetContent(
                stored.digests,
                labels,
                splits,
                listing.class_names,
                stored.scales,
                groups if named else None,
            ),
            config.image_size,
        ),
        notes=_notes(listing, stored, labels, copy_of),
        groups=groups if named or len(np.unique(groups)) < len(groups) else None,
    )


@of_dataset()
def list_images(config: DatasetConfig, cache_dir: Path) -> Listing:
    """What the configured source has. Raises DatasetError where there is no such source, where it
    has a path and needs none, or the reverse, and where two classes have one name."""
    if config.source not in SOURCES:
        allowed = f"{', '.join(SOURCES)}{did_you_mean(config.source, SOURCES)}"
        raise UserError(f"dataset.source: received {literal(config.source)}; allowed: {allowed}")
    source = SOURCES[config.source]
    if source.path == "required" and config.path is None:
        raise UserError(f"dataset.path is missing; source {config.source} is {source.about}")
    if source.path == "none" and config.path is not None:
        raise UserError(
            f"dataset.path is {config.path}, but source {config.source} takes none; remove it"
        )
    _refuse_groups(config, source.groups)
    listing = source.list(config, cache_dir)
    check_groups(listing.groups, config)
    _refuse_repeated_names(listing, config)
    return without_missing(listing)


def _refuse_groups(config: DatasetConfig, allowed: str | None) -> None:
    """Raise UserError for groups that the source does not name in this way."""
    for key in ("group_column", "group_pattern"):
        if getattr(config, key) is not None and key != allowed:
            instead = f"set dataset.{allowed}" if allowed else "remove it"
            raise UserError(
                f"dataset.{key} is {literal(getattr(config, key))}, which source {config.source} "
                f"does not have; {instead}"
            )


def _refuse_repeated_names(listing: Listing, config: DatasetConfig) -> None:
    """Raise UserError where two classes have one name: nobody could tell their answers apart."""
    places: dict[str, list[str]] = {}
    for number, name in enumerate(listing.class_names):
        if not is_missing(name):
            places.setdefault(name, []).append(str(number))
    twice = [
        f"'{name}' (classes {' and '.join(found)})"
        for name, found in places.items()
        if len(found) > 1
    ]
    if twice:
        where = escaped(config.path or config.source)
        raise UserError(
            f"{where}: classes of the same name: {first_of(twice)}; give each a name of its own"
        )


def _check_listing(listing: Listing, config: DatasetConfig, seed: int) -> None:
    """Raise for all that can be known without decoding, taking every image for distinct."""
    each = np.arange(len(listing.labels))
    splits = draw_all(listing, each, seed, groups_of(listing, each, each))
    try:
        check_dataset(_inspection(listing.labels, splits, listing, config, None))
    except UserError as error:
        raise UserError(f"{error}{_counted_files(listing)}") from error


def _counted_files(listing: Listing) -> str:
    """Those that were counted as images before any was read, and are probably none."""
    odd = [name for name in listing.names if TEXT_FILE.search(name)]
    are = "is counted as an image" if len(odd) == 1 else "are counted as images"
    return f"; {first_of(odd, 3)} {are}: move what is none away" if odd else ""


def _inspection(
    labels: np.ndarray,
    splits: np.ndarray,
    listing: Listing,
    config: DatasetConfig,
    stored: StoredImages | None,
) -> Inspection:
    """stored: None before anything was decoded."""
    required = {TRAIN, *np.unique(listing.splits).tolist()}
    if listing.draw is not None:
        required |= {VALIDATION} if listing.draw.validation else set()
        required |= {TEST} if listing.draw.test else set()
    skips = config.on_bad_file == "skip"
    bad, names = listing.problems, listing.names
    leaks: tuple[tuple[str, str], ...] = ()
    contradictions: tuple[tuple[str, str], ...] = ()
    if stored is not None:
        bad = _bad_files(listing, stored)
        leaks = tuple((names[left], names[kept]) for left, kept in stored.leaks)
        contradictions = tuple(
            (_with_class(listing, one), _with_class(listing, other))
            for one, other in stored.contradictions
        )
    return Inspection(
        labels,
        splits,
        listing.class_names,
        tuple(sorted(required)),
        bad,
        leaks,
        skips,
        contradictions,
        crossing_groups(listing),
        deals_groups=listing.groups is not None and listing.draw is not None,
    )


def _store_path(listing: Listing, config: DatasetConfig, cache_dir: Path) -> Path:
    """Named by all that decides its content: files, declared splits and labels (they decide what is
    left out of copies), size, limit, decoder."""
    parts = [
        MAGIC.decode(),
        PIL.__version__,
        config.image_size,
        config.max_pixels,
        listing.fingerprint,
    ]
    declared = listing.splits.tobytes() + listing.labels.tobytes()
    key = sha256(json.dumps(parts).encode() + declared).hexdigest()[:32]
    return cache_dir / "decoded" / f"{key}.images"


def _bad_files(listing: Listing, stored: StoredImages) -> tuple[LeftOut, ...]:
    unread = tuple(
        LeftOut(name=listing.names[position], reason=reason) for position, reason in stored.bad
    )
    return listing.problems + unread


def _with_class(listing: Listing, position: int) -> str:
    return f"{listing.names[position]} ({listing.class_names[listing.labels[position]]})"


def _notes(
    listing: Listing, stored: StoredImages, labels: np.ndarray, copy_of: np.ndarray
) -> DataNotes:
    names, positions = listing.names, stored.positions
    copies = np.flatnonzero(copy_of != np.arange(len(copy_of)))
    contradictory = [
        LeftOut(name=names[one], reason=f"the same image as {_with_class(listing, other)}")
        for one, other in stored.contradictions
    ]
    leaking = [
        LeftOut(name=names[left], reason=f"the same image as {names[kept]}")
        for left, kept in stored.leaks
    ]
    counts = np.bincount(labels, minlength=len(listing.class_names)).tolist()
    groups = describe_groups(listing, positions, groups_of(listing, positions, copy_of))
    in_data = [names[position] for position in positions.tolist()]
    return DataNotes(
        labels=listing.remarks
        + label_remarks(listing.class_names, counts)
        + (() if groups else grouped_by_name(in_data, len(counts))),
        found=dict(listing.found),
        converted={
            conversion: Converted(count=count, first=tuple(names[position] for position in first))
            for conversion, (count, first) in stored.converted.items()
        },
        scales=stored.scales,
        left_out=(*_bad_files(listing, stored), *contradictory, *leaking),
        duplicates=tuple((names[positions[row]], names[positions[copy_of[row]]]) for row in copies),
        groups=groups,
    )


def find_images(config: DatasetConfig, cache_dir: Path) -> tuple[Listing, bool]:
    """The listing of the configured source, and whether its images were decoded before. Decodes
    nothing."""
    listing = list_images(config, cache_dir)
    return listing, _store_path(listing, config, cache_dir).exists()
