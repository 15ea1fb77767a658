"""The command line of augsearch: the table of its commands. What each does stands in
`search.commands.all_commands`, its options in `command_line`.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` takes a while to import
import faulthandler
import os
import sys

if __name__ == "__main__":  # until `end_at_signals`, which does the same, so none is a traceback

    def end_early(number: int, _: object) -> None:
        try:
            os.write(2, b"interrupted\n")
            if "--json" in sys.argv:
                os.write(1, b'{"error": "interrupted"}\n')
        finally:  # nobody may be there to read it
            os._exit(75 if sys.argv[1:2] == ["run"] else 128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        asked = getattr(_signal, name, None)  # Windows has no SIGHUP, and nohup ignores it
        if asked is not None and (name != "SIGHUP" or _signal.getsignal(asked) == _signal.SIG_DFL):
            _signal.signal(asked, end_early)

from search.commands.signals import end_at_signals
from search.commands.streams import guard_streams, status_of

if __name__ == "__main__":  # before what takes time to import
    guard_streams()
    faulthandler.enable(all_threads=False)  # a crash in native code names its line of Python
    end_at_signals(sys.argv[1:])

from collections.abc import Callable
from typing import Annotated

import typer

import search.commands.all_commands as all_commands
from search.commands.command_line import Command

# TensorFlow's greetings are not this program's messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Finds which image augmentations help on your data, how strongly to set them, and whether "
    "the gain is real.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"augsearch {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Finds which image augmentations help on your data, how strongly to set them, and whether the
    gain is real."""


COMMANDS: dict[str, Callable[..., None]] = {
    "run": all_commands.run_experiment,
    "init": all_commands.init_experiment,
    "check": all_commands.check_experiment,
    "preview": all_commands.preview_experiment,
    "report": all_commands.report_search,
    "verify": all_commands.verify_searches,
    "compare": all_commands.compare_searches,
    "bundle": all_commands.bundle_search,
    "predict": all_commands.predict_images,
    "sync": all_commands.sync_search,
    "export": all_commands.export_policy,
    "import-idg": all_commands.import_generator,
    "schema": all_commands.print_schema,
}

for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)

if __name__ == "__main__":
    sys.exit(status_of(app))
