"""What the commands of `run_search.py` share: option types, exit statuses, and errors turned into
one line. Imports Typer alone."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

DONE, BAD_INPUT, NOTHING_COMPLETED, DIFFERENT, STOPPED = 0, 2, 3, 4, 75

Experiment = Annotated[Path, typer.Argument(help="The experiment file (.yaml).")]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help="Changes a value of the experiment file."),
]
RunDir = Annotated[
    Path | None, typer.Option("--run-dir", help="Where the search is kept [default: runs/NAME].")
]
Directory = Annotated[Path, typer.Argument(help="A run directory.")]
Checked = Annotated[
    Path, typer.Argument(help="A run directory, a bundle, or with --many a folder of bundles.")
]
TrialNumber = Annotated[
    int | None, typer.Option("--trial", help="Its number [default: the recommended one].")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Where the images are, if not where the search had them."),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", help="Where the file is that the search began from, if it began from one."
    ),
]
Many = Annotated[
    bool, typer.Option("--many", help="Grade every bundle of a folder and print a table.")
]
NoTrain = Annotated[
    bool, typer.Option("--no-train", help="Of a bundle: recompute, and train nothing again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")]


def escape_what_cannot_be_written() -> None:
    """A sign that the terminal's or the pipe's encoding has not (cp1252, ascii) is written as an
    escape such as \\u65e5."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """A message: to standard error."""
    typer.echo(line, err=True)


@contextmanager
def errors_as_status(as_json: bool) -> Iterator[None]:
    """Turns what the user can mend into one line and exit status 2: a mistake, a file, or memory
    and the like that the system refuses."""
    from data.errors import UserError
    from data.files import StorageError
    from search.execution.failures import is_lack

    try:
        yield
    except (UserError, StorageError) as error:
        reason = str(error)
    except OSError as error:
        reason = (
            f"{error.filename or type(error).__name__}: {(error.strerror or str(error)).lower()}; "
            "run the same command again"
        )
    except Exception as error:
        if not is_lack(error):
            raise
        text = " ".join(str(error).split())
        reason = (
            "the machine refused what this needs "
            f"({type(error).__name__}{': ' if text else ''}{text}); give it more memory, "
            "processes or open files, then run the same command again"
        )
    else:
        return
    if as_json:
        typer.echo(json.dumps({"error": reason}))
    say(f"error: {reason}")
    raise typer.Exit(BAD_INPUT)
