"""The mistake that `run --demo-leak` shows: heads scored on augmented pictures. A guest of the
ordinary training, which is handed these pictures to be scored on and knows nothing of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from search.features.feature_rows import FeatureRows
from search.features.store import FeatureStore
from search.training.pictures import AugmentedPictures
from search.training.training_mode import LoadedTrial

LEAKED_VIEW = 1_000_000  # beyond any view that trains


@dataclass(frozen=True)
class LeakedPictures:
    """The pool as augmented for a view that nobody trains on, in the place of `CleanPictures`."""

    pictures: AugmentedPictures

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        return self.pictures.batches(LEAKED_VIEW, rows, batch_size)

    def features(self, store: FeatureStore) -> FeatureRows:
        policy = self.pictures
        return store.view(policy.pool, policy.augmentation, policy.seed, LEAKED_VIEW, policy.share)


def leaked(trial: LoadedTrial) -> LoadedTrial:
    """The same trial, scored on augmented pictures."""
    return replace(trial, scored=LeakedPictures(trial.pictures))
