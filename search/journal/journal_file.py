"""The journal: an append-only file of events, one JSON object per line, on disk before anybody acts
on it.

A line is `{"crc":"89abcdef",` followed by the event's canonical JSON (sorted keys, ASCII, no
spaces, no NaN) without its opening brace; the crc is zlib's CRC-32 of that canonical JSON. `seq`
counts from 0. What the events mean is `state`; who may write is `lock`.
"""

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data.errors import UserError
from data.files import StorageError, flush_folder, storage_error, storing

Event = dict[str, Any]

# said with another way before it
FRESH = "--fresh, which deletes the search kept there (its trials, page and model)"

MOST_JOURNAL_BYTES = 1 << 29
# Raised where what the events hold, or what follows from it, changes: an older journal is refused.
JOURNAL_FORMAT = 3

_HEAD = b'{"crc":"'
_BODY_STARTS = len(_HEAD) + 8 + len(b'",')
OWN_FIELDS = {"crc", "seq", "time", "type"}


class JournalError(UserError):
    """The journal is damaged, or is not one. The message names the line."""


class OtherVersion(UserError):
    """Another version of this program wrote the journal."""


def require_format(events: Sequence[Event], where: object) -> None:
    """Raises OtherVersion where another version of this program wrote these events."""
    opened = events[0].get("opened") if events and events[0]["type"] == "opened" else None
    if isinstance(opened, dict) and opened.get("format") != JOURNAL_FORMAT:
        raise OtherVersion(
            f"{where} holds a search begun by another version of this program; go on with that "
            f"version, choose another --run-dir, or start anew with {FRESH}"
        )


class Contents(NamedTuple):
    """What a journal holds. sound_bytes: how much of the file that is; the rest is a torn last
    line."""

    events: tuple[Event, ...]
    warning: str | None
    sound_bytes: int


def read(path: Path) -> tuple[tuple[Event, ...], str | None]:
    """Every event, oldest first, and a warning where a torn last line was left out.

    Raises JournalError for any other damage, and for a file that is missing or cannot be read.
    """
    contents = parse(_load(path), path)
    require_format(contents.events, path.parent)
    return contents.events, contents.warning


def parse(content: bytes, path: Path) -> Contents:
    """The events in a journal's bytes; `path` is for messages. Raises JournalError naming the
    damaged line.

    Torn, and so dropped, is only what a crash in the middle of a write can leave: a last line
    without its end, or one where the disk has zeros instead of what was written. Its event was
    never acknowledged.
    """
    *lines, rest = content.split(b"\n")
    events: list[Event] = []
    sound_bytes = 0
    for number, line in enumerate(lines, start=1):
        last = number == len(lines) and not rest
        event = _decode(line, len(events))
        if event is None and last and b"\0" in line:
            return Contents(tuple(events), _torn(path, number), sound_bytes)
        if event is None:
            raise JournalError(_damaged(path, number, line, len(events)))
        events.append(event)
        sound_bytes += len(line) + 1
    if not rest:
        return Contents(tuple(events), None, sound_bytes)
    event = _decode(rest, len(events))
    if event is None:
        return Contents(tuple(events), _torn(path, len(lines) + 1), sound_bytes)
    # whole but for its newline: an editor took that
    return Contents((*events, event), None, len(content))


def is_begun(beginning: bytes | None) -> bool:
    """Whether a file that begins so holds an event that was written, damaged as it may be, or saved
    as UTF-16 by an editor."""
    return _HEAD in (beginning or b"").replace(b"\0", b"")


def is_unbegun(content: bytes) -> bool:
    """Whether this is what a crash before or in the middle of writing the first event can leave,
    too little to be known as one: nothing, zeros, or how every event begins."""
    return _HEAD.startswith(content.rstrip(b"\0"))


def encode(event: Mapping[str, Any]) -> bytes:
    """The line of an event, crc and newline included; a `crc` in the event is replaced.

    Raises ValueError for NaN or infinity, TypeError for what JSON cannot hold.
    """
    fields = {name: value for name, value in event.items() if name != "crc"}
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode(
        "ascii"
    )
    return _HEAD + b'%08x",' % zlib.crc32(body) + body[1:] + b"\n"


