"""What MLflow is told, as values: rows of trials and of the search, the description."""

import base64
import json
import re
import zlib
from pathlib import Path

import pytest
from states import COURSE, STARTED_AT, make_record, make_state, with_lost

from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.report.view import SearchView
from search.tracking.descriptions import (
    MAX_CHARACTERS,
    describe,
    describe_experiment,
    describe_trial,
    describe_winner,
)
from search.tracking.saved_view import Place, saved_view
from search.tracking.search_run import dataset_rows, search_row
from search.tracking.trial_run import claimed_of, order_text, trial_row

PLACE = Place("7", "r" * 32, "0123456789abcdef", "runs/digits", frozenset({"report.html"}))


def row_of(record: TrialRecord):
    return trial_row(SearchView(make_state()), record)


def record_of(state: SearchState, trial: int) -> TrialRecord:
    return next(record for record in state.records if record.trial == trial)


def test_a_trial_is_the_same_row_whenever_it_is_made():
    first, second = make_state(), make_state("search")
    rows = [trial_row(SearchView(state), record_of(state, 3)) for state in (first, second)]
    assert rows[0] == rows[1]


def test_a_curve_has_a_point_an_epoch_from_one_within_the_trial():
    record = record_of(make_state(num_epochs=40), 3)
    points = [point for point in row_of(record).points if point.key == "val_loss"]
    assert [point.step for point in points] == list(range(1, 41))
    assert [point.value for point in points] == list(record.result.curve.val_loss)
    assert (
        (record.told_at - 7.25) * 1000
        < points[0].timestamp
        < points[-1].timestamp
        == record.told_at * 1000
    )


def test_the_final_scores_do_not_continue_a_curve():
    row = row_of(record_of(make_state(), 3))
    keys = {point.key for point in row.points if point.step == 0}
    assert {"score", "effect", "seconds"} == keys  # few: the dashboard draws a chart of each
    assert not keys & {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_every_setting_is_a_param_of_its_own_name():
    row = row_of(make_record(1, "control", "course", COURSE, 0.0))
    assert row.params["rotation_range"] == "15"
    assert row.params["horizontal_flip"] == "true"
    assert row.params["vertical_flip"] == "false"  # searched, and off here
    assert row.params["learning_rate"] == "0.001"


def test_a_rung_shows_the_views_it_was_trained_with():
    row = row_of(make_record(4, "trial", "setting 4", {}, 0.0, rung=0, views=4))
    assert (row.params["views"], row.tags["augsearch.rung"]) == ("4", "0")


def test_a_trained_network_shows_which_way_its_images_took():
    record = make_record(4, "trial", "setting 4", {}, 0.0)
    assert "augsearch.path" not in row_of(record).tags
    way = "whole network: mixup and cutmix mix images"
    mixed = record.model_copy(update={"result": record.result.model_copy(update={"path": way})})
    assert row_of(mixed).tags["augsearch.path"] == way


def test_heads_that_were_cut_and_networks_that_did_not_train_are_tags():
    tags = row_of(record_of(with_lost(make_state(), 3), 3)).tags
    assert tags["augsearch.heads_cut"] == "1 of 15"
    assert tags["augsearch.heads_lost"] == "of 15: 1 never left chance"
    failed = row_of(record_of(with_lost(make_state(failed=(3,)), 3, 8), 3)).tags
    assert failed["augsearch.heads_lost"] == "of 15: 8 never left chance"
    record = record_of(make_state(), 3)
    uncut = record.result.model_copy(update={"heads_cut_by_max_epochs": 0})
    tags = row_of(record.model_copy(update={"result": uncut})).tags
    assert not {"augsearch.heads_cut", "augsearch.heads_lost"} & set(tags)


def test_a_failed_trial_has_its_reason_and_no_score():
    row = row_of(record_of(make_state(failed=(4,)), 4))
    assert row.status == "FAILED"
    assert row.tags["augsearch.error"] == "the loss is not finite (epoch 3)"
    assert row.points == ()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (make_state("search"), "RUNNING"),
        (make_state("search").model_copy(update={"stopped": "SIGTERM"}), "KILLED"),
        (make_state(), "FINISHED"),
        (
            make_state("search").model_copy(update={"stopped": "no disk", "has_failed": True}),
            "FAILED",
        ),
    ],
    ids=["under way", "stopped", "finished", "could not go on"],
)
def test_the_search_has_the_status_of_its_journal(state, status):
    assert search_row(SearchView(state)).status == status


def test_the_search_row_holds_verdicts_effects_strengths_and_the_test():
    row = search_row(SearchView(make_state()))
    values = {point.key: point.value for point in row.points}
    assert row.tags["verdict.vertical_flip"] == "HURTS"
    assert row.tags["recommended"] == "rotation_range 15, width_shift_range 0.1, zoom_range 0.1"
    assert row.tags["effect.vertical_flip"] == "−2.3 points (−2.8 to −1.8)"
    assert (row.tags["strength.rotation_range"], row.tags["interval"]) == ("10", "0.7 to 1.7")
    assert row.tags["test_accuracy"].startswith("96.3 % (")
    assert values == pytest.approx(
        {"effect": 1.2, "test_accuracy": 26 / 27, "trials_completed": 18, "seconds": 170}, abs=1e-6
    )


