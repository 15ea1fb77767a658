"""Workers that crash, hang or hoard, and parents that are killed: one trial is lost, and no process
stays."""

import errno
import importlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
from processes import announced, is_running, wait_until
from stand_ins import engine_options as options
from stand_ins import make_spec, resources_in

from data.files import StorageError
from search.execution import worker_process
from search.execution.engine import EngineOptions
from search.execution.local_engine import LocalEngine
from search.execution.worker import private_mb


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalEngine, Path]]:
    folder = tmp_path_factory.mktemp("shared")
    with LocalEngine(options(folder)) as engine:
        yield engine, folder


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("abort", "ended by SIGABRT"),
        ("segfault", "ended by SIGSEGV"),
        ("killed", "killed (SIGKILL), as the system does when memory runs out"),
        ("exit-3", "exited with status 3"),
        ("exit-0", "exited with status 0"),
        ("die-while-answering", "killed (SIGKILL)"),
        ("exhaust-memory", "MemoryError"),
        ("sys-exit", "SystemExit: the trial gave up"),
    ],
)
def test_a_trial_that_ends_its_process_costs_one_trial(
    shared: tuple[LocalEngine, Path], label: str, reason: str
) -> None:
    engine, _ = shared
    bad = engine.submit(make_spec(label))
    good = engine.submit(make_spec("complete", view_seed=5))
    result = bad.result(timeout=60).result
    assert result.status == "failed"
    assert result.error is not None
    assert reason in result.error
    assert result.log_path == "logs/worker-1.log"
    assert good.result(timeout=60).result.score == 0.005


def test_a_crash_in_native_code_leaves_its_stack_in_log_and_traceback(
    shared: tuple[LocalEngine, Path],
) -> None:
    engine, folder = shared
    result = engine.submit(make_spec("abort here")).result(timeout=60).result
    assert result.traceback is not None
    assert "Fatal Python error: Aborted" in result.traceback
    assert "stand_ins.py" in result.traceback
    assert "'abort here'" in (folder / "logs/worker-1.log").read_text()


def test_what_a_worker_writes_goes_to_its_log(shared: tuple[LocalEngine, Path], capfd: Any) -> None:
    engine, folder = shared
    engine.submit(make_spec("write")).result(timeout=60)
    log = (folder / "logs/worker-1.log").read_text()
    assert "from Python" in log
    assert "from native code" in log
    assert capfd.readouterr() == ("", "")


def test_one_warm_worker_serves_trial_after_trial(shared: tuple[LocalEngine, Path]) -> None:
    engine, _ = shared
    outcomes = [engine.submit(make_spec("complete")).result(timeout=60) for _ in range(5)]
    assert len({outcome.result.metrics["pid"] for outcome in outcomes}) == 1


def test_a_worker_killed_between_trials_costs_none(shared: tuple[LocalEngine, Path]) -> None:
    engine, _ = shared
    pid = int(engine.submit(make_spec("complete")).result(timeout=60).result.metrics["pid"])
    os.kill(pid, signal.SIGKILL)
    outcome = engine.submit(make_spec("complete")).result(timeout=60)
    assert outcome.result.status == "completed"
    assert outcome.result.metrics["pid"] != pid


def test_a_trial_cancelled_while_it_runs_gives_its_worker_back(
    shared: tuple[LocalEngine, Path],
) -> None:
    engine, folder = shared
    future = engine.submit(make_spec("announce"))
    assert wait_until(lambda: announced(folder))
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    assert engine.submit(make_spec("complete")).result(timeout=60).result.status == "completed"
    assert not any(is_running(pid) for pid in announced(folder))


def test_a_trial_that_hangs_is_ended_at_its_limit(tmp_path: Path) -> None:
    with LocalEngine(options(tmp_path, timeout_seconds=1.0)) as engine:
        outcome = engine.submit(make_spec("sleep")).result(timeout=60)
        assert outcome.result.error is not None
        assert "longer than 1 s" in outcome.result.error
        assert "trial_timeout_minutes" in outcome.result.error
        assert engine.submit(make_spec("complete")).result(timeout=60).result.status == "completed"


