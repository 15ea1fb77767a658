"""What the commands `export`, `preview`, `report`, `sync` and `verify` do with an experiment or a
run directory; bundles are verified here too. Each is one function; how it is called and what is
printed is `all_commands`'."""

import os
import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.augmentations import active
from data.dataset import open_dataset
from data.environment_secrets import SECRET_VARIABLES
from data.errors import UserError
from data.files import write_atomically
from data.messages import did_you_mean, escaped, first_of, plural
from data.own_code import given
from data.secrets import kind_of, shown_uri
from data.sources import SOURCES
from search.driver.code_files import check_code, code_of
from search.driver.prepare import resources_of
from search.driver.publishing import write_outputs
from search.driver.run_reading import Run, open_run
from search.driver.sitting import cut_off
from search.driver.winner import stored_winner, why_no_model
from search.experiment.config import ExperimentConfig
from search.experiment.seeds import derive_seed
from search.experiment.settings import MIXING
from search.export.exporters import EXPORTERS, Exported, Policy, write
from search.journal.lock import RunLock, is_nobody_at
from search.journal.run_dir import JOURNAL, FileKind, first_bytes, need_target
from search.journal.state import SearchState
from search.report.contact_sheet import says_it_is_of
from search.report.doubts import doubt_lines
from search.report.preview import PREVIEW_MARK, preview_sheet
from search.report.summary import winner_of
from search.report.view import SearchView
from search.report.wording import beside_text
from search.tracking.sender import TrackingStatus
from search.tracking.tracker import Tracker
from search.verification.class_table import class_csv
from search.verification.grading import Extent, Grade, Grades, OnStep, grade, grade_many
from search.verification.verification_text import (
    describe_grade,
    describe_grades,
    describe_verification,
)
from search.verification.verify import Verification, verify

# A marked PNG, and no other picture: those may be a student's.
PREVIEW = FileKind("a preview", (".png",), lambda at: says_it_is_of(PREVIEW_MARK, first_bytes(at)))


@dataclass(frozen=True)
class Verified:
    """What `verify` found, and how it is said. differs: something speaks against it; neither, where
    one of many could not be checked. table: of many bundles, as csv."""

    same: bool
    differs: bool
    text: str
    as_json: dict[str, Any]
    table: str = ""


def write_preview(config: ExperimentConfig, path: Path) -> Path:
    """Opens the experiment's images, writes its preview as PNG, beside and renamed, and returns the
    path.

    Raises UserError for what is wrong with the images, StorageError where the disk refuses.
    """
    need_target(path, PREVIEW)
    _keep_out_of_classes(path, config)
    check_code(config)
    resources = resources_of(config, path.parent)
    seed = derive_seed(config.seed, "split")
    dataset = open_dataset(config.dataset, resources.cache_dir, seed, resources.num_threads)
    with given(code_of(config)):
        write_atomically(path, preview_sheet(dataset, config), "the preview")
    return path


def _keep_out_of_classes(path: Path, config: ExperimentConfig) -> None:
    """Raises UserError where the picture would become one of a class of the experiment's images."""
    in_folders = SOURCES[config.dataset.source].classes_are_folders
    images = config.dataset.path if in_folders else None
    if images is not None and Path(images).resolve() in path.resolve().parent.parents:
        raise UserError(
            f"--out: {escaped(str(path))} is among the images of dataset.path; choose a folder "
            "outside of it"
        )


def remake_outputs(run_dir: Path) -> str | None:
    """Writes the page, `trials.csv` and `summary.json` again from the journal. Returns what its
    reader should be warned of."""
    run = open_run(run_dir)
    write_outputs(run.state, run_dir)
    said = (run.warning, cut_off(run.state) if is_nobody_at(run_dir) else None)
    return "\n".join(filter(None, said)) or None


def export(run_dir: Path, to: str, trial: int | None = None) -> Exported:
    """The recommended augmentation of a run, or that of one of its trials, as code or JSON.

    Raises UserError where there is no such exporter or trial, nothing is recommended yet, or the
    exporter cannot express it. No augmentation is a recommendation too, and comes out as code that
    says so and changes nothing.
    """
    if to not in EXPORTERS:
        raise UserError(
            f"--to received {to!r}; allowed: {', '.join(EXPORTERS)}{did_you_mean(to, EXPORTERS)}"
        )
    policy = policy_of(open_run(run_dir).state, trial)
    said = () if policy.active else (f"{policy.title}; what is exported changes nothing",)
    return replace(write(policy, to), remarks=said)


def policy_of(state: SearchState, trial: int | None = None) -> Policy:
    """What is to be exported. Raises UserError as `export` does."""
    name = escaped(state.opened.name) if state.opened else "?"
    size = state.opened.dataset.image_size if state.opened else 0
    images = f"for images of {size} pixels a side"
    if trial is not None:
        record = next((record for record in state.records if record.trial == trial), None)
        if record is None:
            raise UserError(f"there is no trial {trial}; allowed: 0 to {len(state.records) - 1}")
        augmentation, training = record.spec.settings.augmentation, record.spec.settings.training
        how = _how(training.model_dump())
        return Policy(
            _title(f"Trial {trial} of the search {name}, {images}{how}", augmentation),
            augmentation,
            size,
        )
    view = SearchView(state)
    winner = winner_of(view)
    if winner is None:
        raise UserError(
            "nothing is recommended yet; let the search finish, or export a trial with --trial N"
        )
    augmentation, training = winner["augmentation"], winner["training"]
    how = f"{_how(training)}{';' if view.beside else ''}{beside_text(view.beside)}"
    unknown = view.answer is not None and view.answer.kind == "cannot_tell"
    if augmentation and doubt_lines(view):
        how += "; report.html says what is in doubt"
    what = "It cannot be told whether augmentation helps in" if unknown else "Recommended by"
    return Policy(
        _title(f"{what} the search {name}, {images}{how}", augmentation), augmentation, size
    )


