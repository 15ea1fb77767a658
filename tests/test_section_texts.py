"""What sections say where they have no figure, and of how many settings the null floor is told."""

import pytest
from states import make_state, make_test, with_evaluation, without_recommendation

from search.report import section_texts
from search.report.section_texts import floor_sentence, no_classes, no_strengths
from search.report.view import SearchView


def test_what_cannot_be_told_any_more_is_not_promised() -> None:
    under_way, finished = SearchView(make_state("search")), SearchView(make_state())
    assert "when the trials of the search have been measured" in no_strengths(under_way)
    assert "when a setting has been confirmed" in no_classes(under_way)
    assert no_strengths(finished).startswith("No effect by strength can be told")
    assert no_classes(finished).endswith("no setting was confirmed.")
    unconfirmed = SearchView(with_evaluation(make_state("search"), confirm=None))
    assert "evaluation.confirm: null" in no_classes(unconfirmed)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("none", "To use none is advised: these"), ("cannot_tell", "It cannot be told whether")],
)
def test_a_test_set_without_a_comparison_says_what_was_answered(kind: str, words: str) -> None:
    state = without_recommendation()
    assert state.evidence is not None
    assert state.evidence.answer is not None
    found = state.evidence.answer.model_copy(update={"kind": kind})
    evidence = state.evidence.model_copy(update={"answer": found})
    tested = make_test(("a", "b")).model_copy(update={"effect": None})
    changed = state.model_copy(update={"evidence": evidence, "test": tested})
    lines = section_texts.test_lines(SearchView(changed))
    assert lines[1].startswith(words)


def floor_of(count: int) -> str:
    state = make_state()
    assert state.evidence is not None
    evidence = state.evidence.model_copy(update={"null_floor_settings": count})
    return floor_sentence(SearchView(state.model_copy(update={"evidence": evidence})))


def test_the_null_floor_says_of_how_many_settings_it_is() -> None:
    first = "If none of the 6 settings that got all of the views differed from no augmentation, the"
    assert floor_of(6).startswith(first)
    one = "If the one setting that got all of the views did not differ from no augmentation, it"
    assert floor_of(1).startswith(one)
