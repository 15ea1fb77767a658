"""The projection onto a real MLflow store, an sqlite file, looked at with MLflow's own client."""

import os
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow_reader import artifacts_of, child_in, contents, mlflow_client, parent_in, runs_in
from states import make_record, make_state

from search.journal.state import SearchState
from search.report.view import SearchView
from search.report.wording import name_text
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import PARENT_TAG
from search.tracking.tracker import Tracker
from search.tracking.trial_run import trial_row

# MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
SEARCH_ID = "0123456789abcdef"


def test_a_search_is_one_parent_with_its_trials_one_level_below(mlflow_uri, run_dir):
    state = make_state()
    assert (
        str(Tracker(mlflow_uri, "digits", run_dir).project(state))
        == f"18 trials in MLflow at {mlflow_uri}"
    )
    parent = parent_in(mlflow_uri)
    children = [run for run in runs_in(mlflow_uri) if run.info.run_id != parent.info.run_id]
    assert [run.data.tags["augsearch.trial"] for run in children] == [str(n) for n in range(18)]
    assert {run.data.tags[PARENT_TAG] for run in children} == {parent.info.run_id}
    assert {run.data.tags["augsearch.search_id"] for run in [parent, *children]} == {SEARCH_ID}
    assert [run.data.tags["augsearch.kind"] for run in children] == [r.kind for r in state.records]
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}


def test_a_trial_holds_its_settings_times_and_curves(mlflow_uri, run_dir):
    state = make_state("search", num_epochs=40)
    Tracker(mlflow_uri, "digits", run_dir).project(state)
    record, child = state.records[3], child_in(mlflow_uri, 3)
    assert child.info.run_name == "#3 rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    assert (child.info.start_time, child.info.end_time) == (
        (record.told_at - 7.25) * 1000,  # when its training began, which it had waited for
        record.told_at * 1000,
    )
    assert (child.data.params["rotation_range"], child.data.params["views"]) == ("15", "16")
    assert child.data.metrics["effect"] == pytest.approx(100 * record.effect.delta)  # in points
    assert child.data.tags["interval"] == "0.9 to 1.9"
    history = mlflow_client(mlflow_uri).get_metric_history(child.info.run_id, "val_accuracy")
    assert [(m.step, m.value) for m in history] == list(
        enumerate(record.result.curve.val_accuracy, start=1)
    )


def test_trials_that_round_alike_are_called_at_the_end_as_on_the_page(mlflow_uri, run_dir):
    """The one was sent before the other came."""
    setting = {
        number: make_record(number, "trial", f"setting {number}", {"shear_range": value}, 0.0)
        for number, value in ((5, 1.21), (7, 1.24))
    }
    state = make_state()
    records = tuple(setting.get(record.trial, record) for record in state.records)
    under_way = make_state("search").model_copy(update={"records": records[:6]})
    finished = SearchView(state.model_copy(update={"records": records}))
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    tracker.project(under_way)
    first = child_in(mlflow_uri, 5)
    assert first.info.run_name == name_text(setting[5]) != finished.name_text(setting[5])
    tracker.project(finished.state)
    for number, record in setting.items():
        run = child_in(mlflow_uri, number)
        assert run.info.run_name == finished.name_text(record)
        assert run.data.tags["augsearch.label"] == finished.label_text(record)
        assert finished.what_text(record) in run.data.tags["mlflow.note.content"]
    renamed = child_in(mlflow_uri, 5).info
    assert (renamed.run_id, renamed.status) == (first.info.run_id, "FINISHED")
    assert renamed.end_time == first.info.end_time
    before = contents(mlflow_uri)
    Tracker(mlflow_uri, "digits", run_dir).project(finished.state)
    assert contents(mlflow_uri) == before


def test_a_curve_longer_than_a_batch_arrives_whole(mlflow_uri, run_dir):
    state = make_state("controls", num_epochs=500)
    Tracker(mlflow_uri, "digits", run_dir).project(state)
    for name, values in state.records[0].result.curve.values.items():
        history = mlflow_client(mlflow_uri).get_metric_history(
            child_in(mlflow_uri, 0).info.run_id, name
        )
        assert [m.value for m in history] == list(values)


