"""How a sitting ends, whatever ends it: written down once, its workers stopped first, nothing lost,
and said in a line."""

import io
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faulty_searches import BASELINE, OUT_OF_MEMORY, Faults, config_of, events_of
from killing import runs_in_store
from rich.console import Console
from small_search import Heard, sit, table_of, undisturbed

from data.files import StorageError
from search.execution.engine import EngineOptions
from search.execution.engines import ENGINES, EngineRecord, InlineEngine
from search.journal.lock import LockedError
from search.journal.state import EventLog, SearchResult
from search.report.closing import print_closing
from search.report.summary import summarize
from search.report.view import SearchView

pytestmark = [
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # Said of MLflow's own types while it imports them.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def at(trial: int, step: Callable[[], object]) -> Heard:
    """Progress that does something when that trial is told."""
    return Heard(lambda record: step() if record.trial == trial else None)


def raising(error: BaseException) -> Callable[[], object]:
    def step() -> None:
        raise error

    return step


def closing_of(result: SearchResult) -> str:
    console = Console(file=io.StringIO(), width=400)
    print_closing(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (KeyboardInterrupt(), False),
        (ZeroDivisionError("a fault of the program"), True),
        (MemoryError("no room"), True),
        (StorageError(28, "cannot write the page: the disk is full"), True),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("trial", [3, 12])
def test_what_is_raised_is_written_down_and_raised_again(
    faults: Faults, cache: Path, tmp_path: Path, trial: int, error: BaseException, failed: bool
) -> None:
    with pytest.raises(type(error)):
        sit(config_of(cache), tmp_path / "run", at(trial, raising(error)))
    last = events_of(tmp_path / "run")[-1]
    assert (last["type"], last["failed"]) == ("stopped", failed)
    assert str(error).split(":")[0] in last["reason"]
    status = json.loads((tmp_path / "run/summary.json").read_text())["status"]
    assert status == ("failed" if failed else "stopped")


def test_nothing_is_written_down_in_a_directory_that_another_search_took_over(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(LockedError):
        sit(config_of(cache), tmp_path / "run", at(3, raising(LockedError("taken over"))))
    assert "stopped" not in {event["type"] for event in events_of(tmp_path / "run")}
    assert json.loads((tmp_path / "run/summary.json").read_text())["status"] == "unfinished"


def test_a_search_that_raised_goes_on_to_the_same_table(
    faults: Faults, expected: SearchResult, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        sit(config_of(cache), tmp_path / "run", at(3, raising(ZeroDivisionError())))
    assert sit(config_of(cache), tmp_path / "run").outcome == "finished"
    assert table_of(tmp_path / "run") == table_of(expected.run_dir)


def test_a_disk_that_refuses_the_journal_too_leaves_the_summary_true(
    faults: Faults, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = StorageError(28, "cannot write the journal: the disk is full")
    append = EventLog.append

    def refuse(log: EventLog, kind: str, /, **payload: Any) -> Any:
        if kind in ("stopped", "phase") and log.state.of_kind("confirm"):
            raise full
        return append(log, kind, **payload)

    monkeypatch.setattr(EventLog, "append", refuse)
    with pytest.raises(StorageError, match="journal"):
        sit(config_of(cache), tmp_path / "run")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["status"], summary["stopped"]) == ("failed", str(full))


@pytest.mark.parametrize(
    "step", ["decoding", "control", "trial", "confirm", "ablation", "test", "winner"]
)
def test_a_stop_gives_the_same_result_in_every_phase_and_is_gone_on_from(
    faults: Faults,
    expected: SearchResult,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    stop = threading.Event()
    run_dir = tmp_path / "run"
    progress = Heard(lambda record: stop.set() if record.kind == step else None)
    with monkeypatch.context() as patch:
        if step == "decoding":
            stop.set()
        if step == "winner":
            patch.setattr("search.driver.publishing.Publisher.show", lambda *_: stop.set())
        folder = tmp_path if step == "decoding" else cache  # where nothing is decoded yet
        result = sit(config_of(folder), run_dir, progress, stop=stop)
    assert (result.outcome, result.reason) == ("stopped", "on request")
    assert "on request" in closing_of(result)
    assert "run it again to go on" in closing_of(result)
    assert summarize(SearchView(result.state))["status"] in ("stopped", "unfinished")
    assert sit(config_of(cache), run_dir).outcome == "finished"
    assert table_of(run_dir) == table_of(expected.run_dir)


def test_workers_are_stopped_before_files_are_touched_and_once_the_end_is_written_down(
    faults: Faults, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = tmp_path / "run"
    seen: list[tuple[bool, str]] = []

    class Watched(InlineEngine):
        def shutdown(self, wait: bool) -> None:
            if not self._closed:
                there = (run_dir / "views").exists() and not (run_dir / "shown").exists()
                seen.append((there, events_of(run_dir)[-1]["type"]))
            super().shutdown(wait)

    def build(options: EngineOptions) -> Watched:
        (run_dir / "views").mkdir(exist_ok=True)
        return Watched(options)

    monkeypatch.setitem(ENGINES, "inline", EngineRecord(build, summary=""))
    faults.raised[BASELINE] = OUT_OF_MEMORY
    assert sit(config_of(cache), run_dir).outcome == "failed"
    assert (run_dir / "views").exists()  # for the sitting that goes on
    faults.mend()
    with pytest.raises(ZeroDivisionError):
        sit(config_of(cache), run_dir, at(3, raising(ZeroDivisionError())))
    assert sit(config_of(cache), run_dir).outcome == "finished"
    assert seen == [(True, "stopped"), (True, "stopped"), (True, "finished")]
    assert not (run_dir / "views").exists()


def test_a_winner_that_could_not_be_made_is_made_the_next_time(
    faults: Faults, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            "search.driver.session.build_winner", lambda *arguments: raising(MemoryError())()
        )
        with pytest.raises(MemoryError):
            sit(config_of(cache), tmp_path / "run")
    assert events_of(tmp_path / "run")[-1]["type"] == "stopped"
    faults.trained.clear()
    assert sit(config_of(cache), tmp_path / "run").outcome == "finished"
    assert faults.trained == []


def test_figures_without_memory_cost_a_line_and_are_drawn_the_next_time(
    faults: Faults, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, heard = tmp_path / "a run", Heard()
    with monkeypatch.context() as patch:
        patch.setattr(
            "search.driver.publishing.write_report", lambda *arguments: raising(MemoryError())()
        )
        assert sit(config_of(cache), run_dir, heard).outcome == "finished"
    (line,) = (m for m in heard.messages if "could not make" in m)
    assert line.endswith(f"with more memory: python run_search.py report '{run_dir}'")
    assert events_of(run_dir)[-1]["type"] == "finished"
    again = sit(config_of(cache), run_dir)
    assert (again.outcome, again.state.is_shown) == ("already finished", True)


def test_the_tracker_hears_how_a_search_failed_and_has_each_trial_once_when_it_went_on(
    faults: Faults, cache: Path, tmp_path: Path, mlflow_uri: str
) -> None:
    store = Path(mlflow_uri.removeprefix("sqlite:///"))
    other = store.with_name("other.db")
    shutil.copy(store, other)
    undisturbed(config_of(cache, tracking={"uri": f"sqlite:///{other}"}), tmp_path / "other")
    config, run_dir = config_of(cache, tracking={"uri": mlflow_uri}), tmp_path / "run"
    faults.raised |= {"trial: setting 2": OUT_OF_MEMORY, "test: no augmentation": OUT_OF_MEMORY}
    assert sit(config, run_dir).outcome == "failed"
    assert runs_in_store(store)["search"][0] == "FAILED"
    faults.mend()
    assert sit(config, run_dir).outcome == "finished"
    ours, theirs = (runs_in_store(path) for path in (store, other))
    assert len(ours["versions"]) == len(theirs["versions"])
    assert ours["search"][:2] == theirs["search"][:2] == ("FINISHED", 1)
    for runs in (ours, theirs):
        del runs["versions"], runs["search"]
    assert ours == theirs


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{}", "postgresql://me:secret@127.0.0.1:{}/runs"]
)
@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "closed"])
def test_a_tracker_that_cannot_be_reached_does_not_hold_a_finished_search(
    faults: Faults,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    is_silent: bool,
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "PGCONNECT_TIMEOUT"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr("search.driver.publishing.FLUSH_SECONDS", 1.0)
    run_dir = tmp_path / "run"
    with silent_server() as port:
        uri = address.format(port if is_silent else 9)
        result = sit(config_of(cache, tracking={"uri": uri}), run_dir)
    ended = time.time()
    assert result.outcome == "finished"
    (finished,) = (event for event in events_of(run_dir) if event["type"] == "finished")
    assert ended - finished["time"] < 5
    assert "not sent to MLflow" in str(result.tracking)
    assert str(result.tracking).endswith(f"send it later: python run_search.py sync {run_dir}")
    assert "secret" not in str(result.tracking)
