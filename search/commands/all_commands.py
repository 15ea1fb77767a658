"""The commands: what each does with its arguments, prints, and ends with. Options are described in
`command_line`.

Everything heavy is imported inside a command: `--help` answers without TensorFlow or MLflow.
"""

import json
from dataclasses import asdict
from pathlib import Path

import typer

import search.commands.command_line as cli
from search.commands.command_line import BAD_INPUT, DIFFERENT, DONE, errors_as_status
from search.commands.signals import stop_signals


def run_experiment(
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
        options = SessionOptions(fresh, inline, ("leak",) * demo_leak, stop, code_changed)
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


def init_experiment(
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
        run_experiment(made.path, as_json=as_json)


def check_experiment(
    experiment: cli.ExperimentFile,
    overrides: cli.Overrides = [],  # noqa: B006
    as_json: cli.AsJson = False,
) -> None:
    """Checks an experiment file and its images and prints the plan. Trains nothing."""
    with errors_as_status(as_json):
        from search.commands.check import make_plan
        from search.commands.search_plan import describe_plan
        from search.driver.experiment_file import load_config
        from search.report.terminal_width import between_words

        plan = make_plan(load_config(experiment, overrides))
        for line in plan.dataset.notes.lines():
            cli.say(line)
        text = between_words(describe_plan(plan))
        cli.show(as_json, plan.model_dump(mode="json"), text)


def preview_experiment(
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


def import_generator(
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


def print_schema() -> None:
    """Prints the JSON Schema of an experiment file."""
    from search.driver.experiment_file import experiment_schema

    typer.echo(json.dumps(experiment_schema(), indent=2))


def report_search(directory: cli.Directory, as_json: cli.AsJson = False) -> None:
    """Makes report.html, trials.csv and summary.json again from the journal."""
    with errors_as_status(as_json):
        from search.commands.single_run import remake_outputs

        if warning := remake_outputs(directory):
            cli.say(warning)
        path = str(directory / "report.html")
        cli.show(as_json, {"report": path}, path)


def verify_searches(
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


def compare_searches(
    first: cli.Directory, second: cli.OtherDirectory, as_json: cli.AsJson = False
) -> None:
    """Compares two finished searches over the same images, out of fold and on the test set: modes,
    backbones, sizes of head."""
    with errors_as_status(as_json):
        from search.commands.compare import compare, describe_comparison

        found = compare(first, second)
        cli.show(as_json, found.model_dump(mode="json"), describe_comparison(found))


def bundle_search(
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
        fine = "" if answers else " (--answers adds them, where a notebook asked questions)"
        cli.say(f"answers: {made.answers}{fine}")
        cli.show(as_json, made.model_dump(mode="json"), f"{made.path}  sha256 {made.sha256}")


def predict_images(
    directory: cli.Directory, images: cli.ImageNames, run_code: cli.ModelCode = None
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


def sync_search(
    directory: cli.Directory, uri: cli.TrackingUri = None, as_json: cli.AsJson = False
) -> None:
    """Sends a search to MLflow again; what is there already is left alone."""
    with errors_as_status(as_json):
        from search.commands.single_run import sync

        status = sync(directory, uri)
        cli.show(as_json, {"where": status.where, "sent": status.sent}, str(status))


def export_policy(
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
