"""The events of a journal, one record a type (`EVENTS`): what it holds, as a frozen value, and what
it does to the state of a search. The state itself is `state`; an event's line `journal_file`'s.
"""

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model, model_validator

from data.dataset_notes import DataNotes
from search.evidence.findings import Evidence, TestResult
from search.experiment.config import ExperimentConfig, config_of_json
from search.experiment.config_changes import changed
from search.experiment.settings import Frozen
from search.experiment.trial import Effect, TrialRecord, TrialResult
from search.guests.guest import Guest
from search.guests.table import GUESTS
from search.journal.journal_file import JOURNAL_FORMAT, JournalError

# after a search could not go on: mend what failed it, change how it is run, or begin anew
WayOn = Literal["mend", "change", "anew"]
# seconds since 1970, in the year 5138: what is later is no time, and no duration either
LATEST = 1e11
SEARCHED = ("augmentation", "model", "training")  # sections of an experiment file


class DatasetSummary(Frozen):
    """What a page or a tracker needs to know of the images. counts: images per class, for each
    split."""

    digest: str
    image_size: int
    class_names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    notes: DataNotes


class Opened(Frozen):
    """The first event of every run directory."""

    format: int = JOURNAL_FORMAT
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
    order: tuple[str, ...]  # of the settings that were written: that of their tables

    @property
    def experiment(self) -> ExperimentConfig:
        """The config as one value."""
        return config_of_json(json.dumps(self.config))

    @model_validator(mode="after")
    def _as_written(self) -> "Opened":
        """The journal sorts keys, and what an algorithm proposes follows their order."""
        order, config = self.order, self.config
        parts = {part: _ordered(config[part], order) for part in SEARCHED if part in config}
        # The value is frozen for everybody else; it is still being made here.
        self.__dict__.update(config={**config, **parts}, space=_ordered(self.space, order))
        return self


def _ordered(section: Any, order: Sequence[str]) -> Any:
    """The names of `order` first, in that order; the others after them as they are."""
    if not isinstance(section, dict):
        return section
    return {
        name: section[name]
        for name in dict.fromkeys([*(n for n in order if n in section), *section])
    }


@dataclass
class Draft:
    """The state of a search while events are folded into it.

    fields: of `SearchState`, as far as they are known. withdrawn: records as they stood when a
    trial before them was to be tried again. concluded: what phases have concluded, kind and value,
    and what holds of it.
    """

    fields: dict[str, Any] = field(
        default_factory=lambda: {name: {} for name in ("phase_seconds", "tries", "guests")}
    )
    records: dict[int, TrialRecord] = field(default_factory=dict)
    withdrawn: dict[int, TrialRecord] = field(default_factory=dict)
    concluded: list[tuple[str, Frozen]] = field(default_factory=list)

    def conclude(self, kind: str, value: Frozen) -> None:
        self.fields[kind] = value
        self.concluded.append((kind, value))


class Payload(Frozen):
    """What an event holds beside its own fields (seq, type, crc), which the journal's file
    checks."""

    model_config = ConfigDict(extra="ignore")

    time: Annotated[float, Field(ge=0, le=LATEST)] = 0.0

    @abstractmethod
    def fold(self, draft: Draft) -> None:
        """What the event does to the state. Raises JournalError where it cannot follow."""


class OpenedEvent(Payload):
    opened: Opened

    def fold(self, draft: Draft) -> None:
        draft.fields["opened"] = self.opened


class AskedEvent(Payload):
    record: TrialRecord

    def fold(self, draft: Draft) -> None:
        asked = self.record.model_copy(update={"asked_at": self.time})
        draft.records[self.record.trial] = asked


class Told(Payload):
    """predictions_file: only ever compared with the one name that a trial's answers have; what is
    written here is not opened."""

    trial: Annotated[int, Field(ge=0)]
    result: TrialResult
    effect: Effect | None = None
    attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    predictions_file: str | None = None
    predictions_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    def fold(self, draft: Draft) -> None:
        if self.trial not in draft.records:
            raise JournalError(
                f"the journal tells the answer of trial {self.trial}, which was not asked"
            )
        names = ("result", "effect", "predictions_file", "predictions_sha256", "attempts")
        update = {name: getattr(self, name) for name in names} | {"told_at": self.time}
        draft.records[self.trial] = draft.records[self.trial].model_copy(update=update)


class EvidenceEvent(Payload):
    evidence: Evidence

    def fold(self, draft: Draft) -> None:
        draft.conclude("evidence", self.evidence)


