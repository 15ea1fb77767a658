"""The trials' runs in MLflow: opened at a trial's first epoch, completed when it is told, made anew
where another sender left them open. What is heard of trials that run is taken in by the search's
thread, which never waits, and given out to the thread that sends; what is in the store is
remembered in `Known`. When to send is `tracker`'s."""

import queue
import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from data.secrets import redacted
from search.experiment.trial import TrialRecord
from search.report.view import SearchView
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import (
    PARENT_TAG,
    PREVIEW_TAG,
    SEARCH_TAG,
    FoundRun,
    Point,
    milliseconds,
    opened_of,
)
from search.tracking.search_run import search_row
from search.tracking.trial_run import (
    claimed_of,
    curve_point_values,
    named,
    running_row,
    taken_back,
    trial_outcome,
    trial_row,
)
from search.training.progress import EpochReport

ENDED = ("FINISHED", "FAILED")  # MLflow's words for a trial that was told


@dataclass
class Child:
    """A trial's run in the store. outcome: its status and when it ended, as `trial_outcome` has
    them.

    epochs: those sent while the trial runs, by this very sender; None where it is not known which
    points the run has. tags: as far as they are known, for what was said of it later.
    """

    run_id: str
    outcome: tuple[str, int | None]
    has_preview: bool = False
    epochs: set[int] | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Known:
    """What this sitting knows to be in the store. Thrown away after a failure, and looked up
    again."""

    search_id: str
    parent_id: str
    status: str
    ended: int | None = None
    has_inputs: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    files: dict[Path, tuple[int, int]] = field(default_factory=dict)
    children: dict[int, Child] = field(default_factory=dict)

    @classmethod
    def of_run(cls, run: FoundRun) -> "Known":
        """run: of the search, the parent of its trials'."""
        return cls(
            run.tags[SEARCH_TAG],
            run.run_id,
            run.status,
            run.ended,
            run.has_inputs,
            {**run.tags},
            {**run.params},
            {**run.metrics},
        )

    @property
    def ended_trials(self) -> frozenset[int]:
        return frozenset(
            trial for trial, child in self.children.items() if child.outcome[0] in ENDED
        )

    def add_children(self, store: Store, runs: list[FoundRun]) -> None:
        for run in runs:
            if run.trial in self.children:
                store.delete(run.run_id)  # two senders at once have sent it twice
            elif run.trial is not None:
                self.children[run.trial] = Child(
                    run.run_id, (run.status, run.ended), PREVIEW_TAG in run.tags, tags={**run.tags}
                )

    def drop_others(self, store: Store, trials: Set[int]) -> None:
        """Deletes the runs of trials that are none of the search any more, since an earlier one was
        tried again."""
        for number in self.children.keys() - trials:
            store.delete(self.children.pop(number).run_id)


def new_search(store: Store, view: SearchView) -> Known:
    """Makes the run of a search."""
    row = search_row(view)
    run_id = store.create(row, {})
    return Known(opened_of(view).search_id, run_id, "RUNNING", tags=dict(row.tags))


def send_running(store: Store, known: Known, view: SearchView, trial: "RunningTrial") -> None:
    """The epochs heard of since the last time; with the first of them, the run."""
    number = trial.record.trial
    child = known.children.get(number)
    if child is not None and child.epochs is None:
        # of a sitting that was killed, or whose line dropped
        store.delete(child.run_id)
        child = None
    params = {}
    if child is None:
        begun = min(point.timestamp for points in trial.points.values() for point in points)
        row = running_row(view, trial.record, begun)
        run_id = store.create(row, {PARENT_TAG: known.parent_id})
        child = known.children[number] = Child(run_id, (row.status, row.ended))
        params = row.params
    sent = child.epochs or set()
    new = sorted(trial.points.keys() - sent)
    if new:
        store.write(
            child.run_id, [point for epoch in new for point in trial.points[epoch]], params, {}
        )
    child.epochs = sent.union(new)


