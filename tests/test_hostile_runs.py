"""Run directories that somebody else wrote: what of their files and journals is read at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_mutants import journal_of
from tampering import events_in, events_of, only
from typer.testing import CliRunner

from data.errors import UserError
from data.files import read_regular
from run_search import app
from search.commands.command_line import BAD_INPUT, DIFFERENT
from search.driver.event_checks import check_events
from search.driver.run_reading import GRADED, read_journal
from search.driver.session import run_search
from search.journal.journal_file import Event, JournalError
from search.verification.comparison import Difference
from search.verification.verify import verify


@pytest.mark.parametrize("how", ["fifo", "device", "link"])
def test_only_files_of_the_run_directory_itself_are_read(
    copied: Path, tmp_path: Path, how: str
) -> None:
    path = copied / "predictions" / "00001.npz"
    shutil.copy(path, tmp_path / "elsewhere.npz")
    path.unlink()
    if how == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if how == "device" else tmp_path / "elsewhere.npz")
    found = "; ".join(each.what for each in verify(copied, trial=0).differences)
    assert ("is no regular file" if how == "fifo" else "a link that leads out") in found


def test_a_file_is_read_no_further_than_agreed(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="has more than 1000 bytes"):
        read_regular(tmp_path / "long", 1000)


def test_a_journal_of_empty_lists_is_refused_unparsed(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b"[" * (GRADED.containers + 1))
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == DIFFERENT
    assert "lists and mappings; at most 500,000 are read" in result.stdout


def test_report_does_not_follow_a_journal_of_wrong_types(copied: Path) -> None:
    events = events_in({"journal.jsonl": (copied / "journal.jsonl").read_bytes()})
    next(event for event in events if event["type"] == "told")["result"] = [1]
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    result = CliRunner().invoke(app, ["report", str(copied)])
    assert result.exit_code == BAD_INPUT
    assert result.stderr.count("\n") == 1
    assert "(told): result: Input should be" in result.stderr


def test_a_journal_without_the_precision_that_it_was_computed_in_is_refused(copied: Path) -> None:
    events = events_of(copied)
    del events[0]["opened"]["environment"]["precision"]
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    result = CliRunner().invoke(app, ["report", str(copied)])
    assert result.exit_code == BAD_INPUT
    said = "environment.precision is none that a search computes in; allowed: float32, bfloat16, "
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("kind", ["asked", "resumed", "retried"])
def test_a_journal_of_endless_sittings_is_refused_before_one_is_gone_through(kind: str) -> None:
    events = [{"type": "opened"}, *({"type": kind} for _ in range(20_000))]
    with pytest.raises(
        JournalError, match=f"the journal holds 20000 `{kind}` events; at most 100 are read"
    ):
        check_events(events, {kind: 100})


def resumed_with(run_dir: Path, folder: Path, changed: dict[str, Any], config_hash: str) -> Path:
    events = events_of(run_dir)
    resumed = {
        "type": "resumed",
        "changed": changed,
        "config_hash": config_hash,
        "time": events[-1]["time"],
    }
    (folder / "journal.jsonl").write_bytes(journal_of([*events, resumed]))
    return folder


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "it has a config_hash, and changes nothing"),
        (
            {"search.max_hours": [7.0, 8.0]},
            "search.max_hours is said to have been 7.0, and was null",
        ),
        (
            {"search.max_hours": [None, None]},
            "search.max_hours is said to have changed, and has not",
        ),
    ],
)
def test_what_a_sitting_changed_was_so_before_and_is_other_now(
    finished_run: Path, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(JournalError, match=reason):
        read_journal(resumed_with(finished_run, tmp_path, changed, "0" * 16))


@pytest.mark.parametrize(
    "command", [["verify"], ["report"], ["bundle", "--student", "Ann", "--out", "x"]]
)
def test_a_run_of_another_version_is_told_so_by_every_command(
    copied: Path, command: list[str]
) -> None:
    events = events_of(copied)
    del events[0]["opened"]["format"]
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    result = CliRunner().invoke(app, [command[0], str(copied), *command[1:]])
    assert result.exit_code == BAD_INPUT
    assert "begun by another version of this program" in result.stderr


@pytest.mark.parametrize("command", ["report", "sync", "export"])
def test_no_command_reads_a_journal_of_any_length(copied: Path, command: str) -> None:
    with (copied / "journal.jsonl").open("ab") as file:
        file.truncate(1 << 40)
    more = ["--to", "json"] if command == "export" else []
    result = CliRunner().invoke(app, [command, str(copied), *more])
    assert result.exit_code == BAD_INPUT
    assert "a search leaves fewer" in result.stderr


def _renamed(events: list[Event]) -> None:
    events[0]["opened"]["name"] = "../other"


def _policy_is_a_path(events: list[Event]) -> None:
    only(events, "asked")["record"]["settings"]["rotation_range"] = "/etc/passwd"


def _unknown_kind(events: list[Event]) -> None:
    only(events, "asked")["record"]["kind"] = "winner"


def _number_as_text(events: list[Event]) -> None:
    only(events, "told")["result"]["score"] = "0.5"


def _strength_is_a_path(events: list[Event]) -> None:
    last = [event for event in events if event["type"] == "evidence"][-1]
    last["evidence"]["claims"]["augmentations"][0]["strength"] = "/etc/passwd"


def _another_answer(events: list[Event]) -> None:
    last = [event for event in events if event["type"] == "evidence"][-1]
    last["evidence"]["answer"] |= {"kind": "use", "settings": {"rotation_range": "/etc/passwd"}}


def _secret_address(events: list[Event]) -> None:
    events[0]["opened"]["config"]["tracking"]["uri"] = "postgresql://u:hunter2@h/db"


READERS = {
    "report": ["report", "RUN"],
    "export": ["export", "RUN", "--to", "json"],
    "sync": ["sync", "RUN", "--uri", "sqlite:///never.db"],
    "compare": ["compare", "RUN", "other"],
    "bundle": ["bundle", "RUN", "--student", "Ann", "--out", "never.zip"],
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    "change",
    [
        _renamed,
        _policy_is_a_path,
        _unknown_kind,
        _number_as_text,
        _strength_is_a_path,
        _another_answer,
        _secret_address,
    ],
)
def test_every_reader_of_a_run_directory_refuses_what_no_search_writes(
    copied: Path,
    change: Callable[[list[Event]], None],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    events = events_of(copied)
    change(events)
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    shutil.copytree(copied, "other")
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, [part.replace("RUN", "run") for part in READERS[command]])
    assert result.exit_code == BAD_INPUT
    assert result.stderr.count("\n") == 1
    assert "run: event " in result.stderr
    assert "hunter2" not in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_comparing_writes_into_no_folder_that_a_journal_names(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGSEARCH_CACHE", str(tmp_path / "ours"))
    events = events_of(copied)
    (tmp_path / "theirs").mkdir()
    events[0]["opened"]["config"]["execution"]["cache_dir"] = str(tmp_path / "theirs")
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    other = shutil.copytree(copied, tmp_path / "other")
    result = CliRunner().invoke(app, ["compare", str(copied), str(other)])
    assert result.exit_code == 0
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_search_does_not_go_on_from_a_journal_that_none_writes(
    copied: Path, tmp_path: Path
) -> None:
    events = events_of(copied)
    _unknown_kind(events)
    (copied / "journal.jsonl").write_bytes(journal_of(events))
    with pytest.raises(JournalError, match=r"event 2 .*kind.* start anew with --fresh"):
        run_search(copied / "config.yaml", copied)
    assert (copied / "journal.jsonl").read_bytes() == journal_of(events)


def test_figures_are_not_written_where_a_link_leads(copied: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(copied / "figures", elsewhere)
    (elsewhere / "forest.png").write_bytes(b"mine")
    shutil.rmtree(copied / "figures")
    (copied / "figures").symlink_to(elsewhere)
    assert CliRunner().invoke(app, ["report", str(copied)]).exit_code == 0
    assert (elsewhere / "forest.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("kind", "fault"), [("finished", "had finished"), ("evidence", "before"), ("test", "before")]
)
def test_nothing_is_concluded_twice(copied: Path, kind: str, fault: str) -> None:
    events = events_of(copied)
    again = [event for event in events if event["type"] == kind][-1]
    (copied / "journal.jsonl").write_bytes(journal_of([*events, again]))
    with pytest.raises(JournalError, match=fault):
        read_journal(copied)


def test_what_differs_is_told_without_the_secrets_of_an_address() -> None:
    told = Difference(where="config.yaml", what="'uri: postgresql://u:p@h/db', and null")
    assert told.what == "'uri: postgresql://***@h/db', and null"
