"""How far a long training has come, on disk: enough to go on after a kill, or after a promotion, as if nothing had happened.

One file a trial, written beside and renamed, at most so often that writing takes a twentieth of the time. All random draws are
counted, so what is kept are weights, moments, and the answers of each epoch, from which the rest follows.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from data.files import StorageError, make_folder, replacing
from search.experiment.trial import Resources, TrialSpec

SHARE = 0.05  # of the time may go into writing
_LOG = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]


def checkpoint_file(spec: TrialSpec, resources: Resources) -> Path:
    """The same for every rung of a setting: each goes on where the one below it paused."""
    protocol = spec.protocol.model_copy(update={"max_epochs": None})
    key = spec.model_copy(update={"protocol": protocol}).key
    return resources.checkpoint_dir / f"{key}.npz"


class Checkpoint:
    """One trial's file. `clock` gives seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = 0.0  # the last write took
        self._written = float("-inf")

    def load(self) -> dict[str, np.ndarray] | None:
        """What was saved last; None where there is nothing or it is damaged, which is logged."""
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            _LOG.warning("%s is damaged (%s); the trial starts anew", self._path, error)
            return None

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._written >= self._seconds / SHARE

    def save(self, arrays: Arrays) -> None:
        """Where the disk refuses, training goes on without, and says so."""
        start = time.monotonic()
        try:
            make_folder(self._path.parent, "the folder of checkpoints")
            with replacing(self._path, "a checkpoint") as beside, beside.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        except StorageError as error:
            _LOG.warning("no checkpoint was written: %s", error)
        self._written = time.monotonic()
        self._seconds = self._written - start
