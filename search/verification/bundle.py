"""`bundle`: a finished search as one zip to hand in, and what follows from the journal in such a
zip made again and compared. Journal, predictions and contact sheet are taken as they are; config,
tables and page are made again from the journal, so that whoever has the zip can make them again
too. The zip itself is `bundle_file`'s.
"""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from data.dataset import open_dataset
from data.errors import UserError
from data.files import make_folder, read_regular
from data.messages import escaped, first_of
from data.own_code import is_given
from data.scratch import scratch_folder
from data.transform_libraries import is_transform
from search.driver.publishing import write_outputs
from search.driver.run_reading import Run, open_run
from search.experiment.seeds import derive_seed
from search.experiment.settings import Frozen
from search.journal.run_dir import JOURNAL, FileKind, need_target, read_predictions
from search.journal.state import SearchState
from search.report.preview import write_winner_sheet
from search.report.wording import shortened
from search.verification.bundle_file import (
    NOT_IN_BUNDLE,
    OPTIONAL,
    PAGE,
    REQUIRED,
    SHEET,
    BundleContents,
    Manifest,
    check_student,
    hash_of,
    most_bytes,
    read_bundle,
    write_bundle,
)
from search.verification.comparison import Difference
from search.verification.reopening import scratch_resources, with_own_cache
from search.verification.student_answers import ANSWERS, answers_text, parse_answers, read_answers

PICTURE = re.compile(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]*")
# another version of these paints the same picture with other bytes
PAINTERS = ("matplotlib", "pillow")
BUNDLE = FileKind("a bundle", (".zip",), lambda path: read_bundle(path).manifest is not None)


class Bundled(Frozen):
    """What was written. The same search, student, answers and version give the same bytes.
    answers: how many questions are answered, in words."""

    path: str
    student: str
    search_id: str
    sha256: str
    num_files: int
    answers: str


def make_bundle(run_dir: Path, student: str, out: Path, answers: Path | None = None) -> Bundled:
    """Bundles a finished search. answers: the file that a notebook filled, to go with it.

    Raises UserError where there is no search, where it did not finish or its files are not those
    that were journaled, for a name that is empty or does not print, and for a file of answers that
    is none; StorageError where the disk refuses.
    """
    try:
        student = check_student(student.strip())
    except ValueError as error:
        raise UserError(f"--student {error}") from error
    before = _bundle_at(out)
    run = open_run(run_dir)
    if run.state.finished_at is None:
        raise UserError(
            f"{run_dir} holds a search that did not finish; run it to its end, then bundle it"
        )
    written = {} if answers is None else {ANSWERS: read_answers(answers)}
    answered = parse_answers(written[ANSWERS]) if written else None
    manifest = manifest_of(run, student)
    if before is not None:
        _need_same(out, before, manifest, answered or {})
    files = {JOURNAL: (run_dir / JOURNAL).read_bytes(), **written}
    for record in run.state.records:
        if record.predictions_file:
            read_predictions(record, run_dir)
            files[record.predictions_file] = (run_dir / record.predictions_file).read_bytes()
    sheet = run_dir / SHEET
    files |= (
        {SHEET: read_regular(sheet, most_bytes(SHEET), within=run_dir)} if sheet.is_file() else {}
    )
    files |= projections(run.state, files.get(SHEET))
    make_folder(out.parent, "the bundle's folder")
    write_bundle(out, manifest, files)
    return Bundled(
        path=str(out),
        student=student,
        search_id=manifest.search_id,
        sha256=hash_of(out.read_bytes()).sha256,
        num_files=len(files) + 1,
        answers=answers_text(answered),
    )


def manifest_of(run: Run, student: str) -> Manifest:
    """Of a run's bundle, its files left out."""
    version = run.opened.environment.get("packages", {}).get("augsearch", "")
    return Manifest(student=student, search_id=run.opened.search_id, augsearch=version, files={})


def projections(state: SearchState, sheet: bytes | None) -> dict[str, bytes]:
    """Every file of a bundle that follows from the journal and the contact sheet (a PNG), by
    name; not what the student wrote."""
    with scratch_folder("augsearch-bundle-") as scratch:
        # The page names its folder in commands: it is called as the search is.
        folder = scratch / (state.opened.name if state.opened else "search")
        make_folder((folder / SHEET).parent, "the contact sheet's folder")
        if sheet is not None:
            (folder / SHEET).write_bytes(sheet)
        write_outputs(state, folder)
        given = (JOURNAL, SHEET, ANSWERS)
        made = [each for each in (*REQUIRED, *OPTIONAL) if each not in given]
        return {each: (folder / each).read_bytes() for each in made if (folder / each).exists()}


def differences_made_again(
    run: Run, files: Mapping[str, bytes], remarks: list[str]
) -> Iterator[Difference]:
    """Config, environment, tables, winner and page as the journal gives them, against those of the
    bundle."""
    made = projections(run.state, files.get(SHEET))
    kept = {JOURNAL, SHEET, ANSWERS, *(record.predictions_file for record in run.state.records)}
    for name in sorted({*made, *files} - kept):
        if name not in files:
            yield Difference(where=name, what=NOT_IN_BUNDLE)
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


def _transforms(run: Run) -> list[str]:
    """Other libraries' transforms that the config or a trial names."""
    tried = (record.spec.settings.augmentation for record in run.state.records)
    named = dict.fromkeys(
        name for each in (run.config.augmentation.written, *tried) for name in each
    )
    return [escaped(name) for name in named if is_transform(name)]


def sheet_differences(
    run: Run, sheet: bytes | None, exact: bool, folder: Path, runs_code: bool, remarks: list[str]
) -> Iterator[Difference]:
    """The contact sheet painted again from the grader's images. runs_code: whether what is not this
    program's may paint, which neither own code nor a library's transform does otherwise."""
    if sheet is None:
        yield Difference(where=SHEET, what="it is not in the bundle; a finished search has one")
        return
    unpainted = [name for name in run.config.code.files if not is_given(name)]
    unpainted += [] if runs_code else _transforms(run)
    if not exact or unpainted or _repainted(run):
        why = _repainted(run) or "another machine may paint it otherwise"
        why = f"{first_of(unpainted)} was not run" if unpainted else why
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


def _bundle_at(out: Path) -> BundleContents | None:
    """The bundle that is to be replaced; None where there is none. Raises UserError where no bundle
    must be written there."""
    need_target(out, BUNDLE)
    return read_bundle(out) if out.exists() and out.stat().st_size else None


def _need_same(
    out: Path, before: BundleContents, manifest: Manifest, answers: Mapping[str, str]
) -> None:
    """Raises UserError where the bundle at `out` is of another student or search, or answers a
    question that the new one does not."""
    named, old = f"--out: {escaped(str(out))} is a bundle", before.manifest
    if old and (old.student, old.search_id) != (manifest.student, manifest.search_id):
        whose = (
            f"of another search by {old.student}"
            if old.student == manifest.student
            else f"by {old.student}, and --student is {manifest.student}"
        )
        raise UserError(f"{named} {escaped(whose)}; choose another name, or remove it")
    content = before.files.get(ANSWERS)
    kept = {} if content is None else parse_answers(content)
    if lost := [number for number, answer in kept.items() if answer and not answers.get(number)]:
        raise UserError(
            f"{named} that answers question {first_of(lost)}, and the new one would not; name the "
            "file of the answers with --answers, or choose another --out"
        )
