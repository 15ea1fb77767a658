"""Damage at random: a journal ends in a clean refusal or a true beginning of itself, never in a
wrong event.

2,000 examples, the same ones every time; AUGSEARCH_FUZZ_EXAMPLES=20000 (or more) draws that many
new ones.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from search.journal.journal_file import Event, Journal, JournalError, encode, parse

EXAMPLES = int(os.environ.get("AUGSEARCH_FUZZ_EXAMPLES", "2000"))
CHOSEN_BY_HAND = "AUGSEARCH_FUZZ_EXAMPLES" in os.environ
PATH = Path("journal.jsonl")

EVENTS: tuple[Event, ...] = tuple(
    {
        "seq": seq,
        "time": 1.7e9 + seq,
        "type": kind,
        "trial": seq,
        "score": 0.5 + seq / 64,
        "curve": [0.25] * seq,
    }
    for seq, kind in enumerate(["opened", "asked", "told", "asked", "told", "evidence", "finished"])
)
LINES = tuple(encode(event) for event in EVENTS)
CONTENT = b"".join(LINES)

Mutation = Callable[[bytes], bytes]
position = st.integers(0, len(CONTENT))


def fuzz(examples: int) -> settings:
    """Repeatable in the suite; new draws where the number of examples was asked for."""
    return settings(
        max_examples=examples,
        derandomize=not CHOSEN_BY_HAND,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def replace_bytes(at: int, length: int, new: bytes) -> Mutation:
    return lambda content: content[:at] + new + content[at + length :]


def flip_bit(at: int, bit: int) -> Mutation:
    def flip(content: bytes) -> bytes:
        if not content:
            return content
        damaged = bytearray(content)
        damaged[at % len(content)] ^= 1 << bit
        return bytes(damaged)

    return flip


def move_line(source: int, target: int, copy: bool) -> Mutation:
    def move(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        if not lines:
            return content
        line = lines[source % len(lines)] if copy else lines.pop(source % len(lines))
        lines.insert(target % (len(lines) + 1), line)
        return b"".join(lines)

    return move


mutations = st.one_of(
    st.builds(replace_bytes, position, st.integers(0, 40), st.binary(max_size=40)),
    st.builds(
        replace_bytes,
        position,
        st.just(1),
        st.sampled_from([bytes([digit]) for digit in b"0123456789"]),
    ),
    st.builds(replace_bytes, position, st.just(len(CONTENT)), st.binary(max_size=20)),
    st.builds(
        replace_bytes, position, st.integers(0, 200), st.integers(0, 200).map(lambda n: b"\0" * n)
    ),
    st.builds(
        replace_bytes,
        position,
        st.just(0),
        st.sampled_from([b"\n", b"\r\n", b"{}", b"NaN", *LINES]),
    ),
    st.builds(flip_bit, position, st.integers(0, 7)),
    st.builds(move_line, st.integers(0, 9), st.integers(0, 9), st.booleans()),
)
damages = st.lists(mutations, min_size=1, max_size=4)


def apply(damage: list[Mutation]) -> bytes:
    content = CONTENT
    for mutate in damage:
        content = mutate(content)
    return content


def is_beginning(events: tuple[Event, ...]) -> bool:
    return events == EVENTS[: len(events)]


@fuzz(EXAMPLES)
@given(damages)
def test_damage_ends_in_a_refusal_or_a_true_beginning(damage: list[Mutation]) -> None:
    refusal = ""
    try:
        events, warning, _ = parse(apply(damage), PATH)
    except JournalError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("line ")
        assert "\n" not in refusal
    else:
        assert is_beginning(events)
        assert warning is None or "left out" in warning


@fuzz(max(EXAMPLES // 10, 50))
@given(damage=damages)
def test_a_damaged_file_is_refused_untouched_or_goes_on_from_a_true_beginning(
    damage: list[Mutation], tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    content = apply(damage)
    path.write_bytes(content)
    try:
        with Journal(path) as journal:
            journal.append("told", trial=99)
    except JournalError:
        assert path.read_bytes() == content
    else:
        events, warning, _ = parse(path.read_bytes(), path)
        assert is_beginning(events[:-1])
        assert events[-1]["trial"] == 99
        assert warning is None


@fuzz(max(EXAMPLES // 10, 50))
@given(st.binary(max_size=300))
def test_bytes_that_were_never_a_journal_give_no_event(content: bytes) -> None:
    try:
        events, _, _ = parse(content, PATH)
    except JournalError:
        return
    assert events == ()


def test_the_mutations_reach_every_ending() -> None:
    """A fuzzer that only ever meets one ending tests nothing."""
    endings = set()

    @settings(max_examples=300, derandomize=True, database=None, deadline=None)
    @given(damages)
    def collect(damage: list[Mutation]) -> None:
        try:
            events, warning, _ = parse(apply(damage), PATH)
        except JournalError as error:
            endings.add(str(error).split(":")[1].split(".")[0])
        else:
            endings.add("torn" if warning else "whole" if len(events) == len(EVENTS) else "shorter")

    collect()
    assert len(endings) >= 5, endings


def test_every_truncation_gives_the_events_before_it() -> None:
    for cut in range(len(CONTENT) + 1):
        events, warning, _ = parse(CONTENT[:cut], PATH)
        whole = CONTENT[:cut].count(b"\n")
        lacks_newline_only = CONTENT[cut : cut + 1] == b"\n"
        assert len(events) == whole + lacks_newline_only
        assert is_beginning(events)
        assert (warning is None) == (
            lacks_newline_only or CONTENT[:cut].endswith(b"\n") or cut == 0
        )


@pytest.mark.parametrize("bit", range(8))
def test_every_single_bit_flipped_is_noticed(bit: int) -> None:
    for at in range(len(CONTENT)):
        damaged = flip_bit(at, bit)(CONTENT)
        try:
            events, warning, _ = parse(damaged, PATH)
        except JournalError:
            continue
        assert warning is not None
        assert is_beginning(events)
        assert len(events) == len(EVENTS) - 1, (
            "only the newline or the end of the last line may go unrefused"
        )
