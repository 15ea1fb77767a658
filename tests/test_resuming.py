"""Whole searches that meet a fault, with stand-ins for training: how they end, and that they go on
to the undisturbed table."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from faulty_searches import BASELINE, OUT_OF_MEMORY, RETRIES, Faults, config_of, events_of
from pictures import write_folders
from small_search import EXPERIMENT, Heard, sit, table_of, undisturbed
from states import make_state

from data.errors import UserError
from search.commands.compare import compare
from search.driver.retries import MOST_TRIES
from search.driver.run_reading import open_run
from search.experiment.config import ExperimentConfig
from search.journal.run_dir import read_predictions
from search.journal.state import SearchResult, SearchState
from search.report.answer_text import beside_answer
from search.report.section_texts import test_lines as lines_of_test
from search.report.view import SearchView
from search.report.wording import label_text
from search.verification.comparison import Comparison
from search.verification.consistency import unsound
from search.verification.rehearsal import compare_rehearsal, rehearse
from search.verification.reopening import prepare_again, scratch_resources


def conclusions_of(state: SearchState) -> tuple[Any, ...]:
    return state.evidence, state.test, [(r.label, r.spec.key, r.effect) for r in state.records]


def assert_sound(run_dir: Path, by_the_clock: bool = True) -> None:
    """As `verify` has it, but for the scores, which a stand-in makes up. by_the_clock: cuts too
    came when time was over."""
    run, comparison = open_run(run_dir), Comparison()
    assert [each for each in unsound(run) if by_the_clock or each.where != "cut"] == []
    answers = {
        r.trial: read_predictions(r, run_dir) for r in run.state.records if r.predictions_file
    }
    (run_dir / "again").mkdir()
    prepared = prepare_again(run, scratch_resources(run.config, run_dir / "again"))
    compare_rehearsal(
        run.events, rehearse(prepared, run.state, answers, run_dir / "again"), comparison, 0.0
    )
    assert comparison.differences == []
    assert comparison.num_compared > 300


QUICK = [
    ("halving", BASELINE),
    ("bayesian", "trial: setting 2"),
    ("halving", "confirm: no augmentation"),
]
SLOW = [
    ("bayesian", BASELINE),
    ("halving", "trial: setting 2"),
    ("bayesian", "confirm: no augmentation"),
    ("bayesian", "test: no augmentation"),
]


@pytest.mark.parametrize(
    ("algorithm", "failing"),
    [*QUICK, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)],
)
def test_what_memory_failed_is_tried_again_and_the_search_is_the_undisturbed_one(
    faults: Faults, cache: Path, tmp_path: Path, algorithm: str, failing: str
) -> None:
    search = {"algorithm": algorithm, "trials": 4, "min_views": 1}
    changes = {"search": search, "training": {**EXPERIMENT["training"], "views": 3}}
    config, run_dir = config_of(cache, **changes), tmp_path / "run"
    expected = undisturbed(config, tmp_path / "other")
    faults.raised |= {failing: OUT_OF_MEMORY, "test: no augmentation": OUT_OF_MEMORY}
    first = sit(config, run_dir)
    assert (first.outcome, first.state.has_failed) == ("failed", True)
    assert "MemoryError: no room for 3 GB" in str(first.state.stopped)
    faults.mend()
    again = sit(config, run_dir)
    assert again.outcome == "finished"
    assert table_of(run_dir) == table_of(expected.run_dir)
    assert conclusions_of(again.state) == conclusions_of(expected.state)
    tried = next(r for r in again.state.records if f"{r.kind}: {r.label}" == failing)
    assert tried.attempts == (1 + RETRIES) + 1
    assert_sound(run_dir)


def test_trials_that_keep_their_answers_are_not_trained_again(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.raised |= {"trial: setting 2": OUT_OF_MEMORY, "test: no augmentation": OUT_OF_MEMORY}
    sit(config, run_dir)
    faults.mend()
    heard = Heard()
    result = sit(config, run_dir, heard)
    assert result.outcome == "finished"
    assert faults.trained.count("trial: setting 2") == 1
    assert not {BASELINE, "trial: setting 1", "trial: setting 3", "trial: setting 4"} & set(
        faults.trained
    )
    name = label_text(result.state.records[4])
    assert any(f"trying trial 4 ({name}) again: it failed: MemoryE" in m for m in heard.messages)
    (retried,) = (event for event in events_of(run_dir) if event["type"] == "retried")
    assert retried["first"] == 4


def test_what_fails_the_same_way_again_is_a_result_and_not_tried_again(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.reported["trial: setting 2"] = "the loss is not finite at epoch 3"
    faults.raised["test: no augmentation"] = OUT_OF_MEMORY
    sit(config, run_dir)
    del faults.raised["test: no augmentation"]
    faults.trained.clear()
    result = sit(config, run_dir)
    assert result.outcome == "finished"
    assert "trial: setting 2" not in faults.trained
    assert [r.label for r in result.state.records if r.status == "failed"] == ["setting 2"]
    assert_sound(run_dir)


def test_a_final_model_that_fails_the_same_way_again_costs_the_test_and_not_the_search(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    untroubled = sit(config, tmp_path / "untroubled").state
    faults.reported["test: no augmentation"] = "the loss is not finite at epoch 3"
    result = sit(config, run_dir)
    assert result.outcome == "finished"
    assert (result.state.evidence, result.state.test) == (untroubled.evidence, None)
    view = SearchView(result.state)
    assert lines_of_test(view) == ["The test gave no figure: why stands below the answer."]
    (said,) = (line for line in beside_answer(view) if "gave no figure" in line)
    assert said.startswith("The test gave no figure: the final model #")
    assert "failed (the loss is not finite at epoch 3). The answer rests" in said
    assert (untroubled.looks, result.state.looks) == (1, 0)
    with pytest.raises(UserError, match="run cannot be compared on the test set"):
        compare(tmp_path / "untroubled", run_dir)
    assert sit(config, run_dir).outcome == "already finished"
    assert_sound(run_dir)


def test_a_test_that_one_of_two_models_was_scored_in_was_a_look() -> None:
    """Though it gave no figure: the score stands in the tables."""
    state = make_state(failed=(17,)).model_copy(update={"test": None})
    assert state.looks == 1
    (said,) = (line for line in beside_answer(SearchView(state)) if "gave no figure" in line)
    assert " It was opened once all the same. The answer rests on" in said
    going_on = SearchView(state.model_copy(update={"finished_at": None}))
    assert lines_of_test(going_on) == ["The test set was opened once; there is no figure yet."]


def test_a_baseline_that_always_fails_is_tried_so_often_and_again_once_a_limit_is_changed(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.reported[BASELINE] = "the loss is not finite at epoch 3"
    trained, heard = [], Heard()
    for _ in range(MOST_TRIES + 3):
        faults.trained.clear()
        assert sit(config, run_dir, heard).outcome == "failed"
        trained.append(faults.trained.count(BASELINE))
    assert trained == [1] * (1 + MOST_TRIES) + [0, 0]
    assert any(
        "failed 4 times and is not tried again as things are: the loss" in m for m in heard.messages
    )
    assert _ways_on(run_dir) == ["anew"] * (MOST_TRIES + 3)
    faults.mend()
    changed = config_of(cache, execution={"retries": 0})
    assert sit(changed, run_dir).outcome == "finished"
    assert_sound(run_dir)


@pytest.mark.parametrize("beside", [False, True])
def test_where_no_augmentation_fails_again_in_the_confirmation_the_search_has_the_last_word(
    faults: Faults, cache: Path, tmp_path: Path, beside: bool
) -> None:
    rate = {"model": {**EXPERIMENT["model"], "learning_rate": [0.001, 0.01]}}
    searched = rate if beside else {}
    only_searched = {"evaluation": {**EXPERIMENT["evaluation"], "confirm": None}}
    config, run_dir = config_of(cache, **searched), tmp_path / "run"
    alone = sit(config_of(cache, **only_searched, **searched), tmp_path / "alone")
    faults.reported["confirm: no augmentation"] = "2 of 4 networks did not train"
    result = sit(config, run_dir)
    assert result.outcome == "finished", result.reason
    evidence, without = result.state.evidence, alone.state.evidence
    assert evidence is not None
    assert without is not None
    assert evidence.answer is not None
    assert without.answer is not None
    assert evidence.claims is not None
    assert without.claims is not None
    assert evidence.is_final
    assert not evidence.trained
    assert evidence.answer.kind == without.answer.kind
    assert evidence.claims.augmentations == without.claims.augmentations
    said = " ".join(beside_answer(SearchView(result.state)))
    assert "no augmentation, which all is compared with, failed there (2 of 4 networks" in said
    assert_sound(run_dir)


def _ways_on(run_dir: Path) -> list[str]:
    return [event["way_on"] for event in events_of(run_dir) if event["type"] == "stopped"]


def test_a_baseline_that_lacks_memory_is_to_be_mended_and_then_run_otherwise(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.raised[BASELINE] = OUT_OF_MEMORY
    for _ in range(MOST_TRIES + 2):
        assert sit(config, run_dir).outcome == "failed"
    assert _ways_on(run_dir) == ["mend"] * MOST_TRIES + ["change"] * 2


@pytest.mark.parametrize("may_pass", [True, False])
def test_trials_that_all_fail_are_to_be_mended_only_where_that_helps(
    faults: Faults, cache: Path, tmp_path: Path, may_pass: bool
) -> None:
    for number in range(1, 5):
        name = f"trial: setting {number}"
        if may_pass:
            faults.raised[name] = OUT_OF_MEMORY
        else:
            faults.reported[name] = "the loss is not finite at epoch 3"
    assert sit(config_of(cache), tmp_path / "run").outcome == "failed"
    assert _ways_on(tmp_path / "run") == ["mend" if may_pass else "anew"]


def test_a_search_in_which_no_trial_completes_says_so_opens_no_test_set_and_goes_on(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.raised |= {f"trial: setting {number}": OUT_OF_MEMORY for number in range(1, 5)}
    first = sit(config, run_dir)
    assert (first.outcome, first.state.test) == ("failed", None)
    assert str(first.reason).startswith("no trial completed: the last one failed: MemoryError")
    assert events_of(run_dir)[-1]["type"] == "stopped"
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "failed"
    faults.mend()
    assert sit(config, run_dir).outcome == "finished"
    assert table_of(run_dir) == table_of(expected.run_dir)


def test_a_search_without_time_for_a_trial_goes_on_when_the_limit_is_raised(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    def hours(limit: float | None) -> ExperimentConfig:
        return config_of(cache, search={"trials": 4, "max_hours": limit})

    run_dir = tmp_path / "run"
    first = sit(hours(1e-6), run_dir)
    assert first.outcome == "failed"
    assert "search.max_hours (1e-06) left no time for one; raise it" in str(first.reason)
    assert sit(hours(1e-6), run_dir).outcome == "failed"
    again = sit(hours(1.0), run_dir)
    assert (again.outcome, again.state.cut_after) == ("finished", None)
    assert table_of(run_dir) == table_of(expected.run_dir)
    assert again.state.opened is not None
    assert again.state.opened.config["search"]["max_hours"] == 1.0
    assert_sound(run_dir)


@pytest.mark.slow
def test_a_search_cut_short_before_it_was_stopped_asks_for_more_when_the_limit_is_raised(
    faults: Faults,
    expected: SearchResult,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_dir = tmp_path / "run"
    faults.raised["test: no augmentation"] = OUT_OF_MEMORY
    told: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr("search.driver.search_phase.Deadline.passed", lambda self: len(told) >= 4)
        short = config_of(cache, search={"trials": 4, "max_hours": 1.0})
        first = sit(short, run_dir, Heard(lambda record: told.append(record.trial)))
    assert len(first.state.of_kind("trial")) < 4
    assert first.state.of_kind("confirm")
    faults.mend()
    again = sit(config_of(cache, search={"trials": 4, "max_hours": 2.0}), run_dir)
    assert again.outcome == "finished"
    assert table_of(run_dir) == table_of(expected.run_dir)
    assert_sound(run_dir, by_the_clock=False)


def test_every_value_of_another_config_is_named_with_what_to_do(
    faults: Faults, expected: SearchResult, cache: Path
) -> None:
    with pytest.raises(UserError) as caught:
        sit(config_of(cache, seed=4, search={"trials": 9}), expected.run_dir)
    text = str(caught.value)
    assert (
        "seed was 3 and is now 4; search.trials was 4 and is now 9. Restore those, choose another"
        in text
    )
    assert text.index("--run-dir") < text.index("--fresh, which deletes the search kept there")
    assert "execution" not in text


def test_values_that_change_no_number_may_change_and_are_journaled(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    faults.raised["test: no augmentation"] = OUT_OF_MEMORY
    sit(config_of(cache), run_dir)
    faults.mend()
    heard = Heard()
    other = {"workers": 2, "trial_timeout_minutes": 5.0, "disk_gb": 3.0}
    result = sit(
        config_of(cache, execution=other, tracking={"uri": None, "experiment": "e"}), run_dir, heard
    )
    assert result.outcome == "finished"
    assert "going on with another value: execution.workers was 1 and is now 2" in heard.messages
    assert result.state.opened is not None
    execution = result.state.opened.config["execution"]
    assert {name: execution[name] for name in other} == other
    assert_sound(run_dir)


def test_images_that_moved_are_gone_on_with(faults: Faults, cache: Path, tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 500 for split in ("train",) for name in ("a", "b")}
    write_folders(tmp_path / "here", {**counts, "validation/a": 4, "validation/b": 4})
    dataset = {"source": "folder", "image_size": 8, "path": str(tmp_path / "here")}
    evaluation = {**EXPERIMENT["evaluation"], "test": False}
    changes = {"dataset": dataset, "evaluation": evaluation}
    expected = undisturbed(config_of(cache, **changes), tmp_path / "other")
    run_dir = tmp_path / "run"
    faults.raised |= {"trial: setting 2": OUT_OF_MEMORY, "confirm: no augmentation": OUT_OF_MEMORY}
    assert sit(config_of(cache, **changes), run_dir).outcome == "failed"
    (tmp_path / "here").rename(tmp_path / "there")
    faults.mend()
    with pytest.raises(UserError, match="here"):
        sit(config_of(cache, **changes), run_dir)
    moved = {**changes, "dataset": {**dataset, "path": str(tmp_path / "there")}}
    assert sit(config_of(cache, **moved), run_dir).outcome == "finished"
    assert "trial: setting 1" not in faults.trained
    assert table_of(run_dir) == table_of(expected.run_dir)
    assert_sound(run_dir)


def test_answers_that_were_lost_are_trained_again(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.raised["test: no augmentation"] = OUT_OF_MEMORY
    sit(config, run_dir)
    (run_dir / "predictions/00000.npz").unlink()
    (run_dir / "predictions/00003.npz").write_bytes(b"")
    faults.mend()
    assert sit(config, run_dir).outcome == "finished"
    assert faults.trained[:2] == [BASELINE, "trial: setting 1"]
    assert "trial: setting 2" not in faults.trained
    assert table_of(run_dir) == table_of(expected.run_dir)


def test_answers_lost_from_a_finished_search_are_trained_again(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    run_dir = Path(shutil.copytree(expected.run_dir, tmp_path / "run"))
    (run_dir / "predictions/00003.npz").unlink()
    assert sit(config_of(cache), run_dir).outcome == "finished"
    assert faults.trained == ["trial: setting 1"]
    assert table_of(run_dir) == table_of(expected.run_dir)
    assert_sound(run_dir)


@pytest.mark.slow
def test_a_search_killed_while_trials_are_tried_again_goes_on_all_the_same(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    """At every line after the first sitting's."""
    config, run_dir = config_of(cache), tmp_path / "run"
    faults.raised |= {"trial: setting 2": OUT_OF_MEMORY, "test: no augmentation": OUT_OF_MEMORY}
    sit(config, run_dir)
    first = len(events_of(run_dir))
    faults.mend()
    sit(config, run_dir)
    lines = (run_dir / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (first + 1, first + 2, first + 5, len(lines) - 4):
        shutil.copytree(run_dir, tmp_path / str(kept))
        (tmp_path / str(kept) / "journal.jsonl").write_bytes(b"".join(lines[:kept]))
        assert sit(config, tmp_path / str(kept)).outcome == "finished"
        assert table_of(tmp_path / str(kept)) == table_of(expected.run_dir)
