"""Trials that still run, in MLflow: their curves grow there epoch by epoch, and end as if they had
been sent whole."""

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from mlflow_reader import child_in, contents, mlflow_client, parent_in, runs_in
from processes import wait_until
from stand_ins import make_spec, resources_in, run
from states import make_state

from search.driver.ledger import Ledger, Stopped, Surroundings
from search.execution.engine import EngineOptions
from search.execution.local_engine import LocalEngine
from search.experiment.answers import Truth
from search.experiment.trial import TrialRecord
from search.journal.state import EventLog
from search.tracking.children import LiveTrials
from search.tracking.tracker import Tracker
from search.training.progress import EpochReport

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)
STATE = make_state("search")
RUNNING = make_state("search", running=(8,))
TRIAL = STATE.records[8]


def reports(record: TrialRecord, upto: int) -> list[EpochReport]:
    assert record.result
    assert record.result.curve
    curve = record.result.curve
    points = list(zip(*curve.values.values(), strict=True))
    return [EpochReport(n, len(points), *point) for n, point in enumerate(points[:upto], start=1)]


def heard(tracker: Tracker, upto: int) -> None:
    """The first epochs of the running trial reach the store."""
    for report in reports(TRIAL, upto):
        tracker.trial_epoch(RUNNING.records[8], report)
    tracker.project(RUNNING)


def curve_in(uri: str, trial: int, name: str = "val_loss") -> list[tuple[int, float]]:
    history = mlflow_client(uri).get_metric_history(child_in(uri, trial).info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def whole_curve(name: str = "val_loss") -> list[tuple[int, float]]:
    assert TRIAL.result
    assert TRIAL.result.curve
    return list(enumerate(TRIAL.result.curve.values[name], start=1))


def test_a_running_trial_has_a_run_with_the_epochs_so_far_and_its_settings(mlflow_uri, run_dir):
    heard(Tracker(mlflow_uri, "digits", run_dir), 5)
    child = child_in(mlflow_uri, 8)
    assert child.info.status == "RUNNING"
    assert curve_in(mlflow_uri, 8) == whole_curve()[:5]
    assert child.data.params["vertical_flip"] == "true"
    assert child.data.tags["mlflow.parentRunId"] == parent_in(mlflow_uri).info.run_id


def test_a_trial_followed_live_ends_as_one_sent_whole(mlflow_uri, run_dir, tmp_path):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    for upto in (3, 7):
        heard(tracker, upto)
    live = child_in(mlflow_uri, 8).info.run_id
    tracker.project(STATE)
    whole = f"sqlite:///{tmp_path / 'whole.db'}"
    Tracker(whole, "digits", run_dir).project(STATE)
    assert child_in(mlflow_uri, 8).info.run_id == live
    ours, theirs = child_in(mlflow_uri, 8), child_in(whole, 8)
    assert (ours.info.status, ours.info.end_time) == (theirs.info.status, theirs.info.end_time)
    assert ours.data.metrics == theirs.data.metrics
    assert ours.data.params == theirs.data.params
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "effect"):
        assert curve_in(mlflow_uri, 8, name) == curve_in(whole, 8, name)
    before = contents(mlflow_uri)
    tracker.project(STATE)
    Tracker(mlflow_uri, "digits", run_dir).project(STATE)
    assert contents(mlflow_uri) == before


def test_an_epoch_reported_twice_is_one_point(mlflow_uri, run_dir):
    """An attempt that lost its worker begins again at the first epoch."""
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    heard(tracker, 4)
    heard(tracker, 6)
    assert curve_in(mlflow_uri, 8) == whole_curve()[:6]


@pytest.mark.parametrize("end", ["told", "running"])
def test_a_run_that_another_sitting_left_open_is_made_anew(mlflow_uri, run_dir, end):
    heard(Tracker(mlflow_uri, "digits", run_dir), 5)
    left = child_in(mlflow_uri, 8).info.run_id
    later = Tracker(mlflow_uri, "digits", run_dir)
    if end == "told":
        later.project(STATE)
    else:
        heard(later, 7)
    assert child_in(mlflow_uri, 8).info.run_id != left
    assert curve_in(mlflow_uri, 8) == whole_curve()[: 7 if end == "running" else None]


