"""What sections say where they have no figure, and of how many settings the null floor is told."""

from states import make_state, with_evaluation

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
