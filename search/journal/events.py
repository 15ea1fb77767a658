"""What each event of a journal holds, as frozen types. What it does to a search's state is `state`;
its line is `journal_file`'s."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from data.augmentations import AUGMENTATIONS
from data.dataset_notes import DataNotes
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.experiment.trial import Effect, Frozen, TrialRecord, TrialResult

LATEST = (
    1e11  # seconds since 1970, in the year 5138: what is later is no time, and no duration either
)
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
    order: tuple[str, ...] = ()  # of the settings that were written: that of their tables

    @model_validator(mode="after")
    def _as_written(self) -> "Opened":
        """The journal sorts keys, and what an algorithm proposes follows their order. A journal
        without `order` is taken to have been written in the order of the table of augmentations."""
        order = self.order or tuple(AUGMENTATIONS)
        parts = {
            part: _ordered(self.config[part], order) for part in SEARCHED if part in self.config
        }
        # The value is frozen for everybody else; it is still being made here.
        self.__dict__.update(config={**self.config, **parts}, space=_ordered(self.space, order))
        return self


def _ordered(section: Any, order: Sequence[str]) -> Any:
    """The names of `order` first, in that order; the others after them as they are."""
    if not isinstance(section, dict):
        return section
    return {
        name: section[name]
        for name in dict.fromkeys([*(n for n in order if n in section), *section])
    }


class Payload(Frozen):
    """What an event holds beside its own fields (seq, type, crc), which the journal's file
    checks."""

    model_config = ConfigDict(extra="ignore")

    time: Annotated[float, Field(ge=0, le=LATEST)] = 0.0


class OpenedEvent(Payload):
    opened: Opened


class Asked(Payload):
    record: TrialRecord


class Told(Payload):
    """predictions_file: only ever compared with the one name that a trial's answers have; what is
    written here is not opened."""

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
    """failed: nobody asked for it."""

    reason: str
    failed: bool = False


class Resumed(Payload):
    """changed: `section.key` -> then and now; config_hash: of the config as it is now, where
    something changed."""

    changed: dict[str, tuple[Any, Any]] = {}
    config_hash: str = ""


class Retried(Payload):
    """From trial `first` on the search is gone through again; `trials` failed, or lost their
    answers. Of the others those that are asked for again keep theirs (`Replay.withdrawn`)."""

    first: Annotated[int, Field(ge=0)]
    trials: tuple[int, ...]
    lifts_cut: bool = False

    def withdrawn(self, records: Mapping[int, TrialRecord]) -> dict[int, TrialRecord]:
        """The records from `first` on, those of `trials` without an answer."""
        found = {number: record for number, record in records.items() if number >= self.first}
        return found | {
            n: found[n].model_copy(update={"result": None}) for n in self.trials if n in found
        }


class Finished(Payload):
    """Nothing else."""
