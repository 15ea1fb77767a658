"""What no search writes into its journal, whatever came out of it: told from the journal and its config alone.

Numbers that follow from answers are `rehearsal`'s; the answers themselves `elsewhere`'s and `retraining`'s.
"""

from collections.abc import Iterator, Sequence

from search.driver.pacing import Deadline
from search.experiment.space import Space
from search.experiment.trial import TrialRecord, TrialResult
from search.journal.comparison import Comparison, Difference
from search.journal.journal_file import Event
from search.journal.state import SearchState, replay
from search.verification.reopening import JOURNAL, Run

START_SECONDS = 120.0  # the longest a sitting took before its first event, and clocks differ
MEASURED = ("score", "metrics", "optimistic_metrics", "best_epochs", "curve", "validation_hash", "num_heads")


def unsound(run: Run) -> Iterator[Difference]:
    """Where the journal contradicts its own config or itself."""
    yield from _unlike_config(run)
    yield from _said_twice(run.events)
    for record in run.state.records:
        if (what := _unsound_failure(record)) is not None:
            yield Difference(where=f"trial {record.trial}", what=what)
    cuts = [place for place, event in enumerate(run.events) if event["type"] == "cut"]
    if len(cuts) > 1:
        yield Difference(where="cut", what=f"the search was cut {len(cuts)} times; it can be cut once")
    elif cuts and (what := _unsound_cut(run, run.events[: cuts[0]], run.events[cuts[0]])) is not None:
        yield Difference(where="cut", what=what)


def unfinished(state: SearchState) -> Iterator[Difference]:
    """What is handed in must have come to its end."""
    if state.finished_at is None:
        why = f": {state.stopped}" if state.stopped else ""
        yield Difference(
            where=JOURNAL, what=f"the search did not finish{why}; only finished searches are bundled"
        )


def _unlike_config(run: Run) -> Iterator[Difference]:
    comparison, config, opened = Comparison(), run.config, run.opened
    fixed = {name: value for part in Space.of(config).fixed.values() for name, value in part.items()}
    written = {name: fixed.get(name) for name in opened.fixed}  # the config has every default beside
    comparison.check("fixed", opened.fixed, written)
    comparison.check("name", opened.name, config.name)
    wanted, used = config.execution.precision, opened.environment.get("precision")
    if wanted != "auto" and used is not None:
        comparison.check("environment: precision", used, wanted)
    yield from comparison.differences


def _said_twice(events: Sequence[Event]) -> Iterator[Difference]:
    """A failed trial may be tried again; nothing else is asked for or told twice."""
    asked: set[int] = set()
    completed: set[int] = set()
    for event in events:
        if event["type"] == "asked":
            number = event["record"]["trial"]
            if number in asked:
                yield Difference(where=f"trial {number}", what="it is asked for twice in the journal")
            asked.add(number)
        elif event["type"] == "told":
            if event["trial"] in completed:
                yield Difference(where=f"trial {event['trial']}", what="it has two answers in the journal")
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
    blank = TrialResult(status="failed")
    measured = [name for name in MEASURED if getattr(result, name) != getattr(blank, name)]
    if measured:
        return f"it is said to have failed and has {', '.join(measured)}"
    return None if result.error else "it is said to have failed, and nothing says of what"


def _unsound_cut(run: Run, before: Sequence[Event], cut: Event) -> str | None:
    limit = run.config.search.max_hours
    if limit is None:
        return "the search was cut for lack of time, and its config has no search.max_hours"
    state = replay(before)
    asked = len(state.of_kind("trial"))
    if cut["after"] != asked:
        return f"it is said to come after {cut['after']} trials; {asked} were asked for by then"
    begun = max(place for place, event in enumerate(before) if event["type"] in ("opened", "resumed"))
    elapsed = cut["time"] - before[begun]["time"] + _prepared(before[begun:]) + START_SECONDS
    earlier = replay(before[:begun]).wall_seconds if begun else 0.0
    deadline = Deadline(run.config, earlier, 0.0, lambda: elapsed)
    for record in state.records:
        deadline.told(record)
    if deadline.passed():
        return None
    return f"the search was cut after {(earlier + elapsed) / 3600:.2g} of {limit:g} hours, when there was time for more"


def _prepared(events: Sequence[Event]) -> float:
    """Seconds that the sitting took before its first event."""
    return next((e["seconds"] for e in events if e["type"] == "phase" and e["phase"] == "prepare"), 0.0)
