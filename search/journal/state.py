"""What the journal says, as one frozen value, and the open journal together with it: the one record
of what was asked, told and concluded. What each event does to the state is `events`; its line is
`journal_file`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ValidationError

from data.messages import escaped
from search.evidence.findings import Evidence, TestResult
from search.experiment.settings import Frozen
from search.experiment.trial import Probe, TrialRecord
from search.journal.events import EVENTS, Draft, Opened, Payload, WayOn
from search.journal.journal_file import Journal, JournalError, require_format

SittingOutcome = Literal["finished", "already finished", "stopped", "failed"]


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

    stopped: why the last sitting ended before the search did; has_failed: nobody asked for that;
    way_on: what is to be done then.
    tries: how often each failed trial was tried again in the surroundings it has now.
    """

    opened: Opened | None = None
    records: tuple[TrialRecord, ...] = ()
    evidence: Evidence | None = None
    test: TestResult | None = None
    guests: dict[str, Frozen] = {}  # what demonstrations found, by their names
    cut_after: int | None = None  # trials asked for when the time ran out
    stopped: str | None = None
    has_failed: bool = False
    way_on: WayOn = "mend"
    tries: dict[int, int] = {}
    finished_at: float | None = None
    # everything made from a finished search is there, in files and at MLflow
    is_shown: bool = False
    wall_seconds: float = 0.0
    phase_seconds: dict[str, float] = {}

    @property
    def looks(self) -> int:
        """How often the test set was opened in this run directory: by any model that was scored on
        it, though another failed and the test gave no figure."""
        scored = any(r.kind == "test" and r.status == "completed" for r in self.records)
        earlier = self.opened.earlier_looks if self.opened else 0
        return earlier + (scored or self.test is not None)

    @property
    def safety(self) -> tuple[Probe, ...]:
        """Label safety, as the search's own baseline measured it: a row per augmentation and
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


@dataclass(frozen=True)
class SearchResult:
    """How a sitting ended. stopped: can be resumed. failed: no trial completed, or the search could
    not go on (`reason`); it can be resumed too, once that is mended."""

    state: SearchState
    run_dir: Path
    outcome: SittingOutcome
    reason: str | None = None
    tracking: str | None = None


class Replay:
    """Folds the journal's events, oldest first, into the state they describe; goes on as events are
    appended."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._draft = Draft()
        for event in events:
            self.fold(event)

    def fold(self, event: Mapping[str, Any]) -> None:
        """Raises JournalError for an event that this version does not write: a journal must not be
        half understood."""
        try:
            payload = payload_of(event).model_validate(event)
        except ValidationError as error:
            raise JournalError(f"{place_of(event)}: {first_fault(error)}") from error
        payload.fold(self._draft)

    @property
    def records(self) -> Mapping[int, TrialRecord]:
        """Trials by their number, as they stand; it follows what is folded."""
        return MappingProxyType(self._draft.records)

    @property
    def withdrawn(self) -> Mapping[int, TrialRecord]:
        """As they stood when a trial before them was to be tried again."""
        return MappingProxyType(self._draft.withdrawn)

    @property
    def cut_after(self) -> int | None:
        """As `state.cut_after`, which costs what the state's trials cost to put together: asked for
        before each of them."""
        cut: int | None = self._draft.fields.get("cut_after")
        return cut

    @property
    def state(self) -> SearchState:
        """As it is now, whatever is folded later."""
        fields, records = self._draft.fields, self._draft.records
        copies = {name: dict(fields[name]) for name in ("phase_seconds", "tries", "guests")}
        return SearchState.model_construct(
            records=tuple(records[n] for n in sorted(records)), **{**fields, **copies}
        )

    def holds(self, kind: str, value: Frozen) -> bool:
        """Whether a phase has concluded just this. All but evidence is concluded once."""
        held = [each for of_kind, each in self._draft.concluded if of_kind == kind]
        if kind != "evidence":
            return bool(held)
        content = value.model_dump(mode="json")
        return any(each.model_dump(mode="json") == content for each in held)


def replay(events: Iterable[Mapping[str, Any]]) -> SearchState:
    """The state that a whole journal describes. Raises JournalError for an event that this version
    does not write."""
    return Replay(events).state


class EventLog(Replay):
    """An open journal and its state, kept in step as events are appended. Raises JournalError where
    the file is damaged, StorageError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        require_format(self._journal.events, path.parent)
        super().__init__(self._journal.events)
        self.path, self.warning = path, self._journal.warning
        self.num_events = len(self._journal.events)

    def append(self, kind: str, /, **payload: Any) -> None:
        """On the disk before it returns, and then part of the state."""
        self.fold(self._journal.append(kind, **payload))
        self.num_events += 1

    def conclude(self, kind: str, value: Frozen) -> None:
        """Writes down what a phase concluded, unless the journal has it."""
        if not self.holds(kind, value):
            self.append(kind, **{kind: value.model_dump(mode="json")})

    def close(self) -> None:
        self._journal.close()


def payload_of(event: Mapping[str, Any]) -> type[Payload]:
    """What an event of that type holds. Raises JournalError for a type of another version."""
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
