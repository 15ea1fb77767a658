"""Sending off the critical path: one background thread that always sends the newest view of a
search, and what is said when it could not. Knows nothing of MLflow; `project` is any function that
sends a view, or None for what is heard of running trials alone, and says whether it could."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from data.errors import UserError
from data.messages import first_of, plural
from data.secrets import without_secrets_of
from search.report.view import SearchView

REASONS = (
    (r"connection refused|actively refused|ECONNREFUSED", "nothing answers there"),
    (r"name or service not known|name resolution|getaddrinfo", "no such host"),
    (r"timed out|timeout", "no answer in time"),
    (
        r"\b401\b|unauthorized|\b403\b|forbidden|permission_denied",
        "access denied; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
        "MLFLOW_TRACKING_TOKEN",
    ),
    (r"database is locked", "the database is locked by another program"),
    (
        r"out-of-date database schema",
        "the database is of another MLflow version; run `mlflow db upgrade`",
    ),
)

REST_SECONDS = 1.0


@dataclass(frozen=True)
class TrackingStatus:
    """How far MLflow is behind the journal.

    sent, unsent: of the trials that have ended. reason: None where nothing is wrong. left_out:
    files that are links or no regular files, by their names in the run directory. remark: what
    else is to be said.
    """

    where: str
    sent: int = 0
    unsent: int = 0
    reason: str | None = None
    left_out: tuple[str, ...] = ()
    remark: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing there."""
        return self.reason is None and not self.unsent

    def __str__(self) -> str:
        if self.unsent:
            return (
                f"{plural(self.unsent, 'trial')} not sent to MLflow at {self.where}: "
                f"{self.reason or 'still sending'}"
            )
        rest = f"; the rest was not sent: {self.reason}" if self.reason else ""
        if self.left_out:
            rest += f"; left out, as links or no regular files: {first_of(self.left_out)}"
        rest += f"; {self.remark}" if self.remark else ""
        return f"{plural(self.sent, 'trial')} in MLflow at {self.where}{rest}"


def sending_error_text(error: Exception, uri: str = "") -> str:
    """Why sending to `uri` failed, in a few words and without its secrets."""
    text = " ".join(without_secrets_of(str(error), uri).split())
    if isinstance(error, UserError):
        return text
    for pattern, words in REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return words
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


class Sender:
    """A thread that calls `project` with the newest view submitted, and tries again where that
    failed.

    Holds one view at most: a slow server makes it skip views, never pile them up. A view holds all
    the trials before it, so that skipping loses nothing. After each attempt it rests: trials may
    end by the hundred a second.
    """

    def __init__(self, project: Callable[[SearchView | None], bool], retry_seconds: float) -> None:
        self._project, self._retry_seconds = project, retry_seconds
        self._changed = threading.Condition()
        self._pending: SearchView | None = None
        self._nudged = False
        self._not_before = 0.0
        self._closing = False
        # A daemon: a server that hangs must not keep a finished search from exiting.
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def submit(self, view: SearchView) -> None:
        """Returns at once. Replaces a view that is still waiting."""
        with self._changed:
            self._pending = view
            self._changed.notify()

    def nudge(self) -> None:
        """Something has happened in a trial. Returns at once."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def close(self, timeout: float) -> bool:
        """Tries once more to send what is waiting; whether the thread ended within `timeout`
        seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            with self._changed:
                view, self._pending, self._nudged = self._pending, None, False
            sent = self._project(view)
            with self._changed:
                rest = REST_SECONDS if sent else self._retry_seconds
                self._not_before = time.monotonic() + rest
                if not sent and not self._closing:
                    self._put_back(view)

    def _wait(self) -> bool:
        """Waits for something to send whose turn has come. False when closing and nothing is
        waiting."""
        with self._changed:
            while not self._closing:
                wait = self._not_before - time.monotonic()
                waiting = self._pending is not None or self._nudged
                if waiting and wait <= 0:
                    break
                self._changed.wait(max(wait, 0.0) if waiting else None)
            return self._pending is not None or self._nudged

    def _put_back(self, view: SearchView | None) -> None:
        """After a failure, to be tried again; a newer view holds all that this one does."""
        if view is None:
            self._nudged = True
        elif self._pending is None:
            self._pending = view
