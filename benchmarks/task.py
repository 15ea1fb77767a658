"""What is measured on: the photographs, the network and the budget that this project and its peers
share.

A task is a value that travels to the process of each measurement. `clothing` needs the photographs
in a folder; `digits` writes its own, so that `--quick` needs nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.settings import DatasetConfig
from data.sources import SOURCES
from search.experiment.config import ExperimentConfig
from search.experiment.precisions import Precision

# Searched by this project and, in their own units, by every peer.
SPACE: dict[str, Any] = {
    "rotation_range": {"min": 0, "max": 40},
    "width_shift_range": {"min": 0.0, "max": 0.2},
    "height_shift_range": {"min": 0.0, "max": 0.2},
    "zoom_range": {"min": 0.0, "max": 0.3},
    "horizontal_flip": [False, True],
}
# One setting in the middle of that space, for single trials.
MIDDLE: dict[str, Any] = {
    "rotation_range": 20,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "zoom_range": 0.15,
    "horizontal_flip": True,
}


@dataclass(frozen=True)
class Task:
    """images: a folder with train/ and validation/, a folder per class in each. trials: of the
    search. peer_epochs: at most so many epochs of the first peer's trial are trained; whole_epochs:
    how many it took until it stopped when it was trained to its end, for a run that is cut short
    (None: not known); timed_epochs: of the other peers, after one to warm up. searches: the
    precision of each search that is measured, and the views of its lowest rung.
    """

    name: str
    images: Path
    image_size: int
    cache_dir: Path
    trials: int
    views: int
    max_epochs: int
    peer_epochs: int
    timed_epochs: int
    backbone: str = "efficientnet-lite0"
    batch_size: int = 32
    patience: int = 20
    folds: int = 5
    seeds: int = 3
    whole_epochs: int | None = None
    searches: tuple[tuple[Precision, int], ...] = (("float32", 2),)

    def experiment(self, **changes: Any) -> ExperimentConfig:
        """This project's experiment on the task; `changes` replace whole sections' keys."""
        sections: dict[str, Any] = {
            "name": f"benchmark-{self.name}",
            "seed": 1,
            "dataset": {
                "source": "folder",
                "path": str(self.images),
                "image_size": self.image_size,
            },
            "augmentation": SPACE,
            "model": {"backbone": self.backbone},
            "training": {
                "max_epochs": self.max_epochs,
                "patience": self.patience,
                "batch_size": self.batch_size,
                "views": self.views,
            },
            "search": {"algorithm": "halving", "trials": self.trials},
            "evaluation": {
                "folds": self.folds,
                "seeds": self.seeds,
                "confirm": None,
                "test": False,
            },
            "execution": {"cache_dir": str(self.cache_dir), "precision": "float32"},
        }
        for section, values in changes.items():
            given = sections.get(section)
            sections[section] = {**given, **values} if isinstance(given, dict) else values
        return ExperimentConfig.model_validate(sections)


def clothing_task(images: Path, cache_dir: Path, peer_epochs: int = 60) -> Task:
    """The course's photographs at the course's size: 3068 to train, 341 to validate."""
    return Task(
        "clothing",
        images,
        150,
        cache_dir,
        20,
        16,
        60,
        peer_epochs=peer_epochs,
        timed_epochs=2,
        whole_epochs=40,
        searches=(("int8", 2), ("int8", 1)),
    )


def digits_task(folder: Path, cache_dir: Path, every: int = 1) -> Task:
    """One in `every` of scikit-learn's digits written as files, and so little of everything that it
    takes three minutes."""
    images = folder / "digits"
    write_digits(images, every)
    return Task("digits", images, 48, cache_dir, 5, 4, 8, peer_epochs=3, timed_epochs=1)


def write_digits(folder: Path, every: int) -> None:
    """The digits as PNG files: one in ten of them to validate, the rest to train."""
    from PIL import Image

    listing = SOURCES["digits"].list(DatasetConfig(source="digits"), folder)
    for number, position in enumerate(range(0, len(listing.names), every)):
        split = "validation" if number % 10 == 0 else "train"
        place = folder / split / str(listing.labels[position])
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(listing.read(position))
        Image.fromarray(pixels).save(place / f"{position:04d}.png")