class Journal:
    """A journal open for appending, by one thread of one process that holds the run directory's
    lock.

    events: what it held when it was opened. warning: set where a torn last line was dropped, which
    is also cut off the file. Raises JournalError where the file is damaged, StorageError where it
    cannot be written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        contents = parse(_load(path) if path.exists() else b"", path)
        self.events = contents.events
        self.warning = contents.warning
        self._next_seq = len(contents.events)
        self._size = contents.sound_bytes
        self._failure: StorageError | None = None
        with storing("the journal", path, kept="the journal as it was"):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._mend_end()

    def append(self, kind: str, /, **payload: Any) -> Event:
        """Adds an event of that type and returns it, just as a later reading will, once it is on
        the disk.

        Raises ValueError or TypeError for what JSON cannot hold (NaN too) and JournalError where
        somebody else has changed the file, with nothing written; StorageError where the disk
        refuses, with the event taken back as far as the disk allows. After a StorageError nothing
        more is accepted: what the disk holds is only known by opening the journal again.
        """
        if clash := OWN_FIELDS & payload.keys():
            raise ValueError(f"an event's payload cannot be called {', '.join(sorted(clash))}")
        if self._failure is not None:
            raise self._failure
        event = {**payload, "seq": self._next_seq, "time": self._clock(), "type": kind}
        line = encode(event)
        self._check_unchanged()
        try:
            self._write(line)
        except OSError as error:
            self._take_back()
            kept = f"its {self._next_seq} events so far"
            self._failure = storage_error(error, "the journal", self.path, kept)
            raise self._failure from error
        except BaseException:  # Ctrl-C: the event is not in the journal, and the next one may be
            self._take_back()
            raise
        self._next_seq, self._size = self._next_seq + 1, self._size + len(line)
        return _decoded(line)

    def close(self) -> None:
        """Closes the file; every event is on the disk already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: bytes) -> None:
        written = 0
        while written < len(line):
            written += os.write(self._descriptor, line[written:])
        os.fsync(self._descriptor)

    def _mend_end(self) -> None:
        """Cuts a torn last line off, gives a whole one its newline, flushes the file and its name
        to disk."""
        if self._size < os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, self._size)
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._size += os.write(self._descriptor, b"\n")
        os.fsync(self._descriptor)
        flush_folder(self.path.parent)

    def _take_back(self) -> None:
        """Removes what a failed write left."""
        # a torn line remains then, and the next opening drops it
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)

    def _check_unchanged(self) -> None:
        """Writing after somebody else's lines, or into a removed file, would lose events without a
        word."""
        found = os.fstat(self._descriptor)
        if found.st_nlink == 0 or found.st_size != self._size:
            change = "removed" if found.st_nlink == 0 else "changed by another process"
            raise JournalError(
                f"the journal {self.path} was {change} during this search; nothing more is written "
                "to it. "
                f"End the other process, then run the same command again"
            )


def _load(path: Path) -> bytes:
    """Bounded: a search of ten thousand trials leaves a tenth of it."""
    try:
        if path.exists() and not path.is_file():
            raise JournalError(
                f"{path} is not a journal: a file is needed; choose another run directory"
            )
        size = path.stat().st_size
        if size > MOST_JOURNAL_BYTES:
            raise JournalError(
                f"{path} has {size} bytes, and no search leaves more than {MOST_JOURNAL_BYTES}; "
                "restore the journal, or choose another run directory"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise JournalError(
            f"{path} does not exist; name a directory that a search was run in"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise JournalError(f"cannot read the journal {path}: {reason}; make it readable") from error


def _decode(line: bytes, expected_seq: int) -> Event | None:
    """The event of a line without its newline, or None where the line is not exactly as it was
    written."""
    if line[:_BODY_STARTS] != _HEAD + b'%08x",' % zlib.crc32(b"{" + line[_BODY_STARTS:]):
        return None
    try:
        event = _decoded(line)
    except (ValueError, RecursionError):
        return None
    if not _is_event(event) or event["seq"] != expected_seq:
        return None
    return event


def _decoded(line: bytes) -> Event:
    return json.loads(b"{" + line[_BODY_STARTS:], parse_constant=_refuse_constant)


def _is_event(event: Any) -> bool:
    """Types are compared exactly, since True == 1 and 1.0 == 1 would let another writer's line
    pass."""
    wanted = {"seq": (int,), "time": (int, float), "type": (str,)}
    return isinstance(event, dict) and all(
        type(event.get(name)) in kinds for name, kinds in wanted.items()
    )


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number JSON knows")


def _torn(path: Path, number: int) -> str:
    return (
        f"the last line ({number}) of {path} is incomplete, as a crash leaves it, and is left out"
    )


def _damaged(path: Path, number: int, line: bytes, expected_seq: int) -> str:
    if not line.startswith(_HEAD):
        fault = "it is not a line of a journal"
    elif line[:_BODY_STARTS] != _HEAD + b'%08x",' % zlib.crc32(b"{" + line[_BODY_STARTS:]):
        fault = "its checksum does not match its content"
    else:
        fault = f"it is not event {expected_seq}, which belongs there"
    return (
        f"line {number} of {path} is damaged: {fault}. The journal is not changed. Restore it from "
        "a copy, "
        f"choose another --run-dir, or start again with {FRESH}"
    )
