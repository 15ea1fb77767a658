"""The command line of augsearch, and nothing else: it reads arguments, calls `search`, prints, and
chooses the exit status. Options are described in `search.commands.command_line`.

Everything heavy is imported inside a command: `--help` answers without TensorFlow or MLflow.
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

from search.commands.signals import end_at_signals, stop_signals
from search.commands.streams import guard_streams, status_of

if __name__ == "__main__":  # before what takes time to import
    guard_streams()
    faulthandler.enable(all_threads=False)  # a crash in native code names its line of Python
    end_at_signals(sys.argv[1:])

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import search.commands.command_line as cli
from search.commands.command_line import BAD_INPUT, DIFFERENT, DONE, errors_as_status

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


@app.command("run", cls=cli.Command)
def _run(
    experiment: cli.ExperimentFile,
    run_dir: cli.RunDir = None,
    overrides: cli.Overrides = [],  # noqa: B006 - Typer reads the default and copies it
    fresh: cli.Fresh = False,
    inline: cli.Inline = False,
    demo_leak: cli.DemoLeak = False,
    code_changed: cli.CodeChanged = False,
    as_json: cli.AsJson = False,
) -> None:
    """Runs a search, or resumes it where it was stopped."""
    with errors_as_status(as_json), stop_signals(as_json=as_json) as stop:
        from search.driver.experiment_file import load_config
        from search.driver.session import SessionOptions, run_search
        from search.report.closing import print_closing
        from search.report.summary import summarize
        from search.report.terminal import Progress, terminal_console
        from search.report.view import SearchView

        config = load_config(experiment, overrides)
        if code_changed and not config.code.files:
            cli.say("note: --code-changed is not needed: the experiment names no code of your own")
        options = SessionOptions(fresh, inline, demo_leak, stop, code_changed)
        progress = Progress()
        try:
            found = run_search(config, run_dir or Path("runs") / config.name, progress, options)
        finally:
            progress.close()
        if as_json:
            where = {"outcome": found.outcome, "run_dir": str(found.run_dir)}
            cli.show(as_json, {**summarize(SearchView(found.state)), **where}, "")
        print_closing(found, terminal_console(stderr=as_json))
    raise typer.Exit(cli.STATUS_OF_OUTCOME[found.outcome])


@app.command("init", cls=cli.Command)
def _init(
    images: cli.OwnImages,
    minutes: cli.Minutes = 30,
    out: cli.NewFile = None,
    force: cli.Force = False,
    run: cli.AndRun = False,
    path_column: cli.PathColumn = None,
    label_column: cli.LabelColumn = None,
    as_json: cli.AsJson = False,
) -> None:
    """Writes an experiment file for images, with a space and a plan that fit them and the time."""
    with errors_as_status(as_json):
        from search.commands.init import Asked, make_experiment
        from search.report.terminal_width import between_words

        columns = {"path_column": path_column, "label_column": label_column}
        named = tuple((key, name) for key, name in columns.items() if name is not None)
        made = make_experiment(Asked(images, minutes, out, force, named), cli.say)
        if run:
            cli.say(made.text)
        else:
            cli.show(as_json, made.as_json, between_words(made.text))
    if run:
        _run(made.path, as_json=as_json)


@app.command("check", cls=cli.Command)
def _check(
    experiment: cli.ExperimentFile,
    overrides: cli.Overrides = [],  # noqa: B006
    as_json: cli.AsJson = False,
) -> None:
    """Checks an experiment file and its images and prints the plan. Trains nothing."""
    with errors_as_status(as_json):
        from search.commands.check import describe_plan, make_plan
        from search.driver.experiment_file import load_config
        from search.report.terminal_width import between_words

        plan = make_plan(load_config(experiment, overrides))
        for line in plan.dataset.notes.lines():
            cli.say(line)
        text = between_words(describe_plan(plan))
        cli.show(as_json, plan.model_dump(mode="json"), text)


@app.command("preview", cls=cli.Command)
def _preview(
    experiment: cli.ExperimentFile,
    out: cli.Sheet = None,
    overrides: cli.Overrides = [],  # noqa: B006
    as_json: cli.AsJson = False,
) -> None:
    """Draws each augmentation at its extremes, and samples, beside the clean image."""
    with errors_as_status(as_json):
        from search.commands.single_run import write_preview
        from search.driver.experiment_file import load_config

        config = load_config(experiment, overrides)
        path = write_preview(config, out or Path(f"{config.name}-preview.png"))
        cli.show(as_json, {"preview": str(path)}, str(path))


@app.command("report", cls=cli.Command)
def _report(directory: cli.Directory, as_json: cli.AsJson = False) -> None:
    """Makes report.html, trials.csv and summary.json again from the journal."""
    with errors_as_status(as_json):
        from search.commands.single_run import remake_outputs

        if warning := remake_outputs(directory):
            cli.say(warning)
        path = str(directory / "report.html")
        cli.show(as_json, {"report": path}, path)


@app.command("verify", cls=cli.Command)
def _verify(
    path: cli.Checked,
    trial: cli.TrialNumber = None,
    data: cli.DataArgument = None,
    weights: cli.Weights = None,
    run_code: cli.RunCode = None,
    many: cli.Many = False,
    csv: cli.ClassTable = None,
    no_train: cli.NoTrain = False,
    as_json: cli.AsJson = False,
) -> None:
    """Trains one trial again and recomputes all that follows from the others; compares every number
    and file."""
    with errors_as_status(as_json):
        from search.commands.single_run import verified
        from search.verification.class_table import check_table, write_table
        from search.verification.grading import Extent

        if csv is not None:
            check_table(csv, many)
        extent = Extent(trial=trial, train=not no_train, run_code=run_code)
        found = verified(path, extent, many, data, weights, cli.say)
        if csv is not None:
            write_table(csv, found.table)
        cli.show(as_json, found.as_json, found.text)
    raise typer.Exit(DIFFERENT if found.differs else DONE if found.same else BAD_INPUT)


@app.command("compare", cls=cli.Command)
def _compare(first: cli.Directory, second: cli.OtherDirectory, as_json: cli.AsJson = False) -> None:
    """Compares two finished searches over the same images, out of fold and on the test set: modes,
    backbones, sizes of head."""
    with errors_as_status(as_json):
        from search.commands.compare import compare, describe_comparison

        found = compare(first, second)
        cli.show(as_json, found.model_dump(mode="json"), describe_comparison(found))


@app.command("bundle", cls=cli.Command)
def _bundle(
    directory: cli.Directory,
    student: cli.Student,
    out: cli.Zip,
    answers: cli.Answers = None,
    as_json: cli.AsJson = False,
) -> None:
    """Packs a finished search into one zip to hand in, which `verify` checks without it."""
    with errors_as_status(as_json):
        from search.verification.bundle import make_bundle

        made = make_bundle(directory, student, out, answers)
        cli.say(f"answers: {made.answers}")
        cli.show(as_json, made.model_dump(mode="json"), f"{made.path}  sha256 {made.sha256}")


@app.command("predict", cls=cli.Command)
def _predict(
    directory: cli.Directory, images: cli.ImageNames, run_code: cli.RunCode = None
) -> None:
    """Prints the winning model's class and probabilities for each image, a JSON object per line."""
    failed = False
    with errors_as_status(as_json=False):
        from search.commands.predict import Prediction, predict

        for each in predict(directory, images, run_code):
            if isinstance(each, Prediction):
                typer.echo(each.line)
            else:
                failed = True
                cli.say(each.complaint)
    raise typer.Exit(BAD_INPUT if failed else DONE)


