"""Errors as the command line tells them: one line and a status."""

import pytest
import typer

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
