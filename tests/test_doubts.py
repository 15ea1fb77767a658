"""What speaks against an answer, said where the answer is."""

from dataclasses import replace
from typing import Any

import pytest
from states import (
    ALONE,
    Phase,
    make_claims,
    make_effect,
    make_estimate,
    make_record,
    make_state,
    with_claims,
    with_lost,
    without_recommendation,
)

from search.commands.single_run import policy_of
from search.evidence.answer import answer_of
from search.evidence.claim_table import Claims
from search.evidence.findings import TakenLook
from search.evidence.looks import Settled
from search.experiment.kinds import KINDS
from search.experiment.trial import Effect, LostNetwork, TrialRecord
from search.journal.state import SearchState
from search.report.answer_text import answer, below_answer, beside_answer
from search.report.doubts import doubt_lines
from search.report.figures_trials import floor_description
from search.report.summary import summarize
from search.report.table_model import escaped_markdown
from search.report.tables import whole_table
from search.report.view import SearchView
from search.report.wording import bound_text, effect_text
from search.tracking.descriptions import (
    MAX_CHARACTERS,
    describe,
    describe_experiment,
    describe_winner,
)
from search.tracking.saved_view import Place

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


def test_rounds_disagree_only_where_what_is_told_rests_on_both() -> None:
    """Not where it rests on the confirmation alone, something else being searched too."""
    state = changed(make_state(), 3, effect=make_effect(-0.10))
    assert state.evidence is not None
    assert any("disagree" in each for each in beside_answer(SearchView(state)))
    claims = make_claims().model_copy(update={"beside": {"model.learning_rate": 0.001}})
    view = SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))
    assert 3 not in {record.trial for record in view.rested_on}
    assert not any("disagree" in each for each in beside_answer(view))


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


def test_it_is_said_beside_a_row_that_hurts_and_was_not_cut_itself() -> None:
    def is_meant(record: TrialRecord) -> bool:
        return "vertical_flip" not in record.spec.settings.augmentation

    state = with_results(make_state(), lambda record: True, heads_cut_by_max_epochs=0)
    state = with_results(state, is_meant, heads_cut_by_max_epochs=15)
    assert state.evidence is not None
    claims = make_claims(recommended=None, alone={"rotation_range": 0.0})
    claims = claims.model_copy(update={"wholes": claims.wholes[:1]})
    view = SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))
    assert [each.name for each in view.augmentations if each.verdict == "HURTS"] == [
        "vertical_flip"
    ]
    lines = doubt_lines(view)
    assert not any(line.startswith("HURTS of") for line in lines)
    assert any(line.startswith("This counts against augmentation: max_epochs") for line in lines)


def test_a_doubt_of_several_rows_is_said_to_be_of_each() -> None:
    state = with_results(make_state(), lambda record: True, heads_cut_by_max_epochs=4)
    assert state.evidence is not None
    claims = make_claims(wholes={"setting 5": -0.02, "setting 7": -0.02})
    view = SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))
    lines = [line for line in doubt_lines(view) if line.startswith("HURTS of")]
    assert any("; " in line and "is in doubt, each of them: max_epochs" in line for line in lines)


def test_negligible_is_in_doubt_where_networks_did_not_train() -> None:
    lost = (LostNetwork(head=0, why="chance", epoch=9),)
    state = nothing_gains(make_state())
    plain = SearchView(state)
    assert {each.verdict for each in plain.augmentations} == {"NEGLIGIBLE"}
    assert not any(each.doubts for each in plain.augmentations)
    bare = with_results(state, lambda r: not r.spec.settings.augmentation, lost=lost)
    (line,) = (each for each in doubt_lines(SearchView(bare)) if "NEGLIGIBLE" in each)
    assert line.endswith("Where all of them train, the effect may be larger.")


def with_heads(state: SearchState, search: int, confirm: int) -> SearchState:
    """Of one fold, and of so many seeds in each round."""

    def as_meant(record: TrialRecord) -> TrialRecord:
        num = search if KINDS[record.kind].part == "search" else confirm
        parts = {"folds": 1, "head_seeds": tuple(range(num))}
        protocol = record.spec.protocol.model_copy(update=parts)
        spec = record.spec.model_copy(update={"protocol": protocol})
        return record.model_copy(update={"spec": spec})

    return state.model_copy(update={"records": tuple(map(as_meant, state.records))})


