"""What trials leave on the disk for those that go on with it, and who deletes it once nobody will:
a long training's checkpoint, a final head, the views of the search phase. Which views a full disk
gives up is `features.feature_rows.make_room`.
"""

import io
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.files import StorageError, make_folder, replacing, write_atomically
from data.numpy_files import DamagedArray, read_arrays
from search.experiment.kinds import KINDS
from search.experiment.trial import Resources, TrialRecord, TrialSpec
from search.training.head_shape import HeadWeights
from search.training.progress import Listener

VERSION = 3  # of what a checkpoint holds; one of another version is begun anew
WRITING_SHARE = 0.05  # of the time may go into writing checkpoints
_LOG = logging.getLogger(__name__)

Arrays = Mapping[str, np.ndarray]


def checkpoint_file(spec: TrialSpec, resources: Resources) -> Path:
    """The same for every rung of a setting: each goes on where the one below it paused."""
    protocol = spec.protocol.model_copy(update={"max_epochs": None})
    key = spec.model_copy(update={"protocol": protocol}).key
    return resources.checkpoint_dir / f"{key}.npz"


class Checkpoint:
    """One trial's file: enough to go on after a kill, or after a promotion, as if nothing had
    happened. All random draws are counted, so what is kept are weights, moments, and the answers of
    each epoch, from which the rest follows. Written beside and renamed, at most so often that
    writing takes a twentieth of the time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = 0.0  # the last write took
        self._written = float("-inf")

    def load(self) -> dict[str, np.ndarray] | None:
        """What was saved last; None where there is nothing, or, which is logged, where it is
        damaged, another trial's, or another version of this program wrote it.
        """
        try:
            with self._path.open("rb") as file:
                found = read_arrays(file)
        except FileNotFoundError:
            return None
        except (OSError, DamagedArray) as error:
            self.begin_anew(f"is damaged ({error})")
            return None
        version, trial = found.pop("version", None), found.pop("trial", None)
        if version is not None and np.array_equal(version, VERSION):
            if str(trial) == self._path.stem:
                return found
            self.begin_anew("is another trial's")
        else:
            self.begin_anew("is another version's")
        return None

    def begin_anew(self, why: str) -> None:
        """Says so: what is in the file cannot be gone on from."""
        _LOG.warning("%s %s; the trial starts anew", self._path, why)

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._written >= self._seconds / WRITING_SHARE

    def save(self, arrays: Arrays) -> None:
        """Where the disk refuses, training goes on without, and says so."""
        start = time.monotonic()
        try:
            make_folder(self._path.parent, "the folder of checkpoints")
            with replacing(self._path, "a checkpoint") as beside, beside.open("wb") as file:
                of = {"version": np.array(VERSION), "trial": np.array(self._path.stem)}
                np.savez(file, **of, **arrays)  # type: ignore[arg-type]
        except StorageError as error:
            _LOG.warning("no checkpoint was written: %s", error)
        self._written = time.monotonic()
        self._seconds = self._written - start


def heads_file(spec: TrialSpec, resources: Resources) -> Path:
    """Where a final trial leaves the weights of the head that is kept."""
    return resources.views_dir.parent / "heads" / f"{spec.key}.npz"


def save_head(path: Path, weights: HeadWeights) -> None:
    """Raises StorageError where the disk refuses."""
    make_folder(path.parent, "the folder of final heads")
    buffer = io.BytesIO()
    np.savez(buffer, *weights)
    write_atomically(path, buffer.getvalue(), "a head's weights")


def load_head(path: Path) -> HeadWeights:
    """Raises UserError where it is damaged, OSError where it cannot be read."""
    content = path.read_bytes()
    try:
        # From memory: in a file, the zip reader's seek for a damaged offset is an OSError too.
        arrays = read_arrays(io.BytesIO(content))
        return tuple(arrays[f"arr_{number}"] for number in range(len(arrays)))
    except (DamagedArray, KeyError) as error:
        raise UserError(
            f"{path}, the weights of a final head, is damaged ({error}); restore it, or run the "
            "search again in another --run-dir"
        ) from error


class CheckpointSweeper(Listener):
    """Deletes a trial's checkpoint once it has been told, unless a higher rung may want it."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def trial_told(self, record: TrialRecord) -> None:
        if self._resources.keep_views and record.kind == "trial":
            return
        path = checkpoint_file(record.spec, self._resources)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("%s, a checkpoint of a trial that was told, stays: %s", path, error)


class ViewSweeper(Listener):
    """Deletes the views of the search phase once a trial of a later one, which draws its own, is
    asked for.
    """

    def __init__(self, resources: Resources) -> None:
        self._views_dir = resources.views_dir

    def trial_started(self, record: TrialRecord) -> None:
        if KINDS[record.kind].on_rungs or record.result is not None:
            return
        if not record.spec.settings.augmentation:
            return  # it has no views, and those of trials that run beside it are not its to delete
        if self._views_dir.is_symlink():
            return  # what a link leads to may be others' too
        wanted = str(record.spec.protocol.view_seed)
        for folder in self._views_dir.iterdir() if self._views_dir.is_dir() else ():
            if folder.name.isdigit() and folder.name != wanted:
                shutil.rmtree(folder, ignore_errors=True)
