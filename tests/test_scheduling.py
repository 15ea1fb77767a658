"""What a search does between two trials takes no longer the more trials it has told."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from states import make_state

from search.driver import loop as loop_module
from search.driver.loop import SHOW_SECONDS, SHOW_SHARE, SearchLoop
from search.driver.pacing import Deadline


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class CountingLog:
    """A journal that counts how often its whole state is put together."""

    cut_after = None

    def __init__(self) -> None:
        self.states = 0

    @property
    def state(self) -> Any:
        self.states += 1
        return None


def _loop(log: CountingLog, on_state: Any) -> SearchLoop:
    dataset = SimpleNamespace(labels=np.zeros(1, int), class_names=("a",))
    prepared: Any = SimpleNamespace(config=None, space=None, specs=None, dataset=dataset)
    ledger: Any = SimpleNamespace(listeners=[])
    progress = SimpleNamespace(trial_told=lambda record: None)
    unhurried = Deadline.__new__(Deadline)
    unhurried.told = lambda record: None  # type: ignore[method-assign]
    unhurried.passed = lambda: False  # type: ignore[method-assign]
    return SearchLoop(prepared, log, ledger, progress, on_state, unhurried)  # type: ignore[arg-type]


def test_asking_for_a_trial_puts_no_state_together() -> None:
    log = CountingLog()
    loop = _loop(log, lambda state: None)
    assert not any(loop._out_of_time(number) for number in range(100))
    assert log.states == 0


def test_tables_that_take_long_are_made_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, log, taken = Clock(), CountingLog(), 2.0
    monkeypatch.setattr(loop_module, "time", clock)

    def show(state: Any) -> None:
        clock.now += taken

    loop, record = _loop(log, show), make_state().records[0]
    for _ in range(3000):
        clock.now += 0.2
        loop.trial_told(record)
    assert 3 <= log.states <= 1 + SHOW_SHARE * clock.now / taken
    taken, before = 0.01, log.states
    for _ in range(3000):
        clock.now += 0.2
        loop.trial_told(record)
    assert log.states - before == pytest.approx(600 / SHOW_SECONDS, rel=0.25)