@pytest.mark.parametrize(
    ("phase", "search", "confirm", "is_assumed"),
    [
        ("finished", 1, 1, True),
        ("finished", 1, 2, False),
        ("finished", 2, 1, False),
        ("search", 1, 3, True),  # early looks spared the confirmation
    ],
)
def test_luck_that_no_two_networks_tell_is_said_to_be_assumed(
    phase: Phase, search: int, confirm: int, is_assumed: bool
) -> None:
    state = with_heads(make_state(phase), search, confirm)
    assert state.evidence is not None
    evidence = with_claims(state.evidence, make_claims()).model_copy(update={"is_final": True})
    lines = doubt_lines(SearchView(state.model_copy(update={"evidence": evidence})))
    assert any(line.startswith("Each training is of one network") for line in lines) == is_assumed


def test_where_nothing_can_be_gained_no_more_images_are_advised() -> None:
    state = without_recommendation()
    best = with_results(state, lambda record: True, metrics={"accuracy": 1.0})
    text = answer(SearchView(best))
    assert text.startswith("It cannot be told whether augmentation helps: ")
    assert "as good as it can be" in text
    assert "seeds" not in text


@pytest.mark.parametrize(("after", "is_confirmed"), [(None, True), (20, False), (31, True)])
def test_what_an_early_look_knew_is_not_confirmed_by_a_later_training(
    after: int | None, is_confirmed: bool
) -> None:
    state, claims = make_state(), make_claims(recommended=None)
    assert state.evidence is not None
    settled = Settled(augmentations=claims.augmentations[:1])
    looks = () if after is None else (TakenLook(after=after, level=0.99, settled=settled),)
    trained = {**state.evidence.trained, "rotation_range alone": 30}
    parts = {"trained": trained, "looks": looks}
    evidence = with_claims(state.evidence, claims).model_copy(update=parts)
    alone = make_record(30, "ablation", "rotation_range alone", {"rotation_range": 10}, 0.006)
    records = (*state.records, alone)
    view = SearchView(state.model_copy(update={"evidence": evidence, "records": records}))
    assert answer(view).startswith("Use rotation_range 10: ")
    assert ("confirmed on fresh seeds" in answer(view)) == is_confirmed


def test_a_bound_is_rounded_up() -> None:
    unit = SearchView(make_state()).unit
    assert bound_text(0.00124, unit) == "0.2 points"
    assert bound_text(0.002, unit) == "0.2 points"
    assert bound_text(0.0, unit) == "0.0 points"


def test_what_it_adds_is_told_where_the_rest_of_what_was_tried_whole_is_used() -> None:
    claims = make_claims(alone={"vertical_flip": 0.01, "rotation_range": 0.02})
    rotation, *_, flip = claims.augmentations
    both = {"rotation_range": rotation.strength, "vertical_flip": True}
    beside = flip.model_copy(update={"with_recommended": make_estimate(0.0)})
    first = claims.wholes[0].model_copy(update={"settings": both})
    claims = claims.model_copy(
        update={"augmentations": (rotation, beside), "wholes": (first, *claims.wholes[1:])}
    )
    found = answer_of(claims)
    assert (found.label, found.left_out) == (
        "rotation_range alone",
        {"vertical_flip": "NEGLIGIBLE"},
    )
    other = first.model_copy(update={"settings": {**both, "zoom_range": 0.1}})
    claims = claims.model_copy(update={"wholes": (other, *claims.wholes[1:])})
    assert answer_of(claims).left_out == {"vertical_flip": "NOT TRIED"}


def with_views(state: SearchState, mode: str, views: Any) -> SearchState:
    def as_meant(record: TrialRecord) -> TrialRecord:
        training = record.spec.settings.training.model_copy(update={"mode": mode})
        settings = record.spec.settings.model_copy(update={"training": training})
        protocol = record.spec.protocol.model_copy(update={"views": views})
        spec = record.spec.model_copy(update={"settings": settings, "protocol": protocol})
        return record.model_copy(update={"spec": spec})

    return state.model_copy(update={"records": tuple(map(as_meant, state.records))})


@pytest.mark.parametrize("mode", ["frozen", "finetune", "scratch", "fit"])
def test_few_fixed_views_are_said_in_every_mode(mode: str) -> None:
    view = SearchView(with_views(make_state(), mode, 2))
    (line,) = (each for each in doubt_lines(view) if each.startswith("HURTS of "))
    assert line.startswith("HURTS of TrivialAugment is in doubt: 2 views per image.")
    assert any("2 views per image" in whole.doubts for whole in view.wholes)
    none = SearchView(with_views(nothing_gains(make_state()), mode, 2))
    assert any("This counts against augmentation: 2 views" in each for each in doubt_lines(none))
    fresh = SearchView(with_views(make_state(), mode, "fresh"))
    assert not any("views" in each for each in doubt_lines(fresh))


