"""How a search is said in words."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from states import (
    ALONE,
    make_claims,
    make_effect,
    make_estimate,
    make_state,
    with_claims,
    with_evaluation,
    with_lost,
    without_recommendation,
)

from data.messages import first_of, listed
from search.driver.sitting import cut_off
from search.evidence.claim_table import AugmentationClaims, Claims, CurvePoint, StrengthRange
from search.experiment.objectives import OBJECTIVES
from search.journal.state import SearchResult
from search.report.answer_text import answer, beside_answer, with_answer
from search.report.closing import print_closing
from search.report.page import render_report
from search.report.sentences import facts, notices, what_goes_with_what
from search.report.summary import summarize
from search.report.tables import verdict_table, whole_table
from search.report.view import SearchView
from search.report.wording import (
    amount_text,
    ends_text,
    interval_text,
    label_text,
    printable,
    seconds_text,
    settings_of,
    settings_text,
    shortened,
    size_text,
    strength_text,
)
from search.tracking.descriptions import describe

POINTS = OBJECTIVES["accuracy"].unit


def test_a_hundredth_is_a_point() -> None:
    assert amount_text(0.012, POINTS) == "+1.2"


def test_a_loss_has_a_true_minus_sign() -> None:
    assert amount_text(-0.0042, POINTS) == "−0.4"


@pytest.mark.parametrize("value", [0.0, 0.0004, -0.0004])
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert amount_text(value, POINTS) == "0.0"


def test_an_interval_stands_in_brackets() -> None:
    assert interval_text(0.012, 0.004, 0.02, POINTS) == "+1.2 points (0.4 to 2.0)"


def test_a_bound_that_would_round_to_zero_gets_a_decimal_more() -> None:
    assert interval_text(0.006, 0.0003, 0.0117, POINTS, named=False) == "+0.60 (0.03 to 1.17)"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-0.003, 0.00504, "+0.102 (−0.300 to 0.504)"),  # NO EVIDENCE, by its end alone
        (-0.003, 0.0057, "+0.1 (−0.3 to 0.6)"),
        (-0.003, 0.0048, "+0.1 (−0.3 to 0.5)"),  # NEGLIGIBLE
        (-0.05, 0.00504, "+0.1 (−5.0 to 0.5)"),
        (0.0004, 0.00504, "+0.10 (0.04 to 0.50)"),  # HELPS
    ],
)
def test_an_end_beyond_what_is_negligible_does_not_seem_within_it(
    low: float, high: float, text: str
) -> None:
    unit = replace(POINTS, negligible=0.005)
    assert interval_text(0.00102, low, high, unit, named=False) == text
    assert text.endswith(f"({ends_text(low, high, unit)})")
    assert SearchView(make_state()).unit == unit


def test_log_loss_is_told_in_nats() -> None:
    nats = OBJECTIVES["log_loss"].unit
    assert interval_text(0.0214, 0.01, 0.03, nats) == "+0.021 nats (0.010 to 0.030)"


def test_settings_are_told_in_the_units_of_the_experiment_file() -> None:
    settings = {
        "rotation_range": 15,
        "brightness_range": [0.8, 1.2],
        "horizontal_flip": True,
        "fill_mode": "wrap",
    }
    assert (
        settings_text(settings, 150)
        == "rotation_range 15, brightness_range 0.8 to 1.2, horizontal_flip, fill_mode wrap"
    )


def test_settings_stand_in_one_order_whoever_tells_of_them() -> None:
    """A journal has them sorted, an algorithm as it drew them."""
    drawn = {"zoom_range": 0.1, "FILE.py:own": 2, "rotation_range": 15, "fill_mode": "wrap"}
    texts = {settings_text(dict(items), 150) for items in (drawn.items(), sorted(drawn.items()))}
    assert texts == {"rotation_range 15, zoom_range 0.1, FILE.py:own 2, fill_mode wrap"}


def test_no_settings_are_no_augmentation() -> None:
    assert settings_text({}, 150) == "no augmentation"


def test_an_amount_that_would_be_told_as_nothing_gets_more_decimals() -> None:
    assert size_text(0.012, POINTS) == "1.2 points"
    assert size_text(0.0004, POINTS) == "0.04 points"
    assert size_text(0.00003, POINTS) == "0.003 points"
    assert size_text(0.0, POINTS) == "0.0 points"
    assert interval_text(0.0003, -0.012, 0.0126, POINTS, named=False) == "+0.03 (−1.20 to 1.26)"
    assert interval_text(0.006, 1e-12, 0.012, POINTS, named=False) == "+0.600 (0.000 to 1.200)"


def test_strengths_of_what_is_no_number_are_on_and_off() -> None:
    assert strength_text("vertical_flip", True) == "on"
    assert strength_text("vertical_flip", False) == "off"
    assert strength_text("brightness_range", (1.0, 1.0)) == "off"
    assert strength_text("brightness_range", [0.8, 1.2]) == "0.8 to 1.2"
    assert strength_text("rotation_range", 0) == "0"


DRAWN = {
    "rotation_range": 12.3456,
    "width_shift_range": 0.0001,
    "zoom_range": 0.123456,
    "brightness_range": [0.912345, 1.087],
    "horizontal_flip": True,
}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (
            150,
            "rotation_range 12.3, zoom_range 0.12, brightness_range 0.91 to 1.09, horizontal_flip",
        ),
        (32, "rotation_range 12, zoom_range 0.12, brightness_range 0.91 to 1.09, horizontal_flip"),
        (
            2048,
            "rotation_range 12.35, width_shift_range 0.0001, zoom_range 0.1235, brightness_range "
            "0.91 to 1.09, horizontal_flip",
        ),
    ],
)
def test_numbers_are_rounded_to_what_shows_at_the_size_of_the_images(size: int, text: str) -> None:
    assert settings_text(DRAWN, size) == text


def test_rounding_changes_a_strength_by_no_more_than_a_tenth() -> None:
    assert settings_text({"width_shift_range": 0.05}, 8) == "width_shift_range 0.05"
    assert settings_text({"width_shift_range": 0.2}, 8) == "width_shift_range 0.2"


def test_what_moves_no_pixel_is_nothing() -> None:
    faint = {
        "width_shift_range": 0.0001,
        "rotation_range": 0.01,
        "brightness_range": [0.9999, 1.0001],
        "cutout": 1e-4,
    }
    assert settings_text(faint, 150) == "nothing that shows at 150 px"
    assert settings_text({"width_shift_range": 1}, 150) == "width_shift_range 1"


@pytest.mark.parametrize("limit", range(6, 80))
def test_a_label_is_shortened_at_whole_settings(limit: int) -> None:
    text = settings_text(DRAWN, 2048, limit)
    whole = settings_text(DRAWN, 2048).split(", ")
    kept, _, rest = text.partition(" and ")
    assert len(text) <= limit or text == "5 augmentations"
    if text != "5 augmentations":
        assert kept.split(", ") == whole[: len(kept.split(", "))]
        assert rest in ("", f"{5 - len(kept.split(', '))} more")


def test_a_short_label_says_how_many_settings_are_left_out() -> None:
    assert settings_text(DRAWN, 150, 34) == "rotation_range 12.3 and 3 more"
    assert settings_text(DRAWN, 150, 48) == "rotation_range 12.3, zoom_range 0.12 and 2 more"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_control_signs_are_replaced_and_lines_kept() -> None:
    assert printable("a\x1b[31m\x00\nb") == "a�[31m�\nb"


def test_a_long_name_keeps_both_ends() -> None:
    assert shortened("abcdefghijklmnopqrstuvwxyz", 10) == "abcdef…xyz"


def test_a_recommendation_names_the_settings_and_the_interval() -> None:
    text = answer(SearchView(make_state()))
    assert text.startswith(
        "Use rotation_range 15, width_shift_range 0.1, zoom_range 0.1: +1.2 points (0.7 to 1.7)"
    )


def answered(claims: Claims) -> SearchView:
    state = make_state()
    assert state.evidence is not None
    evidence = with_claims(state.evidence, claims)
    return SearchView(state.model_copy(update={"evidence": evidence}))


NOTHING_GAINS = {"setting 3": 0.001, "setting 5": 0.0, "setting 7": -0.001}
NOTHING_ALONE = dict.fromkeys(ALONE, 0.0)


def test_no_augmentation_is_the_answer_where_nothing_gains() -> None:
    claims = make_claims(half_width=0.002, wholes=NOTHING_GAINS, alone=NOTHING_ALONE)
    wholes = tuple(each for each in claims.wholes if each.label != "course")
    view = answered(claims.model_copy(update={"wholes": wholes}))
    expected = "Use no augmentation: what was tried is shown to gain less than 0.3 points"
    assert answer(view).startswith(expected)
    assert view.used == {}


def test_a_search_that_could_not_see_says_what_it_would_have_seen() -> None:
    text = answer(SearchView(without_recommendation()))
    assert text.startswith(
        "It cannot be told whether augmentation helps: of rotation_range 10, known least "
        "of what may still help, "
        "a gain below 0.8 points was invisible here. "
    )


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (0.001, "adds nothing shown beside it"),
        (-0.02, "hurts beside it"),
        (0.02, "helps beside it too"),
        (None, "what it adds to what is used is not told"),
    ],
)
def test_what_helps_alone_and_is_left_out_is_explained(effect: float | None, words: str) -> None:
    claims = make_claims(alone={"vertical_flip": 0.01})
    *others, flip = claims.augmentations
    beside = None if effect is None else make_estimate(effect)
    flip = flip.model_copy(update={"with_recommended": beside})
    view = answered(claims.model_copy(update={"augmentations": (*others, flip)}))
    (line,) = beside_answer(view)
    assert line.startswith("vertical_flip HELPS alone, +1.0 points (0.5 to 1.5), and is left out")
    assert words in line


def cut_short(num_heads: int, views: int) -> SearchView:
    """Heads cut of the fifteen of each training with a vertical flip, which are of the rung that
    counts."""
    state, records = make_state(), []
    for record in state.records:
        if record.spec.settings.augmentation.get("vertical_flip") and record.result:
            spec, result = record.spec, record.result
            protocol = spec.protocol.model_copy(update={"views": views})
            training = spec.settings.training.model_copy(update={"views": views})
            settings = spec.settings.model_copy(update={"training": training})
            spec = spec.model_copy(update={"protocol": protocol, "settings": settings})
            result = result.model_copy(update={"heads_cut_by_max_epochs": num_heads})
            record = record.model_copy(update={"spec": spec, "result": result, "rung": 1})
        records.append(record)
    return SearchView(state.model_copy(update={"records": tuple(records)}))


@pytest.mark.parametrize(
    ("heads", "views", "words"),
    [
        (9, 16, "max_epochs cut short 18 of 30 heads"),
        (0, 4, "4 views per image"),
        (9, 4, "max_epochs cut short 18 of 30 heads and 4 views per image"),
    ],
)
def test_harm_that_rests_on_little_training_is_marked(heads: int, views: int, words: str) -> None:
    view = cut_short(heads, views)
    (line,) = beside_answer(view)
    assert line.startswith(f"HURTS of vertical_flip is in doubt: {words}")
    marked = {row[0].text: row[-1].text for row in verdict_table(view).rows}
    assert marked["vertical_flip"] == words.replace(" and ", "; ")
    assert not beside_answer(cut_short(0, 16))


def test_a_whole_setting_in_doubt_is_not_taken_for_its_augmentation() -> None:
    view, doubts = SearchView(make_state()), ("4 views per image",)
    vars(view)["wholes"] = tuple(
        replace(each, doubts=doubts, verdict="HURTS") for each in view.wholes
    )
    (said,) = (line for line in beside_answer(view) if line.startswith("HURTS of"))
    assert "the whole setting rotation_range 10" in said
    assert "the whole setting course" not in said


def test_more_than_there_is_to_gain_is_not_named_as_a_size() -> None:
    claims = make_claims()
    for high, size in ((3.0, "of any size"), (0.0142, "of up to 1.5 points")):
        unlike = {"detectable": 4.06, "ci": (-3.0, high)}
        unknown = tuple(
            each.model_copy(update={"alone": each.alone.model_copy(update=unlike)})
            if each.name == "width_shift_range" and each.alone
            else each
            for each in claims.augmentations
        )
        view = answered(claims.model_copy(update={"augmentations": unknown}))
        unseen = with_answer(view)[-1]
        assert 0 < view.most_gain < 0.2
        assert (
            f"known least of what may still help, a gain {size} would have been found less than"
            in unseen
        )
    alone = dict.fromkeys(ALONE, 0.0)
    view = answered(make_claims(recommended=None, half_width=2.0, alone=alone))
    assert "a gain of any size was invisible here" in answer(view)
    assert "smaller ones" not in answer(view)
    notes = [row[-1].text for row in verdict_table(view).rows]
    assert any("no effect would have been found 4 times in 5" in note for note in notes)
    assert not [note for note in notes if "points" in note]


def test_harm_in_doubt_is_marked_wherever_it_is_shown() -> None:
    """In the first lines and in its row: page, terminal, MLflow, summary; of controls too."""
    view, console = cut_short(9, 16), Console(file=io.StringIO(), width=200)
    words = "max_epochs cut short 18 of 30 heads"
    first = f"HURTS of vertical_flip is in doubt: {words}."
    page = render_report(view, Path("runs/x"), {})
    header, rest = page.split("</header>")
    assert first in header
    assert rest.count(f'data-name="note">{words}<') == 1
    assert first in describe(view)
    assert f"| {words} |" in describe(view)
    summary = summarize(view)
    assert any(line.startswith(first) for line in summary["remarks"])
    assert summary["augmentations"]["vertical_flip"]["remarks"] == [words]
    print_closing(SearchResult(view.state, Path("runs/x"), "finished"), console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert first in said
    (row,) = [line for line in said.splitlines() if line.startswith("vertical_flip ")]
    assert "HURTS*" in row
    assert "* in doubt, as said above" in said


def test_a_gain_over_networks_that_did_not_train_is_in_doubt() -> None:
    view = SearchView(with_lost(make_state(), 0))
    said = [line for line in beside_answer(view) if line.startswith("HELPS of ")]
    assert len(said) == 1
    assert "networks without augmentation 1 never left chance. Where all of them train" in said[0]
    assert any(judged.doubts for judged in view.augmentations if judged.verdict == "HELPS")


def test_a_control_that_hurts_by_little_training_is_marked_too() -> None:
    state, records = make_state(), []
    for record in state.records:
        result = record.result
        if record.label == "TrivialAugment" and result:
            result = result.model_copy(update={"heads_cut_by_max_epochs": 12})
        records.append(record.model_copy(update={"result": result}))
    view = SearchView(state.model_copy(update={"records": tuple(records)}))
    words = "max_epochs cut short 12 of 15 heads"
    assert any(
        line.startswith("HURTS of TrivialAugment is in doubt") for line in beside_answer(view)
    )
    notes = {row[0].text: row[-1].text for row in whole_table(view).rows}
    name = "TrivialAugment: policy trivial_augment_wide (not confirmed)"
    assert notes[name] == words
    remarks = {each["label"]: each["remarks"] for each in summarize(view)["confirmed"]}
    assert remarks["TrivialAugment"] == [words]
    assert remarks["course"] == []


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (0.02, "rotation_range adds +2.0 points (1.5 to 2.5)"),
        (0.001, "rotation_range adds nothing shown, +0.1 points (−0.4 to 0.6)"),
        (-0.02, "rotation_range hurts, −2.0 points (−2.5 to −1.5)"),
    ],
)
def test_what_each_that_helps_alone_adds_beside_the_policy_is_said(
    effect: float, words: str
) -> None:
    claims = make_claims()
    first, *others = claims.augmentations
    first = first.model_copy(update={"with_recommended": make_estimate(effect)})
    view = answered(claims.model_copy(update={"augmentations": (first, *others)}))
    text = what_goes_with_what(view)
    assert text is not None
    assert text.startswith(f"Of those that help alone, beside the recommended setting: {words}.")
    assert "vertical_flip" not in text
    assert what_goes_with_what(SearchView(make_state("search"))) is None


def test_a_test_set_that_says_otherwise_is_told_with_the_answer() -> None:
    state = make_state()
    assert state.test is not None
    test = state.test.model_copy(update={"effect": make_effect(-0.02)})
    unlike = SearchView(state.model_copy(update={"test": test}))
    assert any(
        line.startswith("The test set says otherwise: −2.0") for line in beside_answer(unlike)
    )
    assert not any("otherwise" in line for line in beside_answer(SearchView(state)))


def test_no_evidence_says_what_would_have_been_found() -> None:
    table = verdict_table(SearchView(make_state()))
    notes = {row[0].text: row[-1].text for row in table.rows}
    assert notes["zoom_range"] == "0.6 points would have been found 4 times in 5"
    assert notes["rotation_range"] == ""


def test_what_was_on_but_never_apart_says_why_it_is_not_tried() -> None:
    never = AugmentationClaims(
        name="zoom_range", strength=None, alone=None, with_recommended=None, strengths=None
    )
    claims = make_claims()
    rows = tuple(never if e.name == never.name else e for e in claims.augmentations)
    view = answered(claims.model_copy(update={"augmentations": rows}))
    notes = {row[0].text: (row[1].text, row[-1].text) for row in verdict_table(view).rows}
    assert notes["zoom_range"][0] == "NOT TRIED"
    assert notes["zoom_range"][1] == (
        "was on only with others, from which no training tells it (lower rungs do not count)"
    )


def test_what_failed_wherever_it_was_tried_says_so() -> None:
    never = AugmentationClaims(
        name="vertical_flip", strength=None, alone=None, with_recommended=None, strengths=None
    )
    claims = make_claims()
    rows = tuple(never if e.name == never.name else e for e in claims.augmentations)
    failed = make_state(failed=(4, 8))
    assert failed.evidence is not None
    evidence = with_claims(failed.evidence, claims.model_copy(update={"augmentations": rows}))
    view = SearchView(failed.model_copy(update={"evidence": evidence}))
    notes = {row[0].text: row[-1].text for row in verdict_table(view).rows}
    assert notes["vertical_flip"] == "failed in #4, #8"


def test_a_strength_that_no_training_had_is_marked() -> None:
    """No trial of the made-up search flips alone or among others on the rung that counts."""
    table = verdict_table(SearchView(make_state()))
    notes = {row[0].text: row[-1].text for row in table.rows}
    read_off = "read off the curve: no training had this strength"
    assert notes["vertical_flip"] == read_off
    trained = make_claims()
    assert trained.augmentations[0].strength == 10  # that of trial 5
    assert "curve" not in notes["rotation_range"]


def test_below_the_answer_stand_its_strengths_and_what_could_not_be_seen() -> None:
    strengths, unseen = with_answer(SearchView(make_state()))
    assert strengths == (
        "Strengths not shown to be worse than the best, each alone: rotation_range 0 to 40; "
        "width_shift_range 0 to 0.2; zoom_range 0 to 0.3."
    )
    assert unseen == (
        "What could not be seen: of width_shift_range 0.1, known least of what may "
        "still help, a gain below "
        "0.6 points would have been found less than 4 times in 5."
    )
    sure = make_claims(half_width=0.004, alone={"width_shift_range": -0.005, "zoom_range": 0.0006})
    assert with_answer(answered(sure))[1] == (
        "Alone, what is not shown to help gains no more than 0.5 points."
    )
    assert with_answer(SearchView(without_recommendation())) == []  # the answer says it itself
    assert with_answer(SearchView(make_state("search"))) == []


def test_a_best_strength_at_the_edge_of_its_range_is_said() -> None:
    claims = make_claims()
    first, *others = claims.augmentations
    edge = StrengthRange(first=20, last=40, at_edge=True)
    first = first.model_copy(update={"strengths": edge})
    view = answered(claims.model_copy(update={"augmentations": (first, *others)}))
    table = verdict_table(view)
    ranges = {row[0].text: row[table.headings.index("range")].text for row in table.rows}
    assert ranges["rotation_range"] == "20 to 40, best at its edge"


def test_a_search_under_way_gives_no_answer() -> None:
    assert (
        answer(SearchView(make_state("controls")))
        == "No answer yet: the search is under way, with 3 trainings completed."
    )


def test_a_stopped_search_says_so_and_how_to_go_on() -> None:
    text = answer(SearchView(make_state("controls").model_copy(update={"stopped": "SIGTERM"})))
    assert (
        text
        == "No answer yet: the search was stopped (SIGTERM) after 3 trainings; run it again to "
        "go on."
    )


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("mend", "3 trainings; mend that, and run it again to go on."),
        ("change", "; change what it fails of in the section execution (trial_timeout_minutes, "),
        ("anew", "; run again it would fail the same way: change the experiment, and run it in "),
    ],
)
def test_a_search_that_could_not_go_on_says_what_is_to_be_done(way: str, said: str) -> None:
    ended = {"stopped": "no augmentation failed: nan", "has_failed": True, "way_on": way}
    view = SearchView(make_state("controls").model_copy(update=ended))
    assert said in answer(view)
    assert any("can be resumed" in line for line in notices(view)) == (way != "anew")


def test_an_unconfirmed_best_trial_is_no_recommendation() -> None:
    assert answer(SearchView(make_state("search"))).startswith(
        "No answer yet: the search goes on before the best trial"
    )


def test_an_answer_without_confirmation_does_not_claim_one() -> None:
    state = make_state("search").model_copy(update={"finished_at": 1.0})
    assert state.evidence is not None
    evidence = state.evidence.model_copy(update={"is_final": True})
    state = with_evaluation(state.model_copy(update={"evidence": evidence}), confirm=None)
    text = answer(SearchView(state))
    assert text.startswith("Use rotation_range 10: +0.6 points")
    assert "confirmed" not in text
    assert any("switched off" in line for line in notices(SearchView(state)))


def test_a_control_that_helps_most_is_used_by_its_name() -> None:
    claims = make_claims()
    *others, trivial = claims.wholes
    trivial = trivial.model_copy(update={"measured": make_estimate(0.03)})
    view = answered(claims.model_copy(update={"wholes": (*others, trivial)}))
    assert answer(view).startswith("Use TrivialAugment: +3.0 points (2.5 to 3.5)")
    assert view.used == {"policy": "trivial_augment_wide"}
    assert view.within_name == "beside the setting expected best"


def test_whole_settings_go_by_one_name_each() -> None:
    view = SearchView(make_state())
    assert view.whole_name == "recommended setting"
    assert view.within_name == "beside the recommended setting"
    assert SearchView(without_recommendation()).whole_name == "setting expected best"


def test_a_finished_search_in_which_nothing_changed_a_picture_says_so() -> None:
    state = make_state("search").model_copy(update={"finished_at": 1.0, "evidence": None})
    assert answer(SearchView(state)) == (
        "No answer: the search ended, and none of its 6 trials changed a picture; try more of them."
    )


def test_a_finished_search_whose_trials_all_failed_says_that() -> None:
    state = make_state("search", failed=tuple(range(3, 9)))
    view = SearchView(state.model_copy(update={"finished_at": 1.0, "evidence": None}))
    assert answer(view) == (
        "No answer: the search ended, and no trial completed, of 6 begun; the page says why those "
        "failed."
    )


@pytest.mark.parametrize(("searched", "anew", "is_best"), [(1.0, 0.985, False), (0.985, 1.0, True)])
def test_the_answer_and_the_facts_speak_of_one_training_without_augmentation(
    searched: float, anew: float, is_best: bool
) -> None:
    state, scores = without_recommendation(), {0: searched, 9: anew}
    records = tuple(
        record.model_copy(
            update={
                "result": record.result.model_copy(
                    update={"metrics": {"accuracy": scores[record.trial]}}
                )
            }
        )
        if record.trial in scores and record.result
        else record
        for record in state.records
    )
    view = SearchView(state.model_copy(update={"records": records}))
    assert ("as good as it can be" in answer(view)) == is_best
    told = next(value for name, value in facts(view) if name.startswith("accuracy without"))
    assert told.startswith("100.0 %" if is_best else "98.5 %")


def test_what_cannot_be_told_is_not_recommended_with_the_gain_of_another() -> None:
    """The best measured setting stands on top of the table; `policy` is no augmentation, and its
    gain is nobody's."""
    view = SearchView(without_recommendation())
    assert view.answer is not None
    assert view.answer.kind == "cannot_tell"
    policy = summarize(view)["policy"]
    assert (policy["effect"], policy["ci"], policy["verdict"]) == (None, None, None)


