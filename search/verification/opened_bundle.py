"""A bundle that was read, laid out as a run directory and opened: what grading begins with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import UserError
from search.driver.run_reading import GRADED, Run, open_run
from search.experiment.answers import Predictions, predictions_name
from search.journal.journal_file import JournalError, OtherVersion
from search.journal.run_dir import JOURNAL, LOST_ANSWERS, read_predictions
from search.journal.state import SearchState
from search.report.wording import shortened
from search.verification.bundle import manifest_of
from search.verification.bundle_file import PREDICTIONS, Manifest
from search.verification.comparison import Difference
from search.verification.packing import MAKE_ANEW, MANIFEST
from search.verification.rehearsal import UNANSWERED
from search.verification.student_answers import ANSWERS, parse_answers


def written_answers(files: Mapping[str, bytes]) -> dict[str, str] | None:
    """The student's answers; `read_bundle` lets no other text through by that name."""
    return parse_answers(files[ANSWERS]) if ANSWERS in files else None


def opened_run(folder: Path, file: str) -> Run | Difference:
    """The run that a bundle was laid out as, or why its journal is none. Raises UserError for what
    the grader can mend.
    """
    try:
        run = open_run(folder, GRADED)
    except JournalError as error:
        what = str(error).removeprefix(f"{folder}: ").replace(f"{folder}/", "")
        what, _, _ = what.partition(". The journal is not changed")
        return Difference(where=JOURNAL, what=f"{what.removesuffix('; restore it')}; {MAKE_ANEW}")
    except OtherVersion as error:
        raise UserError(
            f"{file}: another version of this program began its search; verify it with that one "
            "(its environment.json names it), or ask for a search with this one"
        ) from error
    except UserError as error:
        raise UserError(f"{file}: {error}; {MAKE_ANEW}") from error
    warning = None if run.warning is None else run.warning.replace(f"{folder}/", "")
    return replace(run, warning=warning)


def laid_out(files: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
    """Writes what a search is opened from, and gives the rest back; of answers, which may be large,
    only the names.

    `read_bundle` lets no other names through.
    """
    (folder / "predictions").mkdir(parents=True)
    for name, content in files.items():
        if name == JOURNAL or PREDICTIONS.fullmatch(name):
            (folder / name).write_bytes(content)
    return {
        name: b"" if PREDICTIONS.fullmatch(name) else content for name, content in files.items()
    }


class ReadableAnswers(Mapping[int, Predictions]):
    """The answers of trials that can be read, each from its file when it is asked for: together
    they may be more than memory should hold. What is wrong with the others is found when they are
    checked."""

    def __init__(self, state: SearchState, folder: Path) -> None:
        self._records = {
            record.trial: record for record in state.records if record.predictions_file
        }
        self._folder = folder

    def __getitem__(self, number: int) -> Predictions:
        try:
            return read_predictions(self._records[number], self._folder)
        except JournalError as error:
            raise KeyError(number) from error

    def __iter__(self) -> Iterator[int]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def claimed_otherwise(manifest: Manifest, run: Run) -> Iterator[Difference]:
    """What the manifest says of the search, beside its files, that its journal does not."""
    ours, theirs = manifest_of(run, manifest.student), manifest.model_copy(update={"files": {}})
    names = [name for name, value in ours if value != getattr(theirs, name)]
    if names:
        what = f"{', '.join(names)}: not as the journal has it"
        yield Difference(where=MANIFEST, what=what)


def strange_names(state: SearchState) -> Iterator[Difference]:
    """A journal may name any file of the grader's machine; only what `bundle` packs is ever
    opened."""
    for record in state.records:
        name = record.predictions_file
        if name not in (None, predictions_name(record.trial)):
            what = f"trial {record.trial} names {shortened(str(name), 60)}, which no search writes"
            yield Difference(where="predictions", what=what)


def said_of_bundle(
    differences: Iterable[Difference], folder: Path, of_files: Iterable[Difference]
) -> Iterator[Difference]:
    """As differences are said of a bundle, whose reader has no directory to mend. of_files: what is
    said of its files already. That a trial's answers are missing or unsound is said once."""
    named, without = {each.where for each in of_files}, set[str]()
    for each in differences:
        what = each.what.replace(f"{folder}/", "").replace(f"; {LOST_ANSWERS}", "")
        number = each.where.removeprefix("trial ")
        if LOST_ANSWERS in each.what and number.isdecimal():
            without.add(each.where)
            if predictions_name(int(number)) in named:
                continue
        if not (each.where in without and what == UNANSWERED):
            yield each.model_copy(update={"what": what})