def test_progress_has_a_course_and_what_is_found_has_none():
    row = search_row(SearchView(make_state("search")))
    steps = {point.key: point.step for point in row.points}
    assert (steps["trials_completed"], steps["seconds"]) == (9, 9)
    assert steps["effect"] == 0


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
    assert "Accuracy on the sealed test set: 96.3 % (" in text
    assert "layers.RandomRotation" in text
    assert len(describe_winner(SearchView(make_state()), ("a long name",) * 1000)) < MAX_CHARACTERS


def test_every_trial_has_a_value_of_everything_that_is_searched():
    state = make_state()
    view = SearchView(state)
    for record in state.records:
        bare = record.model_copy(update={"settings": {}})
        assert state.opened.space.keys() <= trial_row(view, bare).params.keys()
    bare = record_of(state, 2).model_copy(update={"settings": {}})
    assert trial_row(view, bare).params["rotation_range"] == "0.0"


def test_a_verdict_takes_the_place_of_one_trainings_effect():
    view = SearchView(make_state())
    found = claimed_of(view, record_of(view.state, 10))
    assert (found.tags["verdict"], found.tags["interval"]) == ("HELPS", "0.7 to 1.7")
    assert found.effect.value == pytest.approx(1.2)
    assert found.tags["mlflow.note.content"].startswith("**HELPS: +1.2 points (0.7 to 1.7)** of")
    assert claimed_of(view, record_of(view.state, 4)) is None
    early = SearchView(make_state("search"))
    assert not [r for r in early.records if claimed_of(early, r)]


def test_a_trial_without_a_verdict_says_so():
    view = SearchView(make_state(failed=(6,)))
    said = {number: describe_trial(view, record_of(view.state, number)) for number in (0, 4, 6)}
    assert said[0].startswith("**No augmentation:** what the others are compared with.")
    assert said[4].startswith("**No verdict: −5.2 points (−5.7 to −4.7)** of accuracy over no")
    assert "rotation_range 40, width_shift_range 0.2, zoom_range 0.3, vertical_flip" in said[4]
    assert said[6].startswith("**Failed:** the loss is not finite (epoch 3)")


def test_trials_sort_as_text_by_group_and_then_by_effect():
    effects = (4000.0, 12.3, 1.2, 0.4, 0.0, -0.5, -31.0)
    texts = [order_text(group, effect) for group in "12" for effect in effects]
    assert texts == sorted(texts)
    assert texts[0] > "0"
    assert texts[-1] < "3"


def test_the_experiments_description_asks_answers_and_leads_on():
    text = describe_experiment(SearchView(make_state()), PLACE)
    assert text.startswith(
        "**Which augmentations help on digits?** Use rotation_range 15, width_shift_range 0.1, "
        "zoom_range 0.1: +1.2 points (0.7 to 1.7) of accuracy"
    )
    assert f"]({PLACE.runs})" in text
    assert f"]({PLACE.artifact('report.html')})" in text
    assert "winner.png" not in text  # which is not there
    assert "python run_search.py run runs/digits/config.yaml" in text


def test_the_saved_view_shows_what_was_searched_and_fits_a_tag():
    view = SearchView(make_state())
    files = frozenset({"figures/forest.png"})
    envelope = json.loads(saved_view(view, files))
    assert envelope["name"] == "digits, 2025-10-09 08:53: effects and verdicts"
    state = json.loads(zlib.decompress(base64.b64decode(envelope["state"].partition(";")[2])))
    assert state["selectedColumns"] == [
        "metrics.`effect`",
        "tags.`interval`",
        "tags.`verdict`",
        *(f"params.`{name}`" for name in view.opened.space),
    ]
    (parallel,) = [c for c in state["compareRunCharts"] if c["type"] == "PARALLEL"]
    assert parallel["selectedParams"] == list(view.opened.space)
    assert [c["imageKeys"] for c in state["compareRunCharts"] if c["type"] == "IMAGE"] == [
        ["answer/effects"]
    ]
    wide = {f"setting_{number}_" + "x" * 240: {"min": 0, "max": 1} for number in range(40)}
    opened = view.opened.model_copy(update={"space": wide})
    longest = SearchView(view.state.model_copy(update={"opened": opened}))
    assert len(saved_view(longest, files)) < MAX_CHARACTERS


def test_every_name_is_in_the_page_of_the_dashboard():
    state = with_lost(make_state(failed=(6,)), 3)
    view, text = SearchView(state), (Path(__file__).parent.parent / "docs/dashboard.md").read_text()
    rows = [search_row(view), *(trial_row(view, record) for record in state.records)]
    of_claims = [found.tags for r in state.records if (found := claimed_of(view, r))]
    tags = {tag for tags in (*(row.tags for row in rows), *of_claims) for tag in tags}
    augmentations = "|".join(view.opened.space)
    names = {re.sub(rf"\.({augmentations})$", ".NAME", tag) for tag in tags}
    names = {name for name in names if not name.startswith("mlflow.")}
    names |= {point.key for row in rows for point in row.points}
    unsaid = {n for n in names if f"`{n}`" not in text and f"`.{n.partition('.')[2]}`" not in text}
    assert not unsaid