def test_a_crash_that_does_not_repeat_is_made_good(tmp_path: Path) -> None:
    with LocalEngine(options(tmp_path, retries=1)) as engine:
        outcome = engine.submit(make_spec("crash-once")).result(timeout=60)
    assert outcome.result.status == "completed"
    assert outcome.attempts == 2


def test_two_workers_run_two_trials_at_once_and_share_the_threads(tmp_path: Path) -> None:
    with LocalEngine(options(tmp_path, workers=2)) as engine:
        futures = [engine.submit(make_spec("short-sleep", view_seed=seed)) for seed in range(6)]
        results = [future.result(timeout=60).result for future in futures]
    assert [result.score for result in results] == [seed / 1000 for seed in range(6)]
    assert len({result.metrics["pid"] for result in results}) == 2
    assert {result.metrics["threads"] for result in results} == {1.0}


def test_a_worker_is_light_counts_its_threads_and_leaves_signals_to_its_parent(
    tmp_path: Path,
) -> None:
    with LocalEngine(options(tmp_path, workers=2)) as engine:
        result = engine.submit(make_spec("environment")).result(timeout=60).result
    assert result.error == "heavy=[] threads=('1', '1') deaf=True"


def test_temporary_files_of_a_killed_worker_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with LocalEngine(options(tmp_path)) as engine:
        engine.submit(make_spec("temporary")).result(timeout=60)
        assert len([*tmp_path.glob("logs/*/left-*")]) == 1
    assert not [*tmp_path.glob("tmp/*"), *tmp_path.glob("logs/.tmp-*")]


def test_a_disk_that_refuses_temporary_files_stops_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker_process, "TemporaryDirectory", refuse)
    with (
        LocalEngine(options(tmp_path)) as engine,
        pytest.raises(StorageError, match=r"a worker's temporary files .*the disk is full"),
    ):
        engine.submit(make_spec("complete")).result(timeout=60)


def test_modules_are_imported_ahead_and_missing_ones_passed_over(tmp_path: Path) -> None:
    with LocalEngine(options(tmp_path, warm_imports=("rich", "no_such_module"))) as engine:
        result = engine.submit(make_spec("environment")).result(timeout=60).result
    assert result.error is not None
    assert "heavy=['rich']" in result.error


def test_a_module_that_cannot_be_imported_fails_the_trial_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('no such instruction set')")
    monkeypatch.syspath_prepend(tmp_path)
    with LocalEngine(options(tmp_path, warm_imports=("broken_library",))) as engine:
        result = engine.submit(make_spec("complete")).result(timeout=60).result
    assert result.error == "RuntimeError: no such instruction set"


def test_an_epoch_is_heard_of_while_its_trial_still_runs(tmp_path: Path) -> None:
    heard = threading.Event()
    with LocalEngine(options(tmp_path)) as engine:
        future = engine.submit(make_spec("epochs 1 60"), lambda report: heard.set())
        assert heard.wait(timeout=30)
        assert not future.done()
        engine.cancel_running()


def test_a_trial_function_that_workers_cannot_import_fails_the_trial_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "only_here.py"
    module.write_text("def run(spec, resources, on_epoch=None): ...")
    monkeypatch.syspath_prepend(tmp_path)
    function = importlib.import_module("only_here").run
    module.write_text("raise RuntimeError('it was edited meanwhile')")
    with LocalEngine(
        EngineOptions(resources_in(tmp_path), tmp_path, function, warm_imports=())
    ) as engine:
        result = engine.submit(make_spec("complete")).result(timeout=60).result
    assert result.error == "RuntimeError: it was edited meanwhile"


def test_a_worker_that_grows_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "MAX_GROWTH_MB", 50.0)
    with LocalEngine(options(tmp_path)) as engine:
        pids = [
            engine.submit(make_spec("grow")).result(timeout=60).result.metrics["pid"]
            for _ in range(3)
        ]
    assert pids[0] == pids[1]
    assert pids[1] != pids[2]


