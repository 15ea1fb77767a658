"""Trials asked and told: each is written down before anybody acts on it, and none is trained twice.

A search is a deterministic program over this ledger. Run again on the journal of an interrupted
one, it asks for the same trials in the same order, finds the answers that were told, and trains the
rest. What to ask for is `loop` and `phases`.
"""

import functools
import hashlib
import itertools
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.files import make_folder, write_atomically
from search.driver.answers import is_same, kept_answer, read_predictions
from search.evidence.evaluation import paired_effect
from search.experiment.seeds import derive_seed
from search.experiment.trial import (
    Effect,
    Kind,
    Outcome,
    Predictions,
    TrialRecord,
    TrialResult,
    TrialSpec,
    predictions_name,
)
from search.journal.event_log import EventLog
from search.journal.journal_file import FRESH, JournalError
from search.training.progress import EpochReport, OnEpoch

PREDICTIONS_IN_MEMORY = 8  # trials; one of 50,000 images and 3 seeds has 0.9 MB
POLL_SECONDS = 0.2  # how soon a request to stop is noticed while a trial runs


class Stopped(Exception):
    """The search was asked to stop, and its directory is consistent."""


class Engine(Protocol):
    """Where trials run."""

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> "Future[Outcome]": ...


class Listener(Protocol):
    """Told of each trial as it is asked, as it goes and as it is told: the terminal, the tracker.
    All in the search's own thread."""

    def trial_started(self, record: TrialRecord) -> None: ...

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None: ...

    def trial_told(self, record: TrialRecord) -> None: ...


