"""What the journal says, as one frozen value. `replay` folds events into it; `journal_file` writes them, `loop` acts on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, ValidationError, model_validator

from data.augmentations import AUGMENTATIONS
from data.messages import shown
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.experiment.trial import (
    Effect,
    Frozen,
    Probe,
    TrialRecord,
    TrialResult,
)
from search.journal.journal_file import JournalError

LATEST = 1e11  # seconds since 1970, in the year 5138: what is later is no time, and no duration either
SEARCHED = ("augmentation", "model", "training")  # sections of an experiment file


class DatasetSummary(Frozen):
    """What a page or a tracker needs to know of the images. counts: images a class, for each split."""

    digest: str
    image_size: int
    class_names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    notes: dict[str, Any]


class Opened(Frozen):
    """The first event of every run directory."""

    search_id: str
    name: str
    config: dict[str, Any]
    config_hash: str
    started_at: float
    environment: dict[str, Any]
    dataset: DatasetSummary
    earlier_looks: int = 0  # at the test set, by searches this directory held before
    space: dict[str, Any]  # what is searched: name -> {"min", "max", "step"} or {"choices"}
    fixed: dict[str, Any]
    order: tuple[str, ...] = ()  # of the searched sections' settings, as written

    @model_validator(mode="after")
    def _as_written(self) -> "Opened":
        """The journal sorts keys, and what an algorithm proposes follows their order. A journal without `order` is taken to have
        been written in the order of the table of augmentations."""
        order = self.order or tuple(AUGMENTATIONS)
        parts = {part: _ordered(self.config[part], order) for part in SEARCHED if part in self.config}
        # The value is frozen for everybody else; it is still being made here.
        self.__dict__.update(config={**self.config, **parts}, space=_ordered(self.space, order))
        return self


def _ordered(section: Any, order: Sequence[str]) -> Any:
    """The names of `order` first, in that order; the others after them as they are."""
    if not isinstance(section, dict):
        return section
    return {name: section[name] for name in dict.fromkeys([*(n for n in order if n in section), *section])}


class SearchState(Frozen):
    """Everything known of a search at some moment. `records` are in the order of their numbers."""

    opened: Opened | None = None
    records: tuple[TrialRecord, ...] = ()
    evidence: Evidence | None = None
    test: TestResult | None = None
    leak: LeakDemo | None = None
    cut_after: int | None = None  # trials asked for when the time ran out
    stopped: str | None = None
    finished_at: float | None = None
    is_shown: bool = False  # everything made from a finished search is there, in files and at MLflow
    wall_seconds: float = 0.0
    phase_seconds: dict[str, float] = {}

    @property
    def looks(self) -> int:
        """How often the test set was opened in this run directory."""
        return (self.opened.earlier_looks if self.opened else 0) + (self.test is not None)

    @property
    def safety(self) -> tuple[Probe, ...]:
        """Label safety, as the search's own baseline measured it: a row an augmentation and extreme."""
        baseline = self.baseline()
        result = baseline.result if baseline else None
        return result.probes if result else ()

    def of_kind(self, *kinds: str) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.records if record.kind in kinds)

    def baseline(self, kind: str = "control") -> TrialRecord | None:
        """No augmentation, of the search phase or of another phase."""
        return next((r for r in self.records if r.kind == kind and not r.spec.settings.augmentation), None)


class Replay:
    """Folds the journal's events, oldest first, into the state they describe; goes on as events are appended."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._fields: dict[str, Any] = {"phase_seconds": {}}
        self._records: dict[int, TrialRecord] = {}
        for event in events:
            self.fold(event)

    def fold(self, event: Mapping[str, Any]) -> None:
        """Raises JournalError for an event that this version does not write: a journal must not be half understood."""
        kind = event_type(event)
        try:
            kind.fold(self._fields, self._records, kind.payload.model_validate(event))
        except ValidationError as error:
            raise JournalError(f"{place_of(event)}: {first_fault(error)}") from error

    @property
    def cut_after(self) -> int | None:
        return self._fields.get("cut_after")

    @property
    def state(self) -> SearchState:
        fields = {**self._fields, "phase_seconds": dict(self._fields["phase_seconds"])}
        return SearchState.model_construct(
            records=tuple(self._records[n] for n in sorted(self._records)), **fields
        )


def replay(events: Iterable[Mapping[str, Any]]) -> SearchState:
    """The state that a whole journal describes. Raises JournalError for an event that this version does not write."""
    return Replay(events).state


def event_type(event: Mapping[str, Any]) -> "EventType":
    """The record of the event's type. Raises JournalError for a type of another version."""
    found = EVENTS.get(str(event.get("type")))
    if found is None:
        raise JournalError(
            f"{place_of(event)}: this version knows no event of that type; use the version that wrote it"
        )
    return found


def place_of(event: Mapping[str, Any]) -> str:
    return f"event {event.get('seq')} of the journal ({shown(str(event.get('type'))[:40])})"


def first_fault(error: ValidationError) -> str:
    """The first mistake that pydantic found, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return shown(f"{where}: {first['msg'].removeprefix('Value error, ')}" if where else first["msg"])[:300]


class Payload(Frozen):
    """What an event holds beside its own fields (seq, type, crc), which the journal's file checks."""

    model_config = ConfigDict(extra="ignore")

    time: Annotated[float, Field(ge=0, le=LATEST)] = 0.0


class OpenedEvent(Payload):
    opened: Opened


class Asked(Payload):
    record: TrialRecord


class Told(Payload):
    """predictions_file: only ever compared with the one name that a trial's answers have; what is written here is not opened."""

    trial: Annotated[int, Field(ge=0)]
    result: TrialResult
    effect: Effect | None = None
    attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    predictions_file: str | None = None
    predictions_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class EvidenceEvent(Payload):
    evidence: Evidence


class TestEvent(Payload):
    __test__ = False  # not a test class, whatever pytest thinks of the name

    test: TestResult


class LeakEvent(Payload):
    leak: LeakDemo


class Phase(Payload):
    phase: Annotated[str, Field(max_length=40)]
    seconds: Annotated[float, Field(ge=0, le=LATEST)]


class Cut(Payload):
    after: Annotated[int, Field(ge=0)]


class StoppedEvent(Payload):
    reason: str


def _opened(fields: dict, records: dict, event: OpenedEvent) -> None:
    fields["opened"] = event.opened


def _asked(fields: dict, records: dict, event: Asked) -> None:
    records[event.record.trial] = event.record.model_copy(update={"asked_at": event.time})


def _told(fields: dict, records: dict, event: Told) -> None:
    if event.trial not in records:
        raise JournalError(f"the journal tells the answer of trial {event.trial}, which was not asked")
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
    fields["stopped"] = event.reason


def _resumed(fields: dict, records: dict, event: Payload) -> None:
    fields["stopped"] = None
    fields["is_shown"] = False


def _finished(fields: dict, records: dict, event: Payload) -> None:
    fields["finished_at"] = event.time
    fields["stopped"] = None


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
    "resumed": EventType(Payload, _resumed),
    "finished": EventType(Payload, _finished),
    "shown": EventType(Payload, _shown),
}