def test_what_mixes_batches_is_part_of_a_settings_name() -> None:
    def named(number: int) -> str:
        record = make_state().records[number]
        training = record.spec.settings.training.model_copy(update={"mixup": 0.4})
        settings = record.spec.settings.model_copy(update={"training": training})
        spec = record.spec.model_copy(update={"settings": settings})
        return settings_of(record.model_copy(update={"spec": spec}))

    assert named(5) == "rotation_range 10, zoom_range 0.1, mixup 0.4"
    assert named(0) == "mixup 0.4"


def test_an_augmentation_of_the_user_s_own_is_named_once() -> None:
    record = make_state().records[4]
    settings = {"own.py:fade": 1, "learning_rate": 0.01}
    spec = record.spec.model_copy(
        update={
            "settings": record.spec.settings.model_copy(update={"augmentation": {"own.py:fade": 1}})
        }
    )
    record = record.model_copy(update={"kind": "trial", "settings": settings, "spec": spec})
    assert label_text(record) == "own.py:fade 1, learning_rate 0.01"
    off = record.spec.settings.model_copy(update={"augmentation": {}})
    record = record.model_copy(
        update={"settings": {"own.py:fade": 0}, "spec": spec.model_copy(update={"settings": off})}
    )
    assert label_text(record) == "no augmentation"


