"""`search.max_hours`: trials are asked for until what follows would not fit; and the best found so
far is confirmed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from stand_ins import Clock
from states import make_state

from search.commands.check import make_plan
from search.driver import session
from search.driver.experiment_file import parse_config
from search.driver.run_reading import open_run
from search.driver.search_phase import Deadline
from search.driver.session import SessionOptions, run_search
from search.driver.workload import BEFORE_CONFIRMATION, HEADS, num_alone, trained_later, workload
from search.experiment.config import ExperimentConfig
from search.experiment.precisions import PRECISIONS, Precision
from search.experiment.trial import TrialRecord, TrialResult
from search.journal.state import SearchState


def config_of(finished_run: Path, **search: Any) -> ExperimentConfig:
    config = yaml.safe_load((finished_run / "config.yaml").read_text())
    config["search"] |= search
    return parse_config(config, "test")


def test_what_follows_the_search_phase_is_left_its_time(finished_run: Path) -> None:
    """In views: a trial has 3 + 1; after it come 4 + 4 * 4 to confirm, 2 * 4 to ablate (of two
    augmentations, one taken out is the other alone) and, on one fold of two, 2 * 1.5 + 2 to test.
    """
    state = make_state("search")
    config = config_of(finished_run, max_hours=1.0)
    work = workload(config, removed_share=1.0)
    _, *others = (
        record.result.timing.total_seconds / work.of(record)
        for record in state.records
        if record.trained and record.result and record.result.timing
    )
    pace = (sum(others) - max(others)) / (len(others) - 1)
    assert [phase.amount for phase in work.later] == [4 + 4 * 4, 2 * 4, 2 * 1.5 + 2]
    needed = pace * (4 + 20 + 8 + 5)
    for now, passed in ((3600 - needed - 1, False), (3600 - needed + 1, True)):
        assert _told(Deadline(config, 0.0, -now, lambda: 0.0), state).passed() is passed
    # another sitting took 2 s before
    assert _told(Deadline(config, 2.0, 0.0, lambda: 3600 - needed - 1), state).passed()


def _told(deadline: Deadline, state: SearchState) -> Deadline:
    for record in state.records:
        deadline.told(record)
    return deadline


def test_confirmation_takes_as_long_as_the_precision_it_is_in(finished_run: Path) -> None:
    config, speed = config_of(finished_run, max_hours=1.0), PRECISIONS["int8"].speed
    slow, fast = workload(config), workload(config, "int8")
    assert slow.num_trainings == fast.num_trainings
    for name, phase in fast.phases.items():
        is_searched = name in BEFORE_CONFIRMATION
        assert phase.precision == ("int8" if is_searched else "float32")
        views = phase.views / (speed if is_searched else 1.0)
        assert phase.amount == pytest.approx(phase.heads * phase.trials + views)
        assert (phase.amount < slow.phases[name].amount) is is_searched
    assert fast.dearest < slow.dearest
    searched = make_state("search").records[1]
    told = searched.model_copy(
        update={"spec": searched.spec.model_copy(update={"precision": "int8"})}
    )
    assert fast.of(told) - HEADS == pytest.approx((fast.of(searched) - HEADS) / speed)


def test_a_deadline_leaves_a_search_in_int8_the_time_to_confirm_in_float32(
    finished_run: Path,
) -> None:
    """Told the same trials in the same seconds: a unit of work takes longer where views count
    less."""
    config, state = config_of(finished_run, max_hours=1.0), make_state("search")
    records = [
        record.model_copy(update={"spec": record.spec.model_copy(update={"precision": "int8"})})
        for record in state.records
    ]
    in_float32 = _told(Deadline(config, 0.0, 0.0), state)
    in_int8 = Deadline(config, 0.0, 0.0, precision="int8")
    for record in records:
        in_int8.told(record)
    assert in_int8.seconds_needed() > in_float32.seconds_needed()


def test_the_plan_holds_as_many_trials_as_the_search_then_has(finished_run: Path) -> None:
    run = open_run(finished_run)
    fewest, most = trained_later(run.config)
    trained = [record for record in run.state.records if record.duplicate_of is None]
    later = [r for r in trained if r.kind in ("confirm", "ablation", "test")]
    assert fewest <= len(later) <= most <= fewest + 4
    assert len(trained) - len(later) == sum(
        workload(run.config).phases[name].trials for name in BEFORE_CONFIRMATION
    )


def test_without_a_limit_there_is_no_deadline(finished_run: Path) -> None:
    assert not _told(
        Deadline(config_of(finished_run), 0.0, 0.0, lambda: 1e9), make_state("search")
    ).passed()


def test_before_the_first_trial_no_pace_is_known(finished_run: Path) -> None:
    config = config_of(finished_run, max_hours=1.0)
    assert not Deadline(config, 0.0, 0.0, lambda: 3599.0).passed()


def test_a_trial_told_twice_as_a_resumed_search_does_counts_once(finished_run: Path) -> None:
    config, state = config_of(finished_run, max_hours=1.0), make_state("search")
    trial, *_ = (record for record in state.of_kind("trial") if record.result)
    some = [trial.model_copy(update={"trial": n, "result": _taking(trial, 1.0)}) for n in range(3)]
    slow = trial.model_copy(update={"trial": 99, "result": _taking(trial, 100.0)})
    once, again = (Deadline(config, 0.0, 0.0, lambda: 3000.0) for _ in range(2))
    for deadline, records in ((once, [*some, slow]), (again, [*some, slow, slow, slow])):
        for record in records:
            deadline.told(record)
        assert not deadline.passed()


def _taking(record: TrialRecord, seconds: float) -> TrialResult:
    assert record.result is not None
    assert record.result.timing is not None
    timing = record.result.timing.model_copy(update={"total_seconds": seconds})
    return record.result.model_copy(update={"timing": timing})


def test_a_search_that_runs_out_of_time_confirms_the_best_it_has(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(
        config: ExperimentConfig, earlier: float, started: float, precision: Precision
    ) -> Deadline:
        clock = Clock(1000.0)
        return Deadline(config, 0.0, clock.now, clock)

    monkeypatch.setattr(session, "Deadline", hurried)
    config = config_of(finished_run, trials=20, max_hours=1.0)
    result = run_search(config, tmp_path / "run", options=SessionOptions(inline=True))
    assert result.outcome == "finished"
    assert result.state.cut_after == len(result.state.of_kind("trial")) == 3
    assert result.state.of_kind("confirm")
    assert result.state.evidence is not None
    assert result.state.evidence.trained
    assert result.state.evidence.is_final


def test_augmentations_that_are_always_on_are_trained_alone_and_counted_and_options_are_not() -> (
    None
):
    augmentation = {
        "rotation_range": {"min": 0, "max": 40},
        "vertical_flip": True,
        "fill_mode": ["nearest", "wrap"],
        "height_shift_range": {"choices": [0, 1]},  # whole pixels, of which 1 draws none
    }
    config = parse_config(
        {"name": "x", "dataset": {"source": "digits"}, "augmentation": augmentation}, "test"
    )
    assert num_alone(config, config.space) == 2
    assert workload(config).phases["ablation"].trials == 2
    # confirmed: none, two controls, the expected best, three trials; two alone; the test's two
    assert trained_later(config) == (1 + 3 + 2, 2 + 3 + 1 + 3 + 2)


def test_check_says_where_a_measured_effect_is_from(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(finished_run)
    monkeypatch.chdir(tmp_path)
    told = "is told by what runs/"
    assert not any(told in line for line in make_plan(config).remarks)
    (tmp_path / "runs").mkdir()
    shutil.copytree(finished_run, tmp_path / "runs" / config.name)
    assert any(told in line for line in make_plan(config).remarks)
