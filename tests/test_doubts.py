"""What speaks against an answer, said where the answer is."""

from typing import Any

from states import (
    ALONE,
    make_claims,
    make_effect,
    make_state,
    with_claims,
    with_evaluation,
    without_recommendation,
)

from search.evidence.answer import Claims
from search.experiment.trial import LostNetwork, TrialRecord
from search.journal.state import SearchState
from search.report.answer_text import answer, beside_answer
from search.report.doubts import doubt_lines
from search.report.view import SearchView

NOTHING = make_claims(
    half_width=0.002,
    wholes={"setting 3": 0.001, "setting 5": 0.0, "setting 7": -0.001},
    alone=dict.fromkeys(ALONE, 0.0),
)


def changed(state: SearchState, trial: int, **parts: Any) -> SearchState:
    records = (
        each.model_copy(update=parts if each.trial == trial else {}) for each in state.records
    )
    return state.model_copy(update={"records": tuple(records)})


def nothing_gains(state: SearchState) -> SearchState:
    assert state.evidence is not None
    wholes = tuple(
        each for each in NOTHING.wholes if each.label not in ("course", "TrivialAugment")
    )
    claims: Claims = NOTHING.model_copy(update={"wholes": wholes})
    return state.model_copy(update={"evidence": with_claims(state.evidence, claims)})


def with_results(state: SearchState, is_meant: Any, **parts: Any) -> SearchState:
    def as_meant(record: TrialRecord) -> TrialRecord:
        if record.result is None or not is_meant(record):
            return record
        return record.model_copy(update={"result": record.result.model_copy(update=parts)})

    return state.model_copy(update={"records": tuple(map(as_meant, state.records))})


def test_rounds_that_disagree_by_more_than_chance_are_named_with_both_figures() -> None:
    """Trial 10 confirms trial 3."""
    state = changed(make_state(), 3, effect=make_effect(-0.10))
    state = changed(state, 10, effect=make_effect(0.012))
    (line,) = (each for each in beside_answer(SearchView(state)) if "disagree" in each)
    assert line.startswith("Search and confirmation disagree on recommended setting")
    assert "-10.0 points" in line.replace("−", "-")
    assert "+1.2 points" in line


def test_rounds_that_differ_by_chance_are_not() -> None:
    assert not any("disagree" in each for each in beside_answer(SearchView(make_state())))


def test_where_none_is_used_little_training_is_said_to_count_against_augmentation() -> None:
    state = nothing_gains(make_state())
    assert answer(SearchView(state)).startswith("Use no augmentation")
    cut = with_results(state, lambda record: True, heads_cut_by_max_epochs=15)
    (line,) = (each for each in doubt_lines(SearchView(cut)) if "counts against" in each)
    assert line.startswith("This counts against augmentation: max_epochs cut short ")


def test_nothing_is_said_so_where_it_stands_in_a_row_that_hurts() -> None:
    state = with_results(make_state(), lambda record: True, heads_cut_by_max_epochs=15)
    assert state.evidence is not None
    evidence = with_claims(
        state.evidence, make_claims(recommended=None, alone={"rotation_range": 0.0})
    )
    view = SearchView(state.model_copy(update={"evidence": evidence}))
    lines = doubt_lines(view)
    assert view.answer is not None
    assert view.answer.kind == "cannot_tell"
    assert any(line.startswith("HURTS of TrivialAugment") for line in lines)
    assert not any("This counts against" in line for line in lines)


def test_negligible_is_in_doubt_where_networks_did_not_train() -> None:
    lost = (LostNetwork(head=0, why="chance", epoch=9),)
    state = nothing_gains(make_state())
    plain = SearchView(state)
    assert {each.verdict for each in plain.augmentations} == {"NEGLIGIBLE"}
    assert not any(each.doubts for each in plain.augmentations)
    bare = with_results(state, lambda r: not r.spec.settings.augmentation, lost=lost)
    (line,) = (each for each in doubt_lines(SearchView(bare)) if "NEGLIGIBLE" in each)
    assert line.endswith("Where all of them train, the effect may be larger.")


def test_one_training_a_setting_is_said_to_leave_its_luck_assumed() -> None:
    once = with_evaluation(make_state(), folds=1, seeds=1, confirm={"seeds": 1})
    assert any("assumed" in line for line in doubt_lines(SearchView(once)))
    twice = with_evaluation(make_state(), folds=1, seeds=1, confirm={"seeds": 2})
    assert not any("assumed" in line for line in doubt_lines(SearchView(twice)))


def test_where_nothing_can_be_gained_no_more_images_are_advised() -> None:
    state = without_recommendation()
    best = with_results(state, lambda record: True, metrics={"accuracy": 1.0})
    text = answer(SearchView(best))
    assert "as good as it can be" in text
    assert "seeds" not in text
