"""What a search does between two trials takes no longer the more trials it has told."""

from types import SimpleNamespace
from typing import Any

import pytest
from stand_ins import Clock
from states import make_state

from search.driver.publishing import SHOW_SECONDS, SHOW_SHARE, Showing
from search.driver.search_phase import out_of_time


class CountingLog:
    """A journal that counts how often its whole state is put together."""

    cut_after = None

    def __init__(self) -> None:
        self.states = 0

    @property
    def state(self) -> Any:
        self.states += 1
        return None


def test_asking_for_a_trial_puts_no_state_together() -> None:
    log: Any = CountingLog()
    unhurried: Any = SimpleNamespace(passed=lambda: False)
    assert not any(out_of_time(log, unhurried, number) for number in range(100))
    assert log.states == 0


def test_tables_that_take_long_are_made_seldom() -> None:
    clock, taken = Clock(), 2.0
    start = clock.now
    log: Any = CountingLog()

    def show(state: Any) -> None:
        clock.now += taken

    showing, record = Showing(log, show, clock), make_state().records[0]
    for _ in range(3000):
        clock.now += 0.2
        showing.told(record)
    assert 3 <= log.states <= 1 + SHOW_SHARE * (clock.now - start) / taken
    taken, before = 0.01, log.states
    for _ in range(3000):
        clock.now += 0.2
        showing.told(record)
    assert log.states - before == pytest.approx(600 / SHOW_SECONDS, rel=0.25)
