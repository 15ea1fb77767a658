"""Trials that run, as the tracker hears of them: taken in by the search's thread, which never
waits, and given out to the thread that sends. What becomes of them in MLflow is `tracker`'s.
"""

import queue
import time
from dataclasses import dataclass, field

from search.experiment.trial import TrialRecord
from search.tracking.of_trial import curve_point_values
from search.tracking.values import Point, milliseconds
from search.training.progress import EpochReport


@dataclass
class RunningTrial:
    """points: of every epoch heard of so far, by epoch: what is sent again where a run has to be
    made anew."""

    record: TrialRecord
    points: dict[int, tuple[Point, ...]] = field(default_factory=dict)


class LiveTrials:
    """`hear` and `tell` may be called in any thread; `running` and `ended` in the one that
    sends."""

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[tuple[TrialRecord, EpochReport, int]] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[TrialRecord] = queue.SimpleQueue()
        self._running: dict[int, RunningTrial] = {}
        self._over: set[int] = set()

    def hear(self, record: TrialRecord, report: EpochReport) -> None:
        self._heard.put((record, report, milliseconds(time.time())))

    def tell(self, record: TrialRecord) -> None:
        self._told.put(record)

    def ended(self) -> list[TrialRecord]:
        """Those told since the last call."""
        told = [self._told.get() for _ in range(self._told.qsize())]
        for record in told:
            self.forget(record.trial)
        return told

    def running(self) -> list[RunningTrial]:
        for _ in range(self._heard.qsize()):
            record, report, at = self._heard.get()
            if record.trial not in self._over:
                trial = self._running.setdefault(record.trial, RunningTrial(record))
                values = curve_point_values(report)
                trial.points[report.epoch] = tuple(
                    Point(k, v, at, report.epoch) for k, v in values.items()
                )
        return list(self._running.values())

    def settle(self) -> None:
        """Nothing could be sent: keeps the curves of what runs, and leaves what has ended to the
        next state, which holds it."""
        self.running()
        self.ended()

    def forget(self, trial: int) -> None:
        """It has ended, and what is still heard of it comes too late."""
        self._over.add(trial)
        self._running.pop(trial, None)
