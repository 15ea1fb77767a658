"""The one gate through which a run directory is read, whoever wrote it.

Behind `read_journal` every value has its type and lies in a range that means something, and the
events are of one search (`event_checks`). What is true is another question: `verify` finds that out
by computing it again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from data.errors import UserError
from data.files import read_regular
from data.messages import escaped
from search.driver.event_checks import check_events
from search.experiment.config import ExperimentConfig
from search.journal.events import Opened
from search.journal.journal_file import (
    MOST_JOURNAL_BYTES,
    Event,
    JournalError,
    encode,
    parse,
    require_format,
)
from search.journal.run_dir import JOURNAL
from search.journal.state import SearchState, first_fault, payload_of, place_of, replay


class JournalLimits(NamedTuple):
    """How much of a journal is read. Of JSON a mapping of one takes eight bytes to write and some
    three hundred to hold. sittings: `resumed` events, each of which may give a config again."""

    num_bytes: int
    events: int
    containers: int
    values: int
    asked: int
    sittings: int


# Ten thousand trials of sixty epochs leave 64 MB, 20,000 events, 300,000 lists and mappings and
# three million values.
OWN = JournalLimits(MOST_JOURNAL_BYTES, 800_000, 4_000_000, 30_000_000, 400_000, 10_000)
# Of somebody else, on a grader's machine: some four thousand such trials, in 2 GB of memory.
GRADED = JournalLimits(1 << 25, 100_000, 500_000, 1_500_000, 12_000, 300)

MOST_DEPTH, MOST_TEXT = 24, 100_000
LARGEST_WHOLE, LARGEST = 2**53, 3.5e38  # what a float64 counts exactly, and what float32 reaches
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Run:
    """What a run directory's journal holds. warning: of a torn last line that was left out."""

    events: tuple[Event, ...]
    state: SearchState
    opened: Opened
    warning: str | None = None

    @property
    def config(self) -> ExperimentConfig:
        return self.opened.experiment


def open_run(run_dir: Path, limits: JournalLimits = OWN) -> Run:
    """Raises UserError where there is no search, JournalError (one too) where the journal is not
    one that a search writes."""
    if not (run_dir / JOURNAL).exists():
        raise UserError(f"{run_dir} holds no {JOURNAL}; name a directory that a search was run in")
    try:
        return run_of(*read_journal(run_dir, limits))
    except JournalError as error:
        place = "" if str(run_dir) in str(error) else f"{run_dir}: "
        raise JournalError(f"{place}{error}") from error


def run_of(events: tuple[Event, ...], warning: str | None) -> Run:
    """Raises UserError where nothing was journaled yet."""
    state = replay(events)
    if state.opened is None:
        raise UserError(
            "this search was stopped before its first event; there is nothing in it yet"
        )
    return Run(events, state, state.opened, warning)


def read_journal(
    run_dir: Path, limits: JournalLimits = OWN
) -> tuple[tuple[Event, ...], str | None]:
    """Every event, and a warning where a torn last line was left out. Raises JournalError."""
    content = _content(run_dir, limits)
    contents = parse(content, run_dir / JOURNAL)
    require_format(contents.events, run_dir)
    at = 0
    for event in contents.events:
        end = content.find(b"\n", at)
        line = content[at : end if end >= 0 else None]
        _check_event(event, line)
        at += len(line) + 1
    most = {"asked": limits.asked, "resumed": limits.sittings, "retried": limits.sittings}
    check_events(contents.events, most)
    return contents.events, contents.warning


def _content(run_dir: Path, limits: JournalLimits) -> bytes:
    """The journal's bytes, counted before anything is made of them."""
    path = run_dir / JOURNAL
    try:
        content = read_regular(path, limits.num_bytes, within=run_dir)
    except UserError as error:
        raise JournalError(f"{error}; restore it") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise JournalError(f"cannot read {JOURNAL}: {reason}; make it readable") from error
    for what, count, most in (
        ("lines", content.count(b"\n"), limits.events),
        ("lists and mappings", content.count(b"[") + content.count(b"{"), limits.containers),
        ("values", content.count(b","), limits.values),
    ):
        if count > most:
            raise JournalError(f"{JOURNAL} holds {count:,} {what}; at most {most:,} are read")
    return content


def _check_event(event: Event, line: bytes) -> None:
    """The line is just what this event is written as, and each of its fields has the type that it
    is written with."""
    place = place_of(event)
    for value, depth in _values(event):
        if fault := _fault_of(value, depth):
            raise JournalError(f"{place}: {fault}")
    try:
        written = encode(event)
    except ValueError as error:
        raise JournalError(f"{place}: it holds a number that JSON does not know") from error
    if written.rstrip(b"\n") != line:
        raise JournalError(f"{place}: it is not spelled as a journal spells it")
    try:
        payload_of(event).model_validate_json(line, strict=True)
    except ValidationError as error:
        raise JournalError(f"{place}: {first_fault(error)}") from error


def _values(event: Event) -> Iterator[tuple[Any, int]]:
    """Every value and key within, with its depth, and of a list of floats the largest; without
    recursion, which depth could exhaust."""
    open_ones: list[Iterator[Any]] = [iter((event,))]
    while open_ones:
        for value in open_ones[-1]:
            yield value, len(open_ones) - 1
            if isinstance(value, dict):
                open_ones.append(chain.from_iterable(value.items()))
                break
            if isinstance(value, list) and value:
                is_curve = set(map(type, value)) == {float}
                open_ones.append(iter((max(value, key=abs),) if is_curve else value))
                break
        else:
            open_ones.pop()


def _fault_of(value: object, depth: int) -> str | None:
    if depth > MOST_DEPTH:
        return f"its values are nested more than {MOST_DEPTH} deep"
    if isinstance(value, str):
        if len(value) > MOST_TEXT:
            return f"a text of {len(value)} letters; allowed: {MOST_TEXT}"
        if _NO_TEXT.search(value):
            return f"{escaped(value[:40])!r} is no text"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        most = LARGEST_WHOLE if isinstance(value, int) else LARGEST
        if not abs(value) <= most:
            return f"a number beyond {most:g}"
    return None
