"""The simulation of searches on many workers: what can be reckoned by hand comes out."""

import pytest

from benchmarks.efficiency import TrialTime, Way, Work, efficiency
from benchmarks.overhead import Overhead

NONE = Overhead(0.0, 0.0)
SECOND = (TrialTime(0.0, 1.0),)
UNEQUAL = (TrialTime(0.5, 0.5), TrialTime(1.0, 1.0), TrialTime(2.0, 3.0))


def test_one_worker_without_overhead_does_nothing_but_trials() -> None:
    way = Way("", "asynchronous_halving", whole=True)
    assert efficiency(way, 1, Work(UNEQUAL, NONE, settings=9, views=9)) == pytest.approx(1)


def test_eight_trials_of_a_second_take_five_workers_two_seconds() -> None:
    work = Work(SECOND, NONE, settings=8, views=1)
    assert efficiency(Way("", "random"), 5, work) == pytest.approx(0.8)


def test_what_a_trial_costs_its_worker_is_lost() -> None:
    work = Work(SECOND, Overhead(0.25, 0.0), settings=8, views=1)
    assert efficiency(Way("", "random"), 2, work) == pytest.approx(0.8)


def test_the_driver_bounds_how_many_workers_are_of_use() -> None:
    # It is at it for a second a trial: eight trials that ran at once are told after 1 + 8 seconds.
    work = Work(SECOND, Overhead(0.0, 1.0), settings=8, views=1)
    assert efficiency(Way("", "random"), 8, work) == pytest.approx(8 / (8 * 9))
