"""The file format of a bundle: a zip of known names with a manifest of their hashes, written the same every time and read with
distrust. Extracts only what it knows, unpickles nothing, follows no path. What the files say is `grading`'s business.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from data.errors import UserError
from data.files import write_atomically
from data.messages import shown
from search.experiment.trial import Frozen
from search.journal.comparison import Difference

MANIFEST = "manifest.json"
SHEET = "previews/winner.png"
PAGE = "report.html"
REQUIRED = ("journal.jsonl", "config.yaml", "environment.json", "trials.csv", "summary.json", PAGE)
OPTIONAL = ("winner.json", SHEET)
PREDICTIONS = re.compile(r"predictions/\d{5,9}\.npz")
MOST_FILES, MOST_BYTES, MOST_MANIFEST_BYTES = 20_000, 1 << 30, 1 << 24  # a zip bomb is larger
LONGEST_NAME = 100
ABSENT = "it is not in the bundle, or not whole"
WRITTEN_AT = (1980, 1, 1, 0, 0, 0)  # of every file in every bundle: the same search gives the same bytes
SAFE_READING = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


class FileHash(Frozen):
    sha256: str
    num_bytes: int


class Manifest(Frozen):
    """Who hands in which search, and the hash of every other file. What it says of the student is a claim."""

    format: Literal[1] = 1
    student: str = Field(min_length=1, max_length=LONGEST_NAME)
    search_id: str
    augsearch: str
    files: dict[str, FileHash]


@dataclass(frozen=True)
class Opened:
    """A bundle that was read: the sound and known files by name, and in words whatever is wrong with it."""

    manifest: Manifest | None
    files: Mapping[str, bytes]
    differences: tuple[Difference, ...]


def is_known(name: str) -> bool:
    return name in (*REQUIRED, *OPTIONAL) or PREDICTIONS.fullmatch(name) is not None


def hash_of(content: bytes) -> FileHash:
    return FileHash(sha256=hashlib.sha256(content).hexdigest(), num_bytes=len(content))


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Writes the zip beside and renames it. Raises StorageError where the disk refuses."""
    sealed = manifest.model_copy(update={"files": {name: hash_of(files[name]) for name in sorted(files)}})
    text = json.dumps(sealed.model_dump(mode="json"), indent=2) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in [(MANIFEST, text.encode()), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, WRITTEN_AT)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a plain file, on every system
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    write_atomically(path, buffer.getvalue(), "the bundle")


def read_bundle(path: Path) -> Opened:
    """Reads a bundle and checks it against its own manifest.

    Raises UserError where the file is missing or is no bundle at all; everything else that is wrong is a difference.
    """
    found: list[Difference] = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive, found)
            files = dict(_contents(archive, entries, found))
    except (OSError, *SAFE_READING) as error:
        raise UserError(f"{path.name} cannot be read as a bundle: {shown(str(error))}") from error
    manifest = _manifest(path, files.pop(MANIFEST, None), found)
    if manifest is not None:
        found += _against_manifest(manifest, files)
    return Opened(manifest, files, tuple(found))


def _entries(archive: zipfile.ZipFile, found: list[Difference]) -> list[zipfile.ZipInfo]:
    """The entries worth reading: each known name once, none too large."""
    known: dict[str, zipfile.ZipInfo] = {}
    entries = archive.infolist()
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise UserError(
            f"it holds more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB, which no search leaves"
        )
    for entry in entries:
        if not (is_known(entry.filename) or entry.filename == MANIFEST):
            found.append(Difference(where=shown(entry.filename), what="no bundle holds such a file"))
        elif entry.filename in known:
            found.append(Difference(where=entry.filename, what="it is in the bundle twice"))
        elif entry.filename == MANIFEST and entry.file_size > MOST_MANIFEST_BYTES:
            found.append(Difference(where=MANIFEST, what="it is too large to be one"))
        else:
            known[entry.filename] = entry
    return list(known.values())


def _contents(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], found: list[Difference]
) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        try:
            yield entry.filename, archive.read(entry)
        except SAFE_READING as error:
            found.append(Difference(where=entry.filename, what=f"it is damaged: {shown(str(error))}"))


def _manifest(path: Path, content: bytes | None, found: list[Difference]) -> Manifest | None:
    if content is None:
        if found:  # named already: damaged, or too large
            return None
        raise UserError(f"{path} has no {MANIFEST}; it was not made by `bundle`")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        found.append(Difference(where=MANIFEST, what=f"{shown(where)}: {shown(first['msg'])}"))
        return None


def _against_manifest(manifest: Manifest, files: Mapping[str, bytes]) -> Iterator[Difference]:
    for name in sorted({*manifest.files, *files, *REQUIRED}):
        if name not in files:
            yield Difference(where=shown(name), what=ABSENT)
        elif name not in manifest.files:
            yield Difference(where=name, what="the manifest does not list it")
        elif hash_of(files[name]) != manifest.files[name]:
            yield Difference(where=name, what="it is not the file whose hash is in the manifest")
