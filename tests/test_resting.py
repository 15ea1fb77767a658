"""Which trainings a verdict rests on, and why nothing is told of what others used."""

from states import make_claims, make_record, make_state, with_claims

from search.evidence.claim_table import (
    AugmentationClaims,
    Claims,
    CurvePoint,
    Estimate,
    StrengthRange,
)
from search.evidence.rested import MOST_MODELLED, rested_on
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.report.answer_text import with_answer
from search.report.tables import verdict_table
from search.report.view import SearchView

FLIP = {"vertical_flip": True}


def claimed(state: SearchState, claims: Claims, *more: TrialRecord) -> SearchView:
    assert state.evidence is not None
    changed = {"evidence": with_claims(state.evidence, claims), "records": (*state.records, *more)}
    return SearchView(state.model_copy(update=changed))


def with_row(row: AugmentationClaims) -> Claims:
    claims = make_claims()
    rows = tuple(row if each.name == row.name else each for each in claims.augmentations)
    return claims.model_copy(update={"augmentations": rows})


def note_of(view: SearchView, name: str) -> str:
    return next(row[-1].text for row in verdict_table(view).rows if row[0].text == name)


def test_what_was_trained_on_lower_rungs_alone_is_told_so() -> None:
    """The two trials that flip in the made-up search are on the lower rung."""
    never = AugmentationClaims(
        name="vertical_flip", strength=None, alone=None, with_recommended=None, strengths=None
    )
    view = claimed(make_state(), with_row(never))
    assert note_of(view, "vertical_flip") == "was on only on lower rungs, which do not count"


def test_a_doubt_counts_the_trainings_that_its_verdict_rests_on() -> None:
    """Two of lower rungs do not count, nor does another that repeats one."""
    full = make_record(30, "ablation", "vertical_flip alone", FLIP, -0.02)
    assert full.result is not None
    cut = full.result.model_copy(update={"heads_cut_by_max_epochs": 9})
    full = full.model_copy(update={"result": cut})
    again = full.model_copy(update={"trial": 31, "duplicate_of": 30})
    view = claimed(make_state(), make_claims(), full, again)
    assert note_of(view, "vertical_flip") == "max_epochs cut short 9 of 15 heads"


def test_heads_that_clean_epochs_end_do_not_count_in_a_doubt() -> None:
    made = (make_record(n, "ablation", "vertical_flip alone", FLIP, -0.02) for n in (30, 31))
    cut = {"heads_cut_by_max_epochs": 9}
    first, other = (
        each.model_copy(update={"result": each.trained.model_copy(update=cut)})
        for each in made
        if each.trained
    )
    training = other.spec.settings.training.model_copy(update={"clean_epochs": 2})
    settings = other.spec.settings.model_copy(update={"training": training})
    other = other.model_copy(update={"spec": other.spec.model_copy(update={"settings": settings})})
    view = claimed(make_state(), make_claims(), first, other)
    assert note_of(view, "vertical_flip") == "max_epochs cut short 9 of 15 heads"


def test_a_control_outside_what_is_searched_does_not_count_in_a_doubt() -> None:
    course = {"rotation_range": 15, "vertical_flip": True}
    control = make_record(30, "control", "course", course, -0.02)
    alone = make_record(31, "ablation", "vertical_flip alone", FLIP, -0.02)
    assert alone.result is not None
    cut = alone.result.model_copy(update={"heads_cut_by_max_epochs": 9})
    alone = alone.model_copy(update={"result": cut})
    view = claimed(make_state(), make_claims(), control, alone)
    assert note_of(view, "vertical_flip") == "max_epochs cut short 9 of 15 heads"


def test_claims_with_a_searched_value_rest_on_the_confirmation_with_that_value() -> None:
    records = make_state().records
    told = [each for each in records if each.kind != "test"]
    rate = told[0].spec.settings.model.learning_rate
    rests = rested_on(told, 1, {"model.learning_rate": rate})
    assert {each.kind for each in rests} == {"confirm", "ablation"}
    assert not rested_on(told, 1, {"model.learning_rate": rate * 2})
    assert {each.rung for each in rested_on(told, 1, {})} == {None, 1}


def test_of_many_trials_claims_rest_on_a_hundred_spread_over_all() -> None:
    trials = [make_record(number, "trial", "", FLIP, 0.0) for number in range(1, 402)]
    control = make_record(0, "control", "no augmentation", {}, 0.0)
    rests = rested_on([control, *trials], None, {})
    assert [each.trial for each in rests][:3] == [0, 1, 5]
    assert (len(rests), rests[-1].trial) == (1 + MOST_MODELLED, 401)


def test_a_level_that_nothing_is_told_of_is_not_left_out_silently() -> None:
    state, claims = make_state(), make_claims()
    nothing = Estimate(effect=0.0, error=0.0, ci=(0.0, 0.0), detectable=0.0)
    row = claims.augmentations[-1]
    assert row.alone is not None
    bright = row.model_copy(
        update={
            "name": "brightness_range",
            "strength": (0.8, 1.2),
            "strengths": StrengthRange(first=(1.0, 1.0), last=(0.8, 1.2), at_edge=False),
            "curve_beside": (),
            "curve": (
                CurvePoint(value=(1.0, 1.0), measured=nothing),
                CurvePoint(value=(0.8, 1.2), measured=row.alone),
            ),
        }
    )
    claims = claims.model_copy(update={"augmentations": (*claims.augmentations[:-1], bright)})
    assert state.opened is not None
    searched = {"brightness_range": {"choices": [[1, 1], [0.8, 1.2], [0.5, 1.5]]}}
    opened = state.opened.model_copy(update={"space": {**state.opened.space, **searched}})
    state = state.model_copy(update={"opened": opened})
    assert "0.5 to 1.5 was not tried" in note_of(claimed(state, claims), "brightness_range")
    strong = {"brightness_range": [0.5, 1.5]}
    lower = make_record(30, "trial", "setting 30", strong, -0.01, rung=0)
    view = claimed(state, claims, lower)
    why = "0.5 to 1.5 was on only on lower rungs, which do not count"
    assert why in note_of(view, "brightness_range")
    unknown = "Nothing is known of brightness_range 0.5 to 1.5 alone."
    assert unknown in with_answer(view)
