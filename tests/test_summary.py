"""summary.json."""

import json

import pytest
from states import PHASES, Phase, make_state, with_lost, without_recommendation

from search.report.summary import summarize
from search.report.view import SearchView

PROMISED = {
    *("best", "controls", "verdicts", "policy", "null_floor", "test", "timing"),
    *("answer_kind", "augmentations", "detectable", "training"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_every_key_is_there_at_every_phase_and_it_is_json(phase: Phase) -> None:
    summary = summarize(SearchView(make_state(phase)))
    assert set(summary) >= PROMISED
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_verdict_has_the_contract_s_keys() -> None:
    verdict = summarize(SearchView(make_state()))["verdicts"]["vertical_flip"]
    assert verdict["verdict"] == "HURTS"
    assert verdict["effect"] == -0.023
    assert verdict["ci"] == pytest.approx([-0.028, -0.018])


def test_an_augmentation_has_the_contract_s_keys() -> None:
    summary = summarize(SearchView(make_state()))
    found = summary["augmentations"]["rotation_range"]
    assert set(found) >= {
        *("verdict", "strength", "effect", "ci", "strengths", "curve", "with_recommended")
    }
    assert (found["verdict"], found["strength"], found["effect"]) == ("HELPS", 10, 0.006)
    assert found["strengths"] == {"from": 0, "to": 40, "at_edge": False}
    assert [point["value"] for point in found["curve"]] == [0, 10, 20, 30, 40]
    assert found["curve"][1]["effect"] == found["effect"]
    assert found["curve"][1]["ci"] == found["ci"]
    assert set(found["with_recommended"]) == {"effect", "ci"}
    assert summary["answer_kind"] == "use"
    assert summary["detectable"] == pytest.approx(0.005 / 2.9 * 3.74)


def test_there_is_no_answer_before_the_last_training() -> None:
    summary = summarize(SearchView(make_state("search")))
    assert (summary["answer_kind"], summary["detectable"]) == (None, None)
    assert set(summary["verdicts"]) == set(summary["augmentations"]) != set()


def test_the_policy_is_the_recommended_setting() -> None:
    policy = summarize(SearchView(make_state()))["policy"]
    assert policy["settings"] == {"rotation_range": 15, "width_shift_range": 0.1, "zoom_range": 0.1}
    assert (policy["trial"], policy["verdict"], policy["effect"]) == (10, "HELPS", 0.012)


def test_no_augmentation_as_the_recommendation_has_empty_settings() -> None:
    policy = summarize(SearchView(without_recommendation()))["policy"]
    assert (policy["trial"], policy["settings"]) == (None, {})


def test_nothing_is_recommended_before_confirmation() -> None:
    assert summarize(SearchView(make_state("search")))["policy"]["settings"] is None


def test_controls_are_named() -> None:
    controls = summarize(SearchView(make_state("controls")))["controls"]
    assert list(controls) == ["no augmentation", "course", "TrivialAugment"]
    assert controls["course"]["delta"] == 0.004


def test_a_second_look_at_the_test_set_is_told() -> None:
    state = make_state()
    again = state.test.model_copy(update={"looks": 2})  # type: ignore[union-attr]
    assert summarize(SearchView(state.model_copy(update={"test": again})))["test"]["looks"] == 2


def test_a_stopped_search_says_why() -> None:
    summary = summarize(SearchView(make_state("search").model_copy(update={"stopped": "SIGINT"})))
    assert (summary["status"], summary["stopped"]) == ("stopped", "SIGINT")


def test_heads_that_were_cut_and_networks_that_did_not_train_are_counted() -> None:
    training = summarize(SearchView(with_lost(make_state(), 3)))["training"]
    assert training == {"heads": 240, "may_be_cut": 240, "cut": 16, "lost": 1}
    failed = summarize(SearchView(with_lost(make_state(failed=(3,)), 3, 8)))["training"]
    assert failed == {"heads": 240, "may_be_cut": 225, "cut": 15, "lost": 8}


def test_time_and_images_are_summed_over_all_trainings() -> None:
    timing = summarize(SearchView(make_state()))["timing"]
    assert timing["wall_seconds"] == 170.0
    assert timing["images_extracted"] == 18 * 22_992
