"""Whole searches on digits, with real training: what they leave behind, that they repeat, and that
they resume."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from faulty_searches import events_of
from small_search import after, sit, small_config, table_of

from data.augmentations import is_option
from data.errors import UserError
from search.driver.session import run_search
from search.guests.leak import LeakDemo
from search.journal.journal_file import JournalError
from search.journal.state import SearchResult
from search.verification.verify import verify


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return sit(small_config(cache), tmp_path_factory.mktemp("run") / "tiny")


def test_a_finished_search_leaves_every_file_of_the_contract(finished: SearchResult) -> None:
    names = {path.name for path in finished.run_dir.iterdir()}
    assert names >= {
        "config.yaml",
        "journal.jsonl",
        "trials.csv",
        "summary.json",
        "report.html",
        "winner.json",
        "environment.json",
        "model",
    }
    assert "views" not in names


def test_trial_zero_is_no_augmentation(finished: SearchResult) -> None:
    first = finished.state.records[0]
    assert (first.trial, first.kind, first.spec.settings.augmentation) == (0, "control", {})


def test_claims_of_controls_outside_the_space_say_what_these_set(finished: SearchResult) -> None:
    evidence = finished.state.evidence
    assert evidence is not None
    assert evidence.claims is not None
    sets = {whole.label: whole.sets for whole in evidence.claims.wholes if not whole.settings}
    own = {r.label: r.spec.settings.augmentation for r in finished.state.of_kind("control")}
    assert sets["TrivialAugment"] == ("policy",)
    assert {name for name in own["course settings"] if not is_option(name)} == {
        *sets["course settings"]
    }


def test_every_completed_trial_has_an_effect_against_no_augmentation(
    finished: SearchResult,
) -> None:
    records = [
        r
        for r in finished.state.of_kind("control", "trial", "confirm", "ablation")
        if r.trial and r.kind != "confirm"
    ]
    assert all(record.effect is not None for record in records)


def test_the_validation_features_are_the_same_before_and_after_in_every_trial(
    finished: SearchResult,
) -> None:
    hashes = [
        r.result.validation_hash for r in finished.state.of_kind("control", "trial") if r.result
    ]
    assert len({value for pair in hashes if pair for value in pair}) == 1


def test_a_second_run_says_it_is_finished_and_trains_nothing(
    finished: SearchResult, cache: Path
) -> None:
    journal = (finished.run_dir / "journal.jsonl").read_bytes()
    assert sit(small_config(cache), finished.run_dir).outcome == "already finished"
    assert (finished.run_dir / "journal.jsonl").read_bytes() == journal


def test_what_a_search_was_killed_before_showing_is_shown_the_next_time(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished.run_dir, run_dir)
    lines = (run_dir / "journal.jsonl").read_text().splitlines(keepends=True)
    assert '"type":"shown"' in lines[-1]
    (run_dir / "journal.jsonl").write_text("".join(lines[:-1]))
    for name in ("trials.csv", "summary.json", "report.html"):
        (run_dir / name).write_text("from before the last trials")
    (run_dir / "views").mkdir()
    assert sit(small_config(cache), run_dir).outcome == "already finished"
    assert (run_dir / "trials.csv").read_bytes() == (finished.run_dir / "trials.csv").read_bytes()
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "finished"
    assert "<html" in (run_dir / "report.html").read_text()
    assert not (run_dir / "views").exists()


@pytest.fixture(scope="module")
def afresh(
    finished: SearchResult, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> SearchResult:
    """The same search where a finished one is, whose journal is damaged: refused, then started with
    `--fresh`."""
    run_dir = tmp_path_factory.mktemp("afresh") / "run"
    shutil.copytree(finished.run_dir, run_dir)
    journal = run_dir / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"told"', b'"tolt"', 1))
    with pytest.raises(JournalError, match=r"damaged.*start again with --fresh"):
        sit(small_config(cache), run_dir)
    return sit(small_config(cache), run_dir, fresh=True)


def test_a_damaged_journal_is_left_behind_by_a_fresh_start(
    finished: SearchResult, afresh: SearchResult
) -> None:
    assert afresh.outcome == "finished"
    assert [record.trial for record in afresh.state.records] == [
        r.trial for r in finished.state.records
    ]


def test_a_fresh_start_counts_the_earlier_look_at_the_test_set(
    finished: SearchResult, afresh: SearchResult
) -> None:
    assert finished.state.test is not None
    assert afresh.state.test is not None
    assert (finished.state.test.looks, afresh.state.test.looks) == (1, 2)


def test_another_config_in_the_directory_is_refused(finished: SearchResult, cache: Path) -> None:
    with pytest.raises(UserError, match="another config"):
        sit(small_config(cache, seed=4), finished.run_dir)


def test_the_same_experiment_gives_the_same_table(
    finished: SearchResult, afresh: SearchResult
) -> None:
    assert finished.state.test is not None
    assert table_of(afresh.run_dir) == table_of(finished.run_dir)
    assert afresh.state.evidence == finished.state.evidence
    assert afresh.state.test == finished.state.test.model_copy(update={"looks": 2})


@pytest.mark.slow  # among the quick ones, `test_killed_anywhere` and `test_command_line` resume
@pytest.mark.parametrize("told", [2, 7])
def test_a_stopped_search_resumes_to_the_same_table(
    finished: SearchResult, cache: Path, tmp_path: Path, told: int
) -> None:
    stop = threading.Event()
    progress = after(told, stop.set)
    stopped = sit(small_config(cache), tmp_path / "run", progress, stop=stop)
    assert stopped.outcome == "stopped"
    resumed = sit(small_config(cache), tmp_path / "run")
    assert resumed.outcome == "finished"
    assert table_of(resumed.run_dir) == table_of(finished.run_dir)
    assert resumed.state.evidence == finished.state.evidence
    told_once = [event["trial"] for event in events_of(resumed.run_dir) if event["type"] == "told"]
    assert len(told_once) == len(set(told_once))


def test_worker_processes_give_the_table_of_the_calling_process(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    result = run_search(small_config(cache, execution={"workers": 2}), tmp_path / "run")
    assert table_of(result.run_dir) == table_of(finished.run_dir)


def test_the_page_and_the_table_are_made_again_from_the_journal(
    finished: SearchResult, tmp_path: Path
) -> None:
    from search.driver.publishing import write_outputs
    from search.journal.journal_file import read
    from search.journal.state import replay

    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(finished.run_dir / "journal.jsonl", copy)
    events, _ = read(copy / "journal.jsonl")
    write_outputs(replay(events), copy)
    assert (copy / "trials.csv").read_bytes() == (finished.run_dir / "trials.csv").read_bytes()
    assert "<html" in (copy / "report.html").read_text()


@pytest.mark.slow  # a look is counted from a damaged journal among the quick ones
def test_starting_afresh_counts_the_look_at_the_test_set(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished.run_dir, run_dir)
    assert finished.state.test is not None
    assert finished.state.test.looks == 1
    again = sit(small_config(cache), run_dir, fresh=True)
    assert again.state.test is not None
    assert again.state.test.looks == 2


def test_the_leak_demo_scores_the_same_trials_on_augmented_images_and_changes_nothing_else(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished.run_dir, run_dir)
    shown = sit(small_config(cache), run_dir, guests=("leak",))
    found = shown.state.guests["leak"]
    assert isinstance(found, LeakDemo)
    by_trial = {row.trial: row for row in found.scores}
    assert by_trial[0].leaked == by_trial[0].clean  # nothing to leak without augmentation
    assert any(row.leaked != row.clean for row in by_trial.values())
    assert table_of(run_dir) == table_of(finished.run_dir)
    assert verify(run_dir).same


def test_a_guest_that_is_none_is_refused_before_anything_is_written(
    cache: Path, tmp_path: Path
) -> None:
    for guests in (("leek",), "leak"):
        with pytest.raises(TypeError, match="allowed: leak"):
            sit(small_config(cache), tmp_path / "run", guests=guests)
    assert not (tmp_path / "run").exists()


def test_the_baseline_is_tried_at_each_extreme_of_each_searched_augmentation(
    finished: SearchResult,
) -> None:
    assert {probe.augmentation for probe in finished.state.safety} == {
        "rotation_range",
        "vertical_flip",
    }
    assert all(
        0 <= probe.accuracy_ci[0] <= probe.accuracy <= probe.accuracy_ci[1] <= 1
        for probe in finished.state.safety
    )
