"""What MLflow is told, as values: rows of trials and of the search, the description, addresses."""

import json

import pytest
from states import COURSE, STARTED_AT, make_record, make_state

from data.errors import UserError
from search.experiment.tracking_uri import artifact_location, checked_uri, redacted
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.tracking.note import MAX_CHARACTERS, describe, describe_winner
from search.tracking.of_search import dataset_rows, search_row
from search.tracking.of_trial import trial_row


def record_of(state: SearchState, trial: int) -> TrialRecord:
    return next(record for record in state.records if record.trial == trial)


def test_a_trial_is_the_same_row_whenever_it_is_made():
    first, second = make_state(), make_state("search")
    assert trial_row("s", record_of(first, 3)) == trial_row("s", record_of(second, 3))


def test_a_curve_has_a_point_an_epoch_from_one_within_the_trial():
    record = record_of(make_state(num_epochs=40), 3)
    points = [point for point in trial_row("s", record).points if point.key == "val_loss"]
    assert [point.step for point in points] == list(range(1, 41))
    assert [point.value for point in points] == list(record.result.curve.val_loss)
    assert record.asked_at * 1000 < points[0].timestamp < points[-1].timestamp == record.told_at * 1000


def test_the_final_scores_do_not_continue_a_curve():
    row = trial_row("s", record_of(make_state(), 3))
    keys = {point.key for point in row.points if point.step == 0}
    assert {"score", "delta", "ci_low", "ci_high", "p_value", "seconds", "final_accuracy"} <= keys
    assert not keys & {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_every_setting_is_a_param_of_its_own_name():
    row = trial_row("s", make_record(1, "control", "course", COURSE, 0.0))
    assert row.params["rotation_range"] == "15"
    assert row.params["horizontal_flip"] == "true"
    assert row.params["vertical_flip"] == "false"  # searched, and off here
    assert row.params["learning_rate"] == "0.001"


def test_a_rung_shows_the_views_it_was_trained_with():
    row = trial_row("s", make_record(4, "trial", "trial 4", {}, 0.0, rung=0, views=4))
    assert (row.params["views"], row.tags["augsearch.rung"]) == ("4", "0")


def test_a_trained_network_shows_which_way_its_images_took():
    record = make_record(4, "trial", "trial 4", {}, 0.0)
    assert "augsearch.path" not in trial_row("s", record).tags
    way = "whole network: mixup and cutmix mix images"
    mixed = record.model_copy(update={"result": record.result.model_copy(update={"path": way})})
    assert trial_row("s", mixed).tags["augsearch.path"] == way


def test_a_failed_trial_has_its_reason_and_no_score():
    row = trial_row("s", record_of(make_state(failed=(4,)), 4))
    assert row.status == "FAILED"
    assert row.tags["augsearch.error"] == "the loss is not finite (epoch 3)"
    assert row.points == ()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (make_state("search"), "RUNNING"),
        (make_state("search").model_copy(update={"stopped": "SIGTERM"}), "KILLED"),
        (make_state(), "FINISHED"),
        (make_state(failed=tuple(range(3, 9))), "FAILED"),
    ],
    ids=["under way", "stopped", "finished", "no trial completed"],
)
def test_the_search_has_the_status_of_its_journal(state, status):
    assert search_row(state).status == status


def test_the_search_row_holds_verdicts_floor_test_and_cost():
    row = search_row(make_state())
    values = {point.key: point.value for point in row.points}
    assert row.tags["verdict.vertical_flip"] == "HURTS"
    assert row.tags["recommended"] == "rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    points = [values[name] for name in ("effect/vertical_flip", "null_floor", "best/delta", "test/delta")]
    evidence, test = make_state().evidence, make_state().test
    assert evidence is not None
    assert test is not None
    best = make_state().records[evidence.best_trial].effect.delta
    assert points == pytest.approx([-2.3, 0.7, 100 * best, 100 * test.effect.delta])
    assert values["seconds/search"] == 64
    assert values["test/chosen_accuracy"] == pytest.approx(26 / 27)


def test_progress_has_a_course_and_what_is_found_has_none():
    row = search_row(make_state("search"))
    steps = {point.key: point.step for point in row.points}
    assert (steps["trials_completed"], steps["images_extracted"]) == (9, 9)
    assert (steps["null_floor"], steps["best/delta"]) == (0, 0)


