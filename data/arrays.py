"""The `arrays` source: an .npz of images and labels, found by the names people save them under.
Nothing is ever unpickled.

What the numbers of the images mean is `bit_depth`, what labels mean `array_labels`.
"""

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import numpy as np

from data.array_labels import to_classes, to_groups, to_splits
from data.bit_depth import check_value_range
from data.errors import UserError
from data.labels import without_labels
from data.listing import Listing, reason_of
from data.messages import escaped, first_of
from data.numpy_files import PICKLED, DamagedArray, reading_arrays
from data.settings import DatasetConfig
from data.splits import ALIASES, SPLIT_NAMES, TRAIN, splits_to_draw

ARRAY_NAMES = (
    "images and labels (with splits and class_names if there are any), "
    "or x_train, y_train, x_validation, y_validation, x_test, y_test"
)
# Of one array for all images, then for those of a split: as `numpy.savez`, Keras's mnist.npz and
# MedMNIST name them.
WHOLE_NAMES = (("images", "labels"), ("x", "y"))
SPLIT_PATTERNS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))


@dataclass(frozen=True)
class _Part:
    """Images and labels of one split, or of all where the file has one array for all (`split` is
    None)."""

    images: np.ndarray
    labels: np.ndarray
    split: int | None


def list_arrays(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the images of `dataset.path`, an .npz. Raises UserError where its arrays are not images
    and labels."""
    path = Path(config.path or "")
    where = f"dataset.path: {escaped(str(path))}"
    fingerprint = _fingerprint(path, where)
    arrays = _load(path, where)
    parts = _parts(arrays, where)
    splits, has_splits = _splits(arrays, parts, where)
    labels, class_names = to_classes(
        np.concatenate([part.labels for part in parts]),
        arrays.get("class_names"),
        f"{where}: labels",
    )
    return Listing(
        names=_names(parts),
        labels=labels,
        splits=splits,
        class_names=class_names,
        read=_reader(parts),
        fingerprint=fingerprint,
        draw=splits_to_draw(
            np.unique(splits).tolist() if has_splits else None, config.split, where
        ),
        groups=_groups(arrays, parts, config.group_column, where),
    )


def _fingerprint(path: Path, where: str) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{where} cannot be read: {reason_of(error)}") from error
    text = f"{escaped(str(path))}\0{status.st_size} {status.st_mtime_ns}"
    return sha256(text.encode()).hexdigest()


def _load(path: Path, where: str) -> dict[str, np.ndarray]:
    """Every array of the file, by its name in lower case."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":  # np.load would take an .npy, and try a pickle
                raise UserError(
                    f"{where} is not an .npz; expected one (numpy.savez) of {ARRAY_NAMES}"
                )
            file.seek(0)
            with reading_arrays(), np.load(file, allow_pickle=False) as arrays:
                _refuse_repeats([str(name).lower() for name in arrays], where)
                return {str(name).lower(): arrays[name] for name in arrays}
    except (OSError, DamagedArray, MemoryError) as error:
        reason = reason_of(error)
        if reason == PICKLED:
            reason = (
                "it holds Python objects, which are never loaded; save plain arrays of numbers or "
                "text, as labels.astype(str)"
            )
        raise UserError(f"{where} cannot be read as an .npz: {reason}") from error


def _refuse_repeats(names: Sequence[str], where: str) -> None:
    """Raises UserError where two arrays have one name: which of them is meant, nobody can say."""
    twice = [escaped(name) for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(
            f"{where} holds two arrays called {first_of(twice)} (in lower case); save each array "
            "once, under its own name"
        )


def _parts(arrays: Mapping[str, np.ndarray], where: str) -> list[_Part]:
    keys: Sequence[tuple[str, str, int | None]] = [
        (x, y, None) for x, y in WHOLE_NAMES if x in arrays
    ][:1]
    if not keys:
        keys = [
            (x.format(alias), y.format(alias), split)
            for alias, split in ALIASES.items()
            for x, y in SPLIT_PATTERNS
            if x.format(alias) in arrays
        ]
    if not keys:
        found = first_of([escaped(name) for name in arrays]) or "none"
        raise UserError(f"{where} has the arrays {found}; expected {ARRAY_NAMES}")
    splits = [split for _, _, split in keys]
    if len(set(splits)) < len(splits):
        raise UserError(
            f"{where} has {', '.join(x for x, _, _ in keys)}; keep one array of images per split"
        )
    return [_part(arrays, x, y, split, where) for x, y, split in keys]


def _part(arrays: Mapping[str, np.ndarray], x: str, y: str, split: int | None, where: str) -> _Part:
    if y not in arrays:
        unlabelled = f"{without_labels(SPLIT_NAMES[split])}; " if split else ""
        raise UserError(f"{where} has {x} but no {y}; {unlabelled}expected {ARRAY_NAMES}")
    images, labels = arrays[x], arrays[y]
    check_image_shape(images, f"{where}: {x}")
    check_value_range(images, f"{where}: {x}")
    if labels.ndim == 0 or len(labels) != len(images):
        raise UserError(
            f"{where}: {x} has shape {list(images.shape)} and {y} {list(labels.shape)}; one label "
            "an image"
        )
    return _Part(images, labels, split)


def _splits(
    arrays: Mapping[str, np.ndarray], parts: Sequence[_Part], where: str
) -> tuple[np.ndarray, bool]:
    """Split numbers int8 [n], and whether the file has any."""
    if parts[0].split is not None:
        numbers = [np.full(len(part.images), part.split, np.int8) for part in parts]
        return np.concatenate(numbers), True
    num_images = len(parts[0].images)
    if "splits" not in arrays:
        return np.full(num_images, TRAIN, np.int8), False
    if arrays["splits"].size != num_images:
        raise UserError(
            f"{where}: splits has {arrays['splits'].size} values for {num_images} images"
        )
    return to_splits(arrays["splits"], f"{where}: splits"), True


def _groups(
    arrays: Mapping[str, np.ndarray], parts: Sequence[_Part], name: str | None, where: str
) -> tuple[str, ...] | None:
    """Each image's group, from an array of that name, or from one a split (NAME_train or
    train_NAME)."""
    if name is None:
        return None
    found: list[str] = []
    for part in parts:
        aliases = [alias for alias, split in ALIASES.items() if split == part.split]
        keys = [f"{name}_{each}" for each in aliases] + [f"{each}_{name}" for each in aliases]
        key = next((each.lower() for each in keys or [name] if each.lower() in arrays), None)
        if key is None:
            listed = first_of([escaped(each) for each in arrays])
            raise UserError(
                f"{where} has no array {escaped((keys or [name])[0])} (dataset.group_column); "
                f"arrays: {listed}"
            )
        found += to_groups(arrays[key], len(part.images), f"{where}: {key}")
    return tuple(found)


def _names(parts: Sequence[_Part]) -> tuple[str, ...]:
    prefixes = ["image" if part.split is None else SPLIT_NAMES[part.split] for part in parts]
    return tuple(
        f"{prefix} {number}"
        for prefix, part in zip(prefixes, parts, strict=True)
        for number in range(len(part.images))
    )


def _reader(parts: Sequence[_Part]) -> "partial[np.ndarray]":
    starts = list(accumulate((len(part.images) for part in parts), initial=0))
    return partial(_read_array, [part.images for part in parts], starts)


def _read_array(arrays: Sequence[np.ndarray], starts: Sequence[int], position: int) -> np.ndarray:
    part = bisect.bisect_right(starts, position) - 1
    image: np.ndarray = arrays[part][position - starts[part]]
    return image


def check_image_shape(images: np.ndarray, what: str) -> None:
    """Raise UserError unless the array is [n, h, w] or [n, h, w, 1, 3 or 4], with every side at
    least 1."""
    if (
        images.ndim not in (3, 4)
        or (images.ndim == 4 and images.shape[3] not in (1, 3, 4))
        or 0 in images.shape[1:]
    ):
        raise UserError(
            f"{what} has shape {list(images.shape)}; expected [n, h, w] or [n, h, w, 1, 3 or 4]"
        )