def test_what_is_confirmed_is_the_very_setting_that_is_used() -> None:
    state = make_state()
    assert state.evidence is not None
    found = state.evidence.answer
    assert found is not None
    assert answer(SearchView(state)).endswith("confirmed on fresh seeds.")
    stronger = found.model_copy(update={"settings": {**found.settings, "rotation_range": 40}})
    evidence = state.evidence.model_copy(update={"answer": stronger})
    other = SearchView(state.model_copy(update={"evidence": evidence}))
    assert "rotation_range 40" in answer(other)
    assert "confirmed" not in answer(other)


@pytest.mark.parametrize(
    ("tried", "ends", "gain", "words"),
    [
        (20, (10, 40), 0.01, "each alone: rotation_range 10 to 40"),
        (15, (30, 40), 0.01, "Alone, rotation_range 30 to 40 gains more than the 15 used here."),
        (15, (30, 40), 0.0, None),  # that is a range as some strength between HURTS
        (20, (30, 40), 0.01, None),  # 15, which is used, is no strength of the curve
    ],
)
def test_a_range_that_what_is_used_is_no_part_of_is_told_so(
    tried: int, ends: tuple[int, int], gain: float, words: str | None
) -> None:
    state = make_state()
    claims = make_claims()
    rotation, *rest = claims.augmentations
    values = (0, 10, tried, 30, 40)
    curve = [
        point.model_copy(update={"value": value})
        for point, value in zip(rotation.curve, values, strict=True)
    ]
    curve[3] = curve[3].model_copy(update={"measured": make_estimate(gain)})
    range_ = StrengthRange(first=ends[0], last=ends[1], at_edge=False)
    changed = rotation.model_copy(update={"strengths": range_, "curve": tuple(curve)})
    claims = claims.model_copy(update={"augmentations": (changed, *rest)})
    assert state.evidence is not None
    evidence = with_claims(state.evidence, claims)
    view = SearchView(state.model_copy(update={"evidence": evidence}))
    assert view.used is not None
    assert view.used["rotation_range"] == 15
    told = [line for line in with_answer(view) if "rotation_range" in line and "0 to 40" in line]
    assert len(told) == (words is not None)
    assert all(words in line for line in told if words)


