"""The journal keeps every event, survives what a crash leaves and refuses anything else."""

import json
import os
from pathlib import Path

import pytest

from data.errors import UserError
from search.journal import journal_file as journal
from search.journal.journal_file import Journal, JournalError, encode, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write_events(path: Path, count: int) -> list[journal.Event]:
    with Journal(path, clock=lambda: 1_700_000_000.5) as opened:
        return [opened.append("told", trial=number, score=0.1 * number) for number in range(count)]


def test_what_is_appended_is_read_back(path: Path) -> None:
    written = write_events(path, 3)
    events, warning = read(path)
    assert list(events) == written
    assert warning is None
    assert [event["seq"] for event in events] == [0, 1, 2]


def test_the_line_is_canonical_json_behind_its_crc(path: Path) -> None:
    with Journal(path, clock=lambda: 2.5) as opened:
        opened.append("note", b=1, a="ö")
    body = b'{"a":"\\u00f6","b":1,"seq":0,"time":2.5,"type":"note"}'
    crc = "077a9d7e"  # by gzip: printf '%s' BODY | gzip | tail -c8 | head -c4 | xxd -e
    assert path.read_bytes() == b'{"crc":"' + crc.encode() + b'",' + body[1:] + b"\n"


def test_an_event_comes_back_as_a_later_reading_gives_it(path: Path) -> None:
    with Journal(path) as opened:
        event = opened.append("note", pair=(1, 2), table={3: 0.1})
    assert event == read(path)[0][0]
    assert event["pair"] == [1, 2]


def test_a_journal_goes_on_where_it_stopped(path: Path) -> None:
    write_events(path, 2)
    with Journal(path) as opened:
        assert len(opened.events) == 2
        assert opened.append("told", trial=2)["seq"] == 2
    assert len(read(path)[0]) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused_and_nothing_is_written(path: Path, bad: float) -> None:
    with Journal(path) as opened:
        before = path.read_bytes()
        with pytest.raises(ValueError, match="JSON"):
            opened.append("told", score=bad)
        assert path.read_bytes() == before
        assert opened.append("told", score=1.0)["seq"] == 0


@pytest.mark.parametrize("name", ["seq", "crc", "time", "type"])
def test_a_payload_cannot_take_the_journals_own_names(path: Path, name: str) -> None:
    with Journal(path) as opened, pytest.raises(ValueError, match=name):
        opened.append("told", **{name: 1})


def test_any_text_survives(path: Path) -> None:
    names = ["new\nline", "\u2028", "nul\0", "lone surrogate \udcff", "emoji 🐈", '"quoted"\\']
    with Journal(path) as opened:
        opened.append("names", names=names)
    assert read(path)[0][0]["names"] == names


def test_a_line_torn_at_any_byte_is_dropped_with_a_warning(path: Path) -> None:
    written = write_events(path, 2)
    content = path.read_bytes()
    first_line = content.index(b"\n") + 1
    for cut in range(first_line + 1, len(content) - 1):
        path.write_bytes(content[:cut])
        events, warning = read(path)
        assert list(events) == written[:1]
        assert warning is not None
        assert "line (2)" in warning


def test_a_torn_line_is_cut_off_before_the_next_append(path: Path) -> None:
    write_events(path, 2)
    path.write_bytes(path.read_bytes()[:-10])
    with Journal(path) as opened:
        assert opened.warning is not None
        opened.append("told", trial=9)
    events, warning = read(path)
    assert [event.get("trial") for event in events] == [0, 9]
    assert warning is None


def test_a_whole_last_line_without_its_newline_counts(path: Path) -> None:
    written = write_events(path, 2)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert list(read(path)[0]) == written
    with Journal(path) as opened:
        opened.append("told", trial=2)
    assert len(read(path)[0]) == 3


@pytest.mark.parametrize("tail", [b"\0" * 300, b'{"crc":"' + b"\0" * 90 + b"\n"])
def test_zeros_that_a_power_cut_leaves_at_the_end_count_as_torn(path: Path, tail: bytes) -> None:
    written = write_events(path, 2)
    path.write_bytes(path.read_bytes() + tail)
    events, warning = read(path)
    assert list(events) == written
    assert warning is not None