def test_a_stopped_search_leaves_no_trial_running(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    heard(tracker, 5)
    tracker.project(RUNNING.model_copy(update={"stopped": "on request"}))
    assert {run.info.status for run in runs_in(mlflow_uri)} == {"KILLED", "FINISHED"}
    assert child_in(mlflow_uri, 8).info.status == "KILLED"
    Tracker(mlflow_uri, "digits", run_dir).project(STATE)
    assert child_in(mlflow_uri, 8).info.status == "FINISHED"
    assert curve_in(mlflow_uri, 8) == whole_curve()


def test_the_phases_of_a_trial_share_one_axis_of_epochs(mlflow_uri, run_dir):
    curve = TRIAL.result.curve.model_copy(update={"phases": (("head", 4), ("finetune", 8))})
    record = TRIAL.model_copy(update={"result": TRIAL.result.model_copy(update={"curve": curve})})
    told = STATE.model_copy(update={"records": (*STATE.records[:8], record)})
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    for number, report in enumerate(reports(TRIAL, 6)):
        phase = "head" if number < 4 else "finetune"
        live = EpochReport(*[getattr(report, f) for f in list(report.__dict__)[:-1]], phase=phase)
        tracker.trial_epoch(RUNNING.records[8], live)
    tracker.project(RUNNING)
    tracker.project(told)
    assert curve_in(mlflow_uri, 8, "val_loss.head") == whole_curve()[:4]
    assert curve_in(mlflow_uri, 8, "val_loss.finetune") == whole_curve()[4:]


def test_a_trial_told_is_sent_without_waiting_for_the_next_state(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir, retry_seconds=0.1)
    tracker.submit(RUNNING)
    assert wait_until(lambda: tracker.status.sent == 8, 30)
    tracker.trial_told(TRIAL)
    assert wait_until(lambda: 8 in _trials_in(mlflow_uri), 30)
    assert tracker.close(30).reason is None
    assert curve_in(mlflow_uri, 8) == whole_curve()


def test_trials_that_have_ended_are_not_kept_while_nothing_can_be_sent():
    live = LiveTrials()
    for report in reports(TRIAL, 12):
        live.hear(RUNNING.records[8], report)
    live.settle()
    assert [len(trial.points) for trial in live.running()] == [12]
    live.tell(TRIAL)
    live.settle()
    assert (live.running(), live.ended()) == ([], [])


def _trials_in(uri: str) -> set[int]:
    return {int(run.data.tags.get("augsearch.trial", -1)) for run in runs_in(uri)}


def test_an_epoch_shows_within_ten_seconds_of_its_end(mlflow_uri, run_dir):
    """The whole way: a worker process, the engine, the ledger, MLflow. The trial goes on for a
    minute after its first epoch."""
    engine = LocalEngine(
        EngineOptions(resources_in(run_dir), run_dir, run, retries=0, warm_imports=())
    )
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    shown: list[float] = []
    with closing(EventLog(run_dir / "journal.jsonl")) as log, engine:
        log.append("opened", opened=make_state().opened.model_dump(mode="json"))
        tracker.submit(log.state)
        around = Surroundings((tracker,))
        ledger = Ledger(log, engine, run_dir, Truth(np.zeros(4, int)), 1, around)

        def watch() -> None:
            assert wait_until(lambda: _has_an_epoch(mlflow_uri), 40)
            shown.append(time.time())
            around.stop.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        number = ledger.ask(make_spec("epochs 1 60"), {})
        with pytest.raises(Stopped):
            ledger.tell(number)
        watcher.join()
        engine.cancel_running()
    assert shown[0] - (run_dir / "epoch-1").stat().st_mtime < 10
    assert tracker.close(30).reason is None


def _has_an_epoch(uri: str) -> bool:
    database = Path(uri.removeprefix("sqlite:///"))
    if not database.exists():
        return False
    with (
        closing(sqlite3.connect(database, timeout=20)) as connection,
        suppress(sqlite3.OperationalError),
    ):
        rows = connection.execute(
            "select count(*) from metrics where key = 'val_loss.head' and step = 1"
        )
        return rows.fetchone() == (1,)
    return False  # its tables are being made
