"""`search.max_hours`: when to ask for no more trials, so that the best found so far can still be confirmed in time."""

import time
from collections.abc import Callable, Iterable

from search.driver.workload import Workload, workload
from search.experiment.config import ExperimentConfig
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState


class Deadline:
    """earlier_seconds: of wall time that earlier sittings took."""

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
        self._workers = config.execution.workers
        self._started, self._clock = started, clock

    def passed(self, state: SearchState) -> bool:
        """Whether another trial would leave too little time for what comes after the search phase."""
        if self._limit is None:
            return False
        pace = seconds_a_view(state.records, self._work)
        after = sum(phase.amount for phase in self._work.later) / self._workers
        return self._clock() - self._started + pace * (self._work.dearest + after) > self._limit


def seconds_a_view(records: Iterable[TrialRecord], work: Workload) -> float:
    """What a unit of work took in the trials trained so far that were augmented; 0 before the first."""
    trained = [
        (record.result.timing.total_seconds, work.of(record))
        for record in records
        if record.result
        and record.result.timing
        and record.spec.settings.augmentation
        and record.duplicate_of is None
    ]
    return sum(seconds for seconds, _ in trained) / sum(amount for _, amount in trained) if trained else 0.0
