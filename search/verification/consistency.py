"""What no search writes, whatever came out of it: a journal that contradicts its config or itself,
told from the two alone, and answers that are not of the images, folds, seeds and classes that their
trial's spec scores.

Numbers that follow from answers are `rehearsal`'s; whether the answers are of the models that they
are said to be of, `retrained_answers`' and `retraining`'s.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.dataset import Dataset
from search.driver.run_reading import Run
from search.driver.search_phase import Deadline
from search.experiment.answers import Predictions, predictions_name
from search.experiment.trial import Protocol, TrialRecord, TrialResult
from search.journal.journal_file import Event, JournalError
from search.journal.run_dir import JOURNAL, read_predictions
from search.journal.state import Replay, SearchState
from search.training.head_tasks import scored_images
from search.verification.comparison import Comparison, Difference
from search.verification.packing import MAKE_ANEW
from search.verification.rehearsal import standing

START_SECONDS = 120.0  # the longest a sitting took before its first event, and clocks differ
MEASURED = (
    "score",
    "metrics",
    "optimistic_metrics",
    "best_epochs",
    "curve",
    "validation_hash",
    "num_heads",
    "num_independent",
)


def unsound(run: Run) -> Iterator[Difference]:
    """Where the journal contradicts its own config or itself."""
    yield from _unlike_config(run)
    yield from _said_twice(standing(run.events))
    for record in run.state.records:
        if (what := _unsound_failure(record)) is not None:
            yield Difference(where=f"trial {record.trial}", what=what)
    yield from _unsound_cuts(run.events)


def unfinished(run: Run) -> Iterator[Difference]:
    """What is handed in must have come to its end."""
    if run.state.finished_at is None:
        said = run.warning or run.state.stopped
        why = f": {said}" if said else ""
        yield Difference(
            where=JOURNAL,
            what=f"the search did not finish{why}; only finished searches are bundled: {MAKE_ANEW}",
        )


def _unlike_config(run: Run) -> Iterator[Difference]:
    comparison, config, opened = Comparison(), run.config, run.opened
    fixed = config.space.fixed_by_name
    # the config has every default beside
    written = {name: fixed.get(name) for name in opened.fixed}
    comparison.check("fixed", opened.fixed, written)
    comparison.check("name", opened.name, config.name)
    wanted, used = config.execution.precision, opened.environment["precision"]
    stood_in = (wanted, used) == ("int8", "float32")
    if wanted != "auto" and not stood_in:
        comparison.check("environment: precision", used, wanted)
    yield from comparison.differences


def _said_twice(events: Iterable[Event]) -> Iterator[Difference]:
    """events: those that stand. A failed trial may be told again; nothing else is asked for or told
    twice."""
    asked: set[int] = set()
    completed: set[int] = set()
    for event in events:
        if event["type"] == "asked":
            number = event["record"]["trial"]
            if number in asked:
                yield Difference(
                    where=f"trial {number}", what="it is asked for twice in the journal"
                )
            asked.add(number)
        elif event["type"] == "told":
            if event["trial"] in completed:
                yield Difference(
                    where=f"trial {event['trial']}", what="it has two answers in the journal"
                )
            if event["result"]["status"] == "completed":
                completed.add(event["trial"])


def _unsound_failure(record: TrialRecord) -> str | None:
    result = record.result
    if result is None or result.status != "failed":
        return None
    if record.predictions_file is not None:
        return "it is said to have failed and has predictions"
    if record.effect is not None:
        return "it is said to have failed and has an effect"
    # how many networks there were is told where too many of them did not train
    blank = TrialResult(status="failed", num_heads=result.num_heads if result.lost else 0)
    measured = [name for name in MEASURED if getattr(result, name) != getattr(blank, name)]
    if measured:
        return f"it is said to have failed and has {', '.join(measured)}"
    return None if result.error else "it is said to have failed, and nothing says of what"


class _Sitting(NamedTuple):
    """began: at this time of day. earlier: seconds of the sittings before. prepared: seconds before
    its first event."""

    began: float = 0.0
    earlier: float = 0.0
    prepared: float = 0.0


def _unsound_cuts(events: Iterable[Event]) -> Iterator[Difference]:
    """Each cut must come when the time of its own sitting was over; a later one may lift it by a
    higher limit, and be cut again."""
    told, sitting, limit = Replay(), _Sitting(), None
    for event in events:
        what = None
        if event["type"] in ("opened", "resumed"):
            sitting = _Sitting(event["time"], told.state.wall_seconds)
        elif event["type"] == "phase" and event["phase"] == "prepare":
            sitting = sitting._replace(prepared=event["seconds"])
        elif event["type"] == "cut":
            limit = _hours(told)
            what = _unsound_cut(told.state, event, sitting)
        elif event["type"] == "retried" and event.get("lifts_cut"):
            what = _unsound_lift(told.cut_after, limit, _hours(told))
        if what is not None:
            yield Difference(where="cut", what=what)
        told.fold(event)


def _hours(told: Replay) -> float | None:
    opened = told.state.opened
    assert opened is not None, "a journal begins with `opened`"
    return opened.experiment.search.max_hours


def _unsound_lift(cut_after: int | None, then: float | None, now: float | None) -> str | None:
    if cut_after is None:
        return "the search is said to have more time, and had not been cut"
    if then is not None and now is not None and now <= then:
        return (
            f"the search went on after its cut with a limit of {now:g} hours, which is no more "
            f"than {then:g}"
        )
    return None


def _unsound_cut(state: SearchState, cut: Event, sitting: _Sitting) -> str | None:
    if state.cut_after is not None:
        return "the search was cut twice, and was given no more time between"
    assert state.opened is not None, "a journal begins with `opened`"
    config = state.opened.experiment
    limit, asked = config.search.max_hours, len(state.of_kind("trial"))
    if limit is None:
        return "the search was cut for lack of time, and its config has no search.max_hours"
    if cut["after"] != asked:
        return f"it is said to come after {cut['after']} trials; {asked} were asked for by then"
    elapsed = cut["time"] - sitting.began + sitting.prepared + START_SECONDS
    precision = state.opened.environment["precision"]
    deadline = Deadline(config, sitting.earlier, 0.0, lambda: elapsed, precision)
    for record in state.records:
        deadline.told(record)
    if deadline.passed():
        return None
    hours = (sitting.earlier + elapsed) / 3600
    return f"the search was cut after {hours:.2g} of {limit:g} hours, when there was time for more"


class JournaledAnswers(Mapping[int, Predictions]):
    """Sound answers by the trial's number; `take` adds a trial to them."""

    def __init__(self, run_dir: Path, dataset: Dataset) -> None:
        self._run_dir, self._dataset = run_dir, dataset
        self._records: dict[int, TrialRecord] = {}
        self._scored: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}

    def take(self, record: TrialRecord) -> Predictions:
        """Raises JournalError where its file is not the one that was journaled, or cannot be of
        this trial."""
        found = self._read(record)
        if fault := self._fault(found, record.spec.protocol):
            path = self._run_dir / predictions_name(record.trial)
            raise JournalError(f"{path} holds no predictions of this data set: {fault}")
        self._records[record.trial] = record
        return found

    def __getitem__(self, number: int) -> Predictions:
        return self._read(self._records[number])

    def __contains__(self, number: object) -> bool:
        return number in self._records

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def _read(self, record: TrialRecord) -> Predictions:
        return read_predictions(record, self._run_dir)

    def _fault(self, found: Predictions, protocol: Protocol) -> str | None:
        key = (protocol.folds, protocol.fold_seed, protocol.epochs is None)
        if key not in self._scored:
            self._scored[key] = scored_images(self._dataset, protocol)
        images, fold = self._scored[key]
        num_classes = len(self._dataset.class_names)
        if not np.array_equal(found.images, images) or not np.array_equal(found.fold, fold):
            return "they are not of the images and folds that its spec scores"
        if len(found.predicted) != len(protocol.head_seeds):
            return (
                f"they are of {len(found.predicted)} seeds, and its spec has "
                f"{len(protocol.head_seeds)}"
            )
        if found.predicted.max() >= num_classes:
            return f"class {found.predicted.max()} is given where there are {num_classes}"
        if found.log_probs is not None and found.log_probs.shape[2] != num_classes:
            count = found.log_probs.shape[2]
            return f"log_probs are of {count} classes where there are {num_classes}"
        return None
