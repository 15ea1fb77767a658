"""`bundle`: a finished search as one zip to hand in. Journal, predictions and contact sheet are
taken as they are; config, tables and page are made again from the journal, so that whoever has the
zip can make them again too. The zip itself is `bundle_file`'s.
"""

import tempfile
from pathlib import Path

from data.errors import UserError
from data.files import make_folder
from data.reading import read_regular
from search.driver.publishing import write_outputs
from search.experiment.trial import Frozen
from search.journal.run_dir import read_predictions
from search.journal.state import SearchState
from search.verification.bundle_file import (
    OPTIONAL,
    REQUIRED,
    SHEET,
    Manifest,
    check_student,
    hash_of,
    most_bytes,
    write_bundle,
)
from search.verification.reopening import JOURNAL
from search.verification.verify import open_sound_run


class Bundled(Frozen):
    """What was written. The same search, student and version give the same bytes."""

    path: str
    student: str
    search_id: str
    sha256: str
    num_files: int


def make_bundle(run_dir: Path, student: str, out: Path) -> Bundled:
    """Bundles a finished search.

    Raises UserError where there is none, where it did not finish or its files are not those that
    were journaled, and for a name that is empty or does not print; StorageError where the disk
    refuses.
    """
    try:
        student = check_student(student.strip())
    except ValueError as error:
        raise UserError(f"--student {error}") from error
    run = open_sound_run(run_dir)
    if run.state.finished_at is None:
        raise UserError(
            f"{run_dir} holds a search that did not finish; run it to its end, then bundle it"
        )
    files = {JOURNAL: (run_dir / JOURNAL).read_bytes()}
    for record in run.state.records:
        if record.predictions_file:
            read_predictions(record, run_dir)
            files[record.predictions_file] = (run_dir / record.predictions_file).read_bytes()
    sheet = run_dir / SHEET
    files |= (
        {SHEET: read_regular(sheet, most_bytes(SHEET), within=run_dir)} if sheet.is_file() else {}
    )
    files |= projections(run.state, files.get(SHEET))
    version = run.opened.environment.get("packages", {}).get("augsearch", "")
    manifest = Manifest(
        student=student, search_id=run.opened.search_id, augsearch=version, files={}
    )
    make_folder(out.parent, "the bundle's folder")
    write_bundle(out, manifest, files)
    return Bundled(
        path=str(out),
        student=student,
        search_id=manifest.search_id,
        sha256=hash_of(out.read_bytes()).sha256,
        num_files=len(files) + 1,
    )


def projections(state: SearchState, sheet: bytes | None) -> dict[str, bytes]:
    """Every file of a bundle that follows from the journal and the contact sheet (a PNG), by
    name."""
    with tempfile.TemporaryDirectory(prefix="augsearch-bundle-") as name:
        # The page names its folder in commands: it is called as the search is.
        folder = Path(name) / (state.opened.name if state.opened else "search")
        make_folder((folder / SHEET).parent, "the contact sheet's folder")
        if sheet is not None:
            (folder / SHEET).write_bytes(sheet)
        write_outputs(state, folder)
        made = [each for each in (*REQUIRED, *OPTIONAL) if each not in (JOURNAL, SHEET)]
        return {each: (folder / each).read_bytes() for each in made if (folder / each).exists()}