@pytest.mark.parametrize("line", [1, 2, 3])
def test_one_altered_digit_is_refused_naming_the_line(path: Path, line: int) -> None:
    write_events(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(
        b'"trial":%d' % (line - 1), b'"trial":%d' % (line + 4)
    )
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match=f"line {line} of .*checksum"):
        read(path)
    with pytest.raises(JournalError, match=f"line {line} of"):
        Journal(path)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["first", "third"], id="removed"),
        pytest.param(["first", "first", "second", "third"], id="repeated"),
        pytest.param(["first", "third", "second"], id="swapped"),
        pytest.param(["first", "empty", "second", "third"], id="empty"),
        pytest.param(["first", "foreign", "third"], id="foreign"),
    ],
)
def test_lines_removed_repeated_swapped_or_added_are_refused(path: Path, lines: list[str]) -> None:
    write_events(path, 3)
    known = dict(
        zip(["first", "second", "third"], path.read_bytes().splitlines(keepends=True), strict=True)
    )
    known |= {"empty": b"\n", "foreign": b'{"seq":1}\n'}
    path.write_bytes(b"".join(known[line] for line in lines))
    with pytest.raises(JournalError, match="line 2 of"):
        read(path)


@pytest.mark.parametrize(
    "event",
    [{"seq": 0.0, "time": 1.0, "type": "a"}, {"seq": 0, "time": "1", "type": "a"}, {"seq": 0}],
)
def test_a_sealed_line_that_is_no_event_is_refused(path: Path, event: journal.Event) -> None:
    path.write_bytes(encode(event))
    with pytest.raises(JournalError, match="line 1 of"):
        read(path)


def test_a_damaged_journal_is_left_as_it_is(path: Path) -> None:
    write_events(path, 3)
    damaged = path.read_bytes().replace(b"told", b"tald", 1)
    path.write_bytes(damaged)
    with pytest.raises(JournalError):
        Journal(path)
    assert path.read_bytes() == damaged


def test_a_missing_journal_is_one_clear_line(path: Path) -> None:
    with pytest.raises(UserError, match="does not exist") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path)


def test_an_empty_file_is_an_empty_journal(path: Path) -> None:
    path.touch()
    assert read(path) == ((), None)


def test_another_writer_is_noticed_and_nothing_is_written_after_it(path: Path) -> None:
    with Journal(path) as first, Journal(path) as second:
        first.append("told", trial=0)
        with pytest.raises(JournalError, match="changed by another process"):
            second.append("told", trial=0)
    assert len(read(path)[0]) == 1


def test_a_journal_removed_while_it_is_open_is_noticed(path: Path) -> None:
    with Journal(path) as opened:
        path.unlink()
        with pytest.raises(JournalError, match="removed"):
            opened.append("told", trial=0)


def test_each_event_is_on_the_disk_before_append_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    really_flush = os.fsync

    def recording_flush(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_size)
        really_flush(descriptor)

    with Journal(path) as opened:
        monkeypatch.setattr(os, "fsync", recording_flush)
        opened.append("told", trial=0)
        opened.append("told", trial=1)
    assert flushed == [len(line) for line in (path.read_bytes()[: flushed[0]], path.read_bytes())]


def test_lines_are_json_for_any_other_reader(path: Path) -> None:
    written = write_events(path, 2)
    for line, event in zip(path.read_text(encoding="ascii").splitlines(), written, strict=True):
        fields = json.loads(line)
        fields.pop("crc")
        assert fields == event


def test_an_append_that_is_interrupted_leaves_no_event_and_the_next_one_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    write_events(path, 1)
    with Journal(path) as opened:
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened.append("told", trial=7)
        monkeypatch.undo()
        opened.append("stopped", reason="interrupted")
    assert [event["type"] for event in read(path)[0]][1:] == ["stopped"]
