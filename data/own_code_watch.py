"""Own code is tried in a thread that is watched, so that a call which never ends, or which leaves
threads behind, is told with its line before anything is spent. What a trial runs later is bounded
by `execution.trial_timeout_minutes`."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import chdir
from typing import TypeVar

from data.errors import UserError
from data.own_code import line_that_runs

Given = TypeVar("Given")

SAY_AFTER_SECONDS = 30.0  # of a call that may be well: it downloads weights, say
LINGER_SECONDS = 2.0  # for what a call has told to end

_LOG = logging.getLogger(__name__)


def watched(name: str, call: Callable[[], Given], most_seconds: float, key: str = "") -> Given:
    """What `call` gives back, which runs the code of FILE.py:NAME. key: of the setting that names
    it. Raises what it raises, and UserError where it takes longer or leaves a thread running."""
    done: Future[Given] = Future()
    thread = threading.Thread(target=_settle, args=(done, call), daemon=True, name=name)
    said = f"{key and f'{key}: '}{name}"
    with chdir("."):  # whatever it changes to is for itself alone
        thread.start()
        wait([done], min(SAY_AFTER_SECONDS, most_seconds))
        if not done.done() and most_seconds > SAY_AFTER_SECONDS:
            where = line_that_runs(name, thread.ident)
            _LOG.warning("%s: %sit runs for %g s already", said, where, SAY_AFTER_SECONDS)
            wait([done], most_seconds - SAY_AFTER_SECONDS)
        if not done.done():
            raise UserError(
                f"{said}: {line_that_runs(name, thread.ident)}it has not ended after "
                f"{most_seconds:g} s, when it was tried before the search; mend the line that it "
                "is at"
            )
    found = done.result()
    _refuse_threads(name, said)
    return found


def _settle(done: "Future[Given]", call: Callable[[], Given]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:
        done.set_exception(error)


def _refuse_threads(name: str, said: str) -> None:
    """Raise UserError where a thread still runs the code: nobody would end it."""
    for thread in threading.enumerate():
        if thread is threading.current_thread() or not line_that_runs(name, thread.ident):
            continue
        thread.join(LINGER_SECONDS)
        if where := line_that_runs(name, thread.ident):
            raise UserError(
                f"{said}: {where}it leaves a thread running there, which nobody ends; join what it "
                "starts before it returns"
            )