def test_no_gain_goes_unsaid_that_another_strength_may_have() -> None:
    claims = make_claims()
    *others, flip = claims.augmentations
    zoom = others[-1]
    hurts = make_estimate(-0.02)
    points = (*zoom.curve[:1], zoom.curve[1].model_copy(update={"measured": make_estimate(0.02)}))
    worse = zoom.model_copy(
        update={
            "strength": 0.3,
            "alone": hurts,
            "curve": (*points, zoom.curve[-1].model_copy(update={"measured": hurts})),
        }
    )
    shown = claims.model_copy(update={"augmentations": (*others[:-1], worse, flip)})
    state = make_state()
    assert state.evidence is not None
    evidence = with_claims(state.evidence, shown)
    said = with_answer(SearchView(state.model_copy(update={"evidence": evidence})))
    assert not any("No gain that matters went unseen" in line for line in said)


def test_a_pair_that_is_used_is_of_its_range() -> None:
    state = make_state()
    claims = make_claims()
    *others, _ = claims.augmentations
    bright = claims.augmentations[-1].model_copy(
        update={
            "name": "brightness_range",
            "strength": [0.8, 1.2],
            "alone": make_estimate(0.02),
            "strengths": StrengthRange(first=[0.8, 1.2], last=[0.8, 1.2], at_edge=False),
            "curve": (
                CurvePoint(value=[1.0, 1.0], measured=make_estimate(0.0, 0.0)),
                CurvePoint(value=[0.8, 1.2], measured=make_estimate(0.02)),
                CurvePoint(value=[0.5, 1.5], measured=make_estimate(-0.01)),
            ),
        }
    )
    claims = claims.model_copy(update={"augmentations": (*others, bright)})
    assert state.evidence is not None
    evidence = with_claims(state.evidence, claims)
    view = SearchView(state.model_copy(update={"evidence": evidence}))
    assert view.used == {"brightness_range": [0.8, 1.2]}
    said = with_answer(view)
    assert any(line.startswith("Strengths not shown to be worse") for line in said)
    assert not any(line.startswith("Alone,") for line in said)


def test_names_that_have_commas_are_listed_so_that_each_is_seen_to_end() -> None:
    assert listed(["rotation_range", "zoom_range"]) == "rotation_range, zoom_range"
    settings = ["rotation_range 8, zoom_range 0.1", "vertical_flip"]
    assert listed(settings) == "rotation_range 8, zoom_range 0.1; vertical_flip"
    many = [*settings, *"abcdefghij"]
    assert first_of(many, 2) == "rotation_range 8, zoom_range 0.1; vertical_flip and 10 more"


def test_the_trials_under_way_at_an_end_are_told_one_from_another() -> None:
    text = cut_off(make_state("search", running=(3, 5)))
    assert text is not None
    assert (
        "with trial 3 (rotation_range 15, width_shift_range 0.1, zoom_range 0.1); trial 5 (" in text
    )
