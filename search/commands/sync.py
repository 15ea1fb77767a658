"""A run directory sent to MLflow again, after an outage or to another server. What is sent, and
how, is `tracking.tracker`'s."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from data.errors import UserError
from search.driver.winner import stored_winner
from search.experiment.tracking_uri import shown_uri
from search.journal.lock import RunLock
from search.tracking.tracker import Tracker, TrackingStatus
from search.verification.reopening import Run, open_run


def sync(run_dir: Path, uri: str | None = None) -> TrackingStatus:
    """Sends what the journal holds and `uri`, by default the search's own, lacks; the winning model
    too, if there is one.

    Raises UserError where there is nowhere to send to, where it could not be sent (the status's
    reason), and where the search is still running, which sends itself.
    """
    run = open_run(run_dir)
    tracking = run.config.tracking
    wanted = uri or tracking.uri
    if wanted is None:
        raise UserError(
            "this search was run with tracking.uri null; say where to send it: --uri "
            "sqlite:///mlflow.db"
        )
    tracker = Tracker(wanted, tracking.experiment or run.config.name, run_dir)
    with _alone(run, run_dir):
        status = tracker.project(run.state)
        winner = stored_winner(run.state, run_dir)
        if status.reason is None and winner is not None:
            _, status = tracker.log_winner(run.state, winner)
    if status.reason is not None:
        raise UserError(
            f"not all was sent to MLflow at {shown_uri(wanted)}: {status.reason}; the journal "
            "keeps it, sync again later"
        )
    return status


def _alone(run: Run, run_dir: Path) -> AbstractContextManager[Any]:
    """The run directory's lock, but for a finished search: nobody else sends that, and its
    directory may be read-only."""
    return nullcontext() if run.state.finished_at is not None else RunLock(run_dir)
