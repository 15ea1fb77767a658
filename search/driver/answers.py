"""Per-image answers of trials, read again from where the ledger left them."""

import hashlib
from concurrent.futures import Future
from pathlib import Path

from data.errors import UserError
from data.files import read_regular
from data.messages import escaped
from search.experiment.npz import MOST_BYTES
from search.experiment.trial import Outcome, Predictions, TrialRecord, predictions_name
from search.journal.journal_file import FRESH, JournalError

LOST_ANSWERS = (
    "restore it; an unfinished search trains that trial again when it is resumed; or start anew "
    f"with {FRESH}"
)


def kept_answer(kept: TrialRecord | None, run_dir: Path) -> "Future[Outcome] | None":
    """The answer of a trial that is asked for again; None where it had none, or its file is another
    trial's by now, or lost."""
    if kept is None or kept.result is None:
        return None
    try:
        predictions = read_predictions(kept, run_dir) if kept.predictions_file else None
    except JournalError:
        return None
    future: Future[Outcome] = Future()
    future.set_result(Outcome(kept.result, predictions, kept.attempts))
    return future


def is_same(kept: TrialRecord, record: TrialRecord) -> bool:
    """Whether two records are of one trial, wherever its images lie now."""
    spec = kept.spec.model_copy(update={"dataset": record.spec.dataset})
    return spec == record.spec and kept.duplicate_of == record.duplicate_of


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
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise JournalError(f"{path} cannot be read ({error.strerror}); {LOST_ANSWERS}") from error
    except UserError as error:
        raise JournalError(f"{error}; {LOST_ANSWERS}") from error
    if hashlib.sha256(content).hexdigest() != record.predictions_sha256:
        raise JournalError(f"{path} is not the file that was journaled; {LOST_ANSWERS}")
    try:
        return Predictions.from_bytes(content)
    except ValueError as error:
        raise JournalError(f"{path} holds no predictions: {error}; {LOST_ANSWERS}") from error