@app.command("sync", cls=cli.Command)
def _sync(
    directory: cli.Directory, uri: cli.TrackingUri = None, as_json: cli.AsJson = False
) -> None:
    """Sends a search to MLflow again; what is there already is left alone."""
    with errors_as_status(as_json):
        from search.commands.single_run import sync

        status = sync(directory, uri)
        cli.show(as_json, {"where": status.where, "sent": status.sent}, str(status))


@app.command("export", cls=cli.Command)
def _export(
    directory: cli.Directory,
    to: cli.Target,
    trial: cli.TrialNumber = None,
    as_json: cli.AsJson = False,
) -> None:
    """Prints the recommended augmentation, or a trial's, as code for use elsewhere."""
    with errors_as_status(as_json):
        from search.commands.single_run import export

        exported = export(directory, to, trial)
        for remark in exported.remarks:
            cli.say(f"note: {remark}")
        for caveat in exported.caveats:
            cli.say(f"differs: {caveat}")
        cli.show(as_json, asdict(exported), exported.code, newline=False)


@app.command("import-idg", cls=cli.Command)
def _import_idg(
    code: cli.CodeOption, out: cli.WrittenFile = None, data: cli.PhotoFolder = "photos"
) -> None:
    """Writes an experiment file that searches around the settings of Keras's ImageDataGenerator."""
    with errors_as_status(as_json=False):
        from search.commands.import_idg import import_idg, named_from, write_new

        folder = named_from(out, data) if out else data
        imported = import_idg(code, folder, out.stem if out else "imported")
        for remark in imported.remarks:
            cli.say(f"note: {remark}")
        written = imported.experiment if out is None else write_new(out, imported.experiment)
        typer.echo(written, nl=out is not None)


@app.command("schema", cls=cli.Command)
def _schema() -> None:
    """Prints the JSON Schema of an experiment file."""
    import json

    from search.driver.experiment_file import experiment_schema

    typer.echo(json.dumps(experiment_schema(), indent=2))


if __name__ == "__main__":
    sys.exit(status_of(app))
