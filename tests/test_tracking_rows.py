"""What MLflow is told, as values: rows of trials and of the search, the description, addresses."""

import json

import pytest
from states import COURSE, STARTED_AT, make_record, make_state

from data.errors import UserError
from search.experiment.secrets import MASK, redacted, shown_override, shown_uri, without_secrets_of
from search.experiment.tracking_uri import (
    artifact_location,
    check_uri,
    checked_uri,
    mlflow_uri,
    sqlite_file,
)
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.report.view import SearchView
from search.tracking.description import MAX_CHARACTERS, describe, describe_winner
from search.tracking.search_run import dataset_rows, search_row
from search.tracking.trial_run import trial_row


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
    assert (
        record.asked_at * 1000 < points[0].timestamp < points[-1].timestamp == record.told_at * 1000
    )


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
    assert search_row(SearchView(state)).status == status


def test_the_search_row_holds_verdicts_floor_test_and_cost():
    row = search_row(SearchView(make_state()))
    values = {point.key: point.value for point in row.points}
    assert row.tags["verdict.vertical_flip"] == "HURTS"
    assert row.tags["recommended"] == "rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    points = [
        values[name] for name in ("effect/vertical_flip", "null_floor", "best/delta", "test/delta")
    ]
    evidence, test = make_state().evidence, make_state().test
    assert evidence is not None
    assert test is not None
    best = make_state().records[evidence.best_trial].effect.delta
    assert points == pytest.approx([-2.3, 0.7, 100 * best, 100 * test.effect.delta])
    assert values["seconds/search"] == 64
    assert values["test/chosen_accuracy"] == pytest.approx(26 / 27)


def test_progress_has_a_course_and_what_is_found_has_none():
    row = search_row(SearchView(make_state("search")))
    steps = {point.key: point.step for point in row.points}
    assert (steps["trials_completed"], steps["images_extracted"]) == (9, 9)
    assert (steps["null_floor"], steps["best/delta"]) == (0, 0)


def test_the_times_of_the_search_come_from_its_trials():
    row = search_row(SearchView(make_state("controls")))
    assert {point.timestamp for point in row.points} == {(STARTED_AT + 10 + 16 + 7.5) * 1000}


def test_the_trackers_own_settings_are_not_sent():
    assert not [
        key
        for key in search_row(SearchView(make_state())).params
        if "tracking" in key or "uri" in key
    ]


def test_each_split_is_a_dataset_with_its_sizes():
    train, validation = dataset_rows(SearchView(make_state()))
    assert (train.context, validation.context) == ("training", "validation")
    assert train.digest == "d161754d161754d1"
    profile = json.loads(validation.profile)
    assert (profile["num_images"], profile["images_a_class"]["7"]) == (270, 27)


def test_the_description_opens_with_the_answer_and_names_every_verdict():
    text = describe(SearchView(make_state()))
    assert text.startswith(
        "**Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points"
    )
    assert "| effect (95 %), points |" in text
    assert "| `vertical_flip` | **HURTS** | true | −2.3 (−2.8 to −1.8) | false to true |" in text
    assert "0.7 points" in text


@pytest.mark.parametrize("phase", ["opened", "controls", "search", "confirm", "ablation", "test"])
def test_a_search_under_way_is_described_too(phase):
    assert "No answer yet" in describe(SearchView(make_state(phase))) or phase in (
        "confirm",
        "ablation",
        "test",
    )


def test_names_in_the_description_are_text():
    text = describe(SearchView(make_state(class_names=("<script>alert(1)</script>", "a|b", "*c*"))))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert r"a\|b" in text
    assert r"\*c\*" in text


def test_a_description_of_a_thousand_long_classes_fits_a_tag():
    names = tuple(f"{'long ' * 60}{i}" for i in range(1000))
    text = describe(SearchView(make_state(class_names=names)))
    assert len(text) <= MAX_CHARACTERS
    assert text.startswith("**Use ")
    assert "report.html" in text


