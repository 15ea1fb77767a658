"""Whole searches on digits, with real training: what they leave behind, that they repeat, and that they resume."""

import csv
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from data.errors import UserError
from search.driver.session import SearchResult, SessionOptions, run_search
from search.experiment.config import ExperimentConfig, parse_config
from search.experiment.trial import TrialRecord
from search.journal.journal_file import JournalError

EXPERIMENT: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": [False, True]},
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 8, "learning_rate": 0.01},
    "training": {"max_epochs": 4, "patience": 3, "batch_size": 128, "views": 2},
    "search": {"algorithm": "random", "trials": 3},
    "evaluation": {"folds": 2, "seeds": 2, "confirm": {"top": 1, "seeds": 2, "views": 2}},
    "tracking": {"uri": None},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _config(cache: Path, **changes: Any) -> ExperimentConfig:
    return parse_config({**EXPERIMENT, "execution": {"cache_dir": str(cache)}, **changes}, "test")


def _run(config: ExperimentConfig, run_dir: Path, **options: Any) -> SearchResult:
    return run_search(config, run_dir, options=SessionOptions(inline=True, **options))


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return _run(_config(cache), tmp_path_factory.mktemp("run") / "tiny")


def _table(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class _StopAfter:
    """Progress that asks for a stop once so many trials were told."""

    def __init__(self, stop: threading.Event, trials: int) -> None:
        self.stop, self.left = stop, trials

    def trial_told(self, record: TrialRecord) -> None:
        self.left -= 1
        if self.left == 0:
            self.stop.set()

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


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


def test_every_completed_trial_has_an_effect_against_no_augmentation(finished: SearchResult) -> None:
    records = [
        r
        for r in finished.state.of_kind("control", "trial", "confirm", "ablation")
        if r.trial and r.kind != "confirm"
    ]
    assert all(record.effect is not None for record in records)


def test_the_validation_features_are_the_same_before_and_after_in_every_trial(finished: SearchResult) -> None:
    hashes = [r.result.validation_hash for r in finished.state.of_kind("control", "trial") if r.result]
    assert len({value for pair in hashes if pair for value in pair}) == 1


def test_a_second_run_says_it_is_finished_and_trains_nothing(finished: SearchResult, cache: Path) -> None:
    journal = (finished.run_dir / "journal.jsonl").read_bytes()
    assert _run(_config(cache), finished.run_dir).outcome == "already finished"
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
    assert _run(_config(cache), run_dir).outcome == "already finished"
    assert (run_dir / "trials.csv").read_bytes() == (finished.run_dir / "trials.csv").read_bytes()
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "finished"
    assert "<html" in (run_dir / "report.html").read_text()
    assert not (run_dir / "views").exists()


@pytest.fixture(scope="module")
def afresh(finished: SearchResult, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """The same search where a finished one is, whose journal is damaged: refused, then started with `--fresh`."""
    run_dir = tmp_path_factory.mktemp("afresh") / "run"
    shutil.copytree(finished.run_dir, run_dir)
    journal = run_dir / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"told"', b'"tolt"', 1))
    with pytest.raises(JournalError, match=r"damaged.*start again with --fresh"):
        _run(_config(cache), run_dir)
    return _run(_config(cache), run_dir, fresh=True)


def test_a_damaged_journal_is_left_behind_by_a_fresh_start(
    finished: SearchResult, afresh: SearchResult
) -> None:
    assert afresh.outcome == "finished"
    assert [record.trial for record in afresh.state.records] == [r.trial for r in finished.state.records]


def test_a_fresh_start_counts_the_earlier_look_at_the_test_set(
    finished: SearchResult, afresh: SearchResult
) -> None:
    assert finished.state.test is not None
    assert afresh.state.test is not None
    assert (finished.state.test.looks, afresh.state.test.looks) == (1, 2)


def test_another_config_in_the_directory_is_refused(finished: SearchResult, cache: Path) -> None:
    with pytest.raises(UserError, match="another config"):
        _run(_config(cache, seed=4), finished.run_dir)


def test_the_same_experiment_gives_the_same_table(finished: SearchResult, afresh: SearchResult) -> None:
    assert finished.state.test is not None
    assert _table(afresh.run_dir) == _table(finished.run_dir)
    assert afresh.state.evidence == finished.state.evidence
    assert afresh.state.test == finished.state.test.model_copy(update={"looks": 2})


@pytest.mark.slow  # among the quick ones, `test_killed_anywhere` and `test_command_line` resume
@pytest.mark.parametrize("told", [2, 7])
def test_a_stopped_search_resumes_to_the_same_table(
    finished: SearchResult, cache: Path, tmp_path: Path, told: int
) -> None:
    stop = threading.Event()
    progress = _StopAfter(stop, told)
    stopped = run_search(_config(cache), tmp_path / "run", progress, SessionOptions(inline=True, stop=stop))
    assert stopped.outcome == "stopped"
    resumed = _run(_config(cache), tmp_path / "run")
    assert resumed.outcome == "finished"
    assert _table(resumed.run_dir) == _table(finished.run_dir)
    assert resumed.state.evidence == finished.state.evidence
    told_once = [event["trial"] for event in _events(resumed.run_dir) if event["type"] == "told"]
    assert len(told_once) == len(set(told_once))


def _events(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]


def test_worker_processes_give_the_table_of_the_calling_process(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    config = _config(cache).model_copy(
        update={"execution": _config(cache).execution.model_copy(update={"workers": 2})}
    )
    result = run_search(config, tmp_path / "run")
    assert _table(result.run_dir) == _table(finished.run_dir)


def test_the_page_and_the_table_are_made_again_from_the_journal(
    finished: SearchResult, tmp_path: Path
) -> None:
    from search.driver.outputs import write_outputs
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
    again = _run(_config(cache), run_dir, fresh=True)
    assert again.state.test is not None
    assert again.state.test.looks == 2


@pytest.mark.parametrize("algorithm", [pytest.param("hyperband", marks=pytest.mark.slow), "halving"])
def test_algorithms_that_share_out_views_finish_and_repeat(
    algorithm: str, cache: Path, tmp_path: Path
) -> None:
    search = {"algorithm": algorithm, "trials": 4, "min_views": 1, "reduction": 2}
    changes = {
        "search": search,
        "augmentation": {"rotation_range": {"min": 0, "max": 30, "step": 10}, "vertical_flip": [False, True]},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    results = [_run(_config(cache, **changes), tmp_path / str(number)) for number in range(2)]
    assert [r.outcome for r in results] == ["finished", "finished"]
    assert _table(results[0].run_dir) == _table(results[1].run_dir)


def test_the_leak_demo_scores_the_same_trials_on_augmented_images_and_changes_nothing_else(
    finished: SearchResult, cache: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    shutil.copytree(finished.run_dir, run_dir)
    shown = _run(_config(cache), run_dir, demo_leak=True)
    assert shown.state.leak is not None
    by_trial = {row.trial: row for row in shown.state.leak.scores}
    assert by_trial[0].leaked == by_trial[0].clean  # nothing to leak without augmentation
    assert any(row.leaked != row.clean for row in by_trial.values())
    assert _table(run_dir) == _table(finished.run_dir)


def test_the_baseline_is_tried_at_each_extreme_of_each_searched_augmentation(finished: SearchResult) -> None:
    assert {probe.augmentation for probe in finished.state.safety} == {"rotation_range", "vertical_flip"}
    assert all(
        0 <= probe.accuracy_ci[0] <= probe.accuracy <= probe.accuracy_ci[1] <= 1
        for probe in finished.state.safety
    )


def test_a_search_over_augmentations_that_change_nothing_recommends_nothing(
    cache: Path, tmp_path: Path
) -> None:
    """A/A: an int shift of 1 draws no shift at all, as in ImageDataGenerator."""
    still = {"width_shift_range": {"choices": [0, 1]}, "height_shift_range": {"choices": [0, 1]}}
    state = _run(_config(cache, augmentation=still), tmp_path / "run").state
    assert state.evidence is not None
    assert state.evidence.chosen_trial is None
    assert {verdict.verdict for verdict in state.evidence.verdicts.values()} <= {"NO EVIDENCE"}
    assert all(r.effect.delta == 0 for r in state.of_kind("trial") if r.effect)
    assert state.safety
    assert all("changes 0 pixels" in probe.remark for probe in state.safety)


def test_settings_that_come_to_the_same_are_trained_once(cache: Path, tmp_path: Path) -> None:
    """The fill value changes nothing where the fill mode is nearest."""
    changes = {
        "augmentation": {"horizontal_flip": [False, True], "cval": [0, 255]},
        "search": {"algorithm": "grid", "trials": 4},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    state = _run(_config(cache, **changes), tmp_path / "run").state
    trials = state.of_kind("trial")
    assert len(trials) == 4
    trained = [record for record in trials if record.duplicate_of is None]
    assert len(trained) == 1  # the flip; without it a trial is the baseline
    assert len({record.result.score for record in trials if record.result}) == 2


def test_fresh_views_are_drawn_anew_each_epoch(cache: Path, tmp_path: Path) -> None:
    changes = {
        "training": {**EXPERIMENT["training"], "views": "fresh"},
        "search": {"trials": 1},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    state = _run(_config(cache, **changes), tmp_path / "run").state
    course = state.of_kind("control")[1].result
    assert course is not None
    assert course.curve is not None
    assert course.timing is not None
    assert state.opened is not None
    images = sum(state.opened.dataset.counts["train"])
    assert course.timing.images_extracted == len(course.curve.loss) * images


def test_a_password_in_the_tracking_address_reaches_no_file(cache: Path, tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    changes = {
        "tracking": {"uri": f"http://someone:{secret}@127.0.0.1:9"},
        "search": {"trials": 1},
        "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "test": False},
    }
    result = _run(_config(cache, **changes), tmp_path / "run")
    assert result.outcome == "finished"  # nothing answers at that address; the search goes on all the same
    files = [path for path in result.run_dir.rglob("*") if path.is_file()]
    assert not [path.name for path in files if secret.encode() in path.read_bytes()]
    assert secret not in str(result.tracking)
