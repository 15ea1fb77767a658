"""A search once more with the journal's answers in place of training: everything that follows from
them is computed again.

The same trials must be asked for, with the same effects, claims, answer and test result.
Training one trial again is `verify`'s part.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.driver.ledger import Ledger, Stopped
from search.driver.phases import Context, SearchFailed
from search.driver.prepare import Prepared
from search.driver.session import PHASES, unwatched
from search.driver.sitting import phase_of, run_phases
from search.experiment.answers import Predictions, Truth
from search.experiment.kinds import CONCLUSIONS
from search.experiment.trial import Outcome, TrialRecord, TrialSpec
from search.guests.table import GUESTS
from search.journal.journal_file import Event
from search.journal.journal_file import read as read_journal
from search.journal.state import EventLog, SearchState
from search.training.progress import OnEpoch
from search.verification.comparison import Comparison

SUMMATION = 1e-9  # elsewhere, of metrics: means of the journaled predictions, whatever the machine
TOLD = {
    "result",
    "effect",
    "attempts",
    "predictions_file",
    "predictions_sha256",
    "asked_at",
    "told_at",
}

UNANSWERED = "the journal has no sound answer to what the search repeated asks here"


def rehearse(
    prepared: Prepared, state: SearchState, predictions: Mapping[int, Predictions], folder: Path
) -> tuple[Event, ...]:
    """The events of a search in `folder` that is given the answers of `state`; it ends where they
    end."""
    journal = folder / "journal.jsonl"
    with closing(EventLog(journal)) as log:
        log.append("opened", opened=state.opened.model_dump(mode="json") if state.opened else None)
        if state.cut_after is not None:  # the clock decided that, and cannot be asked again
            log.append("cut", after=state.cut_after)
        engine = _Answers(state.records, predictions)
        truth = Truth.of(prepared.dataset)
        ledger = Ledger(log, engine, folder, truth, prepared.config.seed)
        cut, looks = state.cut_after, state.opened.earlier_looks if state.opened else 0
        context = Context(
            prepared, ledger, lambda asked: cut is not None and asked >= cut, earlier_looks=looks
        )
        there = (g for g in GUESTS.values() if g.name in state.guests or state.of_kind(g.name))
        with suppress(Stopped, SearchFailed):
            run_phases([*PHASES, *map(phase_of, there)], context, log, unwatched(), lambda: None)
    return read_journal(journal)[0]


def compare_rehearsal(
    journaled: Iterable[Event], again: Iterable[Event], comparison: Comparison, slack: float
) -> None:
    """Every trial asked for, every effect, every conclusion. An interrupted search may have got
    less far."""
    ours, theirs = standing(journaled), list(again)
    finished = any(event["type"] == "finished" for event in ours)
    if not _compare_trials(_trials(ours), _trials(theirs), finished, comparison, slack):
        return
    for kind in CONCLUSIONS:
        first, second = _distinct(ours, kind), _distinct(theirs, kind)
        if len(first) > len(second) or (finished and len(first) < len(second)):
            comparison.note(
                kind,
                f"{len(first)} times in the journal, {len(second)} times in the search repeated",
            )
        for number, (value, repeated) in enumerate(zip(first, second, strict=False), start=1):
            where = kind if number == len(first) else f"{kind} ({number} of {len(first)})"
            comparison.check(where, value, repeated, slack)


def standing(events: Iterable[Event]) -> list[Event]:
    """The events of trials and conclusions that hold, oldest first: without those that a later
    `retried` withdrew, and with the images where they are now."""
    held: list[Event] = []
    path: dict[str, Any] = {}
    for event in events:
        if event["type"] == "retried":
            held = [e for e in held if e["type"] != "evidence" and _number(e) < event["first"]]
        elif event["type"] == "resumed" and "dataset.path" in event.get("changed", {}):
            path = {"path": event["changed"]["dataset.path"][1]}
        held.append(dict(event))
    return [_moved(event, path) if path and event["type"] == "asked" else event for event in held]


def _number(event: Event) -> int:
    """Of the trial that the event is about; below all where it is about none."""
    return int(event.get("trial", event.get("record", {}).get("trial", -1)))


def _moved(event: Event, path: Mapping[str, Any]) -> Event:
    record, spec = event["record"], event["record"]["spec"]
    return {**event, "record": {**record, "spec": {**spec, "dataset": {**spec["dataset"], **path}}}}


def compare_again(
    journaled: Sequence[Event], again: Sequence[Event], slack: float, comparison: Comparison
) -> list[str]:
    """The same on another machine, within `slack`; says in words how many numbers make use of it.
    slack: 0 on the same one."""
    compare_rehearsal(journaled, again, comparison, slack)
    if not slack:
        return []
    strict = Comparison()
    compare_rehearsal(journaled, again, strict, SUMMATION)
    within = {each.where for each in strict.differences} - {
        each.where for each in comparison.differences
    }
    if not within:
        return []
    first = ", ".join(sorted(within)[:3])
    return [f"{len(within)} recomputed numbers are apart by no more than {slack}: {first}"]


def specs_asked(events: Iterable[Event]) -> list[tuple[int, TrialSpec]]:
    """What each trial's number stands for, in the order asked."""
    records = (
        TrialRecord.model_validate(event["record"]) for event in events if event["type"] == "asked"
    )
    return [(record.trial, record.spec) for record in records]


