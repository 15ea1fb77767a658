"""What is known of a dataset before it is checked."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.dataset_notes import LeftOut
from data.labels import folded
from data.splits import SPLIT_NAMES, TRAIN

# One image trains on nothing but itself, and cannot be in both halves of a cross-validation.
MIN_TRAIN_IMAGES = 2


@dataclass(frozen=True)
class Inspection:
    """What is known of a dataset.

    labels int32 [n] into class_names, splits int8 [n]: of the images that will be used.
    required_splits: the split numbers that must have images of every class. bad: files that cannot
    be used; leaks: pairs of names of the same image, in two splits; contradictions: the same in two
    classes, "name (class)" each. Where `skips` is true, all have been left out and are no error.
    crossing: groups that are in several splits, with an image of each; never left out.
    deals_groups: whether splits were drawn by whole groups.
    """

    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    required_splits: tuple[int, ...]
    bad: tuple[LeftOut, ...]
    leaks: tuple[tuple[str, str], ...]
    skips: bool
    contradictions: tuple[tuple[str, str], ...] = ()
    crossing: tuple[str, ...] = ()
    deals_groups: bool = False

    @property
    def mended(self) -> str:
        """What to do where a split lacks images of a class."""
        if not self.deals_groups:
            return "move some there"
        return (
            "splits are drawn by whole groups, and these classes have too few or too large ones: "
            "name smaller groups (dataset.group_column, group_pattern), or give ready-made splits"
        )

    @cached_property
    def counts(self) -> np.ndarray:
        """Images of each class in each split, int64 [classes, 3]."""
        places = self.labels.astype(np.int64) * len(SPLIT_NAMES) + self.splits
        num_cells = len(self.class_names) * len(SPLIT_NAMES)
        return np.bincount(places, minlength=num_cells).reshape(-1, len(SPLIT_NAMES))

    @cached_property
    def foreign(self) -> np.ndarray:
        """Which splits hold images and none of a class that train has, bool [3]."""
        in_train = self.counts[:, TRAIN] > 0
        held = self.counts > 0
        return np.asarray(held.any(axis=0) & ~held[in_train].any(axis=0) & in_train.any(), bool)

    @cached_property
    def known(self) -> np.ndarray:
        """Which classes stand in some split that is not `foreign`, bool [classes]."""
        return np.asarray((self.counts[:, ~self.foreign] > 0).any(axis=1), bool)

    @cached_property
    def twins(self) -> dict[int, int]:
        """Classes that train lacks and has in another case or spelling: their number to that of
        train's class."""
        trained = {
            folded(self.class_names[number]): number
            for number in np.flatnonzero(self.counts[:, TRAIN]).tolist()
        }
        return {
            number: trained[folded(name)]
            for number, name in enumerate(self.class_names)
            if not self.counts[number, TRAIN]
            and self.counts[number].any()
            and folded(name) in trained
        }

    @property
    def num_needed(self) -> int:
        """The fewest images of a class that can give train its least and every other required split
        one."""
        return MIN_TRAIN_IMAGES + sum(split != TRAIN for split in self.required_splits)

    def classes(self, chosen: np.ndarray) -> list[str]:
        """The names of the classes where `chosen`, bool [classes], is true."""
        return [self.class_names[number] for number in np.flatnonzero(chosen)]
