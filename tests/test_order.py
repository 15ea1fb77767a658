"""The order in which answers reach the search algorithm: that of the trials, or, where it is free,
as they come."""

from concurrent.futures import Future
from pathlib import Path

import numpy as np
from stand_ins import complete, make_spec, resources_in

from search.driver.ledger import Ledger
from search.experiment.answers import Truth
from search.experiment.trial import Outcome, TrialSpec
from search.journal.state import EventLog
from search.training.progress import OnEpoch


class HandEngine:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[TrialSpec, Future[Outcome]]] = {}

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.waiting[spec.label] = spec, future
        return future

    def answer(self, label: str, folder: Path) -> None:
        spec, future = self.waiting[label]
        future.set_result(complete(spec, resources_in(folder)))


def _ledger(folder: Path, engine: HandEngine) -> Ledger:
    return Ledger(
        EventLog(folder / "journal.jsonl"), engine, folder, Truth(np.zeros(4, np.int64)), seed=0
    )


def _ask(ledger: Ledger, count: int = 3) -> list[int]:
    specs = [make_spec(f"complete {number}", view_seed=number) for number in range(count)]
    return [ledger.ask(spec, {}) for spec in specs]


def test_the_first_to_have_an_answer_is_told_first(tmp_path: Path) -> None:
    engine = HandEngine()
    ledger = _ledger(tmp_path, engine)
    numbers = _ask(ledger)
    engine.answer("complete 2", tmp_path)
    assert ledger.first_answered(numbers) == 2


def test_resumed_it_keeps_to_the_order_in_the_journal(tmp_path: Path) -> None:
    engine = HandEngine()
    ledger = _ledger(tmp_path, engine)
    numbers = _ask(ledger)
    for number in (2, 0):
        engine.answer(f"complete {number}", tmp_path)
        ledger.tell(number)
    resumed, later = _ledger(tmp_path, HandEngine()), []
    waiting = _ask(resumed)
    assert waiting == numbers
    for _ in range(2):
        later.append(resumed.first_answered(waiting))
        waiting.remove(later[-1])
    assert later == [2, 0]


def test_a_setting_that_was_told_before_needs_no_waiting(tmp_path: Path) -> None:
    engine = HandEngine()
    ledger = _ledger(tmp_path, engine)
    _ask(ledger, 1)
    engine.answer("complete 0", tmp_path)
    ledger.tell(0)
    numbers = [
        ledger.ask(spec, {})
        for spec in (make_spec("complete 9", 9), make_spec("complete 0", view_seed=0))
    ]
    assert ledger.first_answered(numbers) == numbers[1]


def test_a_repeated_setting_has_the_interval_of_the_trial_that_it_repeats(tmp_path: Path) -> None:
    engine = HandEngine()
    ledger = _ledger(tmp_path, engine)
    numbers = [*_ask(ledger), *_ask(ledger, 2)]
    for number in range(3):
        engine.answer(f"complete {number}", tmp_path)
    effects = [ledger.tell(number, 0).effect for number in numbers]
    assert ledger.record(4).duplicate_of == 1
    assert effects[4] == effects[1]
    assert effects[1] is not None
    assert effects[1].ci_low < effects[1].ci_high
    assert ledger.effect(1, 3) == effects[1]  # 3 is the baseline, 0, again
