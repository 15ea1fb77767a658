"""What sections say where they have no figure, and of how many settings the null floor is told."""

from states import make_state, with_evaluation

from search.journal.state import SearchState
from search.report.sections import floor_sentence, no_classes, no_strengths
from search.report.view import SearchView


def test_what_cannot_be_told_any_more_is_not_promised() -> None:
    under_way, finished = SearchView(make_state("search")), SearchView(make_state())
    assert "when the trials of the search have been measured" in no_strengths(under_way)
    assert "when a setting has been confirmed" in no_classes(under_way)
    assert no_strengths(finished).startswith("No effect by strength can be told")
    assert no_classes(finished).endswith("no setting was confirmed.")
    unconfirmed = SearchView(with_evaluation(make_state("search"), confirm=None))
    assert "evaluation.confirm: null" in no_classes(unconfirmed)


def with_trials(count: int) -> SearchState:
    """The finished search with so many of its six trials, the last one without augmentation."""
    state = make_state()
    bare = state.records[0].model_copy(update={"kind": "trial", "trial": 30, "effect": None})
    others = [each for each in state.records if each.kind != "trial"]
    return state.model_copy(
        update={"records": (*others[:3], *state.records[3 : 3 + count], bare, *others[3:])}
    )


def test_no_augmentation_is_none_of_the_settings_of_the_null_floor() -> None:
    several, one = (floor_sentence(SearchView(with_trials(count))) for count in (6, 1))
    assert several.startswith("If none of the 6 settings tried differed from no augmentation, the")
    assert one.startswith("If the one setting tried did not differ from no augmentation, it would")
