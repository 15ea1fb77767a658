"""Labels by their names alone: the order of the classes, whatever source they come from, and what
may be wrong with them (none, one class written in two ways, several in one cell).

Which images they belong to, and what a dataset needs of its classes, is `checks`.
"""

import codecs
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256

import numpy as np

from data.dataset_notes import LeftOut
from data.listing import Listing
from data.messages import first_of, plural
from data.splits import split_number

# What pandas, numpy and R write, or read, for a missing value.
MISSING_LABELS = frozenset(
    {
        "",
        "nan",
        "NaN",
        "NAN",
        "-nan",
        "-NaN",
        "NA",
        "<NA>",
        "N/A",
        "n/a",
        "#NA",
        "#N/A",
        "#N/A N/A",
        "NaT",
    }
    | {"None", "NULL", "Null", "null", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)
NO_LABEL = "no label"
# Of these alone a name is none: people write them into a cell that they leave blank.
BLANKS = frozenset("-\u2013\u2014\u2212?.\u2026_*~#!/\\|'\"`,;: ")
# Letters of Greek and Cyrillic that look like Latin ones, in case-folded form.
_LOOKS = str.maketrans("аеорсухіјѕԁһԛԝвкмнтгαορνικτυχ", "aeopcyxijsdhqwbkmhtraopviktux")
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?")
_SEPARATOR = re.compile(r"[|;\n]|,(?!_)")  # PlantVillage has a class Pepper,_bell___healthy
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_LIST = re.compile(r"\[.*\]|\{.*\}|\(.*,.*\)", re.DOTALL)
_JOINER = re.compile(r"[\s_-]*(?:(?<![^\W_])and(?![^\W_])|[/+&])[\s_-]*|[\s_-]+")


def is_missing(label: str) -> bool:
    """Whether a cell is how a missing label is written ("", "nan", "None", "NA", …)."""
    seen = "".join(sign for sign in _read(label) if unicodedata.category(sign) != "Cf")
    return seen.strip().strip("\"'") in MISSING_LABELS


def no_label(label: str) -> str:
    """The reason for leaving an image out that has no label."""
    return f"{NO_LABEL}: '{label}'"


def without_labels(split: str) -> str:
    """What to do with a split whose images have no class folders or labels of their own."""
    instead = {
        "test": "use `predict` on it; without it, dataset.split: {validation: 0, test: 0.15} draws "
        "one from train",
        "validation": "dataset.split: {validation: 0.15, test: 0} draws one from train",
        "train": "sort the pictures into a folder per class",
    }[split]
    if split == "train":
        return instead
    return (
        f"images without labels cannot be scored: leave {split} out (move it elsewhere); {instead}"
    )


def without_missing(listing: Listing) -> Listing:
    """The listing without images whose class is how a missing label is written; they become
    problems."""
    missing = np.array([is_missing(name) for name in listing.class_names], bool)
    if not missing.any():
        return listing
    gone = missing[listing.labels]
    kept = np.flatnonzero(~gone)
    names, labels = listing.names, listing.class_names
    problems = (
        LeftOut(name=names[place], reason=no_label(labels[listing.labels[place]]))
        for place in np.flatnonzero(gone)
    )
    return replace(
        listing,
        names=tuple(names[place] for place in kept),
        labels=(np.cumsum(~missing) - 1).astype(np.int32)[listing.labels[kept]],
        splits=listing.splits[kept],
        class_names=tuple(name for name, absent in zip(labels, missing, strict=True) if not absent),
        read=partial(_read_kept, listing.read, kept),
        fingerprint=sha256(listing.fingerprint.encode() + kept.tobytes()).hexdigest(),
        problems=listing.problems + tuple(problems),
        groups=listing.groups and tuple(listing.groups[place] for place in kept),
    )


def label_remarks(class_names: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """A sentence for each thing to look at again: it may be meant. counts: images of each class."""
    sizes = dict(zip(class_names, counts, strict=True))
    return (
        *_written_twice(class_names, counts),
        *_several_labels(class_names),
        *_odd_names(class_names, sizes),
    )


def _written_twice(class_names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Classes that are one by their letters: in case, spaces, composition, look-alikes, leading
    zeros."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(class_names):
        groups[folded(name)].append(number)
    twice = [group for group in groups.values() if len(group) > 1]
    if not twice:
        return []
    listed = first_of(
        [_group([class_names[n] for n in group], [counts[n] for n in group]) for group in twice]
    )
    what = "class is" if len(twice) == 1 else "classes are"
    return [
        f"{len(twice)} {what} perhaps written in several ways: {listed}; where they are one, give "
        "them one name"
    ]


def _group(names: Sequence[str], counts: Sequence[int]) -> str:
    foreign = any(not name.isascii() for name in names)
    return " and ".join(
        f"'{name}' ({f'{_points(name)}, ' if foreign else ''}{plural(count, 'image')})"
        for name, count in zip(names, counts, strict=True)
    )


def in_points(name: str) -> str:
    """The name, with the code points of what is not plain ASCII."""
    return name if name.isascii() else f"{name} ({_points(name)})"


def _points(name: str) -> str:
    """The code points of what is not plain ASCII, by which look-alikes differ."""
    points = [f"U+{ord(sign):04X}" for sign in _read(name) if not sign.isascii()]
    return " ".join(points[:8]) or "ASCII"


def folded(name: str) -> str:
    """The same for names that people would read as one."""
    text = unicodedata.normalize("NFKC", _read(name)).casefold()
    text = "".join(
        sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc") or sign.isspace()
    )
    # before its sign goes, as a separator
    if (number := text.strip()).isascii() and _NUMBER.fullmatch(number):
        return f"{float(number):.15g}"
    text = unicodedata.normalize("NFC", re.sub(r"[\s_-]+", " ", text)).translate(_LOOKS)
    text = text.strip(" .,:;'\"`")
    return f"{float(text):.15g}" if _NUMBER.fullmatch(text) and text.isascii() else text or name


def _several_labels(class_names: Sequence[str]) -> list[str]:
    known = {folded(name) for name in class_names}
    found = [name for name in class_names if _holds_several(_read(name), known)]
    if not found:
        return []
    what = "class looks" if len(found) == 1 else "classes look"
    listed = first_of([f"'{name}'" for name in found])
    return [
        f"{len(found)} {what} like several labels in one: {listed}; an image has one label here, "
        "so each such combination is a class of its own: choose one label per image"
    ]


def _holds_several(name: str, known: set[str]) -> bool:
    """By brackets around a list, by a separator, or as every part is a class itself ("cat dog",
    "cat/dog")."""
    if _LIST.fullmatch(name.strip()):
        return True
    if (
        not _THOUSANDS.fullmatch(name)
        and len([part for part in _SEPARATOR.split(name) if part.strip()]) > 1
    ):
        return True
    parts = [part for part in _JOINER.split(name) if part]
    return len(parts) > 1 and all(folded(part) in known for part in parts)


def _odd_names(class_names: Iterable[str], sizes: dict[str, int]) -> list[str]:
    """Names that stand for something else than a class."""
    kinds: tuple[tuple[Callable[[str], bool], str], ...] = (
        (
            lambda name: (
                (name == "-1" and not _are_signs(sizes))
                or name.strip().casefold() in {each.casefold() for each in MISSING_LABELS}
                or _is_mark(name, sizes)
            ),
            "which is how a missing label may be written: leave these images out if they have none",
        ),
        (
            lambda name: split_number(name) is not None,
            "which is the name of a split: if these images have no label, leave them out and use "
            "`predict` on them",
        ),
    )
    return [
        f"a class is called '{name}' ({plural(sizes[name], 'image')}), {why}"
        for name in class_names
        for is_such, why in kinds
        if is_such(name)
    ]


def _is_mark(name: str, names: Iterable[str]) -> bool:
    """Whether a name is nothing but marks that stand for a blank (-, ?, ..., n.a.); + and - as the
    two classes are not."""
    read = _read(name).strip()
    is_mark = bool(read) and set(read) <= BLANKS and set(names) != {"+", "-"}
    return is_mark or read.casefold().rstrip(".") in ("n.a", "n.d")


def _are_signs(names: Iterable[str]) -> bool:
    """Whether the classes are -1 and 1, as many programs write no and yes. Beside 0 and 1 a -1 is
    the usual mark of what has no label."""
    return {int(name) if WHOLE_NUMBER.fullmatch(name) else None for name in names} == {-1, 1}


def _read(name: str) -> str:
    """The name with what `messages.plain` escaped as it was."""
    return _ESCAPE.sub(lambda found: codecs.decode(found[0], "unicode_escape"), name)


def _read_kept(
    read: Callable[[int], bytes | np.ndarray], kept: np.ndarray, position: int
) -> bytes | np.ndarray:
    return read(int(kept[position]))


_DIGITS = re.compile(r"([0-9]+)")
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


def class_order(names: Iterable[str]) -> list[str]:
    """Whole numbers first, by value; then names as text, in which digits count as numbers: a2
    before a10."""
    return sorted(names, key=_class_key)


def _class_key(name: str) -> tuple[int, list[int | str], str]:
    if WHOLE_NUMBER.fullmatch(name):
        return 0, [int(name)], name
    parts = _DIGITS.split(name)  # text and digits in turn, text first
    return 1, [int(part) if place % 2 else part for place, part in enumerate(parts)], name
