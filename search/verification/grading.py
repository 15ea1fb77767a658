"""A bundle graded: its files against its manifest, what follows from its journal made again, one
trial and the confirmation trained again. Prints nothing (`grading_text`); which of many are copies
is `submission`'s.
"""

import importlib.metadata
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from data.dataset import open_dataset
from data.errors import UserError
from data.files import StorageError
from data.messages import shown
from data.sources import SOURCES
from search.driver.answers import read_predictions
from search.experiment.seeds import derive_seed
from search.experiment.trial import Frozen, Predictions, predictions_name
from search.journal.comparison import Difference
from search.journal.journal_file import JournalError
from search.journal.state import SearchState
from search.report.preview import write_winner_sheet
from search.report.wording import shortened
from search.verification.bundle import projections
from search.verification.bundle_file import ABSENT, PAGE, PREDICTIONS, SHEET, read_bundle
from search.verification.limits import check_config
from search.verification.reopening import JOURNAL, Run, relocated, scratch_resources, with_own_cache
from search.verification.retraining import chosen_trial, claimed_trials, drawn_trial
from search.verification.soundness import unfinished
from search.verification.submission import Copy, Submission, find_copies, submission_of
from search.verification.verify import Verification, open_sound_run, verify_run

Say = Callable[[str], None]
PICTURE = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*")
PAINTERS = (
    "matplotlib",
    "pillow",
)  # another version of these paints the same picture with other bytes


class Extent(Frozen):
    """What is trained again. trial: its number; None takes the recommended one's confirmation, else
    the best trial. With it come no augmentation and the best setting, as they were confirmed, and
    one drawn by lot. train: False trains nothing and recomputes the rest.
    """

    trial: int | None = None
    train: bool = True


class Grade(Frozen):
    """One bundle. differences: of its files and of its search. remarks: what could not be compared
    here. problem: why it could not be graded to the end.
    """

    file: str
    submission: Submission | None = None
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()
    verification: Verification | None = None
    problem: str | None = None

    @property
    def same(self) -> bool:
        return self.problem is None and not self.differences


class Grades(Frozen):
    """Of a folder, in the order of the files' names, and what is handed in under two names. others:
    names in it that are no .zip, which nobody graded."""

    grades: tuple[Grade, ...]
    copies: tuple[Copy, ...]
    others: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return all(grade.same for grade in self.grades) and not any(
            copy.certain for copy in self.copies
        )


def grade(
    path: Path,
    extent: Extent,
    data: Path | None = None,
    say: Say = lambda _: None,
    weights: Path | None = None,
) -> Grade:
    """Grades one bundle. data: where the images are; a bundle holds none. weights: the file that
    its search began from, if it did.

    Raises UserError where it is no bundle, for what the grader can mend, and, so that no bundle
    ends the grading of others, for whatever else goes wrong; what is wrong inside is a difference.
    """
    try:
        return _graded(path, extent, data, say, weights)
    except (UserError, StorageError):
        raise
    # a fault of this program that `gate` should have kept from it: it is said, with its name
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{shown(path.name)} could not be graded: {shown(reason)[:300]}") from error


def _graded(path: Path, extent: Extent, data: Path | None, say: Say, weights: Path | None) -> Grade:
    bundle, file = read_bundle(path), shown(path.name)
    manifest = bundle.manifest
    if manifest is None or JOURNAL not in bundle.files:
        return Grade(file=file, differences=bundle.differences)
    with tempfile.TemporaryDirectory(prefix="augsearch-grade-") as name:
        folder = Path(name) / "bundle"
        bundle = replace(bundle, files=_laid_out(bundle.files, folder))
        try:
            run = open_sound_run(folder)
        except JournalError as error:
            what = str(error).replace(f"{folder}/", "").partition(" The journal is not changed")[0]
            damaged = Difference(where=JOURNAL, what=what)
            return Grade(file=file, differences=(*bundle.differences, damaged))
        except UserError as error:
            raise UserError(f"{file}: {error}") from error
        answers = _Readable(run.state, folder)
        submission = submission_of(manifest, run.state, bundle.files[JOURNAL], answers)
        graded = Grade(file=file, submission=submission)
        differences = [*bundle.differences, *(strange := tuple(_strange_names(run.state)))]
        differences += unfinished(run.state)
        if strange:
            return graded.model_copy(update={"differences": tuple(differences)})
        check_config(run)
        placed = _placed(run, data, weights)
        numbers = numbers_to_train(run.state, extent)
        drawn = drawn_trial(run.state, numbers) if extent.train else None
        numbers += () if drawn is None else (drawn,)
        verification = verify_run(folder, placed, numbers, say, folder / "cache")
        say("making the tables and the page again")
        lot = (
            f"trial {drawn} was drawn by lot to be trained again beside those that the answer "
            "rests on"
        )
        remarks = [lot] if drawn in {each.trial for each in verification.trained} else []
        differences += _made_again(run, bundle.files, remarks)
        if not {each.where.partition(":")[0] for each in verification.differences} & {
            "dataset",
            "weights",
        }:
            differences += _sheet_again(
                placed, bundle.files.get(SHEET), verification.exact, folder, remarks
            )
    differences += [
        each.model_copy(update={"what": each.what.replace(f"{folder}/", "")})
        for each in verification.differences
    ]
    return graded.model_copy(
        update={
            "differences": tuple(dict.fromkeys(differences)),
            "remarks": tuple(remarks),
            "verification": verification,
        }
    )


