"""What is made from a search's state for people, kept true as it changes: the files of the run
directory, any of which can be made again from the journal, and MLflow's runs."""

import json
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data.files import StorageError, write_atomically
from search.execution.failures import in_a_line, is_lack
from search.experiment.config import TrackingConfig
from search.experiment.trial import TrialRecord
from search.experiment.yaml_file import as_yaml
from search.journal.clearing import forget_work
from search.journal.run_dir import CONFIG
from search.journal.state import EventLog, SearchState
from search.report.page import write_report
from search.report.summary import summarize, winner_of
from search.report.time_left import ExpectedWork
from search.report.trial_tables import write_trials
from search.report.view import SearchView

if TYPE_CHECKING:
    from search.tracking.mlflow_values import Winner
    from search.tracking.sender import TrackingStatus
    from search.tracking.tracker import Tracker

# For what MLflow has not been sent yet; `sync` sends the rest.
FLUSH_SECONDS, STOP_SECONDS, REGISTER_SECONDS = 20.0, 3.0, 60.0
SHOW_SECONDS = 5.0  # how often a running search shows its state, at most
# and how much of its time that takes, at most: a table of ten thousand trials is a second's work
SHOW_SHARE = 0.02


def write_outputs(state: SearchState, run_dir: Path, with_report: bool = True) -> None:
    """trials.csv and summary.json, the config, the environment and the winner's settings; the page
    where it is asked for.

    Raises StorageError where the disk refuses.
    """
    if state.opened is None:
        return
    write_atomically(run_dir / CONFIG, as_yaml(state.opened.config), "the config")
    write_atomically(
        run_dir / "environment.json", _json(state.opened.environment), "the environment"
    )
    view = SearchView(state)
    write_trials(view, run_dir)
    write_atomically(run_dir / "summary.json", _json(summarize(view)), "the summary")
    winner = winner_of(view)
    if winner is not None:
        write_atomically(run_dir / "winner.json", _json(winner), "the winner")
    if with_report:
        write_report(view, run_dir)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n"


class Showing:
    """Has a search's state shown as its trials are told, and takes little of its time for it."""

    def __init__(
        self,
        log: EventLog,
        show: Callable[[SearchState], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._show, self._clock = log, show, clock
        self._next = 0.0

    def now(self) -> None:
        start = self._clock()
        self._show(self._log.state)
        ended = self._clock()
        self._next = ended + max(SHOW_SECONDS, (ended - start) / SHOW_SHARE)

    def told(self, record: TrialRecord) -> None:
        if self._clock() > self._next:
            self.now()


class Publisher:
    """tracker: MLflow's side, which hears of running trials too; None where `tracking.uri` is null.

    say: told of what could not be made.
    """

    def __init__(
        self, tracking: TrackingConfig, name: str, run_dir: Path, say: Callable[[str], None]
    ) -> None:
        self.run_dir, self._say = run_dir, say
        self.tracker = _tracker_of(tracking, name, run_dir)

    def expect(self, expected: ExpectedWork) -> None:
        """What the search has before it."""
        if self.tracker is not None:
            self.tracker.expect(expected)

    def show(self, state: SearchState) -> None:
        """The tables as they stand. Not the page, which takes seconds to draw and which `report`
        makes at any time."""
        self._write(state, with_page=False)
        if self.tracker is not None:
            self.tracker.submit(state)

    def stop(self, state: SearchState, with_page: bool) -> str | None:
        """Of a sitting that ended before its search: in the few seconds that whoever stops a job
        gives, but for the page. What MLflow says of itself, as `end`."""
        said = None
        try:
            self._write(state, with_page)
        finally:
            if self.tracker is not None:
                self.tracker.submit(state)
                said = self._text(self.tracker.close(STOP_SECONDS))
        return said

    def end(self, log: EventLog, winner: "Winner | None", stop: threading.Event) -> str | None:
        """All that is made from a finished search; written down once it is all there, so that it
        need not be made again.

        stop: set where somebody waits for the end.
        """
        drawn = self._write(log.state, with_page=True)
        forget_work(self.run_dir)
        sent = said = None
        if self.tracker is not None:
            sent = self._send(self.tracker, log.state, winner, stop)
            said = self._text(sent)
        if drawn and (sent is None or sent.is_whole):
            log.append("shown")
        return said

    def _send(
        self, tracker: "Tracker", state: SearchState, winner: "Winner | None", stop: threading.Event
    ) -> "TrackingStatus":
        """The winner only to a tracker that has just answered: its model takes longer than anybody
        would wait for one that does not."""
        tracker.submit(state)
        status = tracker.close(STOP_SECONDS if stop.is_set() else FLUSH_SECONDS)
        if winner is None or not status.is_whole:
            return status
        tracker.submit_winner(state, winner)
        return tracker.close(STOP_SECONDS if stop.is_set() else REGISTER_SECONDS)

    def _text(self, status: "TrackingStatus") -> str:
        later = f"; send it later: python run_search.py sync {shlex.quote(str(self.run_dir))}"
        return str(status) + ("" if status.is_whole else later)

    def _write(self, state: SearchState, with_page: bool) -> bool:
        """Whether it could be made. Raises StorageError; what the machine refuses otherwise costs
        the files, not the search."""
        try:
            write_outputs(state, self.run_dir, with_page)
        except Exception as error:
            if isinstance(error, StorageError) or not is_lack(error):
                raise
            what = "the page and its figures" if with_page else "trials.csv and summary.json"
            again = f"python run_search.py report {shlex.quote(str(self.run_dir))}"
            self._say(
                f"could not make {what} ({in_a_line(error)}); the search is kept; with more "
                f"memory: {again}"
            )
            return False
        return True


def _tracker_of(tracking: TrackingConfig, name: str, run_dir: Path) -> "Tracker | None":
    if tracking.uri is None:
        return None
    from search.tracking.tracker import Tracker

    return Tracker(tracking.uri, tracking.experiment or name, run_dir)
