"""One head's weights in a file: how a final trial leaves them for the model that will be made of them."""

import io
from pathlib import Path

import numpy as np

from data.files import make_folder, write_atomically
from search.experiment.trial import Resources, TrialSpec
from search.training.head_shape import HeadWeights


def heads_file(spec: TrialSpec, resources: Resources) -> Path:
    """Where a final trial leaves its first head's weights."""
    return resources.views_dir.parent / "heads" / f"{spec.key}.npz"


def save_head(path: Path, weights: HeadWeights) -> None:
    """Raises StorageError where the disk refuses."""
    make_folder(path.parent, "the folder of final heads")
    buffer = io.BytesIO()
    np.savez(buffer, *weights)
    write_atomically(path, buffer.getvalue(), "a head's weights")


def load_head(path: Path) -> HeadWeights:
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(arrays[f"arr_{number}"] for number in range(len(arrays.files)))
