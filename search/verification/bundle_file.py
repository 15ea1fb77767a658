"""The file format of a bundle: a zip of known names with a manifest of their hashes, written the
same every time and read with distrust. Extracts only what it knows, unpickles nothing, follows no
path. What the files say is `grading`'s business.
"""

import errno
import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import AfterValidator, Field, ValidationError

from data.errors import UserError
from data.files import write_atomically
from data.listing import reason_of
from data.messages import escaped
from data.strict_zip import MOST_BYTES as MOST_PREDICTIONS_BYTES
from data.strict_zip import Entry, read_directory, read_entry, shown
from search.driver.run_reading import GRADED
from search.experiment.settings import Frozen
from search.journal.run_dir import JOURNAL
from search.journal.state import first_fault
from search.report.contact_sheet import check_sheet
from search.verification.comparison import Difference
from search.verification.packing import ASK_AGAIN, MANIFEST, mispacked
from search.verification.student_answers import ANSWERS, MOST_ANSWERS_BYTES, parse_answers

SHEET = "previews/winner.png"
PAGE = "report.html"
REQUIRED = ("journal.jsonl", "config.yaml", "environment.json", "trials.csv", "summary.json", PAGE)
OPTIONAL = ("winner.json", SHEET, ANSWERS)
PREDICTIONS = re.compile(r"predictions/\d{5,9}\.npz")
# A zip bomb is larger; a page of ten thousand trials is not.
MOST_FILES, MOST_BUNDLE_BYTES, MOST_FILE_BYTES = 20_000, 1 << 30, 1 << 24
LONGEST_NAME = 100
_FILE_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_UNREADABLE = {
    errno.ENOENT: "there is no such file, or it is a link that leads nowhere",
    errno.ELOOP: "it is a link that leads back to itself",
}
NOT_IN_BUNDLE = "it is not in the bundle, or not whole"
# Of every file in every bundle: the same search gives the same bytes.
WRITTEN_AT = (1980, 1, 1, 0, 0, 0)


def check_student(name: str) -> str:
    """Raises ValueError for a name that a table of names could not show."""
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError(
            f"received {name[:LONGEST_NAME]!r}; allowed: a name of 1 to {LONGEST_NAME} printable "
            "letters"
        )
    return name


class FileHash(Frozen):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    num_bytes: int = Field(ge=0)


class Manifest(Frozen):
    """Who hands in which search, and the hash of every other file. What it says of the student is a
    claim."""

    format: Literal[1] = 1
    student: Annotated[str, AfterValidator(check_student)]
    search_id: str = Field(max_length=LONGEST_NAME)
    augsearch: str = Field(max_length=LONGEST_NAME)
    files: dict[str, FileHash] = Field(max_length=MOST_FILES)


@dataclass(frozen=True)
class BundleContents:
    """A bundle that was read: the sound and known files by name, and in words whatever is wrong
    with it."""

    manifest: Manifest | None
    files: Mapping[str, bytes]
    differences: tuple[Difference, ...]


def is_known(name: str) -> bool:
    return name in (*REQUIRED, *OPTIONAL) or PREDICTIONS.fullmatch(name) is not None


