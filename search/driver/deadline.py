"""When a search of so many hours (`search.max_hours`) asks for no more trials: so that the time to
confirm the best found so far is left."""

import time
from collections.abc import Callable

from search.driver.workload import workload
from search.experiment.config import ExperimentConfig
from search.experiment.kinds import KINDS
from search.experiment.precisions import Precision
from search.experiment.trial import TrialRecord
from search.journal.state import EventLog
from search.report.time_left import Pace, seconds_of
from search.report.trial_facts import trained_seconds


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
