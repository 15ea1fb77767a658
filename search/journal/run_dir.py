"""What lies in a run directory: its files by name; per-image answers of trials, written and read
again; how often the test set was opened before; and where a command may write the file that a
person names: never over another's work, nor a search's own. Emptying one is `clearing`'s."""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.files import check_target, make_folder, read_regular, write_atomically
from data.messages import escaped
from data.strict_zip import MOST_BYTES
from search.experiment.answers import Predictions, Truth, predictions_name
from search.experiment.objectives import OBJECTIVES
from search.experiment.trial import TrialRecord
from search.journal.journal_file import JournalError, OtherVersion, read
from search.journal.lock import LOCK_NAME
from search.journal.state import replay

JOURNAL = "journal.jsonl"
CONFIG = "config.yaml"
PREDICTIONS_IN_MEMORY = 8  # trials; one of 50,000 images and 3 seeds has 0.9 MB
# of the search before a fresh start, until the new one has written down its looks
PREVIOUS = "journal.previous.jsonl"
# What a search says of itself and of its winner.
WRITTEN_FILES = (
    *(CONFIG, "environment.json", "trials.csv"),
    *("summary.json", "winner.json", "report.html"),
)
DASHBOARD_FILE = "mlflow.json"  # where the search is to be seen in MLflow
# The folders of a search, and which files it leaves in each.
MADE_FOLDERS = {
    "predictions": r"\d{5,}\.npz",
    "views": r"\d+/[0-9a-f]{32}/\d{5,}\.npy",
    "checkpoints": r"[0-9a-f]{24}\.npz",
    "logs": r"(worker-\d+|winner)\.log",
    "heads": r"[0-9a-f]{24}\.npz",
    "model": r"(model-\w+/)?(model\.keras|model\.weights\.h5)|(classes|whites)\.json|example\.npy",
    "previews": r"(\d+|winner)\.png",
    "figures": r"(classes|confusion|curves|floor|forest|rungs|strength|time)\.png",
}
MADE_FILES = (*WRITTEN_FILES, DASHBOARD_FILE, *MADE_FOLDERS)
LOST_ANSWERS = "restore it, or run the search again in this directory: it trains that trial again"
OWN_NAMES = (JOURNAL, PREVIOUS, LOCK_NAME, *MADE_FILES)


def earlier_looks(run_dir: Path) -> int:
    """How often the search that was set aside, and those before it, opened the test set."""
    return looks_in(run_dir / PREVIOUS)


def looks_in(journal: Path) -> int:
    """How often the search of that journal, and those before it, opened the test set; 0 where there
    is no such file."""
    if not journal.exists():
        return 0
    try:
        return replay(read(journal)[0]).looks
    except (JournalError, OtherVersion):
        # a fresh start is the way out of both, so count what can be read
        content = journal.read_bytes().replace(b"\0", b"")  # as `is_begun`: of UTF-16 too
        counted = re.search(rb'"earlier_looks":(\d{1,9})', content)
        return (int(counted[1]) if counted else 0) + (b'"type":"test"' in content)


def forget_previous(run_dir: Path) -> None:
    """Once its looks are in the new journal."""
    (run_dir / PREVIOUS).unlink(missing_ok=True)


