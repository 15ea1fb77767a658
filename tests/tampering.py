"""Run directories and bundles read and written again as a tamperer would: every checksum right."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.journal.journal_file import Event, encode, parse, read
from search.verification.bundle_file import Manifest, write_bundle
from search.verification.grading import Grade
from search.verification.packing import MANIFEST
from search.verification.verify import Verification


def events_of(run_dir: Path) -> list[Event]:
    return list(read(run_dir / "journal.jsonl")[0])


def events_in(files: Mapping[str, bytes]) -> list[Event]:
    """Of a bundle's journal."""
    return list(parse(files["journal.jsonl"], Path("journal.jsonl")).events)


def only(events: list[Event], kind: str, **wanted: Any) -> Event:
    return next(
        e for e in events if e["type"] == kind and all(e[k] == v for k, v in wanted.items())
    )


def reseal(run_dir: Path, events: list[Event]) -> None:
    """Writes events as a journal whose every checksum is right."""
    (run_dir / "journal.jsonl").write_bytes(b"".join(encode(event) for event in events))


def sealed_journal(events: list[Event]) -> bytes:
    """Numbered anew."""
    return b"".join(encode({**event, "seq": number}) for number, event in enumerate(events))


def files_of(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip of just these files, whatever they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def resealed(path: Path, files: Mapping[str, bytes]) -> Path:
    """As a tamperer who makes the manifest again would write it."""
    contents = dict(files)
    manifest = Manifest.model_validate_json(contents.pop(MANIFEST))
    write_bundle(path, manifest, contents)
    return path


def where(found: Verification | Grade) -> list[str]:
    return [difference.where for difference in found.differences]
