"""`search.max_hours`: when to ask for no more trials, so that the best found so far can still be
confirmed in time."""

import time
from collections.abc import Callable

from search.driver.workload import Workload, workload
from search.experiment.config import ExperimentConfig
from search.experiment.trial import TrialRecord


class Pace:
    """What a unit of work takes, from the trials told so far that were trained and augmented; kept
    up trial by trial, since it is asked for before each one."""

    def __init__(self, work: Workload) -> None:
        self._work = work
        self._seconds = self._amount = 0.0
        self._counted: set[int] = set()

    def told(self, record: TrialRecord) -> None:
        """Counts a trial once, however often it is told."""
        timing = record.trained.timing if record.trained else None
        if timing is None or not record.spec.settings.augmentation:
            return
        if record.trial not in self._counted:
            self._counted.add(record.trial)
            self._seconds += timing.total_seconds
            self._amount += self._work.of(record)

    @property
    def seconds_a_view(self) -> float:
        """0 before the first trial."""
        return self._seconds / self._amount if self._counted else 0.0


class Deadline:
    """earlier_seconds: of wall time that earlier sittings took. It is told of every trial, of
    earlier sittings too."""

    def __init__(
        self,
        config: ExperimentConfig,
        earlier_seconds: float,
        started: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        hours = config.search.max_hours
        self._limit = None if hours is None else hours * 3600 - earlier_seconds
        self._work = workload(config, removed_share=1.0)  # the ablation at its longest
        self._pace = Pace(self._work)
        self._workers = config.execution.workers
        self._started, self._clock = started, clock

    def told(self, record: TrialRecord) -> None:
        self._pace.told(record)

    def passed(self) -> bool:
        """Whether another trial would leave too little time for what comes after the search
        phase."""
        if self._limit is None:
            return False
        after = sum(phase.amount for phase in self._work.later) / self._workers
        needed = self._pace.seconds_a_view * (self._work.dearest + after)
        return self._clock() - self._started + needed > self._limit
