"""A sitting of a search: what a phase is, how phases are run one after the other, timed and
concluded, and how it ended, whatever ended it: decided here, and written down here, once. Which
phases there are is `session`'s."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data.files import StorageError
from data.messages import escaped, first_of
from data.secrets import redacted_here
from search.driver.ledger import Stopped
from search.driver.looking import looks_declared
from search.driver.phases import Context, Knowledge, SearchFailed
from search.driver.prepare import Prepared
from search.driver.retries import way_on
from search.evidence.findings import Evidence
from search.execution.engine import Engine
from search.execution.failures import in_a_line
from search.experiment.settings import Frozen
from search.guests.guest import Guest
from search.journal.events import WayOn
from search.journal.journal_file import JournalError
from search.journal.lock import LockedError
from search.journal.state import EventLog, SearchState, SittingOutcome
from search.report.wording import label_text

if TYPE_CHECKING:
    from search.report.terminal import Progress


@dataclass(frozen=True)
class SearchPhase:
    """One part of a search. run: asks for its trials and has them told, from what is known so far.
    conclude: what follows, one value, journaled as an event of type `event`; None: nothing does.
    is_due: whether an experiment has this phase. num_trials: as far as it is known before."""

    name: str
    run: Callable[[Context, Knowledge], Knowledge]
    event: str | None = None
    conclude: Callable[[Context, Knowledge], Frozen | None] | None = None
    is_due: Callable[[Prepared], bool] = lambda prepared: True
    num_trials: Callable[[Prepared], int | None] = lambda prepared: None


def phase_of(guest: Guest[Any]) -> SearchPhase:
    """A guest's, which hands on nothing."""
    return SearchPhase(guest.name, lambda context, known: known, guest.name, guest.conclude)


def run_phases(
    phases: Sequence[SearchPhase],
    context: Context,
    log: EventLog,
    progress: "Progress",
    show: Callable[[], None],
) -> None:
    """Every phase that is due, in order; each conclusion is journaled once. Run again on the
    journal of an interrupted search it does the same. show: called after each.

    Raises Stopped where it was asked to stop, SearchFailed where it cannot go on.
    """
    known = Knowledge(evidence=Evidence(looks=looks_declared(context.config)))
    if known.evidence.looks:
        log.conclude("evidence", known.evidence)
    for phase in phases:
        if not phase.is_due(context.prepared):
            continue
        progress.phase(phase.name, phase.num_trials(context.prepared))
        with _timed(phase.name, log, show):
            known = phase.run(context, known)
            if phase.conclude is not None and phase.event is not None:
                conclusion = phase.conclude(context, known)
                if conclusion is not None:
                    log.conclude(phase.event, conclusion)
                if isinstance(conclusion, Evidence):
                    known = replace(known, evidence=conclusion)


@contextmanager
def _timed(name: str, log: EventLog, show: Callable[[], None]) -> Iterator[None]:
    """Journals what a phase took, where anything happened in it."""
    start, events = time.monotonic(), log.num_events
    try:
        yield
    finally:
        if log.num_events > events:
            log.append("phase", phase=name, seconds=round(time.monotonic() - start, 3))
        show()


@dataclass(frozen=True)
class Ending:
    """stopped: somebody asked for it. failed: the search could not go on. is_ours: it had begun and
    nobody took the directory over, so that its files may be touched. error: what is raised once all
    is put away: the user or the machine has something to mend, or this program has a fault."""

    outcome: SittingOutcome
    state: SearchState
    is_ours: bool = True
    reason: str | None = None
    error: BaseException | None = None


def ended(search: Callable[[], None], log: EventLog, engine: Engine) -> Ending:
    """Runs a search to the end of a sitting, decides what end that is, and writes it down: here and
    nowhere else. What still runs is cancelled at once. Raises nothing."""
    events = log.num_events
    outcome: SittingOutcome = "failed"
    way: WayOn = "mend"
    error: BaseException | None = None
    try:
        search()
        log.append("finished")
        return Ending("finished", log.state)
    except Stopped:
        outcome, reason = "stopped", "on request"
    except SearchFailed as failure:  # no trial completed, or none can be compared with anything
        reason, way = redacted_here(str(failure)), way_on(log.state, failure.may_pass)
    except KeyboardInterrupt as pressed:
        outcome, reason, error = "stopped", "interrupted", pressed
    except BaseException as raised:
        reason, error = redacted_here(in_a_line(raised)), raised
    finally:
        engine.cancel_running()
    is_ours = log.num_events > events and not isinstance(error, LockedError)
    state = _stopped(log, reason, outcome == "failed", way) if is_ours else log.state
    return Ending(outcome, state, is_ours, reason, error)


def cut_off(state: SearchState) -> str | None:
    """Of a search that nobody is at: that its last sitting ended without writing down why, and at
    which trials; None where it did, or the search is over."""
    if state.opened is None or state.stopped is not None or state.finished_at is not None:
        return None
    asked = [
        f"trial {r.trial} ({escaped(label_text(r))})"
        for r in state.records
        if r.result is None and r.duplicate_of is None
    ]
    where = f" with {first_of(asked)} under way" if asked else ""
    return (
        f"the last sitting ended without closing{where}: it was killed, or code of your own ended "
        "the program; what was told before is kept"
    )


def _stopped(log: EventLog, reason: str, failed: bool, way: WayOn) -> SearchState:
    """The state once the journal says why; where the disk refuses the journal too, it says so
    itself, for the page and the tracker."""
    with contextlib.suppress(StorageError, JournalError):
        log.append("stopped", reason=reason, failed=failed, way_on=way)
        return log.state
    update = {"stopped": reason, "has_failed": failed, "way_on": way}
    return log.state.model_copy(update=update)
