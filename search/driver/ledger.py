"""Trials asked and told: each is written down before anybody acts on it, and none is trained twice.

A search is a deterministic program over this ledger. Run again on the journal of an interrupted
one, it asks for the same trials in the same order, finds the answers that were told, and trains the
rest. What is known of a trial is the journal's own replay (`EventLog.records`); here stands only
how many of them this run of the program has asked for. What to ask for is `session` and `phases`.
"""

import functools
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from search.evidence.evaluation import paired_effect
from search.evidence.findings import Evidence
from search.experiment.answers import Predictions, Truth
from search.experiment.seeds import derive_seed
from search.experiment.trial import Effect, Outcome, TrialRecord, TrialResult, TrialSpec
from search.journal.journal_file import FRESH, JournalError
from search.journal.run_dir import KeptPredictions, read_predictions
from search.journal.state import EventLog
from search.training.modes import mode_of
from search.training.progress import EpochReport, Listener, OnEpoch

POLL_SECONDS = 0.2  # how soon a request to stop is noticed while a trial runs
ANSWER = {"result", "attempts", "effect", "predictions_file", "predictions_sha256"}


class Stopped(Exception):
    """The search was asked to stop, and its directory is consistent."""


class TrialRunner(Protocol):
    """What a ledger needs of an engine."""

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> "Future[Outcome]": ...


class OnTold(Listener):
    """A listener to answers alone."""

    def __init__(self, tell: Callable[[TrialRecord], None]) -> None:
        self._tell = tell

    def trial_told(self, record: TrialRecord) -> None:
        self._tell(record)


