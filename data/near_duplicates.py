"""Whether images look as if they came in groups although none are named. By their names they may,
too (`groups`); both may be wrong, so they only warn.
"""

import numpy as np

from data.dataset import Dataset
from data.messages import first_of

MOST_COMPARED = 4000  # images; of more, so many that stand beside each other in blocks
BLOCK = 100
THUMB = 16  # pixels a side
ALIKE = 0.995  # correlation of two thumbnails above which they are taken for one scene
ALIKE_SHARE = 0.05  # of the images compared


def look_grouped(dataset: Dataset) -> list[str]:
    """A sentence where there are near-duplicates: pictures of which another is all but the same."""
    if dataset.notes.groups is not None:
        return []
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
