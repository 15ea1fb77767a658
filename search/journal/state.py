"""What the journal says, as one frozen value. `replay` folds events into it; `journal_file` writes
them, `loop` acts on them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from data.messages import escaped
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.experiment.config import changed
from search.experiment.trial import Frozen, Probe, TrialRecord
from search.journal.events import (
    Asked,
    Cut,
    EvidenceEvent,
    Finished,
    LeakEvent,
    Opened,
    OpenedEvent,
    Payload,
    Phase,
    Resumed,
    Retried,
    StoppedEvent,
    TestEvent,
    Told,
)
from search.journal.journal_file import JournalError


class Cost(Frozen):
    """What the trials of a search took, each training counted once. Seconds are summed over
    workers; images are passes of the backbone."""

    trainings: int
    features_seconds: float
    heads_seconds: float
    total_seconds: float
    images: int
    heads: int

    @classmethod
    def of(cls, records: Iterable[TrialRecord]) -> "Cost":
        results = [record.trained for record in records if record.trained is not None]
        timings = [result.timing for result in results if result.timing is not None]
        return cls(
            trainings=len(results),
            features_seconds=sum(timing.features_seconds for timing in timings),
            heads_seconds=sum(timing.heads_seconds for timing in timings),
            total_seconds=sum(timing.total_seconds for timing in timings),
            images=sum(timing.images_extracted for timing in timings),
            heads=sum(result.num_heads for result in results),
        )


class SearchState(Frozen):
    """Everything known of a search at some moment. `records` are in the order of their numbers.

    stopped: why the last sitting ended before the search did; has_failed: nobody asked for that.
    tries: how often each failed trial was tried again in the surroundings it has now.
    """

    opened: Opened | None = None
    records: tuple[TrialRecord, ...] = ()
    evidence: Evidence | None = None
    test: TestResult | None = None
    leak: LeakDemo | None = None
    cut_after: int | None = None  # trials asked for when the time ran out
    stopped: str | None = None
    has_failed: bool = False
    tries: dict[int, int] = {}
    finished_at: float | None = None
    is_shown: bool = (
        False  # everything made from a finished search is there, in files and at MLflow
    )
    wall_seconds: float = 0.0
    phase_seconds: dict[str, float] = {}

    @property
    def looks(self) -> int:
        """How often the test set was opened in this run directory."""
        return (self.opened.earlier_looks if self.opened else 0) + (self.test is not None)

    @property
    def safety(self) -> tuple[Probe, ...]:
        """Label safety, as the search's own baseline measured it: a row an augmentation and
        extreme."""
        baseline = self.baseline()
        result = baseline.result if baseline else None
        return result.probes if result else ()

    @property
    def cost(self) -> Cost:
        return Cost.of(self.records)

    def of_kind(self, *kinds: str) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.records if record.kind in kinds)

    def baseline(self, kind: str = "control") -> TrialRecord | None:
        """No augmentation, of the search phase or of another phase."""
        return next(
            (r for r in self.records if r.kind == kind and not r.spec.settings.augmentation), None
        )


def fullest(records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Those of the highest rung that holds a completed one: scores can be compared within a rung
    only. All, where there are no rungs."""
    every = tuple(records)
    top = max((record.rung or 0 for record in every if record.status == "completed"), default=0)
    return tuple(record for record in every if (record.rung or 0) == top)


class Replay:
    """Folds the journal's events, oldest first, into the state they describe; goes on as events are
    appended."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._fields: dict[str, Any] = {"phase_seconds": {}, "tries": {}}
        self._records: dict[int, TrialRecord] = {}
        self.withdrawn: dict[
            int, TrialRecord
        ] = {}  # as they stood when a trial before them was to be tried again
        for event in events:
            self.fold(event)

    def fold(self, event: Mapping[str, Any]) -> None:
        """Raises JournalError for an event that this version does not write: a journal must not be
        half understood."""
        kind = event_type(event)
        try:
            payload = kind.payload.model_validate(event)
        except ValidationError as error:
            raise JournalError(f"{place_of(event)}: {first_fault(error)}") from error
        if isinstance(payload, Retried):
            self.withdrawn |= payload.withdrawn(self._records)
        kind.fold(self._fields, self._records, payload)

    @property
    def cut_after(self) -> int | None:
        return self._fields.get("cut_after")

    @property
    def state(self) -> SearchState:
        fields = {**self._fields, "phase_seconds": dict(self._fields["phase_seconds"])}
        fields["tries"] = dict(self._fields["tries"])
        return SearchState.model_construct(
            records=tuple(self._records[n] for n in sorted(self._records)), **fields
        )


def replay(events: Iterable[Mapping[str, Any]]) -> SearchState:
    """The state that a whole journal describes. Raises JournalError for an event that this version
    does not write."""
    return Replay(events).state


def event_type(event: Mapping[str, Any]) -> "EventType":
    """The record of the event's type. Raises JournalError for a type of another version."""
    found = EVENTS.get(str(event.get("type")))
    if found is None:
        raise JournalError(
            f"{place_of(event)}: this version knows no event of that type; use the version that "
            "wrote it"
        )
    return found


