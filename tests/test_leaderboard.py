"""trials.csv and the numbers in it."""

import io
from pathlib import Path

import pandas as pd
import pytest
from states import make_state, with_lost

from search.journal.events import DatasetSummary
from search.journal.state import SearchState
from search.report.section_texts import stopping_lines
from search.report.trial_facts import num_scored
from search.report.trial_tables import trial_table, trials_csv, write_trials
from search.report.view import SearchView

FIXED_COLUMNS = (
    *("trial", "kind", "status", "score", "delta", "ci_low", "ci_high", "seconds", "best_epoch"),
    *("label", "source_trial", "views", "precision"),
    *("verdict", "claimed", "claimed_low", "claimed_high", "p"),
    *("heads", "heads_cut", "heads_lost"),
)
SETTING = "rotation_range 15, width_shift_range 0.1, zoom_range 0.1"


def leaderboard(state: SearchState) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(trials_csv(SearchView(state))))


def changed(state: SearchState, trial: int, **updates: object) -> SearchState:
    records = tuple(r.model_copy(update=updates) if r.trial == trial else r for r in state.records)
    return state.model_copy(update={"records": records})


@pytest.fixture(scope="module")
def finished() -> SearchState:
    return make_state()


def dataset_of(state: SearchState) -> DatasetSummary:
    assert state.opened is not None
    return state.opened.dataset


def test_columns_are_the_contract_s_then_a_column_a_setting(finished: SearchState) -> None:
    header = trials_csv(SearchView(finished)).splitlines()[0].split(",")
    assert tuple(header[:21]) == FIXED_COLUMNS
    assert header[21:25] == list(finished.opened.space)  # type: ignore[union-attr]
    assert header[25:] == sorted(header[25:])


def test_a_row_in_full(finished: SearchState) -> None:
    row = trials_csv(SearchView(finished)).splitlines()[4]
    assert (
        row == "3,trial,completed,0.964000,0.014000,0.009000,0.019000,7.250,8,"
        f'"{SETTING}",,16,float32,'
        "HELPS,0.012000,0.007000,0.017000,0.000000,15,1,0,15,0.1,0.1,false,,,"
    )


def test_a_confirmed_setting_has_its_source_and_its_verdict(finished: SearchState) -> None:
    rows = leaderboard(finished).set_index("trial")
    shown = rows.loc[10, ["label", "source_trial", "views", "verdict"]]
    assert list(shown) == [SETTING, 3, 16, "HELPS"]
    assert rows.loc[12, "verdict"] == "NO EVIDENCE"
    # A trial of the search has the verdict on its setting, if that was confirmed or is claimed.
    assert list(rows.loc[3, ["verdict", "claimed"]]) == list(rows.loc[10, ["verdict", "claimed"]])
    assert rows.loc[[4, 6, 9], "verdict"].isna().all()
    assert rows["p"][12] == pytest.approx(0.117, abs=0.001)


def test_the_sealed_test_is_not_a_trial(finished: SearchState) -> None:
    assert set(leaderboard(finished)["kind"]) == {"control", "trial", "confirm", "ablation"}


def test_the_same_search_on_another_day_differs_in_seconds_alone(finished: SearchState) -> None:
    def slower(record):  # type: ignore[no-untyped-def]
        timing = record.result.timing.model_copy(update={"total_seconds": 99.5})
        return record.model_copy(
            update={"asked_at": 5.0, "result": record.result.model_copy(update={"timing": timing})}
        )

    again = finished.model_copy(update={"records": tuple(map(slower, finished.records))})
    first, second = (
        pd.read_csv(io.StringIO(trials_csv(SearchView(state))), dtype=str)
        for state in (finished, again)
    )
    assert (second["seconds"] == "99.500").all()
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"))


def test_a_failed_trial_has_a_row_and_no_numbers() -> None:
    table = leaderboard(make_state(failed=(5,))).set_index("trial")
    assert table.loc[5, "status"] == "failed"
    names = ["score", "delta", "ci_low", "ci_high", "seconds", "best_epoch", "heads", "heads_lost"]
    assert table.loc[5, names].isna().all()


