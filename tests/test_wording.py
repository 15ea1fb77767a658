"""How a search is said in words."""

import pytest
from states import make_state, with_evaluation, without_recommendation

from search.experiment.objectives import OBJECTIVES
from search.report.answer import answer
from search.report.view import SearchView
from search.report.wording import (
    amount_text,
    interval_text,
    printable,
    seconds_text,
    settings_text,
    short_settings_text,
    shortened,
)

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


def test_labels_leave_out_the_ending() -> None:
    assert short_settings_text({"zoom_range": 0.1 + 0.2}, 150) == "zoom 0.3"


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
    text = short_settings_text(DRAWN, 2048, limit)
    whole = short_settings_text(DRAWN, 2048).split(", ")
    kept, _, rest = text.partition(" and ")
    assert len(text) <= limit or text == "5 settings"
    if text != "5 settings":
        assert kept.split(", ") == whole[: len(kept.split(", "))]
        assert rest in ("", f"{5 - len(kept.split(', '))} more")


def test_a_short_label_says_how_many_settings_are_left_out() -> None:
    assert short_settings_text(DRAWN, 150, 28) == "rotation 12.3 and 3 more"
    assert short_settings_text(DRAWN, 150, 36) == "rotation 12.3, zoom 0.12 and 2 more"


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


def test_no_augmentation_can_be_the_answer() -> None:
    text = answer(SearchView(without_recommendation()))
    assert text.startswith("No augmentation is the recommendation: nothing tried was shown to help")
    assert "+0.1 points (−0.5 to 0.7)" in text


def test_a_search_under_way_gives_no_answer() -> None:
    assert (
        answer(SearchView(make_state("controls")))
        == "No answer yet: the search is under way, with 0 trials completed."
    )


def test_a_stopped_search_says_so_and_how_to_go_on() -> None:
    text = answer(SearchView(make_state("controls").model_copy(update={"stopped": "SIGTERM"})))
    assert (
        text
        == "No answer yet: the search was stopped (SIGTERM) after 0 trials; run it again to go on."
    )


def test_an_unconfirmed_best_trial_is_no_recommendation() -> None:
    assert answer(SearchView(make_state("search"))).startswith(
        "No answer yet: the search goes on before the best trial"
    )


def test_a_search_without_confirmation_recommends_nothing() -> None:
    finished = make_state("search").model_copy(update={"finished_at": 1.0})
    assert answer(SearchView(with_evaluation(finished, confirm=None))).startswith(
        "No recommendation: confirmation was switched off"
    )


def test_a_search_of_failures_says_so() -> None:
    state = make_state("search", failed=tuple(range(3, 9))).model_copy(
        update={"evidence": None, "finished_at": 1.0}
    )
    assert answer(SearchView(state)) == "No answer: the search ended and no trial was completed."


def test_a_control_that_is_best_confirmed_is_named() -> None:
    state = without_recommendation()
    assert state.evidence is not None
    assert SearchView(state).whole_name == "best searched, whole"
    trivial = next(r for r in state.records if r.label == "TrivialAugment")
    first = state.evidence.confirmed[0].model_copy(
        update={"source_trial": trivial.trial, "label": trivial.label}
    )
    confirmed = (first, *state.evidence.confirmed[1:])
    state = state.model_copy(
        update={"evidence": state.evidence.model_copy(update={"confirmed": confirmed})}
    )
    assert SearchView(state).whole_name == "TrivialAugment, whole"
    assert "the best confirmed setting (TrivialAugment) shows" in answer(SearchView(state))


def test_a_recommended_policy_is_the_policy() -> None:
    view = SearchView(make_state())
    assert (view.whole_name, view.within_name) == (
        "policy as a whole",
        "in the policy",
    )


def test_a_finished_search_in_which_nothing_changed_a_picture_says_so() -> None:
    state = make_state("search").model_copy(update={"finished_at": 1.0, "evidence": None})
    assert answer(SearchView(state)) == (
        "No answer: the search ended, and none of its 6 trials changed a picture; try more of them."
    )
