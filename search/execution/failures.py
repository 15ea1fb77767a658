"""What can go wrong with a trial, named in one line and sorted by what to do about it. Starts
nothing.

Importing this must stay cheap and load no numerical library: a worker does so before it sets its
thread counts.
"""

import os
import re
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.errors import UserError, said_by
from data.files import StorageError, is_storage_failure, storage_error
from data.messages import text_of, without_colours
from data.secrets import redacted_here

if TYPE_CHECKING:
    from search.experiment.trial import Outcome, Resources, TrialResult, TrialSpec

MAX_TRACEBACK_CHARACTERS = 20_000
REASON_CHARACTERS = 500

# By name, since TensorFlow is not imported here: it ran out of memory, or the device had a fault of
# its own.
_MACHINE_ERROR_NAMES = {"ResourceExhaustedError", "UnavailableError", "InternalError"}
# By their words, where libraries raise errors of other kinds for it: no memory, threads, processes
# or open files left.
_MACHINE_WORDS = re.compile(
    r"can't (start|allocate)|cannot allocate|out of memory|insufficient memory|bad_alloc|failed to "
    r"map segment|"
    r"resource temporarily unavailable|too many open files|thread constructor failed",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Failure:
    """Why a trial gave no result.

    kind: "trial" would fail again the same way; "user" too, until the user mends it; "machine" may
    not, and is worth another attempt; "storage" ends the search until somebody mends the disk.
    reason: one line. errno: of the operating system, for "storage".
    """

    kind: Literal["trial", "user", "machine", "storage"]
    reason: str
    traceback: str | None = None
    errno: int = 0


CANCELLED = Failure("trial", "cancelled")


def guarded(
    run: "Callable[[TrialSpec, Resources], Outcome]", spec: "TrialSpec", resources: "Resources"
) -> "Outcome | Failure":
    """Runs one trial; whatever it raises, sys.exit too, comes back as a Failure. Other
    BaseExceptions (Ctrl-C) pass through."""
    try:
        return run(spec, resources)
    except (Exception, SystemExit) as error:
        return classify(error)


def classify(error: BaseException) -> Failure:
    """The failure that an exception of a trial stands for, without secrets: none is known once a
    text is cut."""
    trace = redacted_here("".join(traceback.format_exception(error)))[-MAX_TRACEBACK_CHARACTERS:]
    if is_storage_failure(error):
        return Failure("storage", _storage_reason(error), trace, getattr(error, "errno", 0))
    first_line = (redacted_here(without_colours(said_by(error))).strip().splitlines() or [""])[0]
    reason = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    if isinstance(error, SystemExit):
        reason = exit_text(error)
    if isinstance(error, UserError):
        return Failure("user", reason, trace)
    return Failure("machine" if is_lack(error) else "trial", reason, trace)


def exit_text(error: SystemExit) -> str:
    """With the line that called sys.exit or `exit`: no code of this program's does."""
    frames = traceback.extract_tb(error.__traceback__)
    called = [each for each in frames if "_sitebuiltins" not in each.filename]
    where = f" ({called[-1].filename}, line {called[-1].lineno})" if called else ""
    return f"SystemExit: {error.code}{where}"


def in_a_line(error: BaseException) -> str:
    """What went wrong, for people; with the exception's name where its text was not written for
    them."""
    text = text_of(error, REASON_CHARACTERS)
    named = text if isinstance(error, ValueError | OSError) and text else ""
    return named or (f"{type(error).__name__}: {text}" if text else type(error).__name__)


def is_lack(error: BaseException) -> bool:
    """Whether the machine refused something (memory, threads, files), whatever the exception it
    comes as."""
    names = {kind.__name__ for kind in type(error).__mro__}
    by_kind = isinstance(error, OSError | MemoryError | SystemError) or names & _MACHINE_ERROR_NAMES
    return bool(by_kind or _MACHINE_WORDS.search(said_by(error)))


def _storage_reason(error: BaseException) -> str:
    if isinstance(error, StorageError) or not isinstance(error, OSError):
        return str(error)
    path = Path(error.filename) if isinstance(error.filename, str | os.PathLike) else Path("logs")
    return str(storage_error(error, "a trial's files", path, "every trial that was told"))


def describe_exit(code: int | None) -> str:
    """How a worker process ended, for people. code: as multiprocessing gives it, minus a signal's
    number."""
    if code is None:
        return "the worker process disappeared"
    if code >= 0:
        return f"the worker process exited with status {code} in the middle of the trial"
    if code == -signal.SIGKILL:
        return "the worker process was killed (SIGKILL), as the system does when memory runs out"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the worker process was ended by {name}"


def failure_streak(results: "Sequence[TrialResult]", limit: int) -> str | None:
    """The one sentence to stop with, where the last `limit` results (in the order told) failed for
    one cause.

    A pure function of the results, so that a resumed search stops where an undisturbed one does.
    """
    last = results[-limit:]
    if limit < 1 or len(last) < limit or any(result.status != "failed" for result in last):
        return None
    if len({_cause(result.error) for result in last}) > 1:
        return None
    log = f"; see {last[-1].log_path}" if last[-1].log_path else ""
    return f"{limit} trials in a row failed for the same reason: {last[-1].error}{log}"


def _cause(error: str | None) -> str:
    """An error without what differs from one occurrence to the next: numbers, addresses."""
    return re.sub(r"0x[0-9a-f]+|\d+", "#", error or "")
