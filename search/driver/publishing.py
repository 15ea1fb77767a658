"""What is made from a search's state for people, kept true as it changes: the files of the run directory, and MLflow's runs."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from search.driver.outputs import write_outputs
from search.experiment.config import TrackingConfig
from search.journal.event_log import EventLog
from search.journal.state import SearchState

if TYPE_CHECKING:
    from search.tracking.tracker import Tracker
    from search.tracking.values import Winner

FLUSH_SECONDS, STOP_SECONDS = 20.0, 3.0  # for what MLflow has not been sent yet; `sync` sends the rest


class Publisher:
    """tracker: MLflow's side, which hears of running trials too; None where `tracking.uri` is null."""

    def __init__(self, tracking: TrackingConfig, name: str, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.tracker = _tracker_of(tracking, name, run_dir)

    def show(self, state: SearchState) -> None:
        """The tables as they stand. Not the page, which takes seconds to draw and which `report` makes at any time."""
        write_outputs(state, self.run_dir, with_report=False)
        if self.tracker is not None:
            self.tracker.submit(state)

    def register(self, state: SearchState, winner: "Winner | None") -> None:
        if winner is not None and self.tracker is not None:
            self.tracker.log_winner(state, winner)

    def stop(self, state: SearchState) -> str | None:
        """In the few seconds that whoever stops a job gives. What MLflow says of itself, as `end`."""
        self.show(state)
        return self._close(STOP_SECONDS)

    def end(self, log: EventLog) -> str | None:
        """All that is made from an ended search; written down once it is all there, so that it need not be made again."""
        write_outputs(log.state, self.run_dir)
        for folder in ("views", "checkpoints"):
            shutil.rmtree(self.run_dir / folder, ignore_errors=True)
        if self.tracker is not None:
            self.tracker.submit(log.state)
        said = self._close(FLUSH_SECONDS)
        sent = self.tracker is None or (self.tracker.status.reason is None and not self.tracker.status.unsent)
        if log.state.finished_at is not None and sent:
            log.append("shown")
        return said

    def _close(self, seconds: float) -> str | None:
        return None if self.tracker is None else str(self.tracker.close(seconds))


def _tracker_of(tracking: TrackingConfig, name: str, run_dir: Path) -> "Tracker | None":
    if tracking.uri is None:
        return None
    from search.tracking.tracker import Tracker

    return Tracker(tracking.uri, tracking.experiment or name, run_dir)
