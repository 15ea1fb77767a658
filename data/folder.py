"""The `folder` source: train/, validation/ and test/ with a folder per class in each, or a folder
per class.

Tells the two layouts apart and says which names it found where neither fits. In both, files below a
class's folder belong to the class however deep; what is passed over, and what lies deeper, is
counted.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from data.errors import UserError
from data.labels import class_order, without_labels
from data.listing import FileTable, Listing, is_litter, reason_of
from data.messages import did_you_mean, escaped, first_of
from data.picture_file import is_named_as_picture
from data.settings import DatasetConfig
from data.splits import SPLIT_NAMES, TRAIN, split_number, splits_to_draw

PASSED_OVER = "passed over, hidden or left behind by a program"
BESIDE = "passed over, in no folder of a class"
DEEPER = "taken from folders below that of their class"
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
LAYOUTS = (
    "expected train, validation and test with a folder per class in each, or one folder per class"
)


class _Child(NamedTuple):
    name: str
    is_folder: bool
    is_link: bool


def list_folder(config: DatasetConfig, cache_dir: Path) -> Listing:
    """List `dataset.path`; classes are in the order of `class_order`, images by split, class and
    name.

    Raises UserError where the folders fit neither layout. A link to a folder is followed where it
    stands for a split or a class, and reported where it stands deeper, so that no loop is entered.
    """
    root = Path(config.path or "")
    table = FileTable(root)
    tops = _folders(root, "", table)
    splits = _split_folders(root, tops)
    draw = splits_to_draw(list(splits) or None, config.split, _described(root, tops, splits))
    if splits:
        for name in sorted(set(tops) - set(splits.values())):
            table.note(BESIDE, name)
    else:
        _refuse_nested(root, tops)
    class_names: set[str] = set()
    for split, folder in sorted(splits.items()) if splits else [(TRAIN, "")]:
        classes = _folders(root, folder, table, SPLIT_NAMES[split]) if folder else tops
        _refuse_repeated(root, folder, classes)
        class_names.update(classes)
        for name in class_order(classes):
            start = f"{folder}/{name}" if folder else name
            for file in _files(root, start, table):
                table.add(file, name, split)
    return table.listing(class_order(class_names), draw, config)


def named_classes(root: Path) -> set[str]:
    """The classes that the folders there are, as a listing would name them; empty where they are
    none. Looks into no class."""
    try:
        tops = [child.name for child in _seen(root) if child.is_folder]
        splits = _split_folders(root, tops)
    except UserError:
        return set()
    below = [child for name in splits.values() for child in _seen(root / name) if child.is_folder]
    return {escaped(name) for name in ([child.name for child in below] if splits else tops)}


def _folders(root: Path, folder: str, table: FileTable, split: str = "") -> list[str]:
    """The names of the folders in a folder. Raises UserError where there are none or it cannot be
    read.

    split: the name of the split whose folder it is.
    """
    try:
        children = _children(root, folder, table)
    except OSError as error:
        reason, shown_path = reason_of(error), escaped(str(root / folder))
        raise UserError(
            f"dataset.path: {shown_path} cannot be read as a folder: {reason}"
        ) from error
    for child in children:
        if not child.is_folder:
            table.note(BESIDE, f"{folder}/{child.name}" if folder else child.name)
    names = [child.name for child in children if child.is_folder]
    if not names and not children and split:
        raise UserError(f"dataset.path: {escaped(str(root / folder))} is empty; fill or remove it")
    if not names:
        unlabelled = f"{without_labels(split)}; " if split else ""
        raise UserError(
            f"dataset.path: {escaped(str(root / folder))} holds no folders; {unlabelled}{LAYOUTS}"
        )
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
                f"{escaped(str(root))} has both {splits[split]} and {name}; keep one "
                f"{SPLIT_NAMES[split]}"
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
            f"; {escaped(name)}: {hint[2:]}"
            for name in others
            for meant in [SPLIT_NAMES[split] for split in _spoken_of(name)] or [name]
            if (hint := did_you_mean(meant, missing))
        )
    return f"{escaped(str(root))} (found: {first_of([escaped(name) for name in tops])}{hints})"


def _refuse_nested(root: Path, tops: list[str]) -> None:
    """Splits with misspelt or other names, splits below classes, and a level too high: their
    folders are no classes.

    A class's folder may hold nothing but folders, too, of names that are not those of the other
    classes.
    """
    below = {name: {child.name for child in _seen(root / name) if child.is_folder} for name in tops}
    if any(len({split_number(name) for name in names} - {None}) > 1 for names in below.values()):
        raise UserError(
            f"the folders of {_described(root, tops, {})} hold splits themselves; {LAYOUTS}"
        )
    near = [name for name in tops if did_you_mean(name, SPLIT_NAMES)]
    misspelt = len(near) == len(tops) or (near and set.intersection(*below.values()))
    if (misspelt or len(tops) == 1) and all(
        _holds_folders(root / name, only=True) for name in tops
    ):
        raise UserError(f"the folders of {_described(root, tops, {})} hold only folders; {LAYOUTS}")
    spoken_of = [_spoken_of(name) for name in tops]
    if all(spoken_of) and len(set.union(*spoken_of)) > 1:
        raise UserError(
            f"the folders of {_described(root, tops, {})} are called as splits are: rename them to "
            f"train, validation and test; {LAYOUTS}"
        )
    shared = _shared(below)
    if len(shared) > 1 and all(_holds_folders(root / name, only=True) for name in tops):
        raise UserError(
            f"the folders of {_described(root, tops, {})} hold only folders, of the same names "
            f"({first_of([escaped(name) for name in shared])}), as splits do: rename them to "
            "train, validation and test; where they are classes, move them all into a folder train"
        )


def _spoken_of(name: str) -> set[int]:
    """The splits that words of the name stand for: train_images, ValSet, test-2."""
    return {split for word in WORD.findall(name) if (split := split_number(word)) is not None}


def _shared(below: Mapping[str, set[str]]) -> list[str]:
    """The names that stand below two or more folders, where they are more than half of all names
    there."""
    counts = Counter(name for names in below.values() for name in names)
    shared = class_order(name for name, count in counts.items() if count > 1)
    return shared if 2 * len(shared) > len(counts) else []


def _refuse_repeated(root: Path, folder: str, classes: list[str]) -> None:
    """Archives often repeat their top folder: train/train/cat."""
    if folder and len(classes) == 1 and classes[0].lower() == folder.lower():
        raise UserError(
            f"{escaped(str(root / folder))} holds only a folder {escaped(classes[0])}; move what "
            "is in it one level up"
        )


def _holds_folders(folder: Path, only: bool = False) -> bool:
    children = _seen(folder)
    return bool(children) and (all if only else any)(child.is_folder for child in children)


def _seen(folder: Path) -> list[_Child]:
    """What is in a folder but for litter; nothing where it cannot be read, which its listing will
    report."""
    try:
        return [child for child in _entries(folder) if not is_litter(child.name, child.is_folder)]
    except OSError:
        return []


def _files(root: Path, start: str, table: FileTable) -> Iterator[str]:
    """Every file below a class's folder, sorted within each folder; what cannot be entered becomes
    a problem."""
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        try:
            children = _children(root, folder, table)
        except OSError as error:
            table.refuse(folder, reason_of(error))
            continue
        for child in children:
            path = f"{folder}/{child.name}"
            if not child.is_folder:
                if folder != start:
                    table.note(DEEPER, path)
                yield path
            elif child.is_link:
                table.refuse(path, "a link to a folder inside a class, which is not followed")
            else:
                waiting.append(path)


def _children(root: Path, folder: str, table: FileTable) -> list[_Child]:
    """What is in a folder, sorted, but for litter, which is counted."""
    found = _entries(root / folder)
    noted = {Path(child.name).stem for child in found if is_named_as_picture(child.name)}
    kept = []
    for child in found:
        is_caption = Path(child.name).suffix.lower() == ".txt" and Path(child.name).stem in noted
        if is_litter(child.name, child.is_folder) or (is_caption and not child.is_folder):
            table.note(PASSED_OVER, f"{folder}/{child.name}" if folder else child.name)
        else:
            kept.append(child)
    return kept


def _entries(folder: Path) -> list[_Child]:
    with os.scandir(folder) as entries:
        return sorted(
            _Child(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: listed as a file, it is reported with its reason
        return False