def place_of(event: Mapping[str, Any]) -> str:
    return f"event {event.get('seq')} of the journal ({escaped(str(event.get('type'))[:40])})"


def first_fault(error: ValidationError) -> str:
    """The first mistake that pydantic found, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return escaped(
        f"{where}: {first['msg'].removeprefix('Value error, ')}" if where else first["msg"]
    )[:300]


def _opened(fields: dict, records: dict, event: OpenedEvent) -> None:
    fields["opened"] = event.opened


def _asked(fields: dict, records: dict, event: Asked) -> None:
    records[event.record.trial] = event.record.model_copy(update={"asked_at": event.time})


def _told(fields: dict, records: dict, event: Told) -> None:
    if event.trial not in records:
        raise JournalError(
            f"the journal tells the answer of trial {event.trial}, which was not asked"
        )
    names = ("result", "effect", "predictions_file", "predictions_sha256", "attempts")
    update = {name: getattr(event, name) for name in names}
    records[event.trial] = records[event.trial].model_copy(update={**update, "told_at": event.time})


def _evidence(fields: dict, records: dict, event: EvidenceEvent) -> None:
    fields["evidence"] = event.evidence


def _test(fields: dict, records: dict, event: TestEvent) -> None:
    fields["test"] = event.test


def _leak(fields: dict, records: dict, event: LeakEvent) -> None:
    fields["leak"] = event.leak


def _phase(fields: dict, records: dict, event: Phase) -> None:
    seconds = fields["phase_seconds"]
    seconds[event.phase] = seconds.get(event.phase, 0.0) + event.seconds
    fields["wall_seconds"] = fields.get("wall_seconds", 0.0) + event.seconds


def _cut(fields: dict, records: dict, event: Cut) -> None:
    fields["cut_after"] = event.after


def _stopped(fields: dict, records: dict, event: StoppedEvent) -> None:
    fields["stopped"], fields["has_failed"] = event.reason, event.failed


def _resumed(fields: dict, records: dict, event: Resumed) -> None:
    fields["stopped"], fields["has_failed"] = None, False
    fields["is_shown"] = False
    if event.changed:
        opened = fields["opened"]
        config = changed(opened.config, event.changed)
        fields["opened"] = opened.model_copy(
            update={"config": config, "config_hash": event.config_hash}
        )
        fields["tries"] = {}
        if "dataset.path" in event.changed:
            records |= {
                n: _at_path(record, config["dataset"]["path"]) for n, record in records.items()
            }


def _at_path(record: TrialRecord, path: Any) -> TrialRecord:
    """The record with its images at a path: they moved, and are the same."""
    dataset = record.spec.dataset.model_copy(update={"path": path})
    return record.model_copy(update={"spec": record.spec.model_copy(update={"dataset": dataset})})


def _retried(fields: dict, records: dict, event: Retried) -> None:
    for number in event.withdrawn(records):
        del records[number]
    for number in event.trials:
        fields["tries"][number] = fields["tries"].get(number, 0) + 1
    fields["evidence"] = None
    if event.lifts_cut:
        fields["cut_after"] = None


def _finished(fields: dict, records: dict, event: Finished) -> None:
    fields["finished_at"] = event.time
    fields["stopped"], fields["has_failed"] = None, False


def _shown(fields: dict, records: dict, event: Payload) -> None:
    fields["is_shown"] = True


class EventType(NamedTuple):
    """What an event of one type holds, and what it does to the fields and records of the state."""

    payload: type[Payload]
    fold: Callable[[dict, dict, Any], None]


EVENTS = {
    "opened": EventType(OpenedEvent, _opened),
    "asked": EventType(Asked, _asked),
    "told": EventType(Told, _told),
    "evidence": EventType(EvidenceEvent, _evidence),
    "test": EventType(TestEvent, _test),
    "leak": EventType(LeakEvent, _leak),
    "phase": EventType(Phase, _phase),
    "cut": EventType(Cut, _cut),
    "stopped": EventType(StoppedEvent, _stopped),
    "resumed": EventType(Resumed, _resumed),
    "retried": EventType(Retried, _retried),
    "finished": EventType(Finished, _finished),
    "shown": EventType(Payload, _shown),
}
