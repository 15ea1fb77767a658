"""The commands that take a search that was run: what each does with its arguments, prints, and ends
with. Options are described in `command_line`.

Everything heavy is imported inside a command, as in `experiment_commands`.
"""

from dataclasses import asdict

import typer

import search.commands.command_line as cli
from search.commands.command_line import BAD_INPUT, DIFFERENT, DONE, errors_as_status


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