class Ledger:
    """labels: int [n], of the whole dataset. seed: of the bootstrap. Single-threaded but for
    `stop`, which any thread may set."""

    def __init__(
        self, log: EventLog, engine: Engine, run_dir: Path, labels: np.ndarray, seed: int
    ) -> None:
        self.stop = threading.Event()
        self.still_ours: Callable[[], None] = lambda: (
            None
        )  # raises where another search took the directory over
        self.listeners: list[Listener] = []
        self._log, self._engine, self._run_dir = log, engine, run_dir
        self._labels, self._seed = labels, seed
        self._records = {record.trial: record for record in log.state.records}
        self._asked: list[int] = []
        self._first_with_key: dict[str, int] = {}
        self._futures: dict[int, Future[Outcome]] = {}
        self._predictions: OrderedDict[int, Predictions] = OrderedDict()
        self._reports: queue.SimpleQueue[tuple[int, EpochReport]] = queue.SimpleQueue()

    def ask(
        self,
        kind: Kind,
        label: str,
        spec: TrialSpec,
        settings: dict[str, Any],
        rung: int | None = None,
    ) -> int:
        """Writes the trial down, hands it to the engine unless its answer is known, and returns its
        number.

        Raises JournalError where the journal has another trial in this place, Stopped where the
        search is asked to stop.
        """
        number = len(self._asked)
        if self.stop.is_set():
            raise Stopped
        self._asked.append(number)
        duplicate_of = self._first_with_key.setdefault(spec.key, number)
        record = self._records.get(number)
        if record is None:
            record = TrialRecord(
                trial=number,
                kind=kind,
                label=label,
                settings=settings,
                spec=spec,
                rung=rung,
                duplicate_of=duplicate_of if duplicate_of != number else None,
            )
            record = self._write_asked(record)
        elif record.spec.key != spec.key:
            raise JournalError(
                f"{self._log.path}: trial {number} is not the one this search asks for "
                f"({record.label} against {label}); "
                "the journal was changed or made by another version; go on with the version that "
                "began it, choose another "
                f"--run-dir, or start anew with {FRESH}"
            )
        if record.result is None and record.duplicate_of is None:
            self._futures[number] = kept_answer(
                self._kept(record), self._run_dir
            ) or self._engine.submit(spec, functools.partial(self._on_epoch, number))
        for listener in self.listeners:
            listener.trial_started(record)
        return number

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        """Waits for the answer, writes it down with its effect against `baseline`, and returns the
        record.

        Raises Stopped where the search is asked to stop while waiting.
        """
        record = self._records[number]
        if record.result is None:
            outcome = self._outcome(record)
            self.still_ours()
            record = self._write_told(record, outcome, baseline)
        for listener in self.listeners:
            listener.trial_told(record)
        return record

    def first_answered(self, numbers: Sequence[int]) -> int:
        """Which of these trials to tell next where the order is free: as the journal has it, else
        the first that has an answer.

        Raises Stopped as `tell` does.
        """
        told = [n for n in numbers if self._records[n].result is not None]
        if told:
            return min(told, key=lambda n: (self._records[n].told_at or 0, n))
        while True:
            for number in numbers:
                source = self._records[number].duplicate_of
                if source is None and self._futures[number].done():
                    return number
                if source is not None and self._records[source].result is not None:
                    return number
            self._wait(numbers)

    def _wait(self, numbers: Sequence[int]) -> None:
        if self.stop.is_set():
            raise Stopped
        self._pass_reports_on()
        waited = [self._futures[n] for n in numbers if n in self._futures]
        futures.wait(waited, POLL_SECONDS, futures.FIRST_COMPLETED)

    def record(self, number: int) -> TrialRecord:
        return self._records[number]

    @property
    def records(self) -> list[TrialRecord]:
        return [self._records[number] for number in self._asked]

    def last_results(self, up_to: int, count: int) -> list[TrialResult]:
        """What was told of the trials up to this one, in trial order: the last `count` of it."""
        records = (
            self._records[number] for number in range(up_to, -1, -1) if number in self._records
        )
        told = (record.result for record in records if record.result is not None)
        return list(itertools.islice(told, count))[::-1]

    def predictions(self, number: int) -> Predictions:
        """A completed trial's per-image answers. Raises JournalError where their file is not the
        one that was journaled."""
        record = self._records[number]
        if record.duplicate_of is not None:
            return self.predictions(record.duplicate_of)
        found = self._predictions.get(number) or read_predictions(record, self._run_dir)
        self._keep(number, found)
        return found

    def effect(self, number: int, baseline: int) -> Effect:
        """The paired effect of one completed trial against another on the same folds and seeds; a
        duplicate's is that of the trial it repeats."""
        objective = self._records[number].spec.protocol.objective
        pair = (self._source(number), self._source(baseline))
        seed = derive_seed(self._seed, "bootstrap", *pair)
        return paired_effect(
            self.predictions(number), self.predictions(baseline), self._labels, objective, seed
        )

    def _source(self, number: int) -> int:
        """The trial that was trained for this one."""
        source = self._records[number].duplicate_of
        return number if source is None else source

    def _write_asked(self, record: TrialRecord) -> TrialRecord:
        event = self._log.append(
            "asked", record=record.model_dump(mode="json", exclude_defaults=True)
        )
        record = record.model_copy(update={"asked_at": event["time"]})
        self._records[record.trial] = record
        return record

    def _outcome(self, record: TrialRecord) -> Outcome:
        if record.duplicate_of is not None:
            first = (
                self.tell(record.duplicate_of)
                if self._records[record.duplicate_of].result is None
                else None
            )
            first = first or self._records[record.duplicate_of]
            if first.result is None:
                raise JournalError(
                    f"{self._log.path}: trial {record.trial} repeats one that has no answer"
                )
            return Outcome(first.result, None, first.attempts)
        future = self._futures.pop(record.trial)
        while True:
            if self.stop.is_set():
                raise Stopped
            self._pass_reports_on()
            try:
                return future.result(timeout=POLL_SECONDS)
            except FutureTimeout:
                if future.done():
                    raise

    def _on_epoch(self, number: int, report: EpochReport) -> None:
        """Called in an engine's thread; the listeners hear of it in the search's own."""
        self._reports.put((number, report))

    def _pass_reports_on(self) -> None:
        while not self._reports.empty():
            number, report = self._reports.get()
            record = self._records[number]
            for listener in self.listeners if record.result is None else ():
                listener.trial_epoch(record, report)

    def _write_told(
        self, record: TrialRecord, outcome: Outcome, baseline: int | None
    ) -> TrialRecord:
        fields: dict[str, Any] = {
            "result": outcome.result,
            "attempts": self._attempts(record, outcome),
        }
        if outcome.predictions is not None:
            fields |= self._write_predictions(record.trial, outcome.predictions)
        updated = record.model_copy(update=fields)
        self._records[record.trial] = updated
        if outcome.result.status == "completed" and baseline not in (None, record.trial):
            updated = updated.model_copy(
                update={"effect": self._effect_if_possible(record.trial, baseline)}
            )
        payload = updated.model_dump(
            mode="json",
            include={"result", "attempts", "effect", "predictions_file", "predictions_sha256"},
        )
        event = self._log.append("told", trial=record.trial, **payload)
        self._records[record.trial] = updated.model_copy(update={"told_at": event["time"]})
        return self._records[record.trial]

    def _kept(self, record: TrialRecord) -> TrialRecord | None:
        """This very trial, as it stood before it or an earlier one was tried again."""
        kept = self._log.withdrawn(record.trial)
        return kept if kept is not None and is_same(kept, record) else None

    def _attempts(self, record: TrialRecord, outcome: Outcome) -> int:
        """Of all sittings."""
        kept = self._kept(record) if record.duplicate_of is None else None
        was_tried = kept is not None and kept.result is None and kept.told_at is not None
        return outcome.attempts + (kept.attempts if kept and was_tried else 0)

    def _effect_if_possible(self, number: int, baseline: int) -> Effect | None:
        completed = self._records[baseline].status == "completed"
        return self.effect(number, baseline) if completed else None

    def _keep(self, number: int, predictions: Predictions) -> None:
        """In memory too, the ones used last: a baseline is read for every effect, others once or
        twice."""
        self._predictions[number] = predictions
        self._predictions.move_to_end(number)
        if len(self._predictions) > PREDICTIONS_IN_MEMORY:
            self._predictions.popitem(last=False)

    def _write_predictions(self, number: int, predictions: Predictions) -> dict[str, str]:
        self._keep(number, predictions)
        content = predictions.to_bytes()
        name = predictions_name(number)
        make_folder(self._run_dir / "predictions", "the folder of predictions")
        write_atomically(self._run_dir / name, content)
        return {"predictions_file": name, "predictions_sha256": hashlib.sha256(content).hexdigest()}