class TestEvent(Payload):
    __test__ = False  # not a test class, whatever pytest thinks of the name

    test: TestResult

    def fold(self, draft: Draft) -> None:
        draft.conclude("test", self.test)


def _event_of(guest: Guest[Any]) -> type[Payload]:
    """What a guest's phase concludes, in a field of the guest's name."""

    class GuestEvent(Payload):
        def fold(self, draft: Draft) -> None:
            found = getattr(self, guest.name)
            draft.fields["guests"][guest.name] = found
            draft.concluded.append((guest.name, found))

    field: dict[str, Any] = {guest.name: (guest.found, ...)}
    return create_model(guest.name, __base__=GuestEvent, **field)


class PhaseEnded(Payload):
    phase: Annotated[str, Field(max_length=40)]
    seconds: Annotated[float, Field(ge=0, le=LATEST)]

    def fold(self, draft: Draft) -> None:
        seconds, fields = draft.fields["phase_seconds"], draft.fields
        seconds[self.phase] = seconds.get(self.phase, 0.0) + self.seconds
        fields["wall_seconds"] = fields.get("wall_seconds", 0.0) + self.seconds


class OutOfTime(Payload):
    after: Annotated[int, Field(ge=0)]

    def fold(self, draft: Draft) -> None:
        draft.fields["cut_after"] = self.after


class StoppedEvent(Payload):
    """failed: nobody asked for it. way_on: what is to be done then."""

    reason: str
    failed: bool = False
    way_on: WayOn = "mend"

    def fold(self, draft: Draft) -> None:
        draft.fields |= {"stopped": self.reason, "has_failed": self.failed, "way_on": self.way_on}


class Resumed(Payload):
    """changed: `section.key` -> then and now; config_hash: of the config as it is now, where
    something changed."""

    changed: dict[str, tuple[Any, Any]] = {}
    config_hash: str = ""

    def fold(self, draft: Draft) -> None:
        draft.fields |= {"stopped": None, "has_failed": False, "is_shown": False}
        if not self.changed:
            return
        opened = draft.fields["opened"]
        config = changed(opened.config, self.changed)
        update = {"config": config, "config_hash": self.config_hash}
        draft.fields |= {"opened": opened.model_copy(update=update), "tries": {}}
        if "dataset.path" in self.changed:
            path = config["dataset"]["path"]
            draft.records |= {n: _at_path(record, path) for n, record in draft.records.items()}


def _at_path(record: TrialRecord, path: Any) -> TrialRecord:
    """The record with its images at a path: they moved, and are the same."""
    dataset = record.spec.dataset.model_copy(update={"path": path})
    return record.model_copy(update={"spec": record.spec.model_copy(update={"dataset": dataset})})


class Retried(Payload):
    """From trial `first` on the search is gone through again, and concluded again; `trials` failed,
    or lost their answers. Of the others those that are asked for again keep theirs
    (`Draft.withdrawn`)."""

    first: Annotated[int, Field(ge=0)]
    trials: tuple[int, ...]
    lifts_cut: bool = False

    def fold(self, draft: Draft) -> None:
        withdrawn = {n: record for n, record in draft.records.items() if n >= self.first}
        for number in withdrawn:
            del draft.records[number]
        for number in self.trials:
            if number in withdrawn:
                withdrawn[number] = withdrawn[number].model_copy(update={"result": None})
            draft.fields["tries"][number] = draft.fields["tries"].get(number, 0) + 1
        draft.withdrawn |= withdrawn
        draft.fields |= {"evidence": None, "finished_at": None}
        draft.concluded = [each for each in draft.concluded if each[0] != "evidence"]
        if self.lifts_cut:
            draft.fields["cut_after"] = None


class Finished(Payload):
    def fold(self, draft: Draft) -> None:
        draft.fields |= {"finished_at": self.time, "stopped": None, "has_failed": False}


class Shown(Payload):
    """Everything made from a finished search is there."""

    def fold(self, draft: Draft) -> None:
        draft.fields["is_shown"] = True


EVENTS: dict[str, type[Payload]] = {
    "opened": OpenedEvent,
    "asked": AskedEvent,
    "told": Told,
    "evidence": EvidenceEvent,
    "test": TestEvent,
    **{name: _event_of(guest) for name, guest in GUESTS.items()},
    "phase": PhaseEnded,
    "cut": OutOfTime,
    "stopped": StoppedEvent,
    "resumed": Resumed,
    "retried": Retried,
    "finished": Finished,
    "shown": Shown,
}