def test_the_times_of_the_search_come_from_its_trials():
    row = search_row(make_state("controls"))
    assert {point.timestamp for point in row.points} == {(STARTED_AT + 10 + 16 + 7.5) * 1000}


def test_the_trackers_own_settings_are_not_sent():
    assert not [key for key in search_row(make_state()).params if "tracking" in key or "uri" in key]


def test_each_split_is_a_dataset_with_its_sizes():
    train, validation = dataset_rows(make_state())
    assert (train.context, validation.context) == ("training", "validation")
    assert train.digest == "d161754d161754d1"
    profile = json.loads(validation.profile)
    assert (profile["num_images"], profile["images_a_class"]["7"]) == (270, 27)


def test_the_description_opens_with_the_answer_and_names_every_verdict():
    text = describe(make_state())
    assert text.startswith("**Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points")
    assert (
        "| `vertical_flip` | **HURTS** | −2.3 points (−2.8 to −1.8) | < 0.001 | alone, against none |" in text
    )
    assert "0.7 points" in text


@pytest.mark.parametrize("phase", ["opened", "controls", "search", "confirm", "ablation", "test"])
def test_a_search_under_way_is_described_too(phase):
    assert "No answer yet" in describe(make_state(phase)) or phase in ("confirm", "ablation", "test")


def test_names_in_the_description_are_text():
    text = describe(make_state(class_names=("<script>alert(1)</script>", "a|b", "*c*")))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert r"a\|b" in text
    assert r"\*c\*" in text


def test_a_description_of_a_thousand_long_classes_fits_a_tag():
    names = tuple(f"{'long ' * 60}{i}" for i in range(1000))
    text = describe(make_state(class_names=names))
    assert len(text) <= MAX_CHARACTERS
    assert text.startswith("**Use ")
    assert "report.html" in text


def test_a_registered_models_page_says_what_goes_in_and_comes_out():
    text = describe_winner(make_state(), ("a|b", "c"))
    assert text.startswith("**Use rotation_range 15")
    assert "probabilities `[n, 2]` of: a\\|b, c." in text
    assert len(describe_winner(make_state(), ("a long name",) * 1000)) < MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/runs", "postgresql://***@db:5432/runs"),
        ("see https://token@host/x and ftp://a:b@c", "see https://***@host/x and ftp://***@c"),
        ("https://me:p@ss:w@host/a@b", "https://***@host/a@b"),
        ("postgresql://db/x?user=me&password=hunter2&ssl=1", "postgresql://db/x?user=me&password=***&ssl=1"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("http://host:5000 mail me@host", "http://host:5000 mail me@host"),
    ],
)
def test_credentials_are_left_out_of_what_is_shown(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize("uri", ["./mlruns", "mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_a_folder_is_refused_with_what_to_write_instead(uri):
    with pytest.raises(UserError, match=r"folder.*allowed: sqlite:///FILE.*write sqlite:///mlflow\.db"):
        checked_uri(uri)


@pytest.mark.parametrize("uri", ["ftp://me:hunter2@host/x", "sqlite://", "sqlite:///:memory:"])
def test_other_addresses_are_refused_without_their_password(uri):
    with pytest.raises(UserError) as caught:
        checked_uri(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["http://h:5000", "https://h", "postgresql+psycopg://h/d", "databricks://profile"]
)
def test_servers_and_databases_are_taken_as_they_are(uri):
    assert checked_uri(uri) == uri


def test_an_sqlite_file_is_taken_from_where_the_search_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = checked_uri("sqlite:///here/mlflow.db")
    monkeypatch.chdir("/")
    assert uri == f"sqlite:///{tmp_path}/here/mlflow.db" == checked_uri(uri)
    assert artifact_location(uri, tmp_path / "runs" / "x") == (tmp_path / "here" / "mlartifacts").as_uri()


def test_files_go_beside_the_run_directory_or_where_the_server_says(tmp_path):
    run_dir = tmp_path / "runs" / "digits"
    assert artifact_location("postgresql://h/d", run_dir) == (tmp_path / "runs" / "mlartifacts").as_uri()
    assert artifact_location("https://h", run_dir) is None
