"""The name of a dataset by its content: what must be the same for two searches to be over the same
images.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from data.dataset_notes import DepthScale


@dataclass(frozen=True)
class DatasetContent:
    """What a dataset's digest is made of. digests: uint8 [n, 32], sha256 of each image's pixels;
    scales: of images of more than 8 bits per channel, by kind; groups: where the experiment names
    them.
    """

    digests: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    scales: Mapping[str, DepthScale]
    groups: np.ndarray | None = None


def dataset_digest(content: DatasetContent, size: int) -> str:
    """Names a dataset by its content. size: in pixels a side."""
    whites = {kind: scale.white for kind, scale in content.scales.items()}
    names = content.class_names
    digest = sha256(json.dumps([size, names, whites] if whites else [size, names]).encode())
    for part in (content.digests, content.labels.astype("<i4"), content.splits):
        digest.update(part.tobytes())
    if content.groups is not None:
        digest.update(b"groups" + content.groups.astype("<i8").tobytes())
    return digest.hexdigest()
