"""How a sitting of a search ended, whatever ended it: decided here, and written down once."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from data.files import StorageError
from search.driver.ledger import Stopped
from search.driver.phases import SearchFailed
from search.journal.event_log import EventLog
from search.journal.journal_file import JournalError
from search.journal.state import SearchState

Outcome = Literal["finished", "already finished", "stopped", "failed"]
REASON_CHARACTERS = 500


@dataclass(frozen=True)
class Ending:
    """stopped: somebody asked for it. failed: the search could not go on. error: what is raised
    once all is put away: the user or the machine has something to mend, or this program has a
    fault."""

    outcome: Outcome
    reason: str | None = None
    error: BaseException | None = None


def ending_of(sitting: Callable[[], None]) -> Ending:
    """Runs a sitting to its end, and raises nothing."""
    try:
        sitting()
    except Stopped:
        return Ending("stopped", "asked to stop")
    except SearchFailed as error:
        return Ending("failed", str(error))
    except KeyboardInterrupt as error:
        return Ending("stopped", "interrupted", error)
    except BaseException as error:
        return Ending("failed", in_a_line(error), error)
    return Ending("finished")


def write_down(ending: Ending, log: EventLog) -> SearchState:
    """Journals why a sitting that has begun ended before its search, and returns the state with it;
    where the disk refuses the journal too, only that: the page and the tracker still say so."""
    if log.state.finished_at is not None and ending.outcome == "finished":
        return log.state
    failed = ending.outcome == "failed"
    with contextlib.suppress(StorageError, JournalError):
        log.append("stopped", reason=ending.reason, failed=failed)
        return log.state
    return log.state.model_copy(update={"stopped": ending.reason, "has_failed": failed})


def in_a_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:REASON_CHARACTERS]
    named = text if isinstance(error, ValueError | OSError) and text else ""
    return named or (f"{type(error).__name__}: {text}" if text else type(error).__name__)
