"""The `folder` source: train/, validation/ and test/ with a folder a class in each, or a folder a class.

Tells the two layouts apart and says which names it found where neither fits. Files below a class's folder
belong to the class however deep; hidden files and what file managers leave behind are passed over.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.errors import UserError
from data.labels import without_labels
from data.listing import FileTable, Listing, reason_of
from data.messages import did_you_mean, first_of, shown
from data.settings import DatasetConfig
from data.splits import SPLIT_NAMES, TRAIN, settle, split_number

LITTER = frozenset({"thumbs.db", "desktop.ini"})
LAYOUTS = "expected train, validation and test with a folder a class in each, or one folder a class"


class _Child(NamedTuple):
    name: str
    is_folder: bool
    is_link: bool


def list_folder(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List `dataset.path`; class names are sorted as text, images by split, class and name.

    Raises UserError where the folders fit neither layout. A link to a folder is followed where it
    stands for a split or a class, and reported where it stands deeper, so that no loop is entered.
    """
    root = Path(config.path or "")
    tops = _folders(root)
    splits = _split_folders(root, tops)
    draw = settle(list(splits) or None, config.split, _described(root, tops, splits))
    if not splits:
        _refuse_nested(root, tops)
    table = FileTable(root)
    class_names: set[str] = set()
    for split, folder in sorted(splits.items()) if splits else [(TRAIN, "")]:
        classes = _folders(root / folder, SPLIT_NAMES[split] if splits else "")
        class_names.update(classes)
        for name in classes:
            for file in _files(root, f"{folder}/{name}" if folder else name, table):
                table.add(file, name, split)
    return table.listing(sorted(class_names), draw, config)


def _folders(folder: Path, split: str = "") -> list[str]:
    """The names of the folders in a folder. Raises UserError where there are none or it cannot be read.

    split: the name of the split whose folder it is.
    """
    try:
        children = _children(folder)
    except OSError as error:
        reason = reason_of(error)
        raise UserError(f"dataset.path: {shown(str(folder))} cannot be read as a folder: {reason}") from error
    names = [child.name for child in children if child.is_folder]
    if not names and not children and split:
        raise UserError(f"dataset.path: {shown(str(folder))} is empty; fill or remove it")
    if not names:
        unlabelled = f"{without_labels(split)}; " if split else ""
        raise UserError(f"dataset.path: {shown(str(folder))} holds no folders; {unlabelled}{LAYOUTS}")
    return names


def _split_folders(root: Path, tops: list[str]) -> dict[int, str]:
    """Split number to folder name; empty where the folders are classes.

    A class may be called "train" (it may be a locomotive): beside other folders, a split must hold
    folders itself.
    """
    named = [(split, name) for name in tops if (split := split_number(name)) is not None]
    if len(named) < len(tops) and not any(_holds_folders(root / name) for _, name in named):
        return {}
    splits: dict[int, str] = {}
    for split, name in named:
        if split in splits:
            raise UserError(
                f"{shown(str(root))} has both {splits[split]} and {name}; keep one {SPLIT_NAMES[split]}"
            )
        splits[split] = name
    return splits


def _described(root: Path, tops: list[str], splits: dict[int, str]) -> str:
    """The folder with what was found in it, and the nearest split for names that are none."""
    hints = ""
    if len(splits) < len(SPLIT_NAMES):
        others = [name for name in tops if name not in splits.values()]
        missing = [name for number, name in enumerate(SPLIT_NAMES) if number not in splits]
        hints = "".join(
            f"; {shown(name)}: {hint[2:]}" for name in others if (hint := did_you_mean(name, missing))
        )
    return f"{shown(str(root))} (found: {first_of([shown(name) for name in tops])}{hints})"


def _refuse_nested(root: Path, tops: list[str]) -> None:
    """Folders that hold only folders are no classes: split folders with other names, or a level too high."""
    if all(_holds_folders(root / name, only=True) for name in tops):
        raise UserError(f"the folders of {_described(root, tops, {})} hold only folders; {LAYOUTS}")


def _holds_folders(folder: Path, only: bool = False) -> bool:
    try:
        children = _children(folder)
    except OSError:  # reported, with its reason, where its files are listed
        return False
    return bool(children) and (all if only else any)(child.is_folder for child in children)


def _files(root: Path, start: str, table: FileTable) -> Iterator[str]:
    """Every file below a class's folder, sorted within each folder; what cannot be entered becomes a
    problem.
    """
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            children = _children(root / folder)
        except OSError as error:
            table.refuse(folder, reason_of(error))
            continue
        for child in children:
            path = f"{folder}/{child.name}"
            if not child.is_folder:
                yield path
            elif child.is_link:
                table.refuse(path, "a link to a folder inside a class, which is not followed")
            else:
                waiting.append(path)


def _children(folder: Path) -> list[_Child]:
    with os.scandir(folder) as entries:
        found = [
            _Child(entry.name, _is_folder(entry), entry.is_symlink())
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in LITTER
        ]
    return sorted(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: listed as a file, it is reported with its reason
        return False
