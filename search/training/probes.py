"""Label safety: what the model trained without augmentation makes of images at each augmentation's
extremes.

An augmentation at whose extreme the model is lost may have changed what the picture shows; a person
should look. How far the pictures themselves change is `data.safety`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.augmentations import AUGMENTATIONS, alone, is_option
from data.dataset import Dataset
from data.extremes import augment_to, extremes
from data.safety import LabelSafety, label_safety
from search.evidence.scores import wilson_interval
from search.experiment.trial import Probe
from search.training.head_feed import HeadTask
from search.training.training_mode import Classify

NUM_IMAGES = 256  # an accuracy good to about 2 points, for a warning


def probe_extremes(
    dataset: Dataset,
    answer: Classify,
    pool: np.ndarray,
    folds: Sequence[HeadTask],
    wanted: Mapping[str, Any],
) -> tuple[Probe, ...]:
    """For each wanted augmentation (name -> strongest value), each of its extremes alone, with its
    options among `wanted`.

    folds: the heads of one seed, each with the rows of `pool` it did not train on: an image is
    answered by a head that has not seen it. answer: theirs, by their places in `folds`.
    """
    rows = [_spread(task.validate, -(-NUM_IMAGES // len(folds))) for task in folds]
    images = np.concatenate([pool[each] for each in rows])
    truth = np.asarray(dataset.labels)[images]
    heads = np.repeat(np.arange(len(folds)), [len(each) for each in rows])

    def accuracy(pictures: np.ndarray) -> float:
        return float((answer(pictures, heads) == truth).mean())

    clean = accuracy(np.asarray(dataset.images[images]))
    found = []
    # In the table's order: a journal gives a spec's names back sorted.
    for name in (name for name in AUGMENTATIONS if name in wanted and not is_option(name)):
        value, settings = wanted[name], alone(name, wanted)
        measured = {each.label: each for each in label_safety(dataset.images, settings)}
        for extreme in extremes(name, value, settings):
            pictures = augment_to(dataset.images, images, extreme, settings)
            found.append(
                _probe(
                    name,
                    measured.get(extreme.label),
                    extreme.label,
                    accuracy(pictures),
                    clean,
                    len(images),
                )
            )
    return tuple(found)


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Evenly spread, because files come class by class."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]


def _probe(
    name: str,
    measured: LabelSafety | None,
    label: str,
    accuracy: float,
    clean: float,
    num_images: int,
) -> Probe:
    return Probe(
        augmentation=name,
        at=label,
        accuracy=accuracy,
        accuracy_ci=wilson_interval(accuracy, num_images),
        clean_accuracy=clean,
        clean_accuracy_ci=wilson_interval(clean, num_images),
        fill_share=measured.fill_share if measured else 0.0,
        mean_shift_pixels=measured.mean_shift_pixels if measured else 0.0,
        unchanged_share=measured.unchanged_share if measured else 0.0,
        remark=measured.remark if measured else "",
    )