def test_sending_again_changes_nothing(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    tracker.project(make_state("search", failed=(4,)))
    before = contents(mlflow_uri)
    tracker.project(make_state("search", failed=(4,)))
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search", failed=(4,)))
    assert contents(mlflow_uri) == before


def test_a_later_sitting_adds_only_what_is_missing(mlflow_uri, run_dir):
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("controls"))
    before = {run.info.run_id for run in runs_in(mlflow_uri)}
    Tracker(mlflow_uri, "digits", run_dir, page_size=2).project(make_state("search"))
    after = {run.info.run_id for run in runs_in(mlflow_uri)}
    assert before < after
    assert (len(before), len(after)) == (1 + 3, 1 + 9)


def test_a_trial_left_half_sent_is_made_again_without_doubled_points(mlflow_uri, run_dir):
    state = make_state("controls")
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("opened"))
    store, row = (
        Store(mlflow_uri, "digits", run_dir),
        trial_row(SearchView(state), state.records[1]),
    )
    half = store.create(row, {PARENT_TAG: parent_in(mlflow_uri).info.run_id})
    store.write(half, row.points[:10], {}, {})
    Tracker(mlflow_uri, "digits", run_dir).project(state)
    child = child_in(mlflow_uri, 1)
    assert child.info.run_id != half
    assert len(mlflow_client(mlflow_uri).get_metric_history(child.info.run_id, "loss")) == 12


def test_a_failed_trial_shows_its_reason_and_traceback(mlflow_uri, run_dir):
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search", failed=(4,)))
    child = child_in(mlflow_uri, 4)
    assert child.info.status == "FAILED"
    assert child.data.tags["augsearch.error"] == "the loss is not finite (epoch 3)"
    assert "FloatingPointError" in artifacts_of(mlflow_uri, child)["traceback.txt"]


def test_a_trial_that_succeeds_later_replaces_its_failure(mlflow_uri, run_dir):
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search", failed=(4,)))
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search"))
    assert child_in(mlflow_uri, 4).info.status == "FINISHED"


