"""The one way in for a journal that came from elsewhere. Behind it every value has its type and
lies in a range that means something, and the events are of one search (`story`).

Raises JournalError for the first thing that is not so. What is true is another question: `verify`
finds that out by computing it again. What a config asks of the grader's machine is `limits`'.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data.errors import UserError
from data.messages import shown
from data.reading import read_regular
from search.journal.journal_file import Event, JournalError, encode, parse
from search.journal.state import first_fault, payload_of, place_of
from search.verification.story import check_story

MOST_BYTES, MOST_EVENTS = 1 << 25, 100_000  # some four thousand trials of sixty epochs
# Of JSON: a mapping of one takes eight bytes to write and some three hundred to hold.
MOST_CONTAINERS, MOST_VALUES = 500_000, 1_500_000
MOST_DEPTH, MOST_TEXT = 24, 100_000
LARGEST_WHOLE, LARGEST = 2**53, 3.5e38  # what a float64 counts exactly, and what float32 reaches


def read_journal(run_dir: Path, name: str) -> tuple[tuple[Event, ...], str | None]:
    """Every event, and a warning where a torn last line was left out. Raises JournalError."""
    try:
        content = read_regular(run_dir / name, MOST_BYTES, within=run_dir)
    except UserError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalError(
            f"cannot read {name}: {(error.strerror or str(error)).lower()}"
        ) from error
    for what, count, most in (
        ("lines", content.count(b"\n"), MOST_EVENTS),
        ("lists and mappings", content.count(b"[") + content.count(b"{"), MOST_CONTAINERS),
        ("values", content.count(b","), MOST_VALUES),
    ):
        if count > most:
            raise JournalError(f"{name} holds more than {most} {what}, which no search leaves")
    contents = parse(content, run_dir / name)
    at = 0
    for event in contents.events:
        end = content.find(b"\n", at)
        line = content[at : end if end >= 0 else None]
        _check_event(event, line)
        at += len(line) + 1
    check_story(contents.events)
    return contents.events, contents.warning


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
    """Every value and key within, with its depth; without recursion, which depth could exhaust."""
    open_ones: list[Iterator[Any]] = [iter((event,))]
    while open_ones:
        for value in open_ones[-1]:
            yield value, len(open_ones) - 1
            if isinstance(value, dict):
                open_ones.append(chain.from_iterable(value.items()))
                break
            if isinstance(value, list):
                open_ones.append(iter(value))
                break
        else:
            open_ones.pop()


def _fault_of(value: Any, depth: int) -> str | None:
    if depth > MOST_DEPTH:
        return f"its values are nested more than {MOST_DEPTH} deep"
    if isinstance(value, str):
        if len(value) > MOST_TEXT:
            return f"a text of {len(value)} letters; allowed: {MOST_TEXT}"
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
            return f"{shown(value[:40])!r} is no text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        most = LARGEST_WHOLE if isinstance(value, int) else LARGEST
        if not abs(value) <= most:
            return f"a number beyond {most:g}"
    return None
