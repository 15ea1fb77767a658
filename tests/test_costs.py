"""What a search cost: each training counted once, wherever the sum is shown."""

import io
from typing import Any

import pandas as pd
import pytest
from states import make_state

from search.commands.costs import most_epochs
from search.driver.experiment_file import parse_config
from search.journal.state import SearchState
from search.report.figures_training import time_parts
from search.report.section_texts import cost_text
from search.report.summary import summarize
from search.report.trial_tables import trial_table, trials_csv
from search.report.view import SearchView
from search.tracking.descriptions import describe
from search.tracking.trial_run import trial_row


def with_a_repeat() -> SearchState:
    """Trial 5 asks for what trial 4 was, and so has its answer."""
    state = make_state()
    records = list(state.records)
    records[5] = records[5].model_copy(update={"duplicate_of": 4, "result": records[4].result})
    return state.model_copy(update={"records": tuple(records)})


def test_every_sum_counts_a_repeated_trial_once() -> None:
    state, once = with_a_repeat(), 17 * 22_992
    cost = state.cost
    assert (cost.trainings, cost.images) == (17, once)
    timing = summarize(SearchView(state))["timing"]
    assert timing["images_extracted"] == once
    assert timing["trials_seconds"] == cost.total_seconds
    assert timing["features_seconds"] + timing["heads_seconds"] <= cost.total_seconds + 1e-9
    assert f"{once:,} images went through the backbone" in describe(SearchView(state))
    within = sum(
        seconds for name, seconds, _ in time_parts(SearchView(state)) if name.startswith("trials:")
    )
    assert abs(within - cost.total_seconds) < 1e-9


def test_the_page_says_what_was_trained_and_what_was_not() -> None:
    text = cost_text(SearchView(with_a_repeat()))
    assert "17 trainings (controls, trials, confirmation, ablation, test)" in text
    assert "1 trial repeated another and cost nothing." in text
    assert f"{17 * 22_992:,} images" in text
    assert "confirmation" not in cost_text(SearchView(make_state("search")))


@pytest.mark.parametrize(("max_epochs", "most"), [([20, 60, 40], 60), ([10, 50], 50), (30, 30)])
def test_the_epochs_of_a_plan_are_those_of_its_longest_training(max_epochs: Any, most: int) -> None:
    experiment = {
        "name": "longest",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": [0, 20]},
        "model": {"weights": "random", "learning_rate": [0.001, 0.01]},
        "training": {"mode": "scratch", "max_epochs": max_epochs},
    }
    assert most_epochs(parse_config(experiment, "test").space) == most


def test_a_repeated_trial_shows_no_time_of_its_own() -> None:
    state = with_a_repeat()
    board = pd.read_csv(io.StringIO(trials_csv(SearchView(state))))
    assert board.loc[board.trial == 5, "seconds"].isna().all()
    assert board.seconds.sum() == sum(
        r.trained.timing.total_seconds
        for r in state.of_kind("control", "trial", "confirm", "ablation")
        if r.trained and r.trained.timing
    )
    table = trial_table(SearchView(state))
    assert table.rows[5][table.headings.index("time")].text == ""
    sent = {point.key for point in trial_row(SearchView(state), state.records[5]).points}
    assert "seconds" not in sent