def test_a_registered_models_page_says_what_goes_in_and_comes_out():
    text = describe_winner(SearchView(make_state()), ("a|b", "c"))
    assert text.startswith("**Use rotation_range 15")
    assert "probabilities `[n, 2]` of: a\\|b, c." in text
    assert len(describe_winner(SearchView(make_state()), ("a long name",) * 1000)) < MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db:5432/runs", "postgresql://***@db:5432/runs"),
        ("see https://token@host/x and ftp://a:b@c", "see https://***@host/x and ftp://***@c"),
        ("https://me:p@ss:w@host/a", "https://***@host/a"),
        (
            "postgresql://db/x?user=me&password=hunter2&ssl=1",
            "postgresql://db/x?user=***&password=***&ssl=***",
        ),
        ("postgresql://me:hun/ter2@h/db", "postgresql://***@h/db"),
        ("postgresql://me:hun?t#er@2@h/db?a=b#c", "postgresql://***@h/db?a=***#***"),
        (
            "https://h/x?sig=hunter2&api_key=hunter2;auth=hunter2",
            "https://h/x?sig=***&api_key=***;auth=***",
        ),
        ("https://h/x?hunter2", "https://h/x?***"),
        (
            "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2",
            "mssql+pyodbc:///?odbc_connect=***",
        ),
        ("sqlite:///mlflow.db?timeout=5", "sqlite:///mlflow.db?timeout=***"),
        ("in sqlite:////tmp/wh?t/m#1.db; then", "in sqlite:////tmp/wh?t/m#1.db; then"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("http://host:5000 mail me@host", "http://host:5000 mail me@host"),
        ("no http://u:zq9 pw@h/x", "no http://***@h/x"),
        ("no http://u:<zq9>'\tpw@h/x", "no http://***@h/x"),
        ("http://h/x;token=hunter2", "http://h/x;token=***"),
        ("http://h/x;token=hunter2?a=b", "http://h/x;token=***?a=***"),
        ("postgresql:u:hunter2@h/db", "postgresql:***@h/db"),
        ("no http:/u:hunter2@h", "no http:/***@h"),
        ("no u:hunter2@h:5000", "no ***@h:5000"),
        ("//u:hunter2@h and http//u:hunter2@h", "//***@h"),
        ("http:\\\\u:hunter2@h", "http:\\\\***@h"),
        ('postgresql://u:a"b\nhunter2@h/db', "postgresql://***@h/db"),
        ("mysql:u:a'b\nhunter2@h/db", "mysql:***@h/db"),
        ("http://u:hun ter2@hun ter2@h/x", "http://***@h/x"),
        ("https://h/x?key=hun@ter2 is", "https://***@*** is"),
        ("http:/h/x?token=hunter2", "http:/h/x?token=***"),
        ("u:hunter2@[::1]:5000", "***@[::1]:5000"),
        ("note: mail me@host at 10:30 me@host", "note: mail me@host at 10:30 me@host"),
        ("path: /data/a@b", "path: /data/a@b"),
        (
            "allowed: http(s)://HOST; write http://***@h",
            "allowed: http(s)://HOST; write http://***@h",
        ),
    ],
)
def test_credentials_are_left_out_of_what_is_shown(text, shown):
    assert redacted(text) == shown == redacted(shown)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:hunter 2\"'<@h/db", "postgresql://***@h/db"),
        ("me:hunter2@h:5000", "***@h:5000"),
        ("postgresql://me:a://hunter2@h/db", "postgresql://***@h/db"),
        (
            "sqlite+pysqlcipher://:hunter2@/m.db?kdf_iter=1",
            "sqlite+pysqlcipher://***@/m.db?kdf_iter=***",
        ),
        ("postgresql://u:hunter2", "postgresql://u:***"),
        ("http:/u:hunter2/x", "http:/u:***/x"),
        ("https://h/x?key=hun@ter2", "https://***@***"),
        ("localhost:5000", "localhost:5000"),
        ("C:\\mlruns", "C:\\mlruns"),
    ],
)
def test_a_whole_address_is_shown_without_secrets_whatever_signs_it_holds(uri, shown):
    assert shown_uri(uri) == shown == shown_uri(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tracking.uri:http://u:zq9 pw@h/x", "tracking.uri:http://***@h/x"),
        ('tracking.uri:http://u:1 "p/w@@h/x;a=b', "tracking.uri:http://***@h/x;a=***"),
        ("tracking.uri", "tracking.uri"),
    ],
)
def test_a_wrong_override_is_shown_without_secrets(text, shown):
    assert shown_override(text) == shown


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql://me:hun%40ter2@h/db", 'password "hun@ter2" for me was wrong at hun%40ter2'),
        ("postgresql://me:a@hunter2@h/db", 'could not translate host name "hunter2@h"'),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Dhunter2", "login failed: {X};PWD=hunter2"),
        ("postgresql://h/db?password=hunter2&sslkey=/x", "connection to h with hunter2"),
        (
            "https://h/x?sig=hunter2",
            "API request to https://h/x/api?sig=hunter2 and HUN=hunter2 failed",
        ),
    ],
)
def test_what_a_driver_says_is_free_of_the_secrets_of_its_address(uri, said):
    text = without_secrets_of(said, uri)
    assert "hunter2" not in text
    assert "hun@ter2" not in text
    assert "hun%40ter2" not in text
    assert MASK in text