def test_networks_that_did_not_train_have_a_column(finished: SearchState) -> None:
    lost = with_lost(finished, 3)
    assert list(leaderboard(lost).set_index("trial").loc[[2, 3], "heads_lost"]) == [0, 1]
    table = trial_table(SearchView(lost))
    place = table.headings.index("lost")
    assert [row[place].text for row in table.rows[2:4]] == ["", "1 of 15"]
    assert "lost" not in trial_table(SearchView(finished)).headings


def test_networks_that_a_trial_failed_by_are_counted() -> None:
    state = with_lost(make_state(failed=(3,)), 3, 8)
    names = ["heads", "heads_cut", "heads_lost"]
    assert list(leaderboard(state).set_index("trial").loc[3, names]) == [15, 0, 8]
    table = trial_table(SearchView(state))
    assert table.rows[3][table.headings.index("lost")].text == "8 of 15"
    assert not any("#3" in line and "scored" in line for line in stopping_lines(SearchView(state)))


def test_a_running_trial_has_a_row() -> None:
    assert leaderboard(make_state(running=(8,))).set_index("trial").loc[8, "status"] == "running"


def test_no_trial_runs_once_the_search_has_stopped() -> None:
    ended = make_state("search", running=(8,)).model_copy(update={"stopped": "nan"})
    assert leaderboard(ended).set_index("trial").loc[8, "status"] == "not finished"
    table = trial_table(SearchView(ended))
    assert table.rows[8][table.headings.index("status")].text == "not finished"


def test_settings_are_written_as_in_the_experiment_file(finished: SearchState) -> None:
    settings = {
        "rotation_range": 0.1 + 0.2,
        "brightness_range": [0.8, 1.2],
        "vertical_flip": True,
        "policy": "a,b",
    }
    table = pd.read_csv(
        io.StringIO(trials_csv(SearchView(changed(finished, 3, settings=settings)))), dtype=str
    ).set_index("trial")
    cells = table.loc["3", ["rotation_range", "brightness_range", "vertical_flip", "policy"]]
    assert list(cells) == ["0.3", "[0.8, 1.2]", "true", "a,b"]


def test_a_search_that_was_only_opened_has_a_header() -> None:
    assert trials_csv(SearchView(make_state("opened"))).strip() == ",".join(FIXED_COLUMNS)


def test_the_best_epoch_is_the_lower_median_over_heads(finished: SearchState) -> None:
    result = finished.records[3].result.model_copy(  # type: ignore[union-attr]
        update={"best_epochs": (9, 2, 4, 40)}
    )
    table = leaderboard(changed(finished, 3, result=result)).set_index("trial")
    assert table.loc[3, "best_epoch"] == 4


def test_folds_score_train_and_validation_one_fold_validation_alone(finished: SearchState) -> None:
    record, dataset = finished.records[3], dataset_of(finished)
    one_fold = record.spec.model_copy(
        update={"protocol": record.spec.protocol.model_copy(update={"folds": 1})}
    )
    assert num_scored(record, dataset) == 10 * (125 + 27)
    assert num_scored(record.model_copy(update={"spec": one_fold}), dataset) == 270
    assert num_scored(finished.records[-1], dataset) == 270


def test_the_interval_of_an_accuracy_is_wilson_s(finished: SearchState) -> None:
    """8 of 10: 0.490 to 0.943 (Newcombe 1998, method 3, as any table of it gives)."""
    dataset = dataset_of(finished).model_copy(
        update={"counts": {"train": (6,), "validation": (4,)}}
    )
    result = finished.records[3].result.model_copy(  # type: ignore[union-attr]
        update={"metrics": {"accuracy": 0.8}}
    )
    opened = finished.opened.model_copy(update={"dataset": dataset})  # type: ignore[union-attr]
    state = changed(finished, 3, result=result).model_copy(update={"opened": opened})
    accuracy = SearchView(state).accuracy(state.records[3])
    assert accuracy is not None
    assert accuracy[1] == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_it_is_written_into_the_run_directory(tmp_path: Path, finished: SearchState) -> None:
    assert write_trials(SearchView(finished), tmp_path).read_text() == trials_csv(
        SearchView(finished)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["trials.csv"]
