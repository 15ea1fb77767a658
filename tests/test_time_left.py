"""The time left of a search, estimated from the work of its trials, on recorded searches and on
clocks that are set by hand.

The records are of searches as they went on a 2-core machine: the quick start (its journal of
2026-11-29), six settings of digits on frozen features (the quick start of 2026-11-21), and twenty
settings of the clothing photographs by halving over 2, 6 and 16 views, in int8, without
confirmation.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Clock

from search.driver.experiment_file import parse_config
from search.driver.workload import HEADS, Workload, heads_work, new_views, workload
from search.experiment.precisions import PRECISIONS, Precision
from search.experiment.yaml_file import parse_yaml
from search.report.time_left import TimeLeft

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Told:
    """views: 0 is no augmentation. seconds: how long it trained, None where another trial's answer
    was taken. at: seconds since the search began. work: of a network, in epochs of its heads.
    seeds: of frozen heads, where rungs differ in them.
    """

    phase: str
    views: int
    seconds: float | None
    at: float
    work: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Recording:
    """experiment: what its plan depends on. num_trials: of the search phase."""

    experiment: dict[str, Any]
    num_trials: int
    trials: tuple[Told, ...]
    seconds: float
    precision: Precision = "float32"


NETWORK_TRIALS = (
    Told("controls", 0, 3.9, 9.5, 270),
    Told("search", 0, 3.5, 13.1, 450),
    Told("search", 0, 3.7, 16.8, 450),
    Told("search", 0, 4.0, 20.8, 450),
    Told("search", 0, 2.6, 23.4, 450),
    Told("confirm", 0, 4.1, 27.5, 540),
    Told("confirm", 0, 6.0, 33.5, 900),
    Told("confirm", 0, None, 33.6, 720),
    Told("confirm", 0, 6.5, 40.1, 720),
    Told("confirm", 0, 4.3, 44.3, 720),
    Told("confirm", 0, None, 44.3, 540),
    Told("test", 0, 1.5, 45.8, 132),
    Told("test", 0, 2.8, 48.7, 246),
)
NETWORK_SECONDS = 48.8
FROZEN_TRIALS = (
    Told("controls", 0, 12.6, 20.8),
    Told("controls", 6, 11.4, 32.4),
    Told("controls", 6, 9.8, 42.1),
    Told("search", 6, 9.1, 51.7),
    Told("search", 6, 7.8, 59.5),
    Told("search", 6, 8.3, 67.9),
    Told("search", 6, 9.0, 76.9),
    Told("search", 6, 10.0, 87.0),
    Told("search", 6, 9.2, 96.2),
    Told("confirm", 0, 5.6, 102.1),
    Told("confirm", 8, 9.8, 111.9),
    Told("confirm", 8, 10.0, 121.9),
    Told("confirm", 8, 10.0, 132.0),
    Told("confirm", 8, 11.2, 143.3),
    Told("confirm", 8, 10.4, 154.4),
    Told("confirm", 8, 12.2, 166.6),
    Told("confirm", 8, 10.2, 176.9),
    Told("confirm", 8, None, 176.9),
    Told("confirm", 8, None, 177.0),
    Told("confirm", 8, 9.3, 186.2),
    Told("confirm", 8, 9.1, 195.3),
    Told("test", 0, 2.3, 198.8),
)
FROZEN_SECONDS = 203.1
CLOTHING_TRIALS = (
    Told("controls", 0, 10.0, 12.3, seeds=3),
    Told("controls", 0, 2.2, 14.5, seeds=1),
    Told("controls", 2, 5.7, 20.2, seeds=1),
    Told("controls", 2, 6.0, 26.1, seeds=1),
    Told("controls", 6, 9.4, 35.6, seeds=1),
    Told("controls", 6, 8.6, 44.1, seeds=1),
    Told("controls", 16, 23.4, 67.6, seeds=3),
    Told("controls", 16, 23.4, 90.9, seeds=3),
    Told("search", 2, 5.7, 96.8, seeds=1),
    Told("search", 2, 5.9, 102.7, seeds=1),
    Told("search", 2, 6.3, 109.0, seeds=1),
    Told("search", 2, 5.9, 114.9, seeds=1),
    Told("search", 2, 6.0, 120.9, seeds=1),
    Told("search", 2, 5.9, 126.8, seeds=1),
    Told("search", 2, 5.9, 132.7, seeds=1),
    Told("search", 2, 5.4, 138.1, seeds=1),
    Told("search", 2, 5.7, 143.8, seeds=1),
    Told("search", 2, 5.5, 149.3, seeds=1),
    Told("search", 2, 5.7, 155.0, seeds=1),
    Told("search", 2, 5.9, 160.9, seeds=1),
    Told("search", 2, 5.9, 166.8, seeds=1),
    Told("search", 2, 6.0, 172.8, seeds=1),
    Told("search", 2, 6.2, 179.0, seeds=1),
    Told("search", 2, 5.6, 184.7, seeds=1),
    Told("search", 2, 5.8, 190.5, seeds=1),
    Told("search", 2, 6.1, 196.6, seeds=1),
    Told("search", 2, 5.7, 202.3, seeds=1),
    Told("search", 2, 5.5, 207.8, seeds=1),
    Told("search", 6, 8.7, 216.6, seeds=1),
    Told("search", 6, 8.7, 225.3, seeds=1),
    Told("search", 6, 9.5, 234.8, seeds=1),
    Told("search", 6, 9.1, 244.0, seeds=1),
    Told("search", 6, 8.9, 252.8, seeds=1),
    Told("search", 6, 9.3, 262.1, seeds=1),
    Told("search", 16, 22.7, 284.9, seeds=3),
    Told("search", 16, 23.5, 308.5, seeds=3),
)
CLOTHING_SECONDS = 310.6

NETWORK = Recording(
    parse_yaml((ROOT / "experiments/quickstart.yaml").read_text(), "quickstart"),
    4,
    NETWORK_TRIALS,
    NETWORK_SECONDS,
)
FROZEN = Recording(
    {
        "name": "quickstart",
        "dataset": {"source": "digits"},
        "augmentation": {
            "rotation_range": [0, 15],
            "width_shift_range": [0.0, 0.1],
            "zoom_range": {"choices": [0.0, 0.1]},
            "horizontal_flip": [False, True],
            "vertical_flip": [False, True],
            "fill_mode": "nearest",
        },
        "training": {"views": 6},
        "search": {"algorithm": "random", "trials": 6},
        "evaluation": {"folds": 5, "seeds": 2, "confirm": {"top": 2, "seeds": 2, "views": 8}},
    },
    6,
    FROZEN_TRIALS,
    FROZEN_SECONDS,
)
CLOTHING = Recording(
    {
        "name": "clothing",
        "dataset": {"source": "digits"},
        "augmentation": {
            "rotation_range": {"min": 0, "max": 40},
            "width_shift_range": {"min": 0.0, "max": 0.2},
            "height_shift_range": {"min": 0.0, "max": 0.2},
            "zoom_range": {"min": 0.0, "max": 0.3},
            "horizontal_flip": [False, True],
        },
        "training": {"views": 16},
        "search": {"algorithm": "halving", "trials": 20},
        "evaluation": {"folds": 5, "seeds": 3, "confirm": None, "test": False},
    },
    28,
    CLOTHING_TRIALS,
    CLOTHING_SECONDS,
    "int8",
)


def estimates(recording: Recording) -> list[tuple[float, float, float]]:
    """The part of the search that has passed, the estimate and the truth in seconds, after each
    trial that was told."""
    config = parse_config(recording.experiment, "test")
    clock, work = Clock(), workload(config, recording.precision)
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
            _ask(left, waiting.pop(0), work, recording.precision)
            if phase == "search":
                break
        clock.now = start + trial.at
        if trial.seconds is not None:
            left.finish(_work(trial, work, recording.precision), trial.seconds)
        found.append(
            (trial.at / recording.seconds, left.seconds() or 0.0, recording.seconds - trial.at)
        )
    return found


def _work(trial: Told, work: Workload, precision: Precision) -> float:
    if trial.work is not None:
        return trial.work
    heads = HEADS if trial.seeds is None else heads_work(trial.seeds, work.seeds)
    views = new_views(trial.views, work.ladder) if trial.views else 1.0
    return heads + views / PRECISIONS[precision].speed


def _ask(left: TimeLeft, trial: Told, work: Workload, precision: Precision) -> None:
    (left.skip if trial.seconds is None else left.begin)(_work(trial, work, precision))


@pytest.mark.parametrize(
    "recording", [NETWORK, FROZEN, CLOTHING], ids=["quickstart", "frozen", "clothing"]
)
def test_the_time_left_is_right_within_a_third_after_a_quarter_of_a_real_search(
    recording: Recording,
) -> None:
    """Up to the last twentieth, where the page and the model are made."""
    after = [
        (part, left, truth) for part, left, truth in estimates(recording) if 0.25 <= part <= 0.95
    ]
    assert len(after) >= (9 if recording is NETWORK else 12)
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
    assert left.seconds() is None
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


def test_a_leak_shown_at_the_end_leaves_nothing_of_what_was_planned(clock: Clock) -> None:
    left = TimeLeft({"search": 10.0, "test": 10.0}, clock)
    left.enter("search", 1)
    trained(left, clock, 5, 5)
    trained(left, clock, 5, 5)
    left.enter("leak", None)
    left.begin(4)
    left.begin(4)
    assert left.seconds() == pytest.approx(8)


def test_two_workers_take_half_as_long(clock: Clock) -> None:
    alone, together = (TimeLeft({"search": 5.0, "test": 2.0}, clock, workers) for workers in (1, 2))
    for left in (alone, together):
        left.enter("search", 5)
        for _ in range(2):
            left.begin(1)
            left.finish(1, 30)
    assert alone.seconds() == pytest.approx(5 * 30)
    assert together.seconds() == pytest.approx(2.5 * 30)


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
    trained(left, clock, 2, 2)
    trained(left, clock, 3, 3)
    assert left.seconds() == pytest.approx(5 + 10 - 5)


@pytest.mark.parametrize(
    ("algorithm", "controls", "search"),
    [
        ("random", 4 + 2 * 19, 20 * 19),
        ("halving", 5 + 2 * 19, 20 * (1 + 2) + 6 * (1 + 4) + 2 * (3 + 10)),
    ],
)
def test_the_work_of_a_search_is_counted_in_views(
    algorithm: str, controls: int, search: int
) -> None:
    """Halving 20 settings by 3 up to 16 views: 20 on 2, 6 on 6, 2 on 16; each rung adds the views
    it lacks, and heads: on the lower ones of one seed in place of three, with a trial without
    augmentation of theirs, whose features are there already; the other controls have all views."""
    data = {
        "name": "x",
        "dataset": {"source": "digits"},
        "augmentation": {"rotation_range": {"min": 0, "max": 40}, "fill_mode": "wrap"},
        "search": {"algorithm": algorithm, "trials": 20, "min_views": 2},
    }
    plan = workload(parse_config(data, "test")).plan
    assert list(plan) == ["controls", "search", "confirm", "test"]
    assert plan["controls"] == pytest.approx(controls)
    assert plan["search"] == pytest.approx(search)
    # three of the best, the one expected best, and two controls; the rotation alone
    assert plan["confirm"] == 4 + 7 * (24 + 3)


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


def test_what_a_phase_begins_later_is_left_while_something_runs(clock: Clock) -> None:
    """The confirmation begins with two trials at once, and then one per augmentation."""
    left = TimeLeft({"search": 10.0, "confirm": 90.0}, clock)
    left.enter("search", 2)
    trained(left, clock, 5, 10)
    trained(left, clock, 5, 10)
    left.enter("confirm", None)
    left.begin(10)
    left.begin(10)
    left.finish(10, 20)
    assert left.seconds() == pytest.approx(160)