@pytest.mark.parametrize("uri", ["./mlruns", "mlruns", "file:///tmp/mlruns", "/tmp/mlruns"])
def test_a_folder_is_refused_with_what_to_write_instead(uri):
    with pytest.raises(
        UserError, match=r"folder.*allowed: sqlite:///FILE.*write sqlite:///mlflow\.db"
    ):
        checked_uri(uri)


@pytest.mark.parametrize(
    ("uri", "spelling"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000/ml", "http://127.0.0.1:5000/ml"),
        ("me:hunter2@host:5000?token=hunter2", "http://***@host:5000?token=***"),
        ("http:/host", "http://host"),
        ("http://", "http://HOST:5000"),
        ("http://host:99999", "http://HOST:PORT"),
        ("postgresql://me:hunter2@h:5x/db", "postgresql://HOST:PORT"),
        ("postgres://me:hunter2@h/db", "postgresql://***@h/db"),
        ("sqlite://mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:mlflow.db", "sqlite:///mlflow.db"),
        ("runs/mlflow.db", "sqlite:///runs/mlflow.db"),
        ("", "sqlite:///mlflow.db"),
    ],
)
def test_a_slip_in_an_address_is_refused_with_the_right_spelling(uri, spelling):
    with pytest.raises(UserError) as caught:
        check_uri(uri)
    assert f"write {spelling}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_option_that_sqlite_has_not_is_refused_without_its_value():
    with pytest.raises(UserError, match=r"option 'key'; allowed: cache, ") as caught:
        check_uri("sqlite:///mlflow.db?timeout=5&key=hunter2")
    assert "hunter2" not in str(caught.value)


def test_an_address_that_a_search_has_kept_is_not_taken_for_a_whole_one():
    with pytest.raises(UserError, match=r"keeps no secrets.*write it out again"):
        checked_uri(shown_uri("postgresql://me:hunter2@h/db"))


@pytest.mark.parametrize(
    "name", ["wh?t", "a#b", "100%", "a%20b", "with space", "é日本", "a&b=c", "m@il"]
)
def test_an_sqlite_file_is_the_one_that_is_written_whatever_signs_it_holds(name, tmp_path):
    from sqlalchemy import make_url

    file = tmp_path / name / f"{name}.db"
    uri = checked_uri(f"sqlite:///{file}")
    assert sqlite_file(uri) == file
    assert shown_uri(uri) == redacted(uri) == f"sqlite:///{file}" or " " in name
    assert make_url(mlflow_uri(uri)).database == str(file)
    assert make_url(mlflow_uri(checked_uri(f"{uri}?timeout=5"))).query == {"timeout": "5"}


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
    assert (
        artifact_location(uri, tmp_path / "runs" / "x")
        == (tmp_path / "here" / "mlartifacts").as_uri()
    )


def test_files_go_beside_the_run_directory_or_where_the_server_says(tmp_path):
    run_dir = tmp_path / "runs" / "digits"
    assert (
        artifact_location("postgresql://h/d", run_dir)
        == (tmp_path / "runs" / "mlartifacts").as_uri()
    )
    assert artifact_location("https://h", run_dir) is None
