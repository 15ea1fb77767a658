"""A small search as a real process that is killed at a chosen moment, started again, and compared
with an undisturbed one."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from processes import listening, session_of, wait_until
from small_search import EXPERIMENT, table_of

ROOT = Path(__file__).parents[1]
LOOK_SECONDS = 0.002
MOMENT_SECONDS, END_SECONDS = 120.0, 240.0
SECRET = "planted-4f1d2c"
SECRET_NAMES = (
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PLANTED_SECRET",
)
# How much was done, by how many and how fast differs where something was done twice.
WORK = re.compile(r"seconds|images_extracted|execution\.workers")


TRACKING = {"uri": "sqlite:///mlflow.db"}


@dataclass(frozen=True)
class Place:
    """A folder to search in: the working directory of its processes, their cache and their MLflow
    store."""

    folder: Path
    workers: int = 1

    @property
    def run_dir(self) -> Path:
        return self.folder / "runs" / "small"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in (self.run_dir / "journal.jsonl").read_text().splitlines()
        ]

    @property
    def num_lines(self) -> int:
        journal = self.run_dir / "journal.jsonl"
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    @property
    def errors(self) -> str:
        return (self.folder / "stderr.log").read_text()[-3000:]

    def start(self) -> "subprocess.Popen[str]":
        """The search, begun or resumed, leading a session of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        experiment = {**EXPERIMENT, "tracking": TRACKING}
        (self.folder / "small.yaml").write_text(yaml.safe_dump(experiment))
        command = [sys.executable, str(ROOT / "run_search.py"), "run", "small.yaml"]
        command += ["--set", f"execution.workers={self.workers}"]
        environment = {**os.environ, "AUGSEARCH_CACHE": str(self.folder / "cache"), "NO_COLOR": "1"}
        environment |= dict.fromkeys(SECRET_NAMES, SECRET)
        with (self.folder / "stderr.log").open("a") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def finish(self) -> None:
        """Runs the search to its end. Nobody elsewhere can connect to what it starts."""
        process = self.start()
        deadline = time.monotonic() + END_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            assert all(address.is_loopback for address in listening(session_of(process.pid)))
            time.sleep(0.5)
        assert process.returncode == 0, self.errors


Moment = Callable[[], bool]  # whether it has come


@dataclass(frozen=True)
class Kill:
    """SIGKILL to the searching process, so long after a moment has come. watch: called as the
    process starts. may_be_missed: the moment may pass between two looks, and the search end soon
    after. afresh: a folder below the place that is removed before: what an earlier search, killed a
    little later than it should be, left there would not be written again."""

    name: str
    watch: Callable[[Place], Moment]
    delay_seconds: float = 0.0
    may_be_missed: bool = False
    afresh: str | None = None


def at_start(seconds: float) -> Kill:
    return Kill(f"{seconds:g} s after the start", lambda place: lambda: True, seconds)


def lines(count: int, delay_seconds: float = 0.0) -> Kill:
    """Once the journal has so many lines more than at the start of the process."""

    def watch(place: Place) -> Moment:
        wanted = place.num_lines + count
        return lambda: place.num_lines >= wanted

    return Kill(f"{delay_seconds:.2g} s after {count} more lines", watch, delay_seconds)


def appears(
    pattern: str, delay_seconds: float = 0.0, may_be_missed: bool = False, afresh: str | None = None
) -> Kill:
    """Once there is such a file that was not there at the start; names that start with .tmp- are of
    files being written."""

    def watch(place: Place) -> Moment:
        before = set(place.folder.glob(pattern))
        return lambda: any(path not in before for path in place.folder.glob(pattern))

    name = f"{delay_seconds:.2g} s after {pattern}"
    return Kill(name, watch, delay_seconds, may_be_missed, afresh)


def written(folder: str, delay_seconds: float = 0.0, afresh: bool = False) -> Kill:
    """Once a file is being written in such a folder; or is there, where it was renamed between two
    looks. A file written anew is another one than before, by its inode."""

    def found(place: Place) -> set[tuple[str, int]]:
        each = place.folder.glob(f"{folder}/")
        return {(file.path, file.inode()) for path in each for file in entries(path)}

    def watch(place: Place) -> Moment:
        before = found(place)
        return lambda: not found(place) <= before

    name = f"{delay_seconds:.2g} s after writing in {folder}"
    return Kill(name, watch, delay_seconds, afresh=folder if afresh else None)


def entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Of a folder that may go at any moment."""
    with suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []


def kill_at(place: Place, kill: Kill) -> str | None:
    """Starts the search and kills it at the moment. Says where it was; None where it ended
    before."""
    if kill.afresh is not None:
        shutil.rmtree(place.folder / kill.afresh, ignore_errors=True)
    moment = kill.watch(place)
    process = place.start()
    began = time.monotonic()
    while not moment() and process.poll() is None:
        assert time.monotonic() - began < MOMENT_SECONDS, f"{kill.name} did not come"
        time.sleep(LOOK_SECONDS)
    time.sleep(kill.delay_seconds)
    process.send_signal(signal.SIGKILL)
    status = process.wait()
    assert wait_until(lambda: not session_of(process.pid), 5), "a worker outlived the search"
    if status != -signal.SIGKILL:
        assert status == 0, place.errors
        return None
    return (
        f"{kill.name}: at {time.monotonic() - began:.1f} s, {place.num_lines} lines in the journal"
    )


def assert_same(place: Place, other: Place) -> None:
    """The same leaderboard, conclusions, final model and MLflow runs; nothing told, trained or sent
    twice; nothing left over."""
    assert leaderboard(place) == leaderboard(other)
    assert conclusions(place) == conclusions(other)
    assert final_heads(place) == final_heads(other)
    assert_each_told_once(place)
    assert_none_trained_once_told(place)
    assert runs_in_mlflow(place) == runs_in_mlflow(other)
    assert names(place.run_dir) == names(other.run_dir)
    assert leftovers(place) == []


def leaderboard(place: Place) -> list[dict[str, str]]:
    return table_of(place.run_dir)


def conclusions(place: Place) -> dict[str, Any]:
    files = ("summary.json", "winner.json", "environment.json")
    content = {name: json.loads((place.run_dir / name).read_text()) for name in files}
    for name in ("timing", "search_id"):
        content["summary.json"].pop(name)
    return content


def final_heads(place: Place) -> dict[str, str]:
    found = {}
    for path in sorted((place.run_dir / "heads").glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            found[path.name] = repr([arrays[name].tobytes() for name in arrays.files])
    return found


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {
        "logs/worker-2.log"
    }


def leftovers(place: Place) -> list[str]:
    """Half-written files in the run directory; a shared cache is swept hours later."""
    return [path.as_posix() for path in place.run_dir.rglob(".tmp-*")]


def files_with_the_secret(place: Place) -> list[str]:
    """Files anywhere below the place, its cache, store and logs among them, that hold what was
    planted in the environment."""
    return [
        path.name
        for path in place.folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def assert_each_told_once(place: Place) -> None:
    for kind in ("asked", "told"):
        trials = [_number(event) for event in place.events if event["type"] == kind]
        assert sorted(trials) == list(range(len(trials))), kind


def assert_none_trained_once_told(place: Place) -> None:
    """By the workers' logs, which note each attempt with its time, and the journal's times."""
    keys = {_number(event): _key(event) for event in place.events if event["type"] == "asked"}
    told: dict[str, float] = {}
    for event in place.events:
        if event["type"] == "told":
            told.setdefault(keys[event["trial"]], event["time"])
    for key, started in _attempts(place):
        assert started <= told[key], key


def _number(event: dict[str, Any]) -> int:
    return int(event.get("trial", event.get("record", {}).get("trial", 0)))


def _key(event: dict[str, Any]) -> str:
    from search.experiment.trial import TrialSpec

    return TrialSpec.model_validate(event["record"]["spec"]).key


def _attempts(place: Place) -> Iterator[tuple[str, float]]:
    pattern = re.compile(r"^--- (\S+ \S+) .*\((\w+)\), attempt", re.MULTILINE)
    for log in (place.run_dir / "logs").glob("*.log"):
        for when, key in pattern.findall(log.read_text()):
            yield key, datetime.strptime(when, "%Y-%m-%d %H:%M:%S").timestamp()


def runs_in_mlflow(place: Place) -> dict[str, Any]:
    return runs_in_store(place.folder / "mlflow.db")


def runs_in_store(path: Path) -> dict[str, Any]:
    """What the store shows of every run that is not deleted, by the trial's number, and the
    registered versions."""
    with closing(sqlite3.connect(path)) as store:
        shown: dict[str, Any] = {}
        for run, status, ended in store.execute(
            "select run_uuid, status, end_time is not null from runs where lifecycle_stage = "
            "'active'"
        ):
            tags = dict(store.execute("select key, value from tags where run_uuid = ?", (run,)))
            trial = tags.get("augsearch.trial", "search")
            assert trial not in shown, f"trial {trial} is there twice"
            metrics = _values(
                store, "select key, value, step from latest_metrics where run_uuid = ?", run
            )
            params = _values(store, "select key, value from params where run_uuid = ?", run)
            if trial == "search":  # its metrics are written again with each state that is sent
                metrics = [(key, value) for key, value, _ in metrics]
                shown[trial] = (status, ended, metrics, params)
            else:
                # a trial's effect is written again as more is known of it
                written = "select key, value, step from metrics where run_uuid = ?"
                history = _values(store, f"{written} and key != 'effect'", run)
                shown[trial] = (status, ended, metrics, params, history)
        shown["versions"] = store.execute(
            "select name, version, status from model_versions"
        ).fetchall()
    return shown


def _values(store: sqlite3.Connection, query: str, run: str) -> list[tuple]:
    return sorted(row for row in store.execute(query, (run,)) if not WORK.search(row[0]))
