"""What the page and the trackers say of trials that were given unlike amounts of views or
epochs."""

from pathlib import Path
from typing import Any

import pytest
from states import make_record, make_state, with_evaluation

from search.experiment.trial import fullest
from search.journal.state import SearchState
from search.report.figures import FIGURES
from search.report.figures_trials import floor_rows
from search.report.page import render_report
from search.report.section_texts import hollow_text, rungs_sentence, stopping_lines
from search.report.sentences import fresh_text, notices
from search.report.summary import summarize
from search.report.trial_facts import heads_cut
from search.report.trial_tables import trial_table
from search.report.view import SearchView
from search.tracking.descriptions import describe
from search.tracking.trial_run import trial_row

STRENGTHS: tuple[dict[str, float], ...] = (
    {},
    {"rotation_range": 5.0},
    {"rotation_range": 10.0},
    {"rotation_range": 15.0},
)


def state_of(*budgets: int, rungs: bool = True, mode: str = "frozen") -> SearchState:
    """A search of three settings at each budget, and no correlation of rungs."""
    base = make_state("search")
    assert base.evidence is not None
    first = base.records[0]
    records = [first if mode == "frozen" else _with_epochs(first, None, mode)]
    for budget in budgets:
        for augmentation in STRENGTHS:
            number, rung = len(records), budgets.index(budget) if rungs else None
            views = budget if augmentation else 1
            made = make_record(
                number, "trial", str(number), augmentation, 0.0, rung=rung, views=views
            )
            records.append(made if mode == "frozen" else _with_epochs(made, budget, mode))
    evidence = base.evidence.model_copy(update={"rung_correlations": ()})
    return base.model_copy(update={"records": tuple(records), "evidence": evidence})


def _with_epochs(record: Any, epochs: int | None, mode: str) -> Any:
    training = record.spec.settings.training.model_copy(update={"mode": mode})
    spec = record.spec.model_copy(
        update={
            "settings": record.spec.settings.model_copy(update={"training": training}),
            "protocol": record.spec.protocol.model_copy(update={"max_epochs": epochs}),
        }
    )
    return record.model_copy(update={"spec": spec})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (make_state(), "Trials are first judged on few augmented views per image."),
        (state_of(4, 16), "Trials were judged on 4 and 16 views. Too few settings"),
        (state_of(2, 6, 16), "Trials were judged on 2, 6 and 16 views. Too few settings"),
        (
            state_of(1, 3, 9, mode="scratch"),
            "Trials were judged on 1, 3 and 9 epochs. Too few settings",
        ),
    ],
)
def test_the_page_says_what_trials_were_judged_on(state: SearchState, words: str) -> None:
    assert words in (rungs_sentence(SearchView(state)) or "")


@pytest.mark.parametrize(
    "state",
    [make_state("controls"), state_of(16), state_of(16, rungs=False), state_of(4, 16, rungs=False)],
    ids=["no trial", "one rung", "one budget", "views searched"],
)
def test_without_rungs_the_page_has_no_section_on_them(state: SearchState) -> None:
    assert rungs_sentence(SearchView(state)) is None
    assert "be trusted?" not in render_report(SearchView(state), Path("runs/x"), {})


def test_one_rung_beside_trials_without_is_no_ladder() -> None:
    """As Hyperband makes of few trials."""
    state = state_of(16)
    other = state_of(4, rungs=False).records[-1].model_copy(update={"trial": len(state.records)})
    state = state.model_copy(update={"records": (*state.records, other)})
    assert rungs_sentence(SearchView(state)) is None


def test_a_search_over_epochs_speaks_of_epochs() -> None:
    state = state_of(1, 9, mode="scratch")
    view = SearchView(state)
    assert view.budget_unit == "epochs"
    table = trial_table(view)
    given = table.headings.index("epochs given")
    assert [row[given].text for row in table.rows[1:]] == ["1"] * 4 + ["9"] * 4
    assert "views" not in (rungs_sentence(view) or "")
    assert trial_row(view, state.records[1]).params["rung_epochs"] == "1"


def test_heads_that_a_rung_paused_were_not_cut_by_max_epochs() -> None:
    state = state_of(1, 9, mode="scratch")
    assert all(
        record.result and record.result.heads_cut_by_max_epochs for record in state.records[1:]
    )
    assert [heads_cut(record) for record in state.records[1:]] == [0] * 8
    assert "Heads of 1 trial were ended by max_epochs, not by patience: #0." in stopping_lines(
        SearchView(state)
    )


def test_only_the_fullest_rung_is_ranked() -> None:
    state = make_state("search")  # trials 3 to 8 stand on two rungs in turn
    kept = [record.trial for record in fullest(state.of_kind("trial"))]
    assert kept == [3, 5, 7]
    note = describe(SearchView(state))
    assert "Trials of the fullest rung, the best first" in note
    assert "| 4 |" not in note
    assert "of the 3 trials of the fullest rung stand above it. Largest effect: #" in FIGURES[
        "floor"
    ].describe(SearchView(state))


def test_a_control_s_name_means_the_one_with_all_of_the_budget() -> None:
    base = make_state("search")
    full = [r.model_copy(update={"rung": 1}) if r.trial in (1, 2) else r for r in base.records]
    state = base.model_copy(update={"records": tuple(full)})
    names = list(summarize(SearchView(state))["controls"])
    low = [
        make_record(
            90 + n,
            "control",
            record.label,
            record.spec.settings.augmentation,
            -0.3,
            rung=0,
            views=4,
        )
        for n, record in enumerate(state.of_kind("control"))
    ]
    more = state.model_copy(update={"records": (*state.records, *low)})
    assert summarize(SearchView(more))["controls"] == summarize(SearchView(state))["controls"]
    assert list(summarize(SearchView(more))["controls"]) == names


def test_with_one_fold_the_images_confirmed_on_are_not_fresh() -> None:
    assert fresh_text(SearchView(make_state())) == "fresh seeds, folds and views"
    one = with_evaluation(make_state("search"), folds=1)
    assert fresh_text(SearchView(one)) == "fresh seeds and views"
    assert any("confirmed on fresh seeds and views:" in each for each in notices(SearchView(one)))


def test_trials_on_less_stand_below_those_on_all_of_the_budget() -> None:
    hollow = [row.hollow for row in floor_rows(SearchView(make_state("search")), 14)]
    assert hollow == sorted(hollow)
    assert any(hollow)


def test_hollow_marks_are_explained_where_there_are_some() -> None:
    assert hollow_text(SearchView(make_state())).startswith(
        "; hollow ones were trained on fewer views"
    )
    full = [r for r in make_state().records if r.rung != 0]
    assert hollow_text(SearchView(make_state().model_copy(update={"records": tuple(full)}))) == ""


def test_heads_of_a_repeated_trial_are_not_counted_as_cut_again() -> None:
    state = make_state("search")
    (first, again), others = state.records[3:5], state.records[:3]
    repeated = again.model_copy(update={"duplicate_of": 3, "result": first.result})
    alone, both = (
        state.model_copy(update={"records": (*others, *rs)}) for rs in ([first], [first, repeated])
    )
    assert stopping_lines(SearchView(both)) == stopping_lines(SearchView(alone))
