"""A bundle graded: its files against its manifest, what follows from its journal made again, one
trial and the confirmation trained again. Prints nothing (`verification_text`); which of many are
copies is `submission`'s.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.files import StorageError
from data.listing import is_litter
from data.messages import escaped, first_of
from data.own_code import given
from data.scratch import scratch_folder
from search.driver.code_files import handed_over
from search.driver.run_reading import Run
from search.experiment.settings import Frozen
from search.journal.run_dir import JOURNAL
from search.journal.state import SearchState
from search.verification.bundle import differences_made_again, sheet_differences
from search.verification.bundle_file import SHEET, read_bundle
from search.verification.comparison import Difference
from search.verification.consistency import unfinished
from search.verification.foreign_runs import check_config
from search.verification.given_files import (
    GivenPlaces,
    require_right_files,
    told_by_option,
    where_given,
)
from search.verification.opened_bundle import (
    ReadableAnswers,
    claimed_otherwise,
    laid_out,
    opened_run,
    said_of_bundle,
    strange_names,
    written_answers,
)
from search.verification.retraining import chosen_trial, claimed_trials, drawn_trial
from search.verification.submission import Copy, Submission, find_copies, submission_of
from search.verification.verify import OnStep, Verification, verify_run

ELSEWHERE = {"dataset", "weights"}  # where these differ, pictures do too


class Extent(Frozen):
    """What is trained again. trial: its number; None takes the recommended one's confirmation, else
    the best trial. With it come no augmentation and the best setting, as they were confirmed, and
    one drawn by lot. train: False trains nothing and recomputes the rest. run_code: a file, or a
    folder of files, of own code that may be run where a search names one by its hash.
    """

    trial: int | None = None
    train: bool = True
    run_code: Path | None = None


class Grade(Frozen):
    """One bundle. differences: of its files and of its search. remarks: what could not be compared
    here. problem: why it could not be graded to the end. needless: options that it had no use for.
    """

    file: str
    submission: Submission | None = None
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    verification: Verification | None = None
    problem: str | None = None
    needless: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return self.problem is None and not self.differences


class Unchecked(UserError):
    """A bundle that could be read, and not checked to the end. read: what its files alone say."""

    def __init__(self, why: str, read: Grade) -> None:
        super().__init__(why)
        self.read = read


class Grades(Frozen):
    """Of a folder, in the order of the files' names, and what is handed in under two names. others:
    names in it that are no .zip, or were left behind by a program (._anna.zip); nobody graded
    them."""

    grades: tuple[Grade, ...]
    copies: tuple[Copy, ...]
    others: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return all(grade.same for grade in self.grades) and not self.differs

    @property
    def differs(self) -> bool:
        """Something speaks against a bundle; not only that one could not be checked."""
        return any(grade.differences for grade in self.grades) or any(
            copy.certain for copy in self.copies
        )


@dataclass(frozen=True)
class _Grader:
    """What a grader gives: what to train, where images and weights are, who is told. note: told
    which options a bundle has no use for."""

    extent: Extent
    data: Path | None
    weights: Path | None
    say: OnStep
    note: OnStep

    @property
    def given(self) -> GivenPlaces:
        return GivenPlaces(self.data, self.weights, self.extent.run_code)


def grade(
    path: Path,
    extent: Extent,
    data: Path | None = None,
    say: OnStep = lambda _: None,
    weights: Path | None = None,
) -> Grade:
    """Grades one bundle. data: where the images are; a bundle holds none. weights: the file that
    its search began from, if it did.

    Raises UserError where it is no bundle, for what the grader can mend, and, so that no bundle
    ends the grading of others, for whatever else goes wrong; what is wrong inside is a difference.
    """
    GivenPlaces(data, weights, extent.run_code).require_there()
    grader = _Grader(extent, data, weights, say, lambda text: say(f"note: {text}"))
    return _graded_or_refused(path, grader)


def _graded_or_refused(path: Path, grader: _Grader) -> Grade:
    try:
        return _graded(path, grader)
    except (UserError, StorageError):
        raise
    except Exception as error:
        raise UserError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    """What the grader can mend, as it is said; of all else, which `foreign_runs` should have kept
    out, the name, too."""
    if isinstance(error, UserError):
        return str(error)
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{escaped(path.name)} could not be graded: {escaped(reason)[:300]}"


def _graded(path: Path, grader: _Grader) -> Grade:
    bundle, file = read_bundle(path), escaped(path.name)
    manifest = bundle.manifest
    if manifest is None or JOURNAL not in bundle.files:
        return Grade(file=file, differences=bundle.differences)
    with scratch_folder("augsearch-grade-") as scratch:
        folder = scratch / "bundle"
        files = laid_out(bundle.files, folder)
        run = opened_run(folder, file)
        if isinstance(run, Difference):
            return Grade(file=file, differences=(*bundle.differences, run))
        answers = ReadableAnswers(run.state, folder)
        submission = submission_of(manifest, run.state, files[JOURNAL], answers)
        submission = submission.model_copy(update={"written": written_answers(files)})
        strange = tuple(strange_names(run.state))
        claimed = (*claimed_otherwise(manifest, run), *strange, *unfinished(run))
        found = Grade(
            file=file,
            submission=submission,
            differences=bundle.differences + claimed,
            needless=tuple(grader.given.needless(run)),
        )
        for each in found.needless:
            grader.note(each)
        try:
            with told_by_option(grader.data, grader.weights, run):
                return found if strange else _recomputed(found, run, files, folder, grader)
        except StorageError:
            raise
        except Exception as error:
            raise Unchecked(_reason(path, error), found) from error


def _recomputed(
    read: Grade, run: Run, files: Mapping[str, bytes], folder: Path, grader: _Grader
) -> Grade:
    """The grade with what is made and trained again. read: what the files alone say."""
    check_config(run)
    extent, placed = grader.extent, where_given(run, grader.data, grader.weights)
    is_run = extent.train or extent.run_code is not None
    code = handed_over(run.config, extent.run_code) if is_run else ()
    numbers = numbers_to_train(run.state, extent)
    drawn = drawn_trial(run.state, numbers) if extent.train else None
    numbers += () if drawn is None else (drawn,)
    verification = verify_run(folder, placed, numbers, grader.say, folder / "cache", code)
    grader.say("making the tables and the page again")
    remarks = [_lot(drawn)] if drawn in {each.trial for each in verification.trained} else []
    differences = [*read.differences, *differences_made_again(run, files, remarks)]
    if not differences:
        require_right_files(verification.differences, grader.data, grader.weights, run)
    if not {each.where.partition(":")[0] for each in verification.differences} & ELSEWHERE:
        is_own, sheet = extent.run_code is not None, files.get(SHEET)
        with given(code):
            differences += sheet_differences(
                placed, sheet, verification.exact, folder, is_own, remarks
            )
    differences += list(said_of_bundle(verification.differences, folder, read.differences))
    return read.model_copy(
        update={
            "differences": tuple(dict.fromkeys(differences)),
            "remarks": tuple(remarks),
            "verification": verification,
        }
    )


def _lot(drawn: int | None) -> str:
    return (
        f"trial {drawn} was drawn by lot to be trained again beside those that the answer rests on"
    )


def grade_many(
    folder: Path,
    extent: Extent,
    data: Path | None = None,
    say: OnStep = lambda _: None,
    weights: Path | None = None,
) -> Grades:
    """Grades every .zip of a folder, however that is spelled. Raises UserError where there is
    none."""
    grader = _Grader(extent, data, weights, say, lambda _: None)  # of all at once, at the end
    grader.given.require_there()
    every = sorted(folder.iterdir())
    zips = [path for path in every if path.suffix.lower() == ".zip"]
    paths = [path for path in zips if not is_litter(path.name, is_folder=True)]
    others = [escaped(path.name) for path in every if path not in paths]
    if not paths:
        raise UserError(f"{folder} holds no .zip; name the folder that the bundles are in")
    grades = []
    for number, path in enumerate(paths, start=1):
        say(f"{escaped(path.name)} ({number} of {len(paths)})")
        try:
            grades.append(_graded_or_refused(path, grader))
        except (UserError, OSError) as error:
            read = error.read if isinstance(error, Unchecked) else Grade(file=escaped(path.name))
            problem = " ".join(str(error).split())
            grades.append(read.model_copy(update={"problem": problem}))
        give_memory_back()
    for line in _needless(grades):
        say(f"note: {line}")
    handed_in = [(each.file, each.submission) for each in grades if each.submission is not None]
    return Grades(grades=tuple(grades), copies=find_copies(handed_in), others=tuple(others))


def _needless(grades: Sequence[Grade]) -> Iterator[str]:
    """Each option that some bundles had no use for, with which."""
    for option in dict.fromkeys(each for grade in grades for each in grade.needless):
        files = [grade.file for grade in grades if option in grade.needless]
        yield f"{option} ({len(files)} of {len(grades)} bundles: {first_of(files)})"


def give_memory_back() -> None:
    """glibc keeps what was freed below anything still in use, and figures are cycles that wait for
    the collector: over many bundles both would add up."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def numbers_to_train(state: SearchState, extent: Extent) -> tuple[int, ...]:
    """The trials that `extent` stands for, each once."""
    if not extent.train or not state.records:  # without trials it is unfinished, which is said
        return ()
    best, baseline = claimed_trials(state) or (None, None)
    asked = [extent.trial, *((baseline, best) if baseline is not None else ())]
    return tuple(dict.fromkeys(chosen_trial(state, number) for number in asked))
