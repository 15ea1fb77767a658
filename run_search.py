"""The command line of augsearch, and nothing else: it reads arguments, calls `search`, prints, and
chooses the exit status.

Everything heavy is imported inside a command: `--help` answers without TensorFlow or MLflow.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.commands.command_line import (
    BAD_INPUT,
    DIFFERENT,
    DONE,
    NOTHING_COMPLETED,
    STOPPED,
    AsJson,
    Checked,
    Data,
    Directory,
    Experiment,
    Many,
    NoTrain,
    Overrides,
    RunDir,
    TrialNumber,
    Weights,
    errors_as_status,
    escape_what_cannot_be_written,
    say,
    stop_signals,
)

if TYPE_CHECKING:
    from search.driver.session import SearchResult

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "3"
)  # TensorFlow's greetings are not this program's messages

__version__ = "0.1.0"

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Finds which image augmentations help on your data, how strongly to set them, and whether "
    "the gain is real.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"augsearch {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finds which image augmentations help on your data, how strongly to set them, and whether the
    gain is real."""


@app.command()
def run(
    experiment: Experiment,
    run_dir: RunDir = None,
    overrides: Overrides = [],  # noqa: B006 - Typer reads the default and copies it
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Start anew: deletes the search kept there, its trials, page and model."
        ),
    ] = False,
    inline: Annotated[
        bool, typer.Option("--inline", help="Run trials in this process, for debugging.")
    ] = False,
    demo_leak: Annotated[
        bool,
        typer.Option(
            "--demo-leak", help="Then score on augmented images too, to see what that mistake does."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Runs a search, or resumes it where it was stopped."""
    with errors_as_status(as_json), stop_signals(say, STOPPED) as stop:
        from search.driver.experiment_file import load_config
        from search.driver.session import SessionOptions, run_search
        from search.report.terminal import Progress

        config = load_config(experiment, overrides)
        where = run_dir or Path("runs") / config.name
        progress = Progress()
        try:
            result = run_search(
                config, where, progress, SessionOptions(fresh, inline, demo_leak, stop)
            )
        finally:
            progress.close()
        _print_result(result, as_json)
    raise typer.Exit(_status(result))


def _status(result: "SearchResult") -> int:
    return {
        "finished": DONE,
        "already finished": DONE,
        "stopped": STOPPED,
        "failed": NOTHING_COMPLETED,
    }[result.outcome]


def _print_result(result: "SearchResult", as_json: bool) -> None:
    from search.report.summary import summarize
    from search.report.terminal import print_closing

    if as_json:
        summary = {
            **summarize(result.state),
            "outcome": result.outcome,
            "run_dir": str(result.run_dir),
        }
        typer.echo(json.dumps(summary, allow_nan=False))
    print_closing(result)


@app.command()
def check(experiment: Experiment, overrides: Overrides = [], as_json: AsJson = False) -> None:  # noqa: B006
    """Checks an experiment file and its images and prints the plan. Trains nothing."""
    with errors_as_status(as_json):
        from search.commands.check import describe_plan, make_plan
        from search.driver.experiment_file import load_config

        plan = make_plan(load_config(experiment, overrides))
        for line in plan.dataset.notes.lines():
            say(line)
        typer.echo(json.dumps(plan.model_dump(mode="json")) if as_json else describe_plan(plan))


@app.command()
def preview(
    experiment: Experiment,
    out: Annotated[
        Path | None, typer.Option("--out", help="The picture to write [default: NAME-preview.png].")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Draws each augmentation at its extremes, and samples, beside the clean image."""
    with errors_as_status(as_json):
        from search.driver.experiment_file import load_config
        from search.report.preview import write_preview

        config = load_config(experiment, overrides)
        path = write_preview(config, out or Path(f"{config.name}-preview.png"))
        typer.echo(json.dumps({"preview": str(path)}) if as_json else str(path))


@app.command()
def report(directory: Directory, as_json: AsJson = False) -> None:
    """Makes report.html, trials.csv and summary.json again from the journal."""
    with errors_as_status(as_json):
        from search.driver.publishing import write_outputs
        from search.journal.journal_file import read
        from search.journal.state import replay

        events, warning = read(directory / "journal.jsonl")
        if warning:
            typer.echo(warning, err=True)
        write_outputs(replay(events), directory)
        path = directory / "report.html"
        typer.echo(json.dumps({"report": str(path)}) if as_json else str(path))


@app.command()
def verify(
    path: Checked,
    trial: TrialNumber = None,
    data: Data = None,
    weights: Weights = None,
    many: Many = False,
    no_train: NoTrain = False,
    as_json: AsJson = False,
) -> None:
    """Trains one trial again and recomputes all that follows from the others; compares every number
    and file."""
    with errors_as_status(as_json):
        from search.commands.verifying import verified

        found = verified(path, trial, data, many, not no_train, say, weights)
        typer.echo(json.dumps(found.as_json) if as_json else found.text)
    raise typer.Exit(DONE if found.same else DIFFERENT)


@app.command()
def compare(
    first: Directory,
    second: Annotated[Path, typer.Argument(help="Another run directory, over the same images.")],
    as_json: AsJson = False,
) -> None:
    """Compares two finished searches over the same images, out of fold and on the test set: modes,
    backbones, sizes of head."""
    with errors_as_status(as_json):
        from search.commands.compare import compare as compared
        from search.commands.compare import describe_comparison

        found = compared(first, second)
        typer.echo(
            json.dumps(found.model_dump(mode="json")) if as_json else describe_comparison(found)
        )


@app.command()
def bundle(
    directory: Directory,
    student: Annotated[str, typer.Option("--student", help="Whose work it is.")],
    out: Annotated[Path, typer.Option("--out", help="The zip to write.")],
    as_json: AsJson = False,
) -> None:
    """Packs a finished search into one zip to hand in, which `verify` checks without it."""
    with errors_as_status(as_json):
        from search.verification.bundle import make_bundle

        made = make_bundle(directory, student, out)
        typer.echo(
            json.dumps(made.model_dump(mode="json"))
            if as_json
            else f"{made.path}  sha256 {made.sha256}"
        )


@app.command()
def predict(
    directory: Directory,
    images: Annotated[
        list[str], typer.Argument(help="Files, folders and patterns such as 'photos/**/*.jpg'.")
    ],
) -> None:
    """Prints the winning model's class and probabilities for each image, a JSON object a line."""
    failed = False
    with errors_as_status(as_json=False):
        from search.commands.predict import Answer
        from search.commands.predict import predict as answers

        for each in answers(directory, images):
            if isinstance(each, Answer):
                typer.echo(each.line)
            else:
                failed = True
                say(each.complaint)
    raise typer.Exit(BAD_INPUT if failed else DONE)


@app.command()
def sync(
    directory: Directory,
    uri: Annotated[
        str | None, typer.Option(help="Where to, if not where the search sent itself.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sends a search to MLflow again; what is there already is left alone."""
    with errors_as_status(as_json):
        from search.commands.sync import sync as send

        status = send(directory, uri)
        typer.echo(
            json.dumps({"where": status.where, "sent": status.sent}) if as_json else str(status)
        )


@app.command()
def export(
    directory: Directory,
    to: Annotated[
        str, typer.Option(help="json, keras, imagedatagenerator, torchvision or albumentations.")
    ],
    trial: TrialNumber = None,
    as_json: AsJson = False,
) -> None:
    """Prints the recommended augmentation, or a trial's, as code for use elsewhere."""
    with errors_as_status(as_json):
        from search.commands.export_run import export as write

        exported = write(directory, to, trial)
        for caveat in exported.caveats:
            say(f"differs: {caveat}")
        typer.echo(json.dumps(asdict(exported)) if as_json else exported.code, nl=as_json)


@app.command("import-idg")
def import_idg(
    code: Annotated[
        str,
        typer.Argument(help="'ImageDataGenerator(rotation_range=30, ...)', parsed and never run."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write [default: standard output].")
    ] = None,
    data: Annotated[
        str, typer.Option(help="The folder of images, seen from here, to write into it.")
    ] = "photos",
) -> None:
    """Writes an experiment file that searches around the settings of Keras's ImageDataGenerator."""
    with errors_as_status(as_json=False):
        from search.commands.import_idg import import_idg as read_code
        from search.commands.import_idg import named_from, write_new

        folder = named_from(out, data) if out else data
        imported = read_code(code, folder, out.stem if out else "imported")
        for remark in imported.remarks:
            say(f"note: {remark}")
        typer.echo(
            imported.experiment if out is None else write_new(out, imported.experiment),
            nl=out is not None,
        )


@app.command()
def schema() -> None:
    """Prints the JSON Schema of an experiment file."""
    from search.driver.experiment_file import experiment_schema

    typer.echo(json.dumps(experiment_schema(), indent=2))


if __name__ == "__main__":
    escape_what_cannot_be_written()
    sys.exit(app())
