"""`search.max_hours`: when to ask for no more trials, so that the best found so far can still be confirmed in time."""

import time
from collections.abc import Callable

from search.config import ExperimentConfig
from search.state import SearchState
from search.trial import TrialRecord


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
        self._config, self._started, self._clock = config, started, clock

    def passed(self, state: SearchState) -> bool:
        """Whether another trial would leave too little time for what comes after the search phase."""
        if self._limit is None:
            return False
        trial = seconds_of_a_trial(state.records)
        after = trial * later_trials(self._config) / self._config.execution.workers
        return self._clock() - self._started + trial + after > self._limit


def seconds_of_a_trial(records: tuple[TrialRecord, ...]) -> float:
    """Mean over the trials trained so far that were augmented; 0 before the first."""
    seconds = [
        record.result.timing.total_seconds
        for record in records
        if record.result
        and record.result.timing
        and record.spec.settings.augmentation
        and record.duplicate_of is None
    ]
    return sum(seconds) / len(seconds) if seconds else 0.0


def later_trials(config: ExperimentConfig) -> float:
    """What confirmation, ablation and test cost, counted in trials of the search phase."""
    evaluation = config.evaluation
    if evaluation.confirm is None:
        return 2.0 * evaluation.test
    views = config.training.get("views", 16)
    dearer = evaluation.confirm.views / views if isinstance(views, int) else 1.0
    num_searched = len(config.augmentation)
    trials = (
        evaluation.confirm.top + 3 + (2 * num_searched if evaluation.ablation else 0) + 2 * evaluation.test
    )
    return trials * max(1.0, dearer)
