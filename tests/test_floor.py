"""The null floor: what the best of many trials shows by luck."""

from collections.abc import Iterable
from math import sqrt

import numpy as np
import pytest

from search.evidence.floor import Flips, NullFloor, null_floor
from search.experiment.answers import Predictions


def trial(
    seed: int, num_images: int = 600, seeds: int = 3, folds: int = 5, wrong: float = 0.1
) -> Predictions:
    rng = np.random.default_rng(seed)
    given = (rng.random((seeds, num_images)) < wrong).astype(np.int16)
    fold = (np.arange(num_images) % folds).astype(np.int16)
    return Predictions(np.arange(num_images), given, np.zeros(given.shape, np.float32), fold)


def floor_of(
    trials: Iterable[Predictions],
    baseline: Predictions,
    labels: np.ndarray,
    seed: int = 0,
    num_flips: int = 2000,
) -> NullFloor:
    pairs = ((each, baseline) for each in trials)
    return null_floor(pairs, baseline, labels, "accuracy", Flips(seed, num_flips))


def labels(num_images: int = 600) -> np.ndarray:
    return np.zeros(num_images, np.int32)


def test_the_floor_of_one_trial_is_its_own_noise() -> None:
    # Independent answers: variance 2 x 0.1 x 0.9 / 1800 and no head errors. One-sided 95 %: 1.645
    # of its root.
    floor = floor_of([trial(1)], trial(0), labels(), num_flips=8000)
    expected = sqrt(2 * 0.1 * 0.9 / 1800)
    assert floor.mean == pytest.approx(0, abs=0.06 * expected)
    assert floor.p95 == pytest.approx(1.645 * expected, rel=0.2)


def test_the_floor_rises_with_the_number_of_trials() -> None:
    floors = [floor_of(map(trial, range(1, n + 1)), trial(0), labels()) for n in (1, 5, 40)]
    assert floors[0].p95 < floors[1].p95 < floors[2].p95
    assert [floor.num_trials for floor in floors] == [1, 5, 40]


def test_thirty_copies_of_one_trial_count_as_one() -> None:
    one = floor_of([trial(1)], trial(0), labels(), 3)
    thirty = floor_of([trial(1)] * 30, trial(0), labels(), 3)
    assert thirty.p95 == pytest.approx(one.p95, rel=1e-6)


def test_a_trial_that_hurts_badly_does_not_raise_the_floor_much() -> None:
    others = [trial(n) for n in range(1, 21)]
    usual = floor_of(others, trial(0), labels())
    with_heavy = floor_of([*others, trial(99, wrong=0.3)], trial(0), labels())
    assert with_heavy.p95 < 1.25 * usual.p95


def test_identical_trials_have_no_floor() -> None:
    floor = floor_of([trial(0)] * 3, trial(0), labels())
    assert (floor.mean, floor.p95) == (0, 0)


def test_heads_that_differ_raise_the_floor_beyond_what_images_give() -> None:
    # Five seeds on 50,000 images: answers alone give +-0.06 points, heads that lie 2 points apart
    # give far more.
    def unlike_heads(seed: int) -> Predictions:
        rng = np.random.default_rng(seed)
        wrong = rng.random((5, 50_000)) < 0.1 + rng.normal(0, 0.02, (5, 1))
        fold = np.zeros(50_000, np.int16)
        return Predictions(
            np.arange(50_000), wrong.astype(np.int16), np.zeros(wrong.shape, np.float32), fold
        )

    baseline, *trials = [unlike_heads(seed) for seed in range(9)]
    floor = floor_of(trials, baseline, labels(50_000))
    # the best of 8: 1.42 standard deviations of one trial's mean, 0.02 / sqrt(5); estimated from 4
    # x 9 deviations
    assert floor.mean == pytest.approx(1.42 * 0.02 / sqrt(5), rel=0.4)


def test_images_flipped_in_groups_give_the_floor_of_images_flipped_alone() -> None:
    # above 8192 images they are grouped; labels sorted by class, and a trial better in one class
    # only
    sorted_labels = np.repeat([0, 1], 15_000)
    rng = np.random.default_rng(0)

    def sorted_trial(wrong: np.ndarray) -> Predictions:
        given = np.where(rng.random((2, 30_000)) < wrong, 1 - sorted_labels, sorted_labels).astype(
            np.int16
        )
        fold = (np.arange(30_000) % 5).astype(np.int16)
        return Predictions(np.arange(30_000), given, np.zeros(given.shape, np.float32), fold)

    baseline = sorted_trial(np.full(30_000, 0.1))
    one = sorted_trial(np.where(sorted_labels == 0, 0.05, 0.1))
    floor = floor_of([one], baseline, sorted_labels, num_flips=4000)
    difference = (one.predicted == sorted_labels).mean(axis=0) - (
        baseline.predicted == sorted_labels
    ).mean(axis=0)
    assert floor.p95 == pytest.approx(1.645 * difference.std() / sqrt(30_000), rel=0.1)


def test_the_same_seed_gives_the_same_floor() -> None:
    first, again, other = (floor_of([trial(1)], trial(0), labels(), seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_floor_of_no_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        floor_of([], trial(0), labels())


def test_trials_on_other_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="same images, folds and seeds"):
        floor_of([trial(1, folds=3)], trial(0), labels())


def test_each_trial_is_held_against_the_baseline_of_its_own_budget() -> None:
    short, full = trial(7, wrong=0.4), trial(8, wrong=0.1)
    unlike = floor_of([short, full], full, labels())
    alike = null_floor([(short, short), (full, full)], full, labels(), "accuracy", Flips(0))
    assert unlike.p95 > 0
    assert (alike.mean, alike.p95) == (0, 0)


def test_more_luck_assumed_of_single_networks_gives_a_higher_floor() -> None:
    few, baseline = [trial(n, seeds=1, folds=1) for n in range(1, 5)], trial(0, seeds=1, folds=1)
    usual, higher = (
        null_floor([(each, baseline) for each in few], baseline, labels(), "accuracy", Flips(0), s)
        for s in (0.02, 0.06)
    )
    assert higher.p95 > usual.p95


def test_no_floor_is_higher_than_an_accuracy_can_rise() -> None:
    few = [trial(n, num_images=2, seeds=1, folds=2, wrong=0.5) for n in range(40)]
    assert floor_of(few, trial(99, num_images=2, seeds=1, folds=2), labels(2)).p95 <= 1