def grade_many(
    folder: Path,
    extent: Extent,
    data: Path | None = None,
    say: Say = lambda _: None,
    weights: Path | None = None,
) -> Grades:
    """Grades every .zip of a folder, however that is spelled. Raises UserError where there is
    none."""
    every = sorted(folder.iterdir())
    paths = [path for path in every if path.suffix.lower() == ".zip"]
    others = [shown(path.name) for path in every if path not in paths]
    if not paths:
        raise UserError(f"{folder} holds no .zip; name the folder that the bundles are in")
    grades = []
    for number, path in enumerate(paths, start=1):
        say(f"{shown(path.name)} ({number} of {len(paths)})")
        try:
            grades.append(grade(path, extent, data, say, weights))
        except (UserError, OSError) as error:
            grades.append(Grade(file=shown(path.name), problem=" ".join(str(error).split())))
    handed_in = [(each.file, each.submission) for each in grades if each.submission is not None]
    return Grades(grades=tuple(grades), copies=find_copies(handed_in), others=tuple(others))


def numbers_to_train(state: SearchState, extent: Extent) -> tuple[int, ...]:
    """The trials that `extent` stands for, each once."""
    if not extent.train:
        return ()
    best, baseline = claimed_trials(state) or (None, None)
    wanted = [extent.trial, *((baseline, best) if baseline is not None else ())]
    return tuple(dict.fromkeys(chosen_trial(state, number) for number in wanted))


def _laid_out(files: Mapping[str, bytes], folder: Path) -> dict[str, bytes]:
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


class _Readable(Mapping[int, Predictions]):
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


def _strange_names(state: SearchState) -> Iterator[Difference]:
    """A journal may name any file of the grader's machine; only what `bundle` packs is ever
    opened."""
    for record in state.records:
        name = record.predictions_file
        if name not in (None, predictions_name(record.trial)):
            what = f"trial {record.trial} names {shortened(str(name), 60)}, which no search writes"
            yield Difference(where="predictions", what=what)


def _placed(run: Run, data: Path | None, weights: Path | None) -> Run:
    """With the grader's images, weights and cache. No path of the bundle is followed."""
    dataset = run.config.dataset
    needs = SOURCES[dataset.source].path
    if needs == "none" or (data is None and needs == "optional"):
        return relocated(run, None, weights, of_others=True)
    if data is None:
        last = shortened(Path(str(dataset.path)).name, 60)
        raise UserError(
            f"a bundle holds no images; say where they are with --data (the search read {last})"
        )
    return relocated(run, data, weights, of_others=True)


def _made_again(run: Run, files: Mapping[str, bytes], remarks: list[str]) -> Iterator[Difference]:
    """Config, environment, tables, winner and page as the journal gives them, against those of the
    bundle."""
    made = projections(run.state, files.get(SHEET))
    kept = {JOURNAL, SHEET, *(record.predictions_file for record in run.state.records)}
    for name in sorted({*made, *files} - kept):
        if name not in files:
            yield Difference(where=name, what=ABSENT)
        elif name not in made:
            yield Difference(where=name, what="the journal gives no such file")
        elif files[name] != made[name]:
            repainted = _repainted(run) if name == PAGE else None
            remarks += [repainted] if repainted else []
            apart = _apart(files[name], made[name], with_pictures=repainted is None)
            if apart is not None:
                yield Difference(where=name, what=apart)


def _apart(ours: bytes, theirs: bytes, with_pictures: bool) -> str | None:
    """The first line that differs, in words; None where only pictures do and those are not
    compared."""
    first, second = (content.decode(errors="replace") for content in (ours, theirs))
    if PICTURE.sub("", first) == PICTURE.sub("", second):
        return "a picture is not the one that the journal gives" if with_pictures else None
    return _first_line_apart(PICTURE.sub("", first), PICTURE.sub("", second))


def _first_line_apart(ours: str, theirs: str) -> str:
    pairs = zip_longest(ours.splitlines(), theirs.splitlines(), fillvalue="")
    for number, (one, other) in enumerate(pairs, start=1):
        if one != other:
            one, other = (shortened(line.strip(), 70) for line in (one, other))
            return f"line {number}: {one!r}, and the journal gives {other!r}"
    return "its line ends are not those that the journal gives"


def _repainted(run: Run) -> str | None:
    """Why pictures cannot be compared byte by byte; None where they can."""
    then = run.opened.environment.get("packages", {})
    here = {name: importlib.metadata.version(name) for name in PAINTERS}
    other = [
        f"{n} {shortened(str(then.get(n, 'absent')))}, here {here[n]}"
        for n in PAINTERS
        if then.get(n) != here[n]
    ]
    return f"pictures are not compared: {'; '.join(other)}" if other else None


def _sheet_again(
    run: Run, sheet: bytes | None, exact: bool, folder: Path, remarks: list[str]
) -> Iterator[Difference]:
    """The contact sheet painted again from the grader's images."""
    if sheet is None:
        yield Difference(where=SHEET, what="it is not in the bundle; a finished search has one")
        return
    if not exact or _repainted(run):
        why = _repainted(run) or "another machine may paint it otherwise"
        remarks.append(
            f"the contact sheet is not compared: {why.removeprefix('pictures are not compared: ')}"
        )
        return
    resources = with_own_cache(run.config, scratch_resources(run.config, folder), folder / "cache")
    seed = derive_seed(run.config.seed, "split")
    dataset = open_dataset(run.config.dataset, resources.cache_dir, seed, resources.num_threads)
    path = write_winner_sheet(run.state, dataset, folder)
    if path is None or path.read_bytes() != sheet:
        yield Difference(where=SHEET, what="it is not the one that the images and the journal give")
