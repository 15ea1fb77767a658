"""The search phase: asks the oracle for trials, has them run, and tells it the answers, all from
one thread.

What runs a trial is the ledger's engine; whether a trial was run before is the ledger's business
too. Of so many hours (`search.max_hours`) it leaves the time to confirm the best found so far.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from search.driver.algorithms import algorithm_of, budget_ladder, build_oracle
from search.driver.looking import look_is_due, take_look
from search.driver.phases import Budget, Context, Knowledge, SearchFailed, failure_of, may_pass
from search.driver.workload import workload
from search.experiment.config import ExperimentConfig
from search.experiment.kinds import KINDS
from search.experiment.precisions import Precision
from search.experiment.trial import TrialRecord
from search.journal.state import EventLog
from search.report.time_left import Pace, seconds_of
from search.report.trial_facts import trained_seconds

if TYPE_CHECKING:
    import keras_tuner


@dataclass(frozen=True)
class _Proposed:
    """A trial that was asked for and has no answer yet."""

    number: int
    proposal: "keras_tuner.engine.trial.Trial"
    budget: Budget


def run_trials(context: Context, known: Knowledge) -> Knowledge:
    """The search phase, `lookahead` trials ahead; told in trial order, so that it repeats, unless
    `execution.order` is eager. Raises SearchFailed where no trial completed, before anything is
    confirmed, or the test set opened, for nothing.
    """
    known = AskAndTell(context, known, build_oracle(context.config, context.space)).run()
    records = [context.ledger.record(number) for number in known.trials]
    if any(record.status == "completed" for record in records):
        return known
    hours = context.config.search.max_hours
    may_mend = any(map(may_pass, records))
    if records:
        why = f"the last one failed: {failure_of(records[-1])}"
    elif context.out_of_time(0):
        why = (
            f"search.max_hours ({hours}) left no time for one; raise it, or write null for no limit"
        )
        may_mend = True
    else:
        why = "there was nothing to try"
    raise SearchFailed(f"no trial completed: {why}", may_mend)


class AskAndTell:
    """Asks, submits and tells."""

    def __init__(self, context: Context, known: Knowledge, oracle: "keras_tuner.Oracle") -> None:
        self.context, self.known, self.oracle = context, known, oracle
        self.ladder = budget_ladder(context.config)
        self.budget_key = algorithm_of(context.config).budget_key
        self.running: deque[_Proposed] = deque()
        self.done: list[int] = []
        self.open_to_more = True

    def run(self) -> Knowledge:
        while self.open_to_more or self.running:
            while self._has_room() and self.ask():
                pass
            if self.running:
                self.tell(self._next())
            elif self.open_to_more and look_is_due(self.context, self.known.evidence):
                self._look()
        return replace(self.known, trials=tuple(self.done))

    def _has_room(self) -> bool:
        """None before a look: it comes once all that was asked is told."""
        room = len(self.running) < self.context.config.search.lookahead
        return self.open_to_more and room and not look_is_due(self.context, self.known.evidence)

    def _look(self) -> None:
        known = replace(self.known, trials=tuple(self.done))
        self.known = take_look(self.context, known, is_searching=True)
        self.open_to_more = not any(look.ended_search for look in self.known.evidence.looks)

    def _next(self) -> _Proposed:
        """The trial to tell: the oldest, or, where the order is free, the first to have an
        answer."""
        if self.context.config.execution.order == "deterministic":
            return self.running.popleft()
        number = self.context.ledger.first_answered([asked.number for asked in self.running])
        found = next(asked for asked in self.running if asked.number == number)
        self.running.remove(found)
        return found

    def ask(self) -> bool:
        """Asks for one more trial and submits it; whether there was one to ask for now."""
        number = len(self.done) + len(self.running)
        if self.context.out_of_time(number):
            self.open_to_more = False
            return False
        proposal = self.oracle.create_trial(f"trial-{number}")
        if proposal.status != "RUNNING":
            # IDLE waits for an answer that is under way; anything else has nothing more to ask.
            self.open_to_more = proposal.status == "IDLE" and bool(self.running)
            return False
        values = proposal.hyperparameters.values
        budget = values.get(self.budget_key) if self.budget_key else None
        settings = self.context.space.settings(values)
        spec = self.context.specs.search("trial", f"setting {number + 1}", settings, budget)
        rung = self.ladder.index(budget) if budget in self.ladder else None
        self.running.append(_Proposed(self.context.ask(spec, rung), proposal, budget))
        return True

    def tell(self, asked: _Proposed) -> None:
        """Waits for the answer and gives it to the oracle: completed, with its score, or failed. It
        has an effect where the controls had the same values beside their augmentation."""
        baseline = self.known.controls.baseline(asked.budget)
        against = baseline if self.context.are_alike(asked.number, baseline) else None
        record = self.context.tell(asked.number, against)
        if record.result is not None and record.status == "completed":
            self.oracle.update_trial(asked.proposal.trial_id, {"score": record.result.score})
            asked.proposal.status = "COMPLETED"
        else:
            asked.proposal.status = "FAILED"
        self.oracle.end_trial(asked.proposal)
        self.done.append(asked.number)


class Deadline:
    """earlier_seconds: of wall time that earlier sittings took. precision: of the search phase. It
    is told of every trial, of earlier sittings too."""

    def __init__(
        self,
        config: ExperimentConfig,
        earlier_seconds: float,
        started: float,
        clock: Callable[[], float] = time.monotonic,
        precision: Precision = "float32",
    ) -> None:
        hours = config.search.max_hours
        self._limit = None if hours is None else hours * 3600 - earlier_seconds
        self._work = workload(config, precision, removed_share=1.0)  # the ablation at its longest
        self._pace = Pace()
        self._counted: set[int] = set()
        self._workers = config.execution.workers
        self._started, self._clock = started, clock

    def told(self, record: TrialRecord) -> None:
        """Counts a trial once, however often it is told."""
        seconds = trained_seconds(record)
        if seconds is not None and record.trial not in self._counted:
            pace = seconds / self._work.of(record)
            self._pace.add(KINDS[record.kind].phase, pace, is_first=not self._counted)
            self._counted.add(record.trial)

    def passed(self) -> bool:
        """Whether another trial would leave too little time for what comes after the search
        phase."""
        if self._limit is None:
            return False
        return self._clock() - self._started + self.seconds_needed() > self._limit

    def seconds_needed(self) -> float:
        """By another trial and by what comes after the search phase."""
        rates = dict.fromkeys(("next", "later"), self._pace.usual())
        later = {"later": sum(phase.amount for phase in self._work.later)}
        next_one = seconds_of({"next": self._work.dearest}, rates)
        return next_one + seconds_of(later, rates, self._workers)


def out_of_time(log: EventLog, deadline: Deadline, asked: int) -> bool:
    """Whether to ask for no more trials; journaled, so that a resumed search decides the same."""
    if log.cut_after is None and deadline.passed():
        log.append("cut", after=asked)
    return log.cut_after is not None and asked >= log.cut_after
