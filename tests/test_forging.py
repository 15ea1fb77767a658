"""Forged answers held against a world whose truth is known; `benchmarks/forging.py` runs the same
at length, for docs/grading.md.

Seeded. Where a share is bounded, other seeds would fail it in less than one run of 250.
"""

import numpy as np
import pytest

from benchmarks.forging import IMITATED, MEASURED, SAME, Grading, Machine, shares
from benchmarks.world import World
from search.experiment.answers import Predictions
from search.training.modes import MODES
from search.verification.retrained_answers import (
    Finding,
    RetrainedPair,
    contradictions,
    findings,
    num_strays,
)

SMALL = World(num_images=800)


@pytest.mark.parametrize(
    "form", ["uniform", "concentrated", "noisy", "seed by seed", "baseline down"]
)
def test_one_point_is_found_wherever_the_other_trials_repeat(form: str) -> None:
    untrained, default, _ = shares(10, Grading((5, 2), SAME, world=SMALL), form, 1)
    # nothing contradicts itself: only training tells
    assert (untrained.count, default.count) == (0, 10)


@pytest.mark.parametrize(
    "form", ["uniform", "concentrated", "noisy", "seed by seed", "baseline down"]
)
def test_two_points_are_found_on_another_machine(form: str) -> None:
    grading = Grading((5, 2), MEASURED, world=SMALL)
    assert shares(20, grading, form, 2)[1].count >= 18  # of 300 at length all


def test_five_points_are_found_where_every_head_parted() -> None:
    grading = Grading((5, 3), IMITATED, world=SMALL)
    assert shares(20, grading, "uniform", 5)[1].count >= 18


def test_one_more_trial_gives_away_who_imitates_another_machine() -> None:
    grading = Grading((2, 1), IMITATED, others_repeat=True, world=SMALL)
    assert shares(10, grading, "uniform", 1)[2].count == 10


@pytest.mark.parametrize("machine", [MEASURED, IMITATED, Machine(1.0, redrawn=1.0)])
@pytest.mark.parametrize("design", [(2, 1), (5, 2)])
def test_the_honest_are_not_accused(design: tuple[int, int], machine: Machine) -> None:
    # promised is one in a thousand: more than one of 60 has a probability of 0.002
    grading = Grading(design, machine, world=SMALL)
    assert shares(60, grading, None, 0, seed=3)[1].count <= 1


def answers(right: np.ndarray, log_prob: np.ndarray) -> Predictions:
    """One seed, images of class 1 in one fold."""
    predicted = np.where(right, 1, 0).astype(np.int16)[None]
    return Predictions(
        np.arange(len(right)),
        predicted,
        log_prob.astype(np.float32)[None],
        np.zeros(len(right), np.int16),
    )


def test_a_class_must_be_able_to_have_its_log_probability() -> None:
    right = np.array([True, True, False, False, True])
    # of 4 classes: 0.2 cannot be the largest, 0.6 cannot but be
    log_prob = np.log([0.4, 0.2, 0.4, 0.6, 0.3])
    assert contradictions(answers(right, log_prob), np.ones(5, int), 4) == 2


def test_strays_are_counted_in_heads_that_follow_and_in_no_others() -> None:
    right, log_prob = np.ones(100, bool), np.full(100, -0.2)
    moved = log_prob.copy()
    moved[:5] = -0.6
    assert (
        num_strays(RetrainedPair(0, "frozen", answers(right, moved), answers(right, log_prob))) == 5
    )
    moved[5:20] = -0.3  # more than one in ten: this head has parted
    assert (
        num_strays(RetrainedPair(0, "frozen", answers(right, moved), answers(right, log_prob))) == 0
    )


@pytest.mark.parametrize("mode", MODES)
def test_answers_of_every_mode_may_part_both_ways_and_not_all_one_way(mode: str) -> None:
    right, log_prob = np.arange(1000) % 2 == 0, np.full(1000, -0.69)
    again = answers(right, log_prob)

    def found(handed_in: np.ndarray) -> list[Finding]:
        pair = RetrainedPair(0, mode, answers(handed_in, log_prob - 0.02), again)
        return findings([pair], np.ones(1000, int), "accuracy", None)

    assert not found(right ^ (np.arange(1000) % 100 < 2))
    assert found(np.ones(1000, bool))


def test_more_answers_moved_than_unlike_heads_differ_in_is_a_finding() -> None:
    rng = np.random.default_rng(0)
    right, log_prob = rng.random(1000) < 0.8, np.full(1000, -0.69)
    other = right ^ (rng.random(1000) < 0.05)
    forged = right ^ (rng.random(1000) < 0.2)
    base = RetrainedPair(0, "frozen", answers(other, log_prob - 0.02), answers(other, log_prob))
    best = RetrainedPair(1, "frozen", answers(forged, log_prob - 0.02), answers(right, log_prob))
    found = findings([base, best], np.ones(1000, int), "accuracy", (1, 0))
    assert any("heads of other seeds or settings differ in" in each.what for each in found)
