"""MLflow as a projection of the journal: what is missing there is sent, what is there is left
alone, so that sending twice changes nothing. Decides what is sent and when; `mlflow_store` does the
talking."""

import os
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from data.files import is_regular_within
from data.messages import escaped
from data.secrets import shown_uri
from search.experiment.tracking_uri import checked_uri, dashboard_address
from search.experiment.trial import TrialRecord
from search.journal.run_dir import WRITTEN_FILES
from search.journal.state import SearchState
from search.report.contact_sheet import WINNER_SHEET, trial_sheet_name
from search.report.dashboard import DashboardPlace, keep_dashboard
from search.report.time_left import ExpectedWork
from search.report.view import SearchView
from search.tracking.children import (
    Known,
    LiveTrials,
    end_running,
    new_search,
    send_ended,
    send_running,
)
from search.tracking.descriptions import describe_winner
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import SEARCH_TAG, Winner, opened_of
from search.tracking.saved_view import PICTURES, Place
from search.tracking.search_run import dataset_rows, search_row, send_experiment_page
from search.tracking.sender import Sender, TrackingStatus, sending_error_text
from search.training.progress import EpochReport, Listener

WINNER_TAGS = (SEARCH_TAG, "verdict", "interval", "recommended", "test_accuracy")


class Tracker(Listener):
    """One search's projection onto one MLflow store.

    `submit`, `submit_winner` and the trial methods, which the ledger calls, are for the running
    search: they return at once, and a background thread sends. `project` sends now, for `sync`.
    None of them raises for anything MLflow does: the status says what was not sent, and why.

    Takes from the run directory what is there: `WRITTEN_FILES`, `figures/*.png`, the
    winner's contact sheet, and the trials' (`previews/<trial>.png`): regular files alone, through
    no link. Credentials come from the URI
    or from MLflow's environment variables, and are neither shown nor stored.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        run_dir: Path,
        *,
        retry_seconds: float = 15.0,
        page_size: int = 1000,
    ) -> None:
        """Raises UserError for a URI that MLflow cannot keep runs at. Connects to nothing yet."""
        self._uri = checked_uri(uri)
        self._experiment = experiment
        self._run_dir = run_dir
        self._retry_seconds = retry_seconds
        self._page_size = page_size
        # one writer: the background thread, or whoever calls `project`
        self._lock = threading.Lock()
        self._sender: Sender | None = None
        self._store: Store | None = None
        self._known: Known | None = None
        self._newest: SearchView | None = None
        self._live = LiveTrials()
        self._winner: tuple[SearchView, Winner] | None = None
        self._expected: ExpectedWork | None = None
        # replaced, never changed: `status` is read meanwhile
        self._sent: frozenset[int] = frozenset()
        self._left_out: frozenset[str] = frozenset()
        self._reason: str | None = None
        # kept apart: the next state that is sent does not mend it
        self._winner_reason: str | None = None

    @property
    def status(self) -> TrackingStatus:
        records = self._newest.records if self._newest else ()
        ended = {record.trial for record in records if record.result is not None}
        sent = len(ended & self._sent)
        return TrackingStatus(
            shown_uri(self._uri),
            sent,
            len(ended) - sent,
            self._reason or self._winner_reason,
            tuple(sorted(self._left_out)),
        )

    def expect(self, expected: ExpectedWork) -> None:
        """What the search has before it, so that its run says how long that will take."""
        self._expected = expected

    def submit(self, state: SearchState) -> None:
        """Has `state` sent in the background. One that still waits is replaced by it."""
        self._submit(SearchView(state))

    def _submit(self, view: SearchView) -> None:
        self._newest = view
        if self._sender is None:
            self._sender = Sender(self._send, self._retry_seconds)
        self._sender.submit(view)

    def submit_winner(self, state: SearchState, winner: Winner) -> None:
        """As `submit`, and then has the winning model stored and registered."""
        view = SearchView(state)
        self._winner = view, winner
        self._submit(view)

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """An epoch of a running trial, for the curve that the dashboard draws. Its run is made at
        the first: before, it may wait for long."""
        self._live.hear(record, report)
        self._nudge()

    def trial_told(self, record: TrialRecord) -> None:
        self._live.tell(record)
        self._nudge()

    def _nudge(self) -> None:
        if self._sender is not None:
            self._sender.nudge()

    def close(self, timeout: float = 30.0) -> TrackingStatus:
        """Sends what is waiting, for at most `timeout` seconds. The tracker may be used again
        afterwards."""
        if self._sender is not None:
            ended = self._sender.close(timeout)
            self._sender = None
            if not ended:
                self._reason = f"no answer within {timeout:g} seconds"
        return self.status

    def project(self, state: SearchState) -> TrackingStatus:
        """Makes the store say what `state` says. Blocks; may be repeated at will."""
        self._newest = SearchView(state)
        self._send(self._newest)
        return self.status

    def log_winner(self, state: SearchState, winner: Winner) -> TrackingStatus:
        """Stores and registers the winning model, once a search. Imports TensorFlow."""
        self._log_winner(SearchView(state), winner)
        return self.status

    def _log_winner(self, view: SearchView, winner: Winner) -> None:
        self._newest = view

        def send(store: Store) -> None:
            known = self._look_up(store, view)
            tags = {
                key: value for key, value in search_row(view).tags.items() if key in WINNER_TAGS
            }
            about = describe_winner(view, winner.class_names)
            store.log_winner(known.parent_id, winner, tags, about)

        reached = self._attempt(send)
        self._winner_reason = None if reached else f"the winning model: {self._reason}"

    def _send(self, view: SearchView | None) -> bool:
        """None: what is heard of running trials, and those told, alone."""
        if view is not None:
            sent = self._attempt(lambda store: self._project(store, view))
            if sent and self._winner is not None:
                winner, self._winner = self._winner, None
                self._log_winner(*winner)
            return sent
        newest = self._newest
        return newest is None or self._attempt(lambda store: self._project_live(store, newest))

    def _attempt(self, send: Callable[[Store], None]) -> bool:
        with self._lock:
            try:
                if self._store is None:
                    self._store = Store(self._uri, self._experiment, self._run_dir)
                send(self._store)
                self._reason = None
            except Exception as error:
                # whatever MLflow and its drivers raise must not reach the search
                self._reason = sending_error_text(error, self._uri)
                self._store = self._known = None
                self._live.settle()
            return self._reason is None

    def _project(self, store: Store, view: SearchView) -> None:
        known = self._look_up(store, view)
        for record in view.records:
            if record.result is not None:
                self._send_ended(store, known, view, record)
        if view.status == "unfinished":
            self._project_live(store, view)
        else:
            end_running(store, known, search_row(view).ended)
            known.drop_others(store, {record.trial for record in view.records})
        self._project_search(store, known, view)

    def _project_live(self, store: Store, view: SearchView) -> None:
        known = self._look_up(store, view)
        running = self._live.running()
        for record in self._live.ended():
            self._send_ended(store, known, view, record)
        for trial in running:
            if trial.record.trial not in self._sent:
                send_running(store, known, view, trial)

    def _look_up(self, store: Store, view: SearchView) -> Known:
        """The runs of this search, asked for once a sitting; the parent is made if it is
        missing."""
        if self._known is None:
            found = store.find(opened_of(view).search_id, self._page_size)
            parent = next((run for run in found if run.trial is None), None)
            known = Known.of_run(parent) if parent else new_search(store, view)
            known.add_children(store, found)
            self._known = known
            # An earlier sitting's answer to a trial that is tried again is none.
            told = {r.trial for r in view.records if r.result is not None}
            self._sent = self._sent | (known.ended_trials & told)
        return self._known

    def _send_ended(
        self, store: Store, known: Known, view: SearchView, record: TrialRecord
    ) -> None:
        send_ended(store, known, view, record, self._own_file(trial_sheet_name(record)))
        self._sent = self._sent | {record.trial}
        self._live.forget(record.trial)

    def _project_search(self, store: Store, known: Known, view: SearchView) -> None:
        files = {f"{folder}/{path.name}" if folder else path.name for path, folder in self._files()}
        place = self._place(store, known, frozenset(files))
        row = search_row(view, self._expected, place)
        points = [point for point in row.points if known.metrics.get(point.key) != point.value]
        params = {key: value for key, value in row.params.items() if key not in known.params}
        tags = {key: value for key, value in row.tags.items() if known.tags.get(key) != value}
        store.write(known.parent_id, points, params, tags)
        known.metrics |= {point.key: point.value for point in points}
        known.params |= params
        known.tags |= tags
        if not known.has_inputs:
            store.log_datasets(known.parent_id, dataset_rows(view))
            known.has_inputs = True
        class_names = opened_of(view).dataset.class_names
        for path, folder in self._files():
            stamp = (path.stat().st_mtime_ns, path.stat().st_size)
            if known.files.get(path) != stamp:
                store.log_file(known.parent_id, path, folder, class_names)
                if key := PICTURES.get(f"{folder}/{path.name}"):
                    store.log_picture(known.parent_id, path, key)
                known.files[path] = stamp
        if (known.status, known.ended) != (row.status, row.ended):
            store.set_status(known.parent_id, row.status, row.ended)
            known.status, known.ended = row.status, row.ended

        send_experiment_page(store, view, place)
        if address := dashboard_address(self._uri):
            keep_dashboard(DashboardPlace(address, place.experiment, place.view), self._run_dir)

    def _place(self, store: Store, known: Known, files: frozenset[str]) -> Place:
        """As `report` names the run directory: an absolute path would tell everybody how this
        machine is laid out."""
        name = self._run_dir.name if self._run_dir.is_absolute() else str(self._run_dir)
        return Place(
            store.experiment_id, known.parent_id, known.search_id, shlex.quote(name), files
        )

    def _files(self) -> Iterator[tuple[Path, str | None]]:
        figures = sorted((self._run_dir / "figures").glob("*.png"))
        names: list[tuple[Path, str | None]] = [(Path(name), None) for name in WRITTEN_FILES]
        names += [(path.relative_to(self._run_dir), "figures") for path in figures]
        for name, folder in (*names, (WINNER_SHEET, "figures")):
            if (path := self._own_file(name)) is not None:
                yield path, folder

    def _own_file(self, name: Path) -> Path | None:
        """None where there is none, and where it is a link or a device: those lead anywhere."""
        path = self._run_dir / name
        if is_regular_within(path, self._run_dir):
            return path
        if os.path.lexists(path):
            self._left_out = self._left_out | {escaped(str(name))}
        return None