def read_predictions(record: TrialRecord, run_dir: Path) -> Predictions:
    """The per-image answers that a trial left. Raises JournalError where the file is not the one
    that was journaled.

    Only the one name that such a file has is ever opened, and only as far as such a file can be
    long.
    """
    path = run_dir / predictions_name(record.trial)
    if record.predictions_file != predictions_name(record.trial):
        named = escaped(str(record.predictions_file)[:60])
        raise JournalError(
            f"trial {record.trial} names {named}, which no search writes; the journal was changed"
        )
    try:
        content = read_regular(path, MOST_BYTES, within=run_dir)
    except OSError as error:
        raise JournalError(f"{path} cannot be read ({error.strerror}); {LOST_ANSWERS}") from error
    except UserError as error:
        raise JournalError(f"{error}; {LOST_ANSWERS}") from error
    if hashlib.sha256(content).hexdigest() != record.predictions_sha256:
        raise JournalError(f"{path} is not the file that was journaled; {LOST_ANSWERS}")
    try:
        found = Predictions.from_bytes(content)
    except ValueError as error:
        raise JournalError(f"{path} holds no predictions: {error}; {LOST_ANSWERS}") from error
    objective = record.spec.protocol.objective
    if OBJECTIVES[objective].needs_all and found.log_probs is None:
        raise JournalError(f"{path} lacks log_probs, which {objective} needs; {LOST_ANSWERS}")
    return found


class KeptPredictions:
    """Per-image answers of a search's trials, with the groups of their images; the ones used last
    in memory too: a baseline is read for every effect, others once or twice."""

    def __init__(self, run_dir: Path, truth: Truth) -> None:
        self._run_dir, self._truth = run_dir, truth
        self._latest: OrderedDict[int, Predictions] = OrderedDict()

    def of(self, record: TrialRecord) -> Predictions:
        """Raises JournalError as `read_predictions`."""
        found = self._latest.get(record.trial)
        if found is None:
            found = read_predictions(record, self._run_dir).of(self._truth)
        self._keep(record.trial, found)
        return found

    def write(self, number: int, predictions: Predictions) -> dict[str, str]:
        """What the trial's record says of its file. Raises StorageError where the disk refuses."""
        self._keep(number, predictions.of(self._truth))
        content, name = predictions.to_bytes(), predictions_name(number)
        make_folder(self._run_dir / "predictions", "the folder of predictions")
        write_atomically(self._run_dir / name, content)
        return {"predictions_file": name, "predictions_sha256": hashlib.sha256(content).hexdigest()}

    def _keep(self, number: int, predictions: Predictions) -> None:
        self._latest[number] = predictions
        self._latest.move_to_end(number)
        if len(self._latest) > PREDICTIONS_IN_MEMORY:
            self._latest.popitem(last=False)


@dataclass(frozen=True)
class FileKind:
    """A kind of file that a command writes. name: in words. suffixes: that its name may end in.
    is_one: whether the file at a path is one, so that it may be replaced; None where a command
    replaces nothing unasked, and says so itself."""

    name: str
    suffixes: tuple[str, ...]
    is_one: Callable[[Path], bool] | None = None


def need_target(path: Path, kind: FileKind, option: str = "--out") -> None:
    """Raises UserError where a file of that kind must not be written to `path`: a link, a folder or
    a device is there, or a file of another kind that is not empty; its name ends as other files'
    do; or it is a name that a search keeps for itself in its run directory."""
    check_target(path, option)
    named, suffix = f"{option}: {escaped(str(path))}", path.suffix
    if suffix and suffix.lower() not in kind.suffixes:
        raise UserError(
            f"{named} is to be {kind.name}; allowed: a name that ends in {kind.suffixes[0]}"
        )
    place = path.resolve()
    for folder in place.parents:
        own = place.relative_to(folder).parts[0]
        if own.casefold() in OWN_NAMES and os.path.lexists(folder / JOURNAL):
            raise UserError(
                f"{named} is among a search's own files ({own}); choose a name outside of its run "
                "directory"
            )
    if kind.is_one is not None and path.exists() and not _is_replaced(path, kind.is_one):
        raise UserError(
            f"{named} exists and is not {kind.name} written by this program; choose another name, "
            "or remove it"
        )


def _is_replaced(path: Path, is_one: Callable[[Path], bool]) -> bool:
    try:
        return path.stat().st_size == 0 or is_one(path)
    except (OSError, UserError):  # nobody can tell what it is
        return False


def first_bytes(path: Path) -> bytes:
    """How a file begins, 1 KiB at most. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(1 << 10)