@pytest.mark.parametrize(
    ("searched", "anew", "is_borne_out"),
    [
        (make_effect(0.04, 0.02), make_effect(-0.003, 0.02), False),  # the other sign
        (make_effect(0.04, 0.02), make_effect(0.002, 0.02), True),
        (make_effect(0.20, 0.01), make_effect(0.01, 0.01), False),  # the rounds disagree
    ],
)
def test_what_fresh_seeds_do_not_bear_out_is_not_said_to_be_confirmed(
    searched: Effect, anew: Effect, is_borne_out: bool
) -> None:
    """Trial 10 confirms trial 3."""
    view = SearchView(changed(changed(make_state(), 3, effect=searched), 10, effect=anew))
    said = [answer(view), describe(view), describe_winner(view, ("a", "b"))]
    shown = (
        f"; trained again on fresh seeds, which by themselves show {effect_text(anew, view.unit)}"
    )
    for text in said:
        assert (", confirmed on fresh seeds" in text) == is_borne_out
        assert (shown in text) != is_borne_out
    first, *others = summarize(view)["confirmed"]
    assert first["is_confirmed"] == is_borne_out
    assert any(each["is_confirmed"] for each in others)
    told = whole_table(view).rows[0][0].text
    assert ("(not confirmed: fresh seeds alone show" in told) != is_borne_out


def test_all_that_stands_below_the_answer_goes_where_the_answer_goes() -> None:
    """To MLflow's run, experiment and model, whole lines as far as there is room; exported code
    points to the doubts."""
    state = make_state()
    assert state.evidence is not None
    assert "doubt" not in policy_of(state).title
    claims = make_claims(wholes={"setting 3": 0.315})
    view = SearchView(state.model_copy(update={"evidence": with_claims(state.evidence, claims)}))
    lines = list(map(escaped_markdown, below_answer(view)))
    assert any(line.startswith("The test set says otherwise") for line in lines)
    assert any(line.startswith("What could not be seen") for line in lines)
    place = Place("7", "r" * 32, "0123456789abcdef", "runs/digits")
    described = [
        describe(view),
        describe_winner(view, ("a", "b")),
        describe_experiment(view, place),
    ]
    for text in described:
        assert set(lines) <= set(text.split("\n\n"))
        assert len(text) <= MAX_CHARACTERS
    assert policy_of(view.state).title.endswith("; report.html says what is in doubt")


def test_lines_that_leave_no_room_are_left_out_whole() -> None:
    view = SearchView(with_lost(make_state(), 0))
    names = tuple(f"class {number:0200}" for number in range(4))
    vars(view)["wholes"] = tuple(
        replace(view.wholes[0], label=str(n), verdict="HURTS", doubts=("lost " * 90 + str(n),))
        for n in range(20)
    )
    lines = set(map(escaped_markdown, below_answer(view)))
    for text in (describe(view), describe_winner(view, names)):
        assert len(text) <= MAX_CHARACTERS
        told = [part for part in text.split("\n\n") if "lost lost" in part]
        assert 3 < len(told) < 20
        assert set(told) <= lines
    assert describe(view).endswith("artifact `report.html`.")
    assert names[-1] in describe_winner(view, names)


def test_what_has_no_effect_of_its_own_is_not_said_to_be_measured_or_best() -> None:
    """As where it had a learning rate that no training without augmentation had."""
    view = SearchView(changed(make_state(), 3, effect=None))
    assert view.best is not None
    assert view.best.trial == 3
    assert "Largest effect: #5, " in floor_description(view)
    assert "#3: nothing to compare with" in [cell.text for cell in whole_table(view).rows[0]]


def test_a_baseline_that_failed_in_the_confirmation_is_told_of_below_the_answer() -> None:
    state = make_state(failed=(9,))
    (line,) = (each for each in beside_answer(SearchView(state)) if "Nothing here" in each)
    assert "no augmentation, which all is compared with, failed there (" in line


def test_a_best_trial_whose_networks_did_not_train_is_doubted_before_there_is_an_answer() -> None:
    state = with_lost(with_lost(make_state("search"), 3, 4), 0)
    assert SearchView(state).answer is None
    said = beside_answer(SearchView(state))
    assert "What the best trial shows is in doubt: of 15 networks 4 never left chance." in said
    assert len([line for line in said if "without augmentation 1 never left chance" in line]) == 1
    assert not [e for e in beside_answer(SearchView(make_state("search"))) if "best trial" in e]