def _compare_trials(
    ours: "dict[int, _Trial]",
    theirs: "dict[int, _Trial]",
    finished: bool,
    comparison: Comparison,
    slack: float,
) -> bool:
    """Whether the search repeated gets as far as the journal; what it does not get to is named
    once."""
    for number, trial in ours.items():
        where = f"trial {number}"
        if number not in theirs:
            comparison.note(
                where, "the search repeated with the journal's answers does not ask for it"
            )
            return False
        comparison.check(where, trial.asked, theirs[number].asked, slack)
        if trial.told is not None:
            told = theirs[number].told
            if told is None:
                comparison.note(where, UNANSWERED)
                return False
            comparison.check(where, trial.told, told, slack)
    extra = [number for number in theirs if number not in ours]
    if extra and finished:
        comparison.note(
            f"trial {extra[0]}", "the search repeated asks for it; the journal does not have it"
        )
    return True


@dataclass
class _Trial:
    """asked: the record without its result. told: what was told beside the result."""

    asked: dict[str, Any]
    told: dict[str, Any] | None = None


def _trials(events: list[Event]) -> dict[int, _Trial]:
    found: dict[int, _Trial] = {}
    for event in events:
        if event["type"] == "asked":
            record = TrialRecord.model_validate(event["record"])
            found[record.trial] = _Trial(record.model_dump(mode="json", exclude=TOLD))
        elif event["type"] == "told":
            told = ("effect", "attempts", "predictions_file")
            found[event["trial"]].told = {name: event.get(name) for name in told}
    return found


def _distinct(events: list[Event], kind: str) -> list[Any]:
    """The conclusions of a kind in order; one that a resumed search repeated counts once."""
    values = [event[kind] for event in events if event["type"] == kind]
    return [
        value for number, value in enumerate(values) if number == 0 or value != values[number - 1]
    ]


class _Answers:
    """An engine that trains nothing: it answers a spec as the journal does, and stops the search
    where it does not."""

    def __init__(
        self, records: Iterable[TrialRecord], predictions: Mapping[int, Predictions]
    ) -> None:
        self._records: dict[str, TrialRecord] = {}
        for record in records:
            self._records.setdefault(record.spec.key, record)
        self._predictions = predictions

    def submit(self, spec: TrialSpec, on_epoch: OnEpoch | None = None) -> "Future[Outcome]":
        future: Future[Outcome] = Future()
        record = self._records.get(spec.key)
        if (
            record is None
            or record.result is None
            or (record.result.status == "completed" and record.trial not in self._predictions)
        ):
            future.set_exception(Stopped())
        else:
            answers = self._predictions.get(record.trial)
            future.set_result(Outcome(record.result, answers, record.attempts))
        return future
