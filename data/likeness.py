"""Whether images look as if they came in groups although none are named: by their names, and by
themselves. Both may be wrong, so they only warn.
"""

import os
import re
from collections import Counter

import numpy as np

from data.dataset import Dataset
from data.messages import first_of, plural

# What is left of a file's name once what tells pictures of one thing apart is taken off its end: a
# letter, a small number, a side: IMG_12_a, IMG_12 (2), p7-left, scan3.view1
_MEMBER = re.compile(
    r"(?P<group>.*\d.*?)[ _.-]*(?:[ _.-](?:[a-z]{1,6}[ _-]?)?\d{1,3}|[ _.-][a-z]|\(\d{1,3}\)"
    r"|[ _.-](?:left|right|front|back|top|side|crop|copy))",
    re.IGNORECASE,
)
FEWEST_GROUPS = 5
GROUPED_SHARE = 0.5  # of the images, whose names must be of a group of two or more
MOST_COMPARED = 4000  # images; of more, so many that stand beside each other in blocks
BLOCK = 100
THUMB = 16  # pixels a side
ALIKE = 0.995  # correlation of two thumbnails above which they are taken for one scene
ALIKE_SHARE = 0.05  # of the images compared


def look_grouped(dataset: Dataset) -> tuple[str, ...]:
    """A sentence for each sign; none where the experiment names groups."""
    if dataset.notes.groups is not None:
        return ()
    return (*_by_names(dataset), *_by_pictures(dataset))


def _by_names(dataset: Dataset) -> list[str]:
    found = [_group_in(name) for name in dataset.names]
    sizes = Counter(group for group in found if group)
    several = [group for group, size in sizes.items() if size > 1]
    shared = sum(sizes[group] for group in several)
    # One name a class or a day is no group: there must be many, and more than there are classes.
    few = len(several) < max(FEWEST_GROUPS, 2 * len(dataset.class_names) + 1)
    if few or shared < GROUPED_SHARE * len(found):
        return []
    first = [name for name, group in zip(dataset.names, found, strict=True) if group == several[0]]
    return [
        f"names look grouped ({first_of(first, 3)}; {plural(len(several), 'group')} of "
        f"{shared:,} images): if each is of one thing, name them by dataset.group_pattern or "
        "group_column, or intervals are too narrow"
    ]


def _group_in(name: str) -> str:
    folder, _, file = name.rpartition("/")
    match = _MEMBER.fullmatch(os.path.splitext(file)[0])  # noqa: PTH122
    return f"{folder}/{match['group']}" if match else ""


def _by_pictures(dataset: Dataset) -> list[str]:
    """Near-duplicates: pictures of which another is all but the same."""
    rows = _compared(len(dataset.images))
    near = _has_twin(_thumbs(dataset, rows), _copies(dataset, rows))
    share = near.mean() if len(near) else 0.0
    if share < ALIKE_SHARE:
        return []
    names = [dataset.names[row] for row in rows[near][:3]]
    return [
        f"{share:.0%} of the images look almost like another ({first_of(names, 3)}): where they "
        "are of one scene, name groups by dataset.group_pattern or group_column"
    ]


def _compared(count: int) -> np.ndarray:
    """Positions: all, or blocks evenly spread."""
    if count <= MOST_COMPARED:
        return np.arange(count)
    starts = np.linspace(0, count - BLOCK, MOST_COMPARED // BLOCK).astype(np.int64)
    return np.unique((starts[:, None] + np.arange(BLOCK)).ravel())


def _thumbs(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """float32 [k, THUMB^2] of length 1 and mean 0: their products are correlations."""
    import cv2

    images = np.asarray(dataset.images)
    small = np.stack(
        [
            cv2.resize(images[row].mean(axis=2), (THUMB, THUMB), interpolation=cv2.INTER_AREA)
            for row in rows
        ]
    )
    flat = small.reshape(len(rows), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _copies(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """The first copy of each: copies are known, and kept together already."""
    return rows if dataset.groups is None else np.asarray(dataset.groups)[rows]


def _has_twin(thumbs: np.ndarray, copy_of: np.ndarray) -> np.ndarray:
    found = np.zeros(len(thumbs), bool)
    for start in range(0, len(thumbs), 512):
        part = slice(start, start + 512)
        near = thumbs[part] @ thumbs.T > ALIKE
        found[part] = (near & (copy_of[part, None] != copy_of)).any(axis=1)
    return found
