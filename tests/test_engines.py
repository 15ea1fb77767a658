"""What every engine promises, tested on each record of the table; `test_local_engine` has the
rest."""

import concurrent.futures
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_ins import make_spec, resources_in, run

from data.files import StorageError
from search.execution.engine import ClusterOptions, Engine, EngineOptions
from search.execution.engines import ENGINES
from search.experiment.trial import Outcome
from search.training.progress import EpochReport


@pytest.fixture(scope="module", autouse=True)
def stand_ins_can_be_imported() -> Iterator[None]:
    """By processes that are not started by this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield


@pytest.fixture(params=list(ENGINES), scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp(request.param)
    options = _options(request.param, folder)
    with ENGINES[request.param].build(options) as built:
        built.warm_up()
        yield built


def _options(name: str, folder: Path) -> EngineOptions:
    """Of an engine with nodes, a cluster of this process's own."""
    if package := ENGINES[name].package:
        pytest.importorskip(package, reason=f"{package} is not installed")
    own = ClusterOptions(address="local", cache_is_shared=True)
    return EngineOptions(
        resources_in(folder), run_dir=folder, run=run, warm_imports=(), cluster=own
    )


def test_a_trial_comes_back_with_its_result_and_predictions(engine: Engine) -> None:
    outcome = engine.submit(make_spec("complete", view_seed=7)).result(timeout=60)
    assert outcome.result.status == "completed"
    assert outcome.result.score == 0.007
    assert outcome.attempts == 1
    assert outcome.predictions is not None
    assert outcome.predictions.predicted.tolist() == [[7, 7, 7, 7]]


def test_many_trials_come_back_each_to_its_own_future(engine: Engine) -> None:
    futures = [engine.submit(make_spec("complete", view_seed=seed)) for seed in range(50)]
    scores = [future.result(timeout=60).result.score for future in futures]
    assert scores == [seed / 1000 for seed in range(50)]


def test_every_epoch_of_a_trial_is_reported_in_order_and_as_it_was(engine: Engine) -> None:
    heard: list[EpochReport] = []
    engine.submit(make_spec("epochs 200 0"), heard.append).result(timeout=60)
    assert [report.epoch for report in heard] == list(range(1, 201))
    assert heard[3] == EpochReport(4, 200, 0.25, 0.5, 0.5, 0.25, phase="head")


def test_what_a_trial_raises_is_a_failed_result_with_its_traceback(engine: Engine) -> None:
    outcome = engine.submit(make_spec("raise")).result(timeout=60)
    assert outcome.result.status == "failed"
    assert outcome.result.error == "ZeroDivisionError: the third batch"
    assert outcome.result.traceback is not None
    assert "stand_ins.py" in outcome.result.traceback
    assert outcome.predictions is None


@pytest.mark.parametrize("label", ["raise", "user-error", "report-failure"])
def test_what_would_fail_again_is_not_tried_again(engine: Engine, label: str) -> None:
    outcome = engine.submit(make_spec(label)).result(timeout=60)
    assert outcome.result.status == "failed"
    assert outcome.attempts == 1


def test_a_result_that_says_it_failed_keeps_its_reason(engine: Engine) -> None:
    outcome = engine.submit(make_spec("report-failure")).result(timeout=60)
    assert outcome.result.error == "the loss is not finite at epoch 3"


@pytest.mark.parametrize("label", ["os-error", "memory-error"])
def test_a_failure_of_the_machine_is_tried_again_and_then_counted_as_failed(
    engine: Engine, label: str
) -> None:
    outcome = engine.submit(make_spec(label)).result(timeout=60)
    assert outcome.result.status == "failed"
    assert outcome.attempts == 2


def test_a_failure_that_passes_leaves_a_completed_trial(engine: Engine) -> None:
    outcome = engine.submit(make_spec("error-once", view_seed=3)).result(timeout=60)
    assert outcome.result.status == "completed"
    assert outcome.attempts == 2


def test_a_full_disk_is_raised_and_not_put_down_to_the_trial(engine: Engine) -> None:
    future = engine.submit(make_spec("disk-full"))
    with pytest.raises(StorageError, match="space") as caught:
        future.result(timeout=60)
    assert caught.value.errno == 28


def test_futures_work_with_the_standard_library(engine: Engine) -> None:
    futures = [engine.submit(make_spec("complete", view_seed=seed)) for seed in range(3)]
    done, waiting = concurrent.futures.wait(futures, timeout=60)
    assert done == set(futures)
    assert not waiting


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_engine_that_was_shut_down_takes_nothing_more(name: str, tmp_path: Path) -> None:
    built = ENGINES[name].build(_options(name, tmp_path))
    built.shutdown(wait=True)
    built.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        built.submit(make_spec("complete"))


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_engine_says_what_it_is(name: str) -> None:
    assert ENGINES[name].summary
    assert ENGINES[name].summary[0].islower()


def test_every_future_ends_where_threads_submit_while_others_cancel(engine: Engine) -> None:
    def submit(start: int) -> list["concurrent.futures.Future[Outcome]"]:
        return [engine.submit(make_spec("complete", view_seed=start + i)) for i in range(15)]

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        submitted = [threads.submit(submit, 1000 * number) for number in range(3)]
        cancelling = [threads.submit(engine.cancel_running) for _ in range(3)]
        concurrent.futures.wait(cancelling)
    ends = [future for each in submitted for future in each.result()]
    assert not concurrent.futures.wait(ends, 60).not_done
    assert (
        engine.submit(make_spec("complete", view_seed=9)).result(timeout=60).result.score == 0.009
    )
