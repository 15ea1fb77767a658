"""A sitting that ended without closing: killed, or ended from within by code of the user's own. The
next one says so, and where; so does `report`. And what own code may do to the process of a
trial."""

import os
import threading
from pathlib import Path

import pytest
import typer
from faulty_searches import Faults, config_of
from small_search import Heard, after, sit
from stand_ins import make_spec, run

from data.own_code import CodeFile, given
from search.commands.command_line import BAD_INPUT, errors_as_status
from search.commands.single_run import remake_outputs
from search.execution.engine import EngineOptions, own_code_in
from search.execution.engines import ENGINES
from search.experiment.config import ExperimentConfig
from search.experiment.trial import Resources
from search.journal.lock import RunLock

SAID = "the last sitting ended without closing with trial "


def _cut(run_dir: Path, config: ExperimentConfig, kind: str) -> int:
    """Runs a search and takes from its journal what follows the last event of a kind; the number of
    the last trial that was asked."""
    assert sit(config, run_dir).outcome == "finished"
    lines = (run_dir / "journal.jsonl").read_text().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if f'"type":"{kind}"' in line)
    kept = lines[: last + 1]
    (run_dir / "journal.jsonl").write_text("".join(kept))
    return sum('"type":"asked"' in line for line in kept) - 1


def test_the_next_sitting_and_report_say_at_which_trial_it_was(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    asked = _cut(run_dir, config, "asked")
    warned = str(remake_outputs(run_dir))
    assert warned.startswith(SAID)
    assert f"trial {asked} (" in warned
    with RunLock(run_dir):  # a search that runs
        assert remake_outputs(run_dir) is None
    heard = Heard()
    assert sit(config, run_dir, heard).outcome == "finished"
    assert heard.messages.count(warned) == 1
    assert remake_outputs(run_dir) is None


def test_one_that_was_between_trials_says_no_trial_and_one_that_closed_nothing(
    faults: Faults, cache: Path, tmp_path: Path
) -> None:
    config, run_dir = config_of(cache), tmp_path / "run"
    _cut(run_dir, config, "told")
    assert "ended without closing: " in str(remake_outputs(run_dir))
    (run_dir / ".lock").unlink()
    assert "ended without closing: " in str(remake_outputs(run_dir))
    stop = threading.Event()
    assert sit(config, run_dir, after(1, stop.set), stop=stop).outcome == "stopped"
    assert remake_outputs(run_dir) is None


def test_sys_exit_in_a_trial_of_this_process_fails_the_trial(tmp_path: Path) -> None:
    resources = Resources(cache_dir=tmp_path, views_dir=tmp_path)
    with ENGINES["inline"].build(EngineOptions(resources, tmp_path, run)) as engine:
        result = engine.submit(make_spec("sys-exit")).result().result
    assert result.status == "failed"
    assert "SystemExit: the trial gave up (" in str(result.error)


def test_sys_exit_anywhere_else_is_a_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_status(as_json=False):
        raise SystemExit(0)
    assert caught.value.exit_code == BAD_INPUT
    assert f"SystemExit: 0 ({__file__}, line " in capsys.readouterr().err


def test_a_lost_worker_names_the_own_code_that_it_ran() -> None:
    spec = make_spec("complete")
    assert own_code_in(spec) == ""
    painted = spec.settings.model_copy(update={"augmentation": {"mine.py:grain": 2.0}})
    assert "(mine.py)" in own_code_in(spec.model_copy(update={"settings": painted}))
    assert "(mine.py)" in own_code_in(spec.model_copy(update={"probes": {"mine.py:grain": 5.0}}))


def test_os_exit_of_own_code_alone_is_an_exception() -> None:
    before = os._exit
    ours, another = (
        CodeFile(name="mine.py", path=path, source="") for path in (__file__, "mine.py")
    )
    with given((ours,)), pytest.raises(SystemExit, match=r"os\._exit"):
        os._exit(7)
    assert os._exit is before
    with given((another,)):
        child = os.fork()
        if not child:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
