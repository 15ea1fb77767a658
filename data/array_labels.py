"""Labels, splits and groups as people save them in arrays, brought to class numbers, split numbers
and names."""

import numpy as np

from data.errors import UserError
from data.labels import class_order
from data.messages import escaped, first_of, plural
from data.splits import SPLIT_NAMES, split_number


def to_groups(values: np.ndarray, num_images: int, what: str) -> list[str]:
    """Names of groups, from whole numbers or text. Raises UserError for anything else."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.shape != (num_images,):
        raise UserError(
            f"{what} has shape {list(values.shape)} for {num_images} images; one group an image"
        )
    if flat.dtype.kind not in "biuUS":
        raise UserError(f"{what} is of {flat.dtype}; groups are whole numbers or text")
    return [_text(value).strip() for value in flat]


def to_classes(
    labels: np.ndarray, class_names: np.ndarray | None, what: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels int32 [n] and the names of the classes, from numbers, text or one-hot rows.

    Without `class_names` the classes are the distinct labels, in the order of `class_order`. Raises
    UserError for decimals (which are values, not classes) and for numbers that have no name.
    """
    flat = _one_a_row(labels, what)
    if class_names is None:
        distinct, numbers = np.unique(flat, return_inverse=True)
        found = [_text(name) for name in distinct]
        place = {name: number for number, name in enumerate(class_order(found))}
        places = np.array([place[name] for name in found], np.int32)
        return places[numbers.reshape(-1)], tuple(map(escaped, place))
    names = tuple(escaped(_text(name)) for name in class_names.reshape(-1))
    if flat.dtype.kind not in "biu" or (
        len(flat) and not 0 <= int(flat.min()) <= int(flat.max()) < len(names)
    ):
        raise UserError(
            f"{what}: with class_names, labels must be whole numbers of 0..{len(names) - 1}"
        )
    return flat.astype(np.int32), names


def to_splits(values: np.ndarray, what: str) -> np.ndarray:
    """Split numbers int8 [n] from 0, 1, 2 or from names. Raises UserError for anything else."""
    distinct, where = np.unique(values.reshape(-1), return_inverse=True)
    by_name = distinct.dtype.kind in "US"
    numbers = [split_number(_text(value)) if by_name else value for value in distinct]
    if distinct.dtype.kind not in "USiu" or not all(number in (0, 1, 2) for number in numbers):
        received = ", ".join(escaped(_text(value)) for value in distinct[:5])
        allowed = ", ".join(f"{number} or {name}" for number, name in enumerate(SPLIT_NAMES))
        raise UserError(f"{what} holds {received}; allowed: {allowed}")
    return np.array(numbers, np.int8)[where.reshape(-1)]


def _one_a_row(labels: np.ndarray, what: str) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.dtype.kind in "biuf" and _is_one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.ndim != 1:
        raise UserError(
            f"{what} has shape {list(labels.shape)}; expected [n], or one-hot rows [n, "
            f"classes]{_row_hint(labels)}"
        )
    if labels.dtype.kind == "f":
        _refuse_decimals(labels, what)
    if labels.dtype.kind not in "biuUS":
        raise UserError(f"{what} is of {labels.dtype}; expected whole numbers or text")
    return labels


def _refuse_decimals(labels: np.ndarray, what: str) -> None:
    missing = np.flatnonzero(np.isnan(labels))
    if len(missing):
        rows = first_of([str(row) for row in missing.tolist()])
        raise UserError(
            f"{what} has no value (nan) for {plural(len(missing), 'image')}, counted from 0: "
            f"{rows}; label or remove them, and save whole numbers"
        )
    first = labels[0] if len(labels) else 0.0
    raise UserError(
        f"{what} holds decimals ({first}, ...); classes are whole numbers or names: save 1, not 1.0"
    )


def _row_hint(labels: np.ndarray) -> str:
    """What is wrong with rows of 0 and 1 that are not one-hot; empty for other labels."""
    if (
        labels.ndim != 2
        or labels.dtype.kind not in "biuf"
        or not ((labels == 0) | (labels == 1)).all()
    ):
        return ""
    ones = labels.sum(axis=1)
    wrong = first_of([str(row) for row in np.flatnonzero(ones != 1).tolist()])
    return f"; rows {wrong} have several labels or none: an image has one label"


def _is_one_hot(labels: np.ndarray) -> bool:
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