def _how(training: Mapping[str, Any]) -> str:
    """What was trained and the code does not do by itself, in the words of its title. training: the
    section's settings."""
    share, epochs = training["augmented_share"], training["clean_epochs"]
    words = f"; trained with {share:.0%} of the pictures augmented" if share < 1 else ""
    if epochs:
        words += f"; its last {plural(epochs, 'epoch')} on clean pictures"
    mixed = [f"{name} {training[name]:g}" for name in MIXING if training.get(name)]
    if mixed:
        words += f"; trained with {' and '.join(mixed)}, which mix batches and are not in this code"
    return words


def _title(text: str, augmentation: dict[str, Any]) -> str:
    return text if active(augmentation) else f"{text}: no augmentation"


def sync(run_dir: Path, uri: str | None = None) -> TrackingStatus:
    """Sends what the journal holds and `uri`, by default the search's own, lacks; the winning model
    too, if there is one.

    Raises UserError where there is nowhere to send to, where it could not be sent (the status's
    reason), and where the search is still running, which sends itself.
    """
    run = open_run(run_dir)
    tracking = run.config.tracking
    wanted = uri or tracking.uri
    if wanted is None:
        raise UserError(
            "this search was run with tracking.uri null; say where to send it: --uri "
            "sqlite:///mlflow.db"
        )
    if uri is None:
        _check_no_secret_follows(wanted)
    tracker = Tracker(wanted, tracking.experiment or run.config.name, run_dir)
    with _alone(run, run_dir):
        status = tracker.project(run.state)
        winner = stored_winner(run.state, run_dir)
        if status.reason is None and winner is not None:
            status = tracker.log_winner(run.state, winner)
    if status.reason is not None:
        raise UserError(
            f"not all was sent to MLflow at {shown_uri(wanted)}: {status.reason}; the journal "
            "keeps it, sync again later"
        )
    return replace(status, remark=why_no_model(run.state, winner))


def _check_no_secret_follows(address: str) -> None:
    """Raises UserError where a password of this environment would go to the server that a journal
    names, which may be another's journal."""
    held = [name for name in SECRET_VARIABLES if os.environ.get(name)]
    is_known = os.environ.get("MLFLOW_TRACKING_URI") == address
    if held and kind_of(address) in ("http", "https") and not is_known:
        raise UserError(
            f"the journal says {shown_uri(address)}, and {first_of(held)} would be sent there; if "
            f"that is right write --uri {shlex.quote(shown_uri(address))}"
        )


def _alone(run: Run, run_dir: Path) -> AbstractContextManager[Any]:
    """The run directory's lock, but for a finished search: nobody else sends that, and its
    directory may be read-only."""
    return nullcontext() if run.state.finished_at is not None else RunLock(run_dir)


def verified(
    path: Path, extent: Extent, many: bool, data: Path | None, weights: Path | None, say: OnStep
) -> Verified:
    """A run directory, a bundle or, with `many`, a folder of bundles.

    Raises UserError for what the user can mend, and where `many` or an extent without training do
    not go with what `path` is, or with the trial that is to be trained.
    """
    if extent.trial is not None and not extent.train:
        raise UserError(
            f"--trial {extent.trial} and --no-train contradict each other: a trial is named to be "
            "trained again; leave one of the two out"
        )
    if not os.path.lexists(path):
        raise UserError(
            f"{path} does not exist; name a run directory, a bundle or a folder of them"
        )
    if not many and path.is_dir() and not (path / JOURNAL).exists() and [*path.glob("*.zip")]:
        raise UserError(f"{path} holds no {JOURNAL} but zips; for a folder of bundles say --many")
    if many and not path.is_dir():
        raise UserError(f"--many received {path}; allowed: a folder of bundles")
    if many:
        grades = grade_many(path, extent, data, say, weights)
        found = _verified(grades, describe_grades(grades))
        return replace(found, table=class_csv(grades))
    # What is no file either, or a link that leads nowhere, is told there.
    if not path.is_dir() and (path.exists() or path.is_symlink()):
        graded = grade(path, extent, data, say, weights)
        return _verified(graded, describe_grade(graded))
    if not extent.train:
        raise UserError(
            "--no-train is for bundles; a run directory is verified with one trial trained again"
        )
    verification = verify(path, extent.trial, data, say, weights, extent.run_code)
    return _verified(verification, describe_verification(verification))


def _verified(found: Grade | Grades | Verification, text: str) -> Verified:
    differs = found.differs if isinstance(found, Grades) else not found.same
    return Verified(
        found.same, differs, text, {"same": found.same, **found.model_dump(mode="json")}
    )