def hash_of(content: bytes) -> FileHash:
    return FileHash(sha256=hashlib.sha256(content).hexdigest(), num_bytes=len(content))


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Writes the zip beside and renames it. Raises UserError for what `read_bundle` would refuse,
    StorageError where the disk does."""
    sealed = manifest.model_copy(
        update={"files": {name: hash_of(files[name]) for name in sorted(files)}}
    )
    for name, hashed in sealed.files.items():
        if hashed.num_bytes > most_bytes(name):
            raise UserError(
                f"{name} has {hashed.num_bytes} bytes, and a bundle holds at most "
                f"{most_bytes(name)} of it; hand in the run directory"
            )
    if (
        len(files) >= MOST_FILES
        or sum(map(len, files.values())) > MOST_BUNDLE_BYTES - MOST_FILE_BYTES
    ):
        raise UserError(
            f"a bundle holds at most {MOST_FILES} files and {MOST_BUNDLE_BYTES >> 20} MiB; hand in "
            "the run directory"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in [(MANIFEST, _spelled(sealed)), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, WRITTEN_AT)
            # a plain file, on every system
            entry.create_system, entry.external_attr = (3, 0o100644 << 16)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    write_atomically(path, buffer.getvalue(), "the bundle")


def most_bytes(name: str) -> int:
    """How large the file of that name may be in a bundle."""
    if name in (JOURNAL, ANSWERS):
        return GRADED.num_bytes if name == JOURNAL else MOST_ANSWERS_BYTES
    return MOST_PREDICTIONS_BYTES if PREDICTIONS.fullmatch(name) else MOST_FILE_BYTES


def read_bundle(path: Path) -> BundleContents:
    """Reads a bundle and checks it against its own manifest.

    Raises UserError where the file is missing, damaged, packed by hand or no bundle at all;
    everything else that is wrong is a difference.
    """
    found: list[Difference] = []
    try:
        _need_content(path)
        with path.open("rb") as file:
            files = dict(_contents(file, _entries(path, file, found), found))
        _require_format(path, files.get(MANIFEST))
    except OSError as error:
        why = _UNREADABLE.get(error.errno or 0) or escaped(reason_of(error))
        raise UserError(f"{escaped(path.name)} cannot be read as a bundle: {why}") from error
    except zipfile.BadZipFile as error:
        why = f"{escaped(reason_of(error))}; {ASK_AGAIN}"
        raise UserError(f"{escaped(path.name)} cannot be read as a bundle: {why}") from error
    manifest = _manifest(files.pop(MANIFEST, None), found)
    if manifest is not None:
        found += _against_manifest(manifest, files, {each.where for each in found})
    return BundleContents(manifest, files, tuple(found))


def _need_content(path: Path) -> None:
    """Raises UserError for what could be no bundle, unopened: a FIFO would be waited for. Raises
    OSError where it is missing."""
    found = path.stat()
    kind = next((word for is_so, word in _FILE_KINDS if is_so(found.st_mode)), None)
    if kind is None and found.st_size == 0:
        kind = "empty"
    elif kind is None and found.st_size > MOST_BUNDLE_BYTES:
        kind = (
            f"of {found.st_size / 1e9:.1f} GB; the largest bundle has {MOST_BUNDLE_BYTES / 1e9:.1f}"
        )
    if kind is not None:
        raise UserError(f"{escaped(path.name)} is {kind}; name a .zip that `bundle` made")


def _entries(path: Path, file: BinaryIO, found: list[Difference]) -> list[Entry]:
    """The entries worth reading: each known name once, none too large."""
    known: dict[str, Entry] = {}
    entries = read_directory(file, MOST_FILES)
    if sum(entry.size for entry in entries) > MOST_BUNDLE_BYTES:
        raise zipfile.BadZipFile(
            f"it holds more than {MOST_FILES} files or {MOST_BUNDLE_BYTES >> 20} MiB, which no "
            "search leaves"
        )
    if why := mispacked([entry.name for entry in entries], is_known):
        raise UserError(f"{escaped(path.name)} cannot be read as a bundle: {why}")
    for entry in entries:
        if not (is_known(entry.name) or entry.name == MANIFEST):
            found.append(Difference(where=shown(entry.name), what="no bundle holds such a file"))
        elif entry.name in known:
            found.append(Difference(where=entry.name, what="it is in the bundle twice"))
        elif entry.size > most_bytes(entry.name):
            what = f"it claims {entry.size} bytes; allowed: {most_bytes(entry.name)}"
            found.append(Difference(where=entry.name, what=what))
        else:
            known[entry.name] = entry
    return list(known.values())


def _contents(
    file: BinaryIO, entries: list[Entry], found: list[Difference]
) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        try:
            content = read_entry(file, entry)
            if entry.name == SHEET:
                check_sheet(content)
            elif entry.name == ANSWERS:
                parse_answers(content)
            yield entry.name, content
        except zipfile.BadZipFile as error:
            raise zipfile.BadZipFile(f"{entry.name} in it is damaged ({error})") from error
        except ValueError as error:
            found.append(Difference(where=entry.name, what=f"it is damaged: {escaped(str(error))}"))


def _require_format(path: Path, content: bytes | None) -> None:
    """Raises UserError where another version of this program wrote the bundle."""
    try:
        said = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return
    number = said.get("format") if isinstance(said, dict) else None
    if isinstance(number, int) and not isinstance(number, bool) and 1 < number < 10_000:
        raise UserError(
            f"{escaped(path.name)} is of another version of this program (format {number}, and "
            "this one reads 1); verify it with that one, or ask for a bundle made with this one"
        )


def _manifest(content: bytes | None, found: list[Difference]) -> Manifest | None:
    if content is None:  # too large, which is said
        return None
    try:
        manifest = Manifest.model_validate_json(content, strict=True)
    except ValidationError as error:
        found.append(Difference(where=MANIFEST, what=first_fault(error)))
        return None
    if _spelled(manifest) != content:  # a key twice, or true for 1
        found.append(Difference(where=MANIFEST, what="it is not spelled as `bundle` spells it"))
    return manifest


def _spelled(manifest: Manifest) -> bytes:
    return (json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n").encode()


def _against_manifest(
    manifest: Manifest, files: Mapping[str, bytes], named: Collection[str]
) -> Iterator[Difference]:
    """named: files of which something is said already."""
    for name in sorted({*manifest.files, *files, *REQUIRED}):
        if name in named:
            continue
        if name not in files:
            ask = f"; {ASK_AGAIN}" if PREDICTIONS.fullmatch(name) else ""
            yield Difference(where=escaped(name), what=f"{NOT_IN_BUNDLE}{ask}")
        elif name not in manifest.files:
            yield Difference(where=name, what="the manifest does not list it")
        elif hash_of(files[name]) != manifest.files[name]:
            yield Difference(where=name, what="it is not the file whose hash is in the manifest")
