"""What MLflow is told, as values: rows of trials and of the search, the description."""

import json

import pytest
from states import COURSE, STARTED_AT, make_record, make_state

from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.report.view import SearchView
from search.tracking.mlflow_values import trial_row
from search.tracking.search_run import (
    MAX_CHARACTERS,
    dataset_rows,
    describe,
    describe_winner,
    search_row,
)


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
    row = trial_row("s", make_record(4, "trial", "setting 4", {}, 0.0, rung=0, views=4))
    assert (row.params["views"], row.tags["augsearch.rung"]) == ("4", "0")


def test_a_trained_network_shows_which_way_its_images_took():
    record = make_record(4, "trial", "setting 4", {}, 0.0)
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
    assert "| `vertical_flip` | **HURTS** | on | −2.3 (−2.8 to −1.8) | off to on |" in text
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
