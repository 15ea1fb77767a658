"""Errors as the command line tells them: one line and a status."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from run_search import app
from search.commands.command_line import BAD_INPUT, INTERRUPTED, errors_as_status


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 336. KiB for an array"),
        RuntimeError("can't start new thread"),
        ImportError("libopenblas.so: failed to map segment from shared object"),
        SystemError("error return without exception set"),
    ],
)
def test_what_the_machine_refuses_is_one_line_and_status_2(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_status(as_json=False):
        raise error
    assert caught.value.exit_code == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the machine refused what this needs ({type(error).__name__}")
    assert line.endswith("then run the same command again")


def test_a_fault_of_the_program_is_none_of_the_user() -> None:
    with pytest.raises(ZeroDivisionError), errors_as_status(as_json=False):
        raise ZeroDivisionError


def test_an_interrupted_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_status(as_json=False):
        raise KeyboardInterrupt
    assert caught.value.exit_code == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("empty", ["", "  ", "\t"])
@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["verify", "{}"], "verify: an argument"),
        (["verify", "--many", "{}"], "verify: an argument"),
        (["verify", "x.zip", "--data", "{}"], "--data"),
        (["verify", "x.zip", "--data={}"], "--data"),
        (["run", "x.yaml", "--run-dir", "{}"], "--run-dir"),
        (["bundle", "runs/x", "--student", "A", "--out", "{}"], "--out"),
        (["predict", "runs/x", "a.png", "{}"], "predict: an argument"),
        (["init", "{}", "--run"], "init: an argument"),
        (["sync", "runs/x", "--uri", "{}"], "--uri"),
    ],
)
def test_an_empty_text_is_not_the_current_folder(
    command: list[str], named: str, empty: str
) -> None:
    given = [each.format(empty) for each in command]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == BAD_INPUT
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {named} received {empty!r}; allowed: a text that is not empty")


def test_an_empty_text_is_said_in_json_too() -> None:
    result = CliRunner().invoke(app, ["report", "", "--json"])
    assert result.exit_code == BAD_INPUT
    assert json.loads(result.stdout)["error"].startswith("report: an argument received ''")


def test_every_command_refuses_an_empty_text() -> None:
    for each in app.registered_commands:
        result = CliRunner().invoke(app, [str(each.name), ""])
        assert (result.exit_code, "received ''" in result.stderr) == (BAD_INPUT, True), each.name


def test_code_that_an_experiment_does_not_name_cannot_have_changed(tmp_path: Path) -> None:
    experiment = tmp_path / "x.yaml"
    experiment.write_text(
        f"name: x\ndataset: {{source: folder, path: {tmp_path}}}\n"
        "augmentation: {rotation_range: {min: 0, max: 30}}\n"
    )
    where = ["--run-dir", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["run", str(experiment), "--code-changed", *where])
    assert result.exit_code == BAD_INPUT
    note, *_, error = result.stderr.splitlines()
    assert note == "note: --code-changed is not needed: the experiment names no code of your own"
    assert error.startswith("error: ")
