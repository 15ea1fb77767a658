"""The `csv` source: a row an image, with columns for its path, its label and, if there is one, its split.

Paths are relative to the csv's folder and stay below it. Labels are names or whole numbers; a decimal
is taken for the accident it is (an integer column that went through a spreadsheet or a missing value).
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.class_order import in_order
from data.errors import UserError
from data.listing import FileTable, Listing, reason_of
from data.messages import did_you_mean, first_of, shown
from data.settings import DatasetConfig
from data.splits import ALIASES, SPLIT_NAMES, TRAIN, settle, split_number

DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+)")


@dataclass(frozen=True)
class _Row:
    line: int
    path: str
    label: str
    split: str | None


def list_csv(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the images of `dataset.path`, in the order of its rows; classes are in that of `class_order`.

    Raises UserError, with the line, for what is no csv with the columns, a path that leaves the csv's
    folder, an empty or decimal label, an unknown split, and a path that stands twice with different
    labels or splits.
    """
    path = Path(config.path or "")
    table = FileTable(path.parent)
    seen: dict[str, tuple[str, int]] = {}
    declared: set[int] | None = None
    for row in _rows(path, config):
        name, label, split = _inside(path, row), _label(path, row), _split(path, row)
        if row.split is not None:
            declared = (declared or set()) | {split}
        if seen.setdefault(name, (label, split)) != (label, split):
            raise UserError(
                f"{_at(path, row)}: {shown(name)} stands above with another label or split; keep one"
            )
        table.add(name, label, split)
    draw = settle(None if declared is None else sorted(declared), config.split, shown(str(path)))
    return table.listing(in_order({label for label, _ in seen.values()}), draw, config)


def _rows(path: Path, config: DatasetConfig) -> Iterator[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            places = _columns(path, next(reader, []), config)
            for cells in reader:
                if cells:
                    yield _row(path, reader.line_num, cells, places)
    except OSError as error:
        raise UserError(f"dataset.path: {shown(str(path))} cannot be read: {reason_of(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"dataset.path: {shown(str(path))} is not a csv in UTF-8: {reason_of(error)}"
        ) from error


def _columns(path: Path, header: list[str], config: DatasetConfig) -> list[int | None]:
    """Positions of the path, label and split columns; the split's is None where there is no such column."""
    names = [name.strip() for name in header]
    places: list[int | None] = []
    for key in ("path_column", "label_column", "split_column"):
        wanted = getattr(config, key)
        if names.count(wanted) > 1:
            raise UserError(
                f"{shown(str(path))} has {names.count(wanted)} columns called {wanted!r}; keep one"
            )
        if wanted not in names and (key != "split_column" or key in config.model_fields_set):
            hint = did_you_mean(wanted, names)
            if len(names) == 1 and re.search(r"[;\t|]", names[0]):
                hint = "; separate the columns by commas"
            listed = first_of([shown(repr(name)) for name in names]) or "none"
            raise UserError(
                f"{shown(str(path))} has no column {wanted!r} (dataset.{key}); columns: {listed}{hint}"
            )
        places.append(names.index(wanted) if wanted in names else None)
    return places


def _row(path: Path, line: int, cells: list[str], places: list[int | None]) -> _Row:
    needed = max(place for place in places if place is not None)
    if len(cells) <= needed:
        raise UserError(
            f"{shown(str(path))}, line {line}: {len(cells)} columns, expected {needed + 1} or more"
        )
    path_cell, label, split = (None if place is None else cells[place].strip() for place in places)
    return _Row(line, path_cell or "", label or "", split)


def _at(path: Path, row: _Row) -> str:
    return f"{shown(str(path))}, line {row.line}"


def _inside(path: Path, row: _Row) -> str:
    """The row's path relative to the csv's folder; compared as text, so a link inside the folder may
    lead out.
    """
    folder = os.fspath(path.parent)
    relative = os.path.relpath(Path(folder, row.path), folder)  # relpath takes out "..", which Path keeps
    if not row.path or relative == "." or Path(relative).parts[0] == "..":
        received = shown(row.path) or "an empty path"
        raise UserError(
            f"{_at(path, row)}: {received}: paths must be of files below the csv's folder, {folder}"
        )
    return relative


def _label(path: Path, row: _Row) -> str:
    if not row.label:
        raise UserError(f"{_at(path, row)}: the label is empty; every image needs one")
    if DECIMAL.fullmatch(row.label):
        raise UserError(
            f"{_at(path, row)}: label {row.label} is a decimal; write whole numbers (1, not 1.0) or names"
        )
    return row.label


def _split(path: Path, row: _Row) -> int:
    if row.split is None:
        return TRAIN
    number = split_number(row.split)
    if number is None:
        hint = did_you_mean(row.split, ALIASES)
        raise UserError(f"{_at(path, row)}: split {row.split!r}; allowed: {', '.join(SPLIT_NAMES)}{hint}")
    return number
