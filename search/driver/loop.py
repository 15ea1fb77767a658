"""A whole search over the ledger: its phases in order, what each concludes, and the state shown as
it goes.

Run again on the journal of an interrupted search it does the same, and trains only what was not
told. Trials are `ledger`'s, phases `phases`, what they mean `conclusions`; opening the run
directory is `session`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from search.driver.conclusions import Conclusions
from search.driver.leak import demonstrate_leak
from search.driver.ledger import Ledger
from search.driver.pacing import Deadline
from search.driver.phases import (
    Confirmation,
    Context,
    Controls,
    SearchFailed,
    reason_of,
    run_ablation,
    run_confirmation,
    run_controls,
    run_test,
)
from search.driver.prepare import Prepared
from search.driver.search_phase import run_trials
from search.evidence.findings import Evidence
from search.experiment.trial import TrialRecord
from search.journal.event_log import EventLog
from search.journal.state import SearchState
from search.training.progress import EpochReport

OnState = Callable[[SearchState], None]
SHOW_SECONDS = 5.0  # how often a running search shows its state, at most
# and how much of its time that takes, at most: a table of ten thousand trials is a second's work
SHOW_SHARE = 0.02


class SearchLoop:
    """One sitting of one search. on_state is called with the state whenever it is worth showing."""

    def __init__(
        self,
        prepared: Prepared,
        log: EventLog,
        ledger: Ledger,
        progress: Any,
        on_state: OnState,
        deadline: Deadline,
        demo_leak: bool = False,
    ) -> None:
        self.prepared, self.log, self.progress, self._on_state = prepared, log, progress, on_state
        self.deadline, self.demo_leak = deadline, demo_leak
        self.context = Context(
            prepared.config, prepared.space, prepared.specs, ledger, self._out_of_time
        )
        self.conclusions = Conclusions(self.context, prepared.dataset)
        self._show_next = 0.0
        ledger.listeners.append(self)

    def run(self) -> SearchState:
        """Every phase. Raises Stopped where it was asked to stop, SearchFailed where it cannot go
        on."""
        evaluation = self.prepared.config.evaluation
        with self._phase("controls", None):
            controls = run_controls(self.context)
        with self._phase("search", self.prepared.num_trials):
            trials = run_trials(self.context, controls)
            self._require_completed(trials)
        self._conclude(self.conclusions.after_search(controls, trials))
        if evaluation.confirm is not None:
            self._confirm(controls, trials)
        if evaluation.test and self.prepared.has_test:
            self._test()
        if self.demo_leak:
            self._leak(controls, trials)
        return self.log.state

    def _require_completed(self, trials: list[int]) -> None:
        """Before anything is confirmed, or the test set opened, for nothing."""
        records = [self.context.ledger.record(number) for number in trials]
        if any(record.status == "completed" for record in records):
            return
        hours = self.prepared.config.search.max_hours
        if records:
            why = f"the last one failed: {reason_of(records[-1])}"
        elif self.log.cut_after is not None:
            why = (
                f"search.max_hours ({hours}) left no time for one; raise it, or write null for no "
                "limit"
            )
        else:
            why = "there was nothing to try"
        raise SearchFailed(f"no trial completed: {why}")

    def _leak(self, controls: Controls, trials: list[int]) -> None:
        with self._phase("leak", None):
            shown = demonstrate_leak(self.context, controls, trials)
            if self.log.state.leak is None:
                self.log.append("leak", leak=shown.model_dump(mode="json"))

    def _confirm(self, controls: Controls, trials: list[int]) -> None:
        with self._phase("confirm", None):
            confirmation = run_confirmation(self.context, controls, trials)
        self._conclude(self.conclusions.after_confirmation(confirmation))
        if self.prepared.config.evaluation.ablation:
            self._ablate(confirmation)

    def _ablate(self, confirmation: Confirmation) -> None:
        policy = self.conclusions.policy_to_ablate(confirmation)
        searched = self.conclusions.searched_augmentations()
        with self._phase("ablation", None):
            ablation = run_ablation(self.context, confirmation, policy, searched)
        self._conclude(self.conclusions.after_ablation(confirmation, ablation))

    def _test(self) -> None:
        with self._phase("test", None):
            numbers = run_test(self.context, self.conclusions.final_choices())
            if self.log.state.test is None:
                result = self.conclusions.test_result(numbers, looks=self.log.state.looks + 1)
                self.log.append("test", test=result.model_dump(mode="json"))

    def _out_of_time(self, asked: int) -> bool:
        """Whether to ask for no more trials; journaled, so that a resumed search decides the
        same."""
        if self.log.cut_after is not None:
            return asked >= self.log.cut_after
        if not self.deadline.passed():
            return False
        self.log.append("cut", after=asked)
        return True

    def _conclude(self, evidence: Evidence) -> None:
        value = evidence.model_dump(mode="json")
        if not self.log.holds("evidence", "evidence", value):
            self.log.append("evidence", evidence=value)
        self.show()

    @contextmanager
    def _phase(self, name: str, total: int | None) -> Iterator[None]:
        self.progress.phase(name, total)
        start, events = time.monotonic(), self.log.num_events
        try:
            yield
        finally:
            if self.log.num_events > events:
                self.log.append("phase", phase=name, seconds=round(time.monotonic() - start, 3))
            self.show()

    def trial_started(self, record: TrialRecord) -> None:
        self.progress.trial_started(record)

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        self.progress.trial_epoch(record, report)

    def trial_told(self, record: TrialRecord) -> None:
        self.progress.trial_told(record)
        self.deadline.told(record)
        if time.monotonic() > self._show_next:
            self.show()

    def show(self) -> None:
        start = time.monotonic()
        self._on_state(self.log.state)
        ended = time.monotonic()
        self._show_next = ended + max(SHOW_SECONDS, (ended - start) / SHOW_SHARE)