def test_a_worker_is_replaced_after_many_trials_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "MAX_TRIALS_A_WORKER", 2)
    with LocalEngine(options(tmp_path)) as engine:
        futures = [engine.submit(make_spec("complete", view_seed=seed)) for seed in range(5)]
        results = [future.result(timeout=60).result for future in futures]
    assert [result.score for result in results] == [seed / 1000 for seed in range(5)]
    assert len({result.metrics["pid"] for result in results}) == 3


def test_two_hundred_trials_leave_the_parent_small_and_no_process(tmp_path: Path) -> None:
    others = set(multiprocessing.active_children())
    with LocalEngine(options(tmp_path)) as engine:
        engine.submit(make_spec("complete")).result(timeout=60)
        before = private_mb()
        pids = {
            engine.submit(make_spec("complete", view_seed=seed))
            .result(timeout=60)
            .result.metrics["pid"]
            for seed in range(200)
        }
    assert private_mb() - before < 50
    assert not any(is_running(int(pid)) for pid in pids)
    assert set(multiprocessing.active_children()) <= others


def test_shutting_down_without_waiting_cancels_all_and_is_quick(tmp_path: Path) -> None:
    engine = LocalEngine(options(tmp_path, workers=2))
    futures = [engine.submit(make_spec("announce")) for _ in range(5)]
    assert wait_until(lambda: len(announced(tmp_path)) == 2)
    began = time.monotonic()
    engine.shutdown(wait=False)
    assert time.monotonic() - began < 9
    assert all(future.cancelled() for future in futures)
    assert not any(is_running(pid) for pid in announced(tmp_path))


def test_shutting_down_with_waiting_lets_every_trial_end(tmp_path: Path) -> None:
    engine = LocalEngine(options(tmp_path))
    futures = [engine.submit(make_spec("short-sleep", view_seed=seed)) for seed in range(3)]
    engine.shutdown(wait=True)
    assert [future.result(timeout=0).result.status for future in futures] == ["completed"] * 3


def test_shutting_down_while_workers_start_is_quick(tmp_path: Path) -> None:
    others = set(multiprocessing.active_children())
    engine = LocalEngine(options(tmp_path, workers=2))
    engine.warm_up()
    began = time.monotonic()
    engine.shutdown(wait=False)
    assert time.monotonic() - began < 9
    assert set(multiprocessing.active_children()) <= others


def test_a_function_that_workers_cannot_import_is_refused_at_once(tmp_path: Path) -> None:
    def nested(*given: Any, **named: Any) -> Any: ...

    with pytest.raises(TypeError, match="top of a module"):
        LocalEngine(EngineOptions(resources_in(tmp_path), tmp_path, nested))


def test_a_run_directory_that_cannot_hold_logs_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(StorageError, match="folder of the workers' logs"):
        LocalEngine(options(tmp_path))


def test_logs_that_cannot_be_written_stop_the_search_until_they_can(tmp_path: Path) -> None:
    with LocalEngine(options(tmp_path)) as engine:
        (tmp_path / "logs").rmdir()
        with pytest.raises(StorageError, match=r"a worker's log .*folder does not exist"):
            engine.submit(make_spec("complete")).result(timeout=60)
        (tmp_path / "logs").mkdir()
        assert engine.submit(make_spec("complete")).result(timeout=60).result.status == "completed"


def test_a_trial_submitted_while_the_engine_shuts_down_ends(tmp_path: Path) -> None:
    """Behind the last None of the queue nobody would take it."""
    engine = LocalEngine(options(tmp_path))
    jobs, closer = engine._jobs, threading.Thread(target=engine.shutdown, args=(True,))

    class Late:
        """Puts a job only after somebody has tried to shut the engine down."""

        def put(self, job: Any) -> None:
            if job is not None:
                closer.start()
                time.sleep(0.3)
            jobs.put(job)

    engine._jobs = Late()  # type: ignore[assignment]
    future = engine.submit(make_spec("complete"))
    closer.join()
    assert future.done()
