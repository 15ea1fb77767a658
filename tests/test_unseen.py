"""What an answer says that could not be seen: whose gain, and what would show it."""

import pytest
from states import (
    ALONE,
    make_claims,
    make_estimate,
    make_record,
    make_state,
    with_claims,
    with_evaluation,
    without_recommendation,
)

from search.evidence.claim_table import AugmentationClaims, Claims
from search.report.answer_text import answer, with_answer
from search.report.view import SearchView


def answered(claims: Claims) -> SearchView:
    state = make_state()
    assert state.evidence is not None
    return SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))


def without(claims: Claims, name: str) -> Claims:
    """Had no training told anything of an augmentation."""
    never = AugmentationClaims(
        name=name, strength=None, alone=None, with_recommended=None, strengths=None
    )
    rows = tuple(never if each.name == name else each for each in claims.augmentations)
    return claims.model_copy(update={"augmentations": rows})


@pytest.mark.parametrize(
    ("effect", "kind"), [(0.012, "use"), (0.0, "none"), (0.004, "cannot_tell")]
)
def test_what_nothing_is_known_of_is_named_beside_every_answer(effect: float, kind: str) -> None:
    names = {"setting 3": effect, "setting 5": -0.01, "setting 7": -0.01}
    alone = dict.fromkeys(ALONE, 0.0)
    sure = make_claims(half_width=0.0045, wholes=names, alone=alone)
    wholes = [each for each in sure.wholes if each.label != "course"]
    sure = without(sure.model_copy(update={"wholes": tuple(wholes)}), "vertical_flip")
    view = answered(sure)
    assert view.answer is not None
    assert view.answer.kind == kind
    said = with_answer(view)
    assert "Nothing is known of vertical_flip alone." in said
    assert not any("went unseen" in line for line in said)


def test_what_was_invisible_is_told_of_the_strength_that_may_gain_it() -> None:
    """Its row is judged at another strength, where it HURTS: that is no gain."""
    claims = make_claims(recommended=None, alone=dict.fromkeys(ALONE, 0.0))
    *others, flip = claims.augmentations
    hurts, zoom = make_estimate(-0.01), others[-1]
    wide = zoom.curve[-1].model_copy(update={"measured": make_estimate(0.0, 0.02)})
    zoom = zoom.model_copy(
        update={
            "alone": hurts,
            "curve": (zoom.curve[0], zoom.curve[1].model_copy(update={"measured": hurts}), wide),
        }
    )
    view = answered(claims.model_copy(update={"augmentations": (*others[:-1], zoom, flip)}))
    assert (
        "of zoom_range 0.3, known least of what may still help, a gain below 2.6 points was"
        in answer(view)
    )


def test_what_was_done_is_not_advised() -> None:
    """The made-up search has no training of rotation alone in its confirmation."""
    state = without_recommendation()
    assert "and trainings of rotation_range 10 alone show" in answer(SearchView(state))
    alone = make_record(30, "ablation", "rotation_range alone", {"rotation_range": 10}, 0.002)
    trained = state.model_copy(update={"records": (*state.records, alone)})
    assert answer(SearchView(trained)).endswith("More seeds and more images show smaller ones.")
    whole = with_evaluation(trained, ablation=False)
    assert "each augmentation trained alone (evaluation.ablation)" in answer(SearchView(whole))
    unconfirmed = with_evaluation(trained, confirm=None)
    assert "each augmentation trained alone (evaluation.confirm)" in answer(SearchView(unconfirmed))
