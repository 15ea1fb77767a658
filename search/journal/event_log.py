"""The journal together with the state it describes, kept in step as events are appended."""

from pathlib import Path
from typing import Any

from search.experiment.trial import TrialRecord
from search.journal.journal_file import Event, Journal
from search.journal.state import Replay, SearchState


class EventLog:
    """An open journal and its state. Raises JournalError where the file is damaged, StorageError
    where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._replay = Replay(self._journal.events)
        self._past = self._journal.events
        self.num_events = len(self._past)
        last = max(
            (n for n, event in enumerate(self._past) if event["type"] == "retried"), default=-1
        )
        self._past = self._past[last + 1 :]

    @property
    def path(self) -> Path:
        return self._journal.path

    @property
    def warning(self) -> str | None:
        return self._journal.warning

    @property
    def state(self) -> SearchState:
        return self._replay.state

    @property
    def cut_after(self) -> int | None:
        """As `state.cut_after`, which costs what the state's trials cost to put together: asked for
        before each of them."""
        return self._replay.cut_after

    def append(self, kind: str, /, **payload: Any) -> Event:
        """On the disk before it returns, and then part of the state."""
        event = self._journal.append(kind, **payload)
        self._replay.fold(event)
        self.num_events += 1
        if kind == "retried":  # what was concluded before is concluded again
            self._past = ()
        return event

    def holds(self, kind: str, key: str, value: Any) -> bool:
        """Whether an event of an earlier sitting, since trials were last tried again, says just
        this."""
        return any(event["type"] == kind and event.get(key) == value for event in self._past)

    def withdrawn(self, number: int) -> TrialRecord | None:
        """What stood under a number before trials were tried again."""
        return self._replay.withdrawn.get(number)

    def close(self) -> None:
        self._journal.close()