@dataclass(frozen=True)
class Surroundings:
    """Whom a ledger listens to and who listens to it. stop: set, by any thread, to have the search
    stop. still_ours: raises where another search took the directory over."""

    listeners: tuple[Listener, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    still_ours: Callable[[], None] = lambda: None


class Ledger:
    """truth: of the whole dataset. seed: of the bootstrap. For one thread."""

    def __init__(
        self,
        log: EventLog,
        engine: TrialRunner,
        run_dir: Path,
        truth: Truth,
        seed: int,
        around: Surroundings | None = None,
    ) -> None:
        self._log, self._engine, self._run_dir = log, engine, run_dir
        self._truth, self._seed = truth, seed
        self._around = around or Surroundings()
        self._num_asked = 0
        self._first_with_key: dict[str, int] = {}
        self._futures: dict[int, Future[Outcome]] = {}
        self._answers = KeptPredictions(run_dir, truth)
        self._reports: queue.SimpleQueue[tuple[int, EpochReport]] = queue.SimpleQueue()

    def ask(self, spec: TrialSpec, settings: dict[str, Any], rung: int | None = None) -> int:
        """Writes the trial down, hands it to the engine unless its answer is known, and returns its
        number.

        Raises JournalError where the journal has another trial in this place, Stopped where the
        search is asked to stop.
        """
        self._check_stop()
        number = self._num_asked
        self._num_asked += 1
        first = self._first_with_key.setdefault(spec.key, number)
        if number not in self._log.records:
            self._write_asked(
                TrialRecord(
                    trial=number,
                    kind=spec.kind,
                    label=spec.label,
                    settings=settings,
                    spec=spec,
                    rung=rung,
                    duplicate_of=first if first != number else None,
                )
            )
        record = self.record(number)
        if record.spec.key != spec.key:
            raise self._another_search(record, spec)
        if record.result is None and record.duplicate_of is None:
            self._futures[number] = self._kept_answer(record) or self._engine.submit(
                spec, functools.partial(self._on_epoch, number)
            )
        for listener in self._around.listeners:
            listener.trial_started(record)
        return number

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        """Waits for the answer, writes it down with its effect against `baseline`, and returns the
        record.

        Raises Stopped where the search is asked to stop while waiting.
        """
        if self.record(number).result is None:
            outcome = self._outcome(self.record(number))
            self._around.still_ours()
            self._write_told(self.record(number), outcome, baseline)
        for listener in self._around.listeners:
            listener.trial_told(self.record(number))
        return self.record(number)

    def first_answered(self, numbers: Sequence[int]) -> int:
        """Which of these trials to tell next where the order is free: as the journal has it, else
        the first that has an answer.

        Raises Stopped as `tell` does.
        """
        told = [n for n in numbers if self.record(n).result is not None]
        if told:
            return min(told, key=lambda n: (self.record(n).told_at or 0, n))
        while True:
            for number in numbers:
                source = self.record(number).duplicate_of
                if source is None and self._futures[number].done():
                    return number
                if source is not None and self.record(source).result is not None:
                    return number
            self._look_around()
            waited = [self._futures[n] for n in numbers if n in self._futures]
            futures.wait(waited, POLL_SECONDS, futures.FIRST_COMPLETED)

    def record(self, number: int) -> TrialRecord:
        return self._log.records[number]

    @property
    def records(self) -> list[TrialRecord]:
        """Of the trials asked for so far, as if the journal held no more."""
        return [self.record(number) for number in range(self._num_asked)]

    def last_results(self, up_to: int, count: int) -> list[TrialResult]:
        """What was told of the trials up to this one, in trial order: the last `count` of it."""
        results = (self.record(number).result for number in range(up_to, -1, -1))
        told = (result for result in results if result is not None)
        return list(itertools.islice(told, count))[::-1]

    def predictions(self, number: int) -> Predictions:
        """A completed trial's per-image answers. Raises JournalError where their file is not the
        one that was journaled."""
        return self._answers.of(self.record(self._source(number)))

    def effect(self, number: int, baseline: int) -> Effect:
        """The paired effect of one completed trial against another on the same folds and seeds; a
        duplicate's is that of the trial it repeats."""
        spec = self.record(number).spec
        pair = (self._source(number), self._source(baseline))
        seed = derive_seed(self._seed, "bootstrap", *pair)
        both = self.predictions(number), self.predictions(baseline)
        spread = mode_of(spec.settings.training).usual_spread
        return paired_effect(*both, self._truth.labels, spec.protocol.objective, seed, spread)

    def conclude(self, evidence: Evidence) -> None:
        """Writes down what is known before a phase has ended, unless the journal has it."""
        self._log.conclude("evidence", evidence)

    def _write_asked(self, record: TrialRecord) -> None:
        content = record.model_dump(mode="json", exclude_defaults=True)
        self._log.append("asked", record=content)

    def _another_search(self, record: TrialRecord, spec: TrialSpec) -> JournalError:
        return JournalError(
            f"{self._log.path}: trial {record.trial} is not the one this search asks for "
            f"({record.label} against {spec.label}); the journal was changed or made by another "
            "version; go on with the version that began it, choose another --run-dir, or start "
            f"anew with {FRESH}"
        )

    def _source(self, number: int) -> int:
        """The trial that was trained for this one."""
        source = self.record(number).duplicate_of
        return number if source is None else source

    def _outcome(self, record: TrialRecord) -> Outcome:
        if record.duplicate_of is not None:
            first = self.record(record.duplicate_of)
            first = self.tell(first.trial) if first.result is None else first
            assert first.result is not None, "it was told"
            return Outcome(first.result, None, first.attempts)
        future = self._futures.pop(record.trial)
        while True:
            self._look_around()
            try:
                return future.result(timeout=POLL_SECONDS)
            except FutureTimeout:
                if future.done():
                    raise

    def _look_around(self) -> None:
        """What is to be done while waiting."""
        self._check_stop()
        while not self._reports.empty():
            number, report = self._reports.get()
            record = self.record(number)
            for listener in self._around.listeners if record.result is None else ():
                listener.trial_epoch(record, report)

    def _check_stop(self) -> None:
        if self._around.stop.is_set():
            raise Stopped

    def _on_epoch(self, number: int, report: EpochReport) -> None:
        """Called in an engine's thread; the listeners hear of it in the search's own."""
        self._reports.put((number, report))

    def _write_told(self, record: TrialRecord, outcome: Outcome, baseline: int | None) -> None:
        fields: dict[str, Any] = {
            "result": outcome.result,
            "attempts": self._attempts(record, outcome),
        }
        if outcome.predictions is not None:
            fields |= self._answers.write(record.trial, outcome.predictions)
        if baseline is not None and self._is_comparable(record, outcome, baseline):
            fields["effect"] = self.effect(record.trial, baseline)
        answered = record.model_copy(update=fields)
        self._log.append(
            "told", trial=record.trial, **answered.model_dump(mode="json", include=ANSWER)
        )

    def _is_comparable(self, record: TrialRecord, outcome: Outcome, baseline: int) -> bool:
        """Not where the setting is no augmentation, which repeats the baseline."""
        both = outcome.result.status, self.record(baseline).status
        is_another = self._source(record.trial) != self._source(baseline)
        return is_another and both == ("completed", "completed")

    def _kept(self, record: TrialRecord) -> TrialRecord | None:
        """This very trial, wherever its images lie now, as it stood before it or an earlier one was
        tried again."""
        kept = self._log.withdrawn.get(record.trial)
        if kept is None or kept.duplicate_of != record.duplicate_of:
            return None
        spec = kept.spec.model_copy(update={"dataset": record.spec.dataset})
        return kept if spec == record.spec else None

    def _kept_answer(self, record: TrialRecord) -> "Future[Outcome] | None":
        """The answer of a trial that is asked for again; None where it had none, or its file is
        another trial's by now, or lost."""
        kept = self._kept(record)
        if kept is None or kept.result is None:
            return None
        try:
            answers = read_predictions(kept, self._run_dir) if kept.predictions_file else None
        except JournalError:
            return None
        future: Future[Outcome] = Future()
        future.set_result(Outcome(kept.result, answers, kept.attempts))
        return future

    def _attempts(self, record: TrialRecord, outcome: Outcome) -> int:
        """Of all sittings."""
        kept = self._kept(record) if record.duplicate_of is None else None
        was_tried = kept is not None and kept.result is None and kept.told_at is not None
        return outcome.attempts + (kept.attempts if kept and was_tried else 0)
