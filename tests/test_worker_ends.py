"""What a local engine makes of programs without a guard, of lost workers and of missing threads."""

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pebble
import pytest
from stand_ins import engine_options as options
from stand_ins import make_spec, run

from search.execution import worker_process
from search.execution.local_engine import LocalEngine

WITHOUT_GUARD = """
import pathlib, sys
from stand_ins import make_spec, resources_in, run
from search.execution.engines import EngineOptions
from search.execution.local_engine import LocalEngine

folder = pathlib.Path("here")
folder.mkdir()  # which a second import of this would fail at
options = EngineOptions(resources_in(folder), folder, run, retries=0, warm_imports=())
with LocalEngine(options) as engine:
    print(engine.submit(make_spec("complete", view_seed=7)).result(60).result.score)
"""


@pytest.mark.parametrize(
    "arguments", [("script.py",), ("-m", "script"), ("-c", WITHOUT_GUARD), ("-",)]
)
def test_a_program_without_a_guard_is_not_run_again_by_workers(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(WITHOUT_GUARD)
    done = subprocess.run(
        [sys.executable, *arguments],
        input=WITHOUT_GUARD,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0.007\n"), done.stderr


def test_another_thread_s_processes_import_the_main_module_as_ever() -> None:
    from multiprocessing import spawn

    seen: list[bool] = []
    with worker_process._main_left_out():
        mine = worker_process._MAIN[1] in spawn.get_preparation_data("x")
        thread = threading.Thread(
            target=lambda: seen.append(
                bool(set(worker_process._MAIN) & set(spawn.get_preparation_data("x")))
            )
        )
        thread.start()
        thread.join()
    assert (mine, seen) == (
        False,
        [bool(set(worker_process._MAIN) & set(spawn.get_preparation_data("x")))],
    )


def test_what_the_main_module_defines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "__module__", "__main__")
    with pytest.raises(TypeError, match="put it into a module of its own"):
        LocalEngine(options(tmp_path))


def test_a_pool_does_not_replace_its_process() -> None:
    """One that starts while its pool is thrown away writes a traceback to the terminal."""
    context = worker_process.OneProcess()
    context.Process()
    with pytest.raises(worker_process.NotReplaced):
        context.Process()


def test_a_worker_that_is_ended_while_it_starts_is_killed_before_its_pool_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it may find half of it gone, and writes that to the terminal."""
    stop, alive = pebble.ProcessPool.stop, []

    def look(pool: pebble.ProcessPool) -> None:
        for process in multiprocessing.active_children():
            process.join(5)
            alive.append(process.is_alive())
        stop(pool)

    monkeypatch.setattr(pebble.ProcessPool, "stop", look)
    worker_process.WorkerProcess(1, tmp_path / "worker.log", options(tmp_path)).end()
    assert not any(alive)


@pytest.mark.parametrize("label", ["sleep", "killed"])
def test_a_worker_that_is_lost_says_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], label: str
) -> None:
    with LocalEngine(options(tmp_path, timeout_seconds=0.2)) as engine:
        trials = [engine.submit(make_spec(label, view_seed=seed)) for seed in range(3)]
        assert {trial.result(timeout=60).result.status for trial in trials} == {"failed"}
    assert capfd.readouterr() == ("", "")


def test_a_machine_without_threads_left_costs_a_trial_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pebble.pool.process.launch_thread", refuse)
    before = multiprocessing.active_children()
    with LocalEngine(options(tmp_path)) as engine:
        result = engine.submit(make_spec("complete")).result(timeout=60).result
    assert (result.status, result.may_pass) == ("failed", True)
    assert result.error == "no worker process could be started: can't start new thread"
    assert multiprocessing.active_children() == before


def test_an_engine_whose_threads_could_not_start_is_shut_down_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    engine = LocalEngine(options(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            engine.warm_up()
    engine.shutdown(wait=False)
