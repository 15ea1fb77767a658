"""The `csv` source: a row per image, with columns for its path, its label and, if there is one, its
split.

Paths are relative to the csv's folder and stay below it. Labels are names or whole numbers; a
decimal is taken for the accident it is (an integer column that went through a spreadsheet or a
missing value).
"""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.csv_file import (
    Csv,
    Nearest,
    advice,
    cell_of,
    column_sentence,
    is_picture,
    kind_at,
    near,
    read_csv,
)
from data.errors import UserError
from data.labels import class_order, is_missing, no_label
from data.listing import FileTable, Listing
from data.messages import FIRST, did_you_mean, escaped, first_of, short
from data.settings import DatasetConfig
from data.splits import ALIASES, SPLIT_NAMES, TEST, TRAIN, split_number, splits_to_draw

DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+)")


@dataclass(frozen=True)
class _Row:
    line: int
    path: str
    label: str
    split: str | None
    group: str | None


def list_csv(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List the images of `dataset.path`, in the order of its rows; classes are in that of
    `class_order`.

    Raises UserError, with the line, for what is no csv with the columns, a path that leaves the
    csv's folder, a decimal label, an unknown split, and a path that stands twice with different
    labels or splits; in one sentence where most of the paths lead to no file.
    """
    path = Path(config.path or "")
    cells = read_csv(path)
    places = _columns(path, cells, config)
    rows = [_row(path, cells.header, line, each, places) for line, each in cells.lines]
    names = _inside(path, rows, config)
    _refuse_folders(path, config, rows, names)
    table = FileTable(path.parent)
    seen: dict[str, tuple[str, int]] = {}
    missing: list[_Row] = []
    for row, name in zip(rows, names, strict=True):
        split = _split(path, row)
        if is_missing(row.label):
            table.refuse(name, _without_label(row, split))
            continue
        label = _label(path, row)
        if seen.setdefault(name, (label, split)) != (label, split):
            raise UserError(
                f"{_at(path, row)}: {short(name)} stands above with another label or split; keep "
                "one"
            )
        if not table.add(name, label, split, row.group):
            missing.append(row)
    _explain(path, config, table, missing, len(rows))
    declared = sorted({_split(path, row) for row in rows}) if places[2] is not None else None
    draw = splits_to_draw(declared or None, config.split, escaped(str(path)))
    listing = table.listing(class_order({label for label, _ in seen.values()}), draw, config)
    return replace(listing, remarks=_remarks(cells, config))


def _columns(path: Path, cells: Csv, config: DatasetConfig) -> list[int | None]:
    """Positions of the path, label, split and group columns; None where there is no such column and
    need not be."""
    names = list(cells.header)
    places: list[int | None] = []
    for key in ("path_column", "label_column", "split_column", "group_column"):
        wanted = getattr(config, key)
        if wanted is None:
            places.append(None)
            continue
        if names.count(wanted) > 1:
            raise UserError(
                f"{escaped(str(path))} has {names.count(wanted)} columns called {wanted!r}; "
                "keep one"
            )
        usual = DatasetConfig.model_fields[key].default
        if wanted not in names and (key != "split_column" or wanted != usual):
            listed = first_of([escaped(repr(name)) for name in names]) or "none"
            hint = _column_hint(path, cells, key, wanted)
            raise UserError(
                f"{escaped(str(path))} has no column {wanted!r} (dataset.{key}); columns: "
                f"{listed}{hint}"
            )
        places.append(names.index(wanted) if wanted in names else None)
    return places


def _column_hint(path: Path, cells: Csv, key: str, wanted: str) -> str:
    """What to do where a column is missing: by what the first line, and the columns, look like."""
    names = cells.header
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        return "; separate the columns by commas"
    if any(is_picture(path.parent / name) for name in names):
        return f"; the first line must name the columns, such as {wanted},… above the first picture"
    if key == "label_column" and (one_hot := cells.one_hot()):
        return (
            f"; {first_of(list(map(escaped, one_hot)))} are one-hot: write one column {wanted} "
            "with the class's name in it"
        )
    return did_you_mean(wanted, names) or f"; write dataset.{key}: NAME of the column that holds it"


def _row(
    path: Path, header: Sequence[str], line: int, cells: Sequence[str], places: list[int | None]
) -> _Row:
    where = f"{escaped(str(path))}, line {line}"
    needed = max(place for place in places if place is not None)
    if len(cells) <= needed:
        raise UserError(f"{where}: {len(cells)} columns, expected {needed + 1} or more")
    if any(cell.strip() for cell in cells[len(header) :]):
        raise UserError(
            f"{where}: {len(cells)} columns, and the first line names {len(header)}; quote a value "
            "that holds a comma, "
            'such as "a,b.jpg"; an image has one label'
        )
    path_cell, label, split, group = (
        None if place is None else cells[place].strip() for place in places
    )
    if group is not None and is_missing(group):  # stands alone, as one without a name does
        group = ""
    return _Row(line, path_cell or "", label or "", split, group)


def _at(path: Path, row: _Row) -> str:
    return f"{escaped(str(path))}, line {row.line}"


def _inside(path: Path, rows: Sequence[_Row], config: DatasetConfig) -> list[str]:
    """The rows' paths relative to the csv's folder; compared as text, so a link inside the folder
    may lead out."""
    folder = os.fspath(path.parent)
    # relpath takes out "..", which Path keeps
    names = [os.path.relpath(Path(folder, row.path), folder) for row in rows]
    outside = [
        row
        for row, name in zip(rows, names, strict=True)
        if not row.path or name == "." or Path(name).parts[0] == ".."
    ]
    if not outside:
        return names
    received = short(outside[0].path) or "an empty path"
    count = f" (column {config.path_column}: {len(outside):,} of {len(rows):,} rows)"
    hint = (
        f"; {advice([outside[0].path], Nearest(path.parent))}"
        if outside[0].path.strip("./\\")
        else ""
    )
    raise UserError(
        f"{_at(path, outside[0])}: {received}: paths must be of files below the csv's folder, "
        f"{folder}{count}{hint}"
    )


def _explain(
    path: Path, config: DatasetConfig, table: FileTable, missing: Sequence[_Row], num_rows: int
) -> None:
    """Says of files that are not there what is: in one sentence where the column must be wrong,
    else file by file."""
    if not missing:
        return
    nearest = Nearest(path.parent)
    most = len(missing) == num_rows or (
        config.on_bad_file == "stop" and 2 * len(missing) > num_rows
    )
    if most:
        lines, paths = [row.line for row in missing], [row.path for row in missing]
        what_to_do = _other_column(path, config) or advice(paths, nearest)
        said = column_sentence(config.path_column, lines, paths, num_rows, what_to_do)
        raise UserError(f"{escaped(str(path))}: {said}")
    named = {escaped(os.path.normpath(row.path)): row for row in missing[:FIRST]}
    table.problems = [
        item.model_copy(
            update={"reason": f"line {row.line}: {item.reason}{near(row.path, nearest)}"}
        )
        if (row := named.get(item.name)) is not None and "label" not in item.reason
        else item
        for item in table.problems
    ]


def _refuse_folders(
    path: Path, config: DatasetConfig, rows: Sequence[_Row], names: Sequence[str]
) -> None:
    """Raise UserError where the column leads to folders only."""
    if not rows or not all(kind_at(path.parent / name) == stat.S_IFDIR for name in names):
        return
    what_to_do = (
        _other_column(path, config) or "write the path of a picture in every row, such as img/0.jpg"
    )
    raise UserError(
        f"{escaped(str(path))}: column {config.path_column}: {escaped(names[0])} is a folder (line "
        f"{rows[0].line}), as all {len(rows):,} are; {what_to_do}"
    )


def _other_column(path: Path, config: DatasetConfig) -> str:
    """The column whose cells do name pictures, where another one was read."""
    cells = read_csv(path)
    for place, name in enumerate(cells.header):
        values = [cell_of(each, place) for _, each in cells.lines[:FIRST]]
        fit = [value for value in values if is_picture(path.parent / value)]
        if name != config.path_column and values and len(fit) == len(values):
            column = escaped(name)
            return f"column {column} does hold files: write dataset.path_column: {column}"
    return ""


def _without_label(row: _Row, split: int) -> str:
    advice = "; leave the row out, and use `predict` on the picture" if split == TEST else ""
    return f"line {row.line}: {no_label(escaped(row.label))}{advice}"


def _label(path: Path, row: _Row) -> str:
    if DECIMAL.fullmatch(row.label):
        raise UserError(
            f"{_at(path, row)}: label {row.label} is a decimal; write whole numbers (1, not 1.0) "
            "or names"
        )
    return row.label


def _split(path: Path, row: _Row) -> int:
    if row.split is None:
        return TRAIN
    number = split_number(row.split)
    if number is None:
        hint = did_you_mean(row.split, ALIASES)
        raise UserError(
            f"{_at(path, row)}: split {row.split!r}; allowed: {', '.join(SPLIT_NAMES)}{hint}"
        )
    return number


def _remarks(cells: Csv, config: DatasetConfig) -> tuple[str, ...]:
    one_hot = cells.one_hot()
    if config.label_column not in one_hot:
        return ()
    return (
        f"columns {first_of(list(map(escaped, one_hot)))} are one-hot, and dataset.label_column "
        f"reads {config.label_column} alone, as classes 0 and 1; an image has one label: write one "
        "column with the class's name in it",
    )
