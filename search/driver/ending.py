"""How a sitting of a search ended, whatever ended it: decided here, and written down here, once."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from data.files import StorageError
from data.messages import escaped, first_of
from data.secrets import redacted_here
from search.driver.ledger import Stopped
from search.driver.phases import SearchFailed
from search.execution.engine import Engine
from search.execution.failures import in_a_line
from search.journal.journal_file import JournalError
from search.journal.lock import LockedError
from search.journal.state import EventLog, SearchState
from search.report.wording import label_text

SittingOutcome = Literal["finished", "already finished", "stopped", "failed"]


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
    error: BaseException | None = None
    try:
        search()
        log.append("finished")
        return Ending("finished", log.state)
    except Stopped:
        outcome, reason = "stopped", "asked to stop"
    except SearchFailed as failure:  # no trial completed, or none can be compared with anything
        reason = redacted_here(str(failure))
    except KeyboardInterrupt as pressed:
        outcome, reason, error = "stopped", "interrupted", pressed
    except BaseException as raised:
        reason, error = redacted_here(in_a_line(raised)), raised
    finally:
        engine.cancel_running()
    is_ours = log.num_events > events and not isinstance(error, LockedError)
    state = _stopped(log, reason, outcome == "failed") if is_ours else log.state
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


def _stopped(log: EventLog, reason: str, failed: bool) -> SearchState:
    """The state once the journal says why; where the disk refuses the journal too, it says so
    itself, for the page and the tracker."""
    with contextlib.suppress(StorageError, JournalError):
        log.append("stopped", reason=reason, failed=failed)
        return log.state
    return log.state.model_copy(update={"stopped": reason, "has_failed": failed})