def send_ended(
    store: Store, known: Known, view: SearchView, record: TrialRecord, preview: Path | None
) -> None:
    """All of a trial that has ended, less what its run has already; what it is called once more
    when the search has. preview: its contact sheet, if there is one."""
    child, outcome = known.children.get(record.trial), trial_outcome(record)
    if child is not None and child.epochs is None and child.outcome != outcome:
        # Left open by a sender that died, or the trial was run again: made anew, so no point is
        # doubled.
        store.delete(child.run_id)
        child = None
    if child is None or child.epochs is not None:
        child = known.children[record.trial] = _complete(store, known, view, record, child)
    if preview is not None and not child.has_preview:
        store.log_file(child.run_id, preview)
        store.write(child.run_id, (), {}, {PREVIEW_TAG: preview.name})
        child.has_preview = True
    claimed = claimed_of(view, record)
    if claimed is None and child.tags.get("verdict"):
        claimed = taken_back(view, record)
    if claimed is not None and not claimed.tags.items() <= child.tags.items():
        store.write(child.run_id, [claimed.effect], {}, claimed.tags)
        child.tags |= claimed.tags
    names = named(view, record) if view.status != "unfinished" else {}
    if not names.items() <= child.tags.items():
        store.write(child.run_id, (), {}, names)
        child.tags |= names


def end_running(store: Store, known: Known, ended: int | None) -> None:
    """The search has stopped: what ran begins again when it is resumed."""
    for child in known.children.values():
        if child.epochs is not None:
            store.set_status(child.run_id, "KILLED", ended)
            child.outcome, child.epochs = ("KILLED", ended), None


def _complete(
    store: Store, known: Known, view: SearchView, record: TrialRecord, child: Child | None
) -> Child:
    row = trial_row(view, record)
    run_id = child.run_id if child else store.create(row, {PARENT_TAG: known.parent_id})
    sent = child.epochs if child and child.epochs else set()
    points = [point for point in row.points if point.step not in sent]  # what is final has step 0
    store.write(run_id, points, row.params, row.tags if child else {})
    if record.result and record.result.traceback:
        store.log_text(run_id, redacted(record.result.traceback), "traceback.txt")
    store.set_status(run_id, row.status, row.ended)
    return Child(run_id, trial_outcome(record), tags=dict(row.tags))


@dataclass
class RunningTrial:
    """points: of every epoch heard of so far, by epoch: what is sent again where a run has to be
    made anew."""

    record: TrialRecord
    points: dict[int, tuple[Point, ...]] = field(default_factory=dict)


class LiveTrials:
    """`hear` and `tell` may be called in any thread; `running` and `ended` in the one that
    sends."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[tuple[TrialRecord, EpochReport, int]] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[TrialRecord] = queue.SimpleQueue()
        self._running: dict[int, RunningTrial] = {}
        self._over: set[int] = set()

    def hear(self, record: TrialRecord, report: EpochReport) -> None:
        self._heard.put((record, report, milliseconds(time.time())))

    def tell(self, record: TrialRecord) -> None:
        self._told.put(record)

    def ended(self) -> list[TrialRecord]:
        """Those told since the last call."""
        told = [self._told.get() for _ in range(self._told.qsize())]
        for record in told:
            self.forget(record.trial)
        return told

    def running(self) -> list[RunningTrial]:
        for _ in range(self._heard.qsize()):
            record, report, at = self._heard.get()
            if record.trial not in self._over:
                trial = self._running.setdefault(record.trial, RunningTrial(record))
                values = curve_point_values(report)
                trial.points[report.epoch] = tuple(
                    Point(k, v, at, report.epoch) for k, v in values.items()
                )
        return list(self._running.values())

    def settle(self) -> None:
        """Nothing could be sent: keeps the curves of what runs, and leaves what has ended to the
        next state, which holds it."""
        self.running()
        self.ended()

    def forget(self, trial: int) -> None:
        """It has ended, and what is still heard of it comes too late."""
        self._over.add(trial)
        self._running.pop(trial, None)
