"""The time left of a search, estimated from the work of its trials, on recorded searches and on
clocks that are set by hand."""

import pytest
from clocks import Clock
from recorded_searches import CLOTHING, QUICKSTART, Recording, Told

from search.driver.experiment_file import parse_config
from search.driver.workload import BASELINE, HEADS, new_views, workload
from search.report.time_left import TimeLeft


def estimates(recording: Recording) -> list[tuple[float, float, float]]:
    """The part of the search that has passed, the estimate and the truth in seconds, after each
    trial that was told."""
    clock, work = Clock(), workload(parse_config(recording.experiment, "test"))
    start, left = clock.now, TimeLeft(work.plan, clock)
    found: list[tuple[float, float, float]] = []
    phase, waiting = "", []
    for trial in recording.trials:
        if trial.phase != phase:
            phase, waiting = trial.phase, [t for t in recording.trials if t.phase == trial.phase]
            left.enter(phase, recording.num_trials if phase == "search" else None)
        # the search phase asks for two trials ahead, the others for all of theirs at once
        while waiting and (
            phase != "search" or waiting[0].at <= trial.at or waiting[0] is not trial
        ):
            _ask(left, waiting.pop(0), work.ladder)
            if phase == "search":
                break
        clock.now = start + trial.at
        if trial.seconds is not None:
            left.finish(_work(trial, work.ladder), trial.seconds)
        found.append(
            (trial.at / recording.seconds, left.seconds() or 0.0, recording.seconds - trial.at)
        )
    return found


def _work(trial: Told, ladder: tuple[int, ...]) -> float:
    return HEADS + new_views(trial.views, ladder) if trial.views else BASELINE


def _ask(left: TimeLeft, trial: Told, ladder: tuple[int, ...]) -> None:
    (left.skip if trial.seconds is None else left.begin)(_work(trial, ladder))


@pytest.mark.parametrize("recording", [QUICKSTART, CLOTHING], ids=["quickstart", "clothing"])
def test_the_time_left_is_right_within_a_third_after_a_quarter_of_a_real_search(
    recording: Recording,
) -> None:
    """Up to the last twentieth, where the page and the model are made."""
    after = [
        (part, left, truth) for part, left, truth in estimates(recording) if 0.25 <= part <= 0.95
    ]
    assert len(after) >= 12
    wrong = [found for found in after if not found[2] * 2 / 3 <= found[1] <= found[2] * 4 / 3]
    assert not wrong


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trained(left: TimeLeft, clock: Clock, work: float, seconds: float) -> None:
    left.begin(work)
    clock.now += seconds
    left.finish(work, seconds)


def test_the_first_trial_in_which_all_is_compiled_is_no_pace(clock: Clock) -> None:
    left = TimeLeft({"search": 10.0}, clock)
    left.enter("search", 10)
    trained(left, clock, 1, 100)
    assert left.seconds() == pytest.approx(900)
    trained(left, clock, 1, 5)
    assert left.seconds() == pytest.approx(8 * 5)


def test_a_trial_that_takes_long_is_counted_down_while_it_runs(clock: Clock) -> None:
    left = TimeLeft({"search": 3.0}, clock)
    left.enter("search", 3)
    for _ in range(2):
        trained(left, clock, 1, 60)
    left.begin(1)
    clock.now += 45
    assert left.seconds() == pytest.approx(15)
    clock.now += 45
    assert left.seconds() == 0


def test_before_the_first_trial_ends_its_epochs_tell(clock: Clock) -> None:
    left = TimeLeft({"search": 4.0}, clock)
    left.enter("search", 4)
    left.begin(1)
    clock.now += 300  # everything is compiled, and one epoch of twenty trained
    left.within(0.05)
    assert left.seconds() is None
    clock.now += 240
    left.within(0.25)
    assert left.seconds() == pytest.approx(0.75 * 1200 + 3 * 1200)
    clock.now += 900
    left.finish(1, 1440)
    assert left.seconds() is not None


def test_two_workers_take_half_as_long(clock: Clock) -> None:
    alone, together = (TimeLeft({"search": 5.0, "test": 2.0}, clock, workers) for workers in (1, 2))
    for left in (alone, together):
        left.enter("search", 5)
        left.begin(1)
        left.finish(1, 30)
    assert alone.seconds() == pytest.approx(6 * 30)
    assert together.seconds() == pytest.approx(3 * 30)


def test_a_phase_that_is_over_leaves_nothing_of_its_plan(clock: Clock) -> None:
    """Half of the ablation's trials were other trials' answers."""
    left = TimeLeft({"ablation": 100.0, "test": 10.0}, clock)
    left.enter("ablation", None)
    left.begin(10)
    left.begin(10)
    left.skip(10)
    for _ in range(2):
        left.finish(10, 20)
    assert left.seconds() == pytest.approx(20)


def test_preparing_the_data_does_not_count_as_pace(clock: Clock) -> None:
    left = TimeLeft({"search": 10.0, "test": 10.0}, clock)
    left.enter("prepare", None)
    clock.now += 1000
    left.enter("search", 2)
    trained(left, clock, 5, 5)
    assert left.seconds() == pytest.approx(5 + 10)


@pytest.mark.parametrize(
    ("algorithm", "search"),
    [("random", 20 * 19.0), ("halving", 20 * (3 + 2) + 6 * (3 + 4) + 2 * (3 + 10.0))],
)
def test_the_work_of_a_search_is_counted_in_views(algorithm: str, search: float) -> None:
    """Halving 20 settings by 3 up to 16 views: 20 on 2, 6 on 6, 2 on 16; each rung adds the views
    it lacks, and heads."""
    data = {
        "name": "x",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 40}, "fill_mode": "wrap"},
        "search": {"algorithm": algorithm, "trials": 20, "min_views": 2},
    }
    plan = workload(parse_config(data, "test")).plan
    assert list(plan) == ["controls", "search", "confirm", "ablation", "test"]
    assert plan["controls"] == 4 + 2 * (16 + 3 * {"random": 1, "halving": 3}[algorithm])
    assert plan["search"] == pytest.approx(search, rel=0.35)
    assert plan["confirm"] == 4 + 5 * (24 + 3)


def test_a_promoted_trial_computes_only_the_views_it_lacks() -> None:
    assert [new_views(views, (2, 5, 16)) for views in (2, 5, 16)] == [2, 3, 11]
    assert new_views(16, ()) == 16


def test_a_phase_without_confirmation_is_not_planned() -> None:
    data = {
        "name": "x",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 40}},
        "evaluation": {"confirm": None, "test": False},
    }
    assert list(workload(parse_config(data, "test")).plan) == ["controls", "search"]
