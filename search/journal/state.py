"""What the journal says, as one frozen value. `replay` folds events into it; `journal_file` writes them, `loop` acts on them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import model_validator

from data.augmentations import AUGMENTATIONS
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.experiment.trial import Effect, Frozen, Probe, TrialRecord, TrialResult

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

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        """The journal sorts keys, and what an algorithm proposes follows their order. A journal without `order` is taken to have
        been written in the order of the table of augmentations."""
        if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
            return data
        order = data.get("order") or tuple(AUGMENTATIONS)
        parts = {part: _ordered(data["config"][part], order) for part in SEARCHED if part in data["config"]}
        return {**data, "config": {**data["config"], **parts}, "space": _ordered(data.get("space"), order)}


def _ordered(section: Any, order: Sequence[str]) -> Any:
    """The names of `order` first, in that order; the others after them as they are."""
    if not isinstance(section, dict):
        return section
    return {name: section[name] for name in dict.fromkeys([*(n for n in order if n in section), *section])}


class Cost(Frozen):
    """What the trials of a search took, each training counted once. Seconds are summed over workers; images are passes of the
    backbone."""

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

    @property
    def cost(self) -> Cost:
        return Cost.of(self.records)

    def of_kind(self, *kinds: str) -> tuple[TrialRecord, ...]:
        return tuple(record for record in self.records if record.kind in kinds)

    def baseline(self, kind: str = "control") -> TrialRecord | None:
        """No augmentation, of the search phase or of another phase."""
        return next((r for r in self.records if r.kind == kind and not r.spec.settings.augmentation), None)


def fullest(records: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Those of the highest rung that holds a completed one: scores can be compared within a rung only. All, where there are no
    rungs."""
    every = tuple(records)
    top = max((record.rung or 0 for record in every if record.status == "completed"), default=0)
    return tuple(record for record in every if (record.rung or 0) == top)


class Replay:
    """Folds the journal's events, oldest first, into the state they describe; goes on as events are appended."""

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self._fields: dict[str, Any] = {"phase_seconds": {}}
        self._records: dict[int, TrialRecord] = {}
        for event in events:
            self.fold(event)

    def fold(self, event: Mapping[str, Any]) -> None:
        """Raises KeyError for an event of an unknown type: a journal of a newer version must not be half understood."""
        _FOLDS[event["type"]](self._fields, self._records, event)

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
    """The state that a whole journal describes. Raises KeyError for an event of an unknown type."""
    return Replay(events).state


def _opened(fields: dict, records: dict, event: Mapping) -> None:
    fields["opened"] = Opened.model_validate(event["opened"])


def _asked(fields: dict, records: dict, event: Mapping) -> None:
    record = TrialRecord.model_validate(event["record"])
    records[record.trial] = record.model_copy(update={"asked_at": event["time"]})


def _told(fields: dict, records: dict, event: Mapping) -> None:
    effect = event.get("effect")
    records[event["trial"]] = records[event["trial"]].model_copy(
        update={
            "result": TrialResult.model_validate(event["result"]),
            "effect": Effect.model_validate(effect) if effect else None,
            "predictions_file": event.get("predictions_file"),
            "predictions_sha256": event.get("predictions_sha256"),
            "attempts": event.get("attempts", 1),
            "told_at": event["time"],
        }
    )


def _evidence(fields: dict, records: dict, event: Mapping) -> None:
    fields["evidence"] = Evidence.model_validate(event["evidence"])


def _test(fields: dict, records: dict, event: Mapping) -> None:
    fields["test"] = TestResult.model_validate(event["test"])


def _leak(fields: dict, records: dict, event: Mapping) -> None:
    fields["leak"] = LeakDemo.model_validate(event["leak"])


def _phase(fields: dict, records: dict, event: Mapping) -> None:
    seconds = fields["phase_seconds"]
    seconds[event["phase"]] = seconds.get(event["phase"], 0.0) + event["seconds"]
    fields["wall_seconds"] = fields.get("wall_seconds", 0.0) + event["seconds"]


def _cut(fields: dict, records: dict, event: Mapping) -> None:
    fields["cut_after"] = event["after"]


def _stopped(fields: dict, records: dict, event: Mapping) -> None:
    fields["stopped"] = event["reason"]


def _resumed(fields: dict, records: dict, event: Mapping) -> None:
    fields["stopped"] = None
    fields["is_shown"] = False


def _finished(fields: dict, records: dict, event: Mapping) -> None:
    fields["finished_at"] = event["time"]
    fields["stopped"] = None


def _shown(fields: dict, records: dict, event: Mapping) -> None:
    fields["is_shown"] = True


_FOLDS = {
    "opened": _opened,
    "asked": _asked,
    "told": _told,
    "evidence": _evidence,
    "test": _test,
    "leak": _leak,
    "phase": _phase,
    "cut": _cut,
    "stopped": _stopped,
    "resumed": _resumed,
    "finished": _finished,
    "shown": _shown,
}