def test_a_trial_is_sent_when_it_has_ended(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    assert tracker.project(make_state("search", running=(8,))).sent == 8
    assert "8" not in {run.data.tags.get("augsearch.trial") for run in runs_in(mlflow_uri)}
    assert tracker.project(make_state("search")).sent == 9
    assert child_in(mlflow_uri, 8).info.status == "FINISHED"


def test_the_parent_follows_the_search_through_a_stop_to_its_end(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    stopped = make_state("search").model_copy(update={"stopped": "SIGTERM"})
    seen = []
    for state in (make_state("controls"), stopped, make_state("search"), make_state()):
        tracker.project(state)
        seen.append(parent_in(mlflow_uri).info.status)
    assert seen == ["RUNNING", "KILLED", "RUNNING", "FINISHED"]
    parent = parent_in(mlflow_uri)
    assert parent.info.end_time == make_state().finished_at * 1000
    assert parent.data.tags["verdict.rotation_range"] == "HELPS"
    assert parent.data.tags["mlflow.note.content"].startswith("**Use rotation_range 15")
    history = mlflow_client(mlflow_uri).get_metric_history(parent.info.run_id, "trials_completed")
    assert [(m.step, m.value) for m in history] == [(3, 3), (9, 9), (18, 18)]


def test_the_images_are_logged_as_inputs_once(mlflow_uri, run_dir):
    for _ in range(2):
        Tracker(mlflow_uri, "digits", run_dir).project(make_state("opened"))
    inputs = parent_in(mlflow_uri).inputs.dataset_inputs
    assert {(i.dataset.name, i.dataset.digest, i.tags[0].value) for i in inputs} == {
        ("digits train", "d161754d161754d1", "training"),
        ("digits validation", "d161754d161754d1", "validation"),
    }


def test_the_run_directorys_files_are_artifacts_and_follow_changes(mlflow_uri, run_dir):
    (run_dir / "figures").mkdir()
    (run_dir / "figures" / "forest.png").write_bytes(b"a figure")
    (run_dir / "trials.csv").write_text("trial\n0\n")
    (run_dir / "previews").mkdir()
    (run_dir / "previews" / "winner.png").write_bytes(b"a sheet")
    (run_dir / "journal.jsonl").write_text("not for MLflow\n")
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    tracker.project(make_state("controls"))
    (run_dir / "trials.csv").write_text("trial\n0\n1\n")
    tracker.project(make_state("search"))
    assert artifacts_of(mlflow_uri, parent_in(mlflow_uri)) == {
        "figures/forest.png": "a figure",
        "figures/winner.png": "a sheet",
        "trials.csv": "trial\n0\n1\n",
    }


def test_a_contact_sheet_is_added_to_its_trial_whenever_it_is_there(mlflow_uri, run_dir):
    (run_dir / "previews").mkdir()
    (run_dir / "previews" / "3.png").write_bytes(b"three")
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search"))
    (run_dir / "previews" / "5.png").write_bytes(b"five")
    Tracker(mlflow_uri, "digits", run_dir).project(make_state("search"))
    sheets = [artifacts_of(mlflow_uri, child_in(mlflow_uri, trial)) for trial in (3, 4, 5)]
    assert sheets == [{"3.png": "three"}, {}, {"5.png": "five"}]


def test_files_are_found_from_any_directory(mlflow_uri, run_dir, monkeypatch, tmp_path):
    (run_dir / "trials.csv").write_text("trial\n")
    monkeypatch.chdir(tmp_path)
    Tracker("sqlite:///mlflow.db", "digits", Path("runs/digits")).project(make_state("opened"))
    monkeypatch.chdir("/")
    parent = parent_in(mlflow_uri)
    assert parent.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())
    assert artifacts_of(mlflow_uri, parent) == {"trials.csv": "trial\n"}


def test_a_deleted_experiment_is_named_and_nothing_is_raised(mlflow_uri, run_dir):
    Store(mlflow_uri, "digits", run_dir)
    mlflow_client(mlflow_uri).delete_experiment(
        mlflow_client(mlflow_uri).get_experiment_by_name("digits").experiment_id
    )
    status = Tracker(mlflow_uri, "digits", run_dir).project(make_state("controls"))
    assert (status.sent, status.unsent) == (0, 3)
    assert status.reason == (
        "the MLflow experiment 'digits' is deleted; restore it there, or choose another name"
    )


def test_a_submitted_search_is_sent_in_the_background(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    for phase in ("opened", "controls", "search"):
        tracker.submit(make_state(phase))
    assert tracker.close(timeout=60).unsent == 0
    assert len(runs_in(mlflow_uri)) == 1 + 9
    tracker.submit(make_state("confirm"))
    assert tracker.close(timeout=60) == tracker.status
    assert tracker.status.sent == 13


def test_a_locked_database_is_waited_for(mlflow_uri, run_dir):
    tracker = Tracker(mlflow_uri, "digits", run_dir)
    tracker.project(make_state("opened"))
    other = sqlite3.connect(mlflow_uri.removeprefix("sqlite:///"))
    other.execute("begin immediate")
    tracker.submit(make_state("controls"))
    time.sleep(0.3)
    assert tracker.status.unsent == 3
    other.rollback()
    other.close()
    assert tracker.close(timeout=30).sent == 3


def test_the_user_who_runs_the_search_is_named(mlflow_uri, run_dir, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody")
    Tracker(mlflow_uri, "digits", run_dir).project(SearchState(opened=make_state().opened))
    assert parent_in(mlflow_uri).data.tags["mlflow.user"] == "somebody"


def test_a_link_or_a_fifo_is_left_out_and_named(mlflow_uri, run_dir, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"not of this search")
    for folder in ("figures", "previews"):
        (run_dir / folder).mkdir()
    names = ["config.yaml", "figures/a.png", "previews/3.png", "previews/winner.png", "trials.csv"]
    for name in names:
        (run_dir / name).unlink(missing_ok=True)
        (run_dir / name).symlink_to(secret)
    (run_dir / "report.html").unlink(missing_ok=True)
    os.mkfifo(run_dir / "report.html")
    status = Tracker(mlflow_uri, "digits", run_dir).project(make_state())
    assert status.is_whole
    assert status.left_out == (*names[:4], "report.html", "trials.csv")
    assert "left out, as links or no regular files: config.yaml" in str(status)
    sent = artifacts_of(mlflow_uri, parent_in(mlflow_uri))
    assert not {Path(name).name for name in (*names, "report.html")} & {Path(n).name for n in sent}
    assert not artifacts_of(mlflow_uri, child_in(mlflow_uri, 3))
