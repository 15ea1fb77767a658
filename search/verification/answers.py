"""The answers that a search's trials left, where they are of just the images, folds, seeds and
classes that each trial's spec scores.

Read from their files again each time: together they may be more than memory should hold.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import Dataset
from search.experiment.trial import Predictions, Protocol, TrialRecord, predictions_name
from search.journal.journal_file import JournalError
from search.journal.run_dir import read_predictions
from search.training.folds import scored_images


class Answers(Mapping[int, Predictions]):
    """Sound answers by the trial's number; `take` adds a trial to them."""

    def __init__(self, run_dir: Path, dataset: Dataset) -> None:
        self._run_dir, self._dataset = run_dir, dataset
        self._records: dict[int, TrialRecord] = {}
        self._scored: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}

    def take(self, record: TrialRecord) -> Predictions:
        """Raises JournalError where its file is not the one that was journaled, or cannot be of
        this trial."""
        found = self._read(record)
        if fault := self._fault(found, record.spec.protocol):
            path = self._run_dir / predictions_name(record.trial)
            raise JournalError(f"{path} holds no predictions of this data set: {fault}")
        self._records[record.trial] = record
        return found

    def __getitem__(self, number: int) -> Predictions:
        return self._read(self._records[number])

    def __contains__(self, number: object) -> bool:
        return number in self._records

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def _read(self, record: TrialRecord) -> Predictions:
        path = self._run_dir / predictions_name(record.trial)
        if not path.resolve().is_relative_to(self._run_dir.resolve()):
            raise JournalError(
                f"{path} is a link that leads out of its folder; put the file itself there"
            )
        return read_predictions(record, self._run_dir)

    def _fault(self, found: Predictions, protocol: Protocol) -> str | None:
        key = (protocol.folds, protocol.fold_seed, protocol.epochs is None)
        if key not in self._scored:
            self._scored[key] = scored_images(self._dataset, protocol)
        images, fold = self._scored[key]
        num_classes = len(self._dataset.class_names)
        if not np.array_equal(found.images, images) or not np.array_equal(found.fold, fold):
            return "they are not of the images and folds that its spec scores"
        if len(found.predicted) != len(protocol.head_seeds):
            return (
                f"they are of {len(found.predicted)} seeds, and its spec has "
                f"{len(protocol.head_seeds)}"
            )
        if found.predicted.max() >= num_classes:
            return f"class {found.predicted.max()} is given where there are {num_classes}"
        return None
