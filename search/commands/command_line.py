"""What the commands of `run_search.py` share: option types, exit statuses, errors turned into one
line. Imports Typer alone; what signals do is `signals`."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from search.commands.signals import FIRST_SIGNAL_STATUS, INTERRUPTED_WORD, STOPPED, WORD_IN_JSON

DONE, BAD_INPUT, NOTHING_COMPLETED, DIFFERENT = 0, 2, 3, 4
INTERRUPTED = FIRST_SIGNAL_STATUS + signal.SIGINT
STATUS_OF_OUTCOME = {
    "finished": DONE,
    "already finished": DONE,
    "stopped": STOPPED,
    "failed": NOTHING_COMPLETED,
}

ExperimentFile = Annotated[Path, typer.Argument(help="The experiment file (.yaml).")]
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
DataArgument = Annotated[
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
ClassTable = Annotated[
    Path | None,
    typer.Option("--csv", help="With --many: write the table, with all answers, to this file too."),
]
NoTrain = Annotated[
    bool, typer.Option("--no-train", help="Of a bundle: recompute, and train nothing again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")]

Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Start anew: deletes the search kept there, its trials, page and model."
    ),
]
Inline = Annotated[
    bool,
    typer.Option(
        "--inline", help="Run trials in this process, for debugging; nothing limits their time."
    ),
]
CodeChanged = Annotated[
    bool,
    typer.Option(
        "--code-changed", help="Go on although code of your own was edited since the search began."
    ),
]
RunCode = Annotated[
    Path | None,
    typer.Option(
        "--run-code",
        help="Own code that may be run, a copy that you have read: the file, or a folder of files. "
        "Without, a search that names code is not trained again, nor a model asked that needs it.",
    ),
]
ModelCode = Annotated[
    Path | None,
    typer.Option(
        "--run-code",
        help="Own code that the model needs and that may be run, a copy that you have read: the "
        "file, or a folder of files.",
    ),
]
DemoLeak = Annotated[
    bool,
    typer.Option(
        "--demo-leak", help="Then score on augmented images too, to see what that mistake does."
    ),
]
Sheet = Annotated[
    Path | None, typer.Option("--out", help="The picture to write [default: NAME-preview.png].")
]
OtherDirectory = Annotated[
    Path, typer.Argument(help="Another run directory, over the same images.")
]
Student = Annotated[str, typer.Option("--student", help="Whose work it is.")]
Answers = Annotated[
    Path | None,
    typer.Option("--answers", help="The answers.txt that the assignment's notebook filled."),
]
Zip = Annotated[Path, typer.Option("--out", help="The zip to write.")]
ImageNames = Annotated[
    list[str], typer.Argument(help="Files, folders and patterns such as 'photos/**/*.jpg'.")
]
TrackingUri = Annotated[
    str | None, typer.Option("--uri", help="Where to, if not where the search sent itself.")
]
Target = Annotated[
    str,
    typer.Option("--to", help="json, keras, imagedatagenerator, torchvision or albumentations."),
]
CodeOption = Annotated[
    str, typer.Argument(help="'ImageDataGenerator(rotation_range=30, ...)', parsed and never run.")
]
WrittenFile = Annotated[
    Path | None, typer.Option("--out", help="The file to write [default: standard output].")
]
OwnImages = Annotated[
    str, typer.Argument(help="A folder of images (a folder per class), a .csv or an .npz.")
]
Minutes = Annotated[float, typer.Option("--minutes", help="What the search may take, about.")]
NewFile = Annotated[
    Path | None, typer.Option("--out", help="The file to write [default: NAME.yaml].")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
AndRun = Annotated[bool, typer.Option("--run", help="Then run the search.")]
PathColumn = Annotated[
    str | None, typer.Option("--path-column", help="The csv's column of file names.")
]
LabelColumn = Annotated[
    str | None, typer.Option("--label-column", help="The csv's column of classes.")
]
PhotoFolder = Annotated[str, typer.Option("--data", help="The folder of images to write into it.")]


class Command(TyperCommand):
    """Refuses an empty text, or one of spaces, wherever one is given: as a path it would be the
    current folder, and it comes of a variable that was never set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Typer's own type is private
        with errors_as_status("--json" in args):
            self._refuse_empty(args)
        left = super().parse_args(ctx, args)
        ctx.params.update(_at_home(ctx.params))
        return left

    def _refuse_empty(self, args: list[str]) -> None:
        from data.errors import UserError

        takes = {
            name for each in self.params if not getattr(each, "is_flag", True) for name in each.opts
        }
        for before, each in pairwise(["", *args]):
            option, equals, value = each.partition("=")
            is_joined = bool(equals) and option in takes
            if not (value if is_joined else each).strip():
                said = option if is_joined else before
                named = said if said in takes else f"{self.name}: an argument"
                raise UserError(
                    f"{named} received {(value if is_joined else each)!r}; allowed: a text that is "
                    "not empty (a variable of the shell that was never set gives one)"
                )


def _at_home(values: Mapping[str, Any]) -> dict[str, Path]:
    """The paths among them that begin with `~`: behind `--out=` a shell leaves it as it is."""
    from data.files import named_path

    return {name: named_path(value) for name, value in values.items() if isinstance(value, Path)}


def say(line: str) -> None:
    """A message: to standard error."""
    typer.echo(line, err=True)


def show(as_json: bool, values: object, text: str, *, newline: bool = True) -> None:
    """An answer: to standard output, as one JSON object or as text."""
    typer.echo(json.dumps(values) if as_json else text, nl=as_json or newline)


@contextmanager
def errors_as_status(as_json: bool) -> Iterator[None]:
    """Turns what the user can mend into one line and exit status 2: a mistake, a file, or memory
    and the like that the system refuses."""
    from data.errors import UserError
    from data.files import StorageError
    from data.messages import with_short_words, words_of
    from data.secrets import redacted_here
    from search.execution.failures import exit_text, is_lack

    try:
        yield
    except KeyboardInterrupt:  # before, or where, no thread hears signals
        if as_json:
            typer.echo(WORD_IN_JSON)
        say(INTERRUPTED_WORD)
        raise typer.Exit(INTERRUPTED) from None
    except (UserError, StorageError) as error:
        reason = str(error)
    except OSError as error:
        reason = (
            f"{error.filename or type(error).__name__}: {(error.strerror or str(error)).lower()}; "
            "run the same command again"
        )
    except SystemExit as end:
        reason = exit_text(end)
    except Exception as error:
        if not is_lack(error):
            raise
        reason = (
            f"the machine refused what this needs ({words_of(error)}); give it more memory, "
            "processes or open files, then run the same command again"
        )
    else:
        return
    reason = with_short_words(redacted_here(reason))
    if as_json:
        typer.echo(json.dumps({"error": reason}))
    say(f"error: {reason}")
    raise typer.Exit(BAD_INPUT)
