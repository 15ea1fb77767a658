"""Networks of OpenVINO's kept in the cache: each in a folder of its own with its checksums, found
again, and made again where it is missing or damaged."""

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from data.files import new_folder

NETWORK = "model.xml"
_CHECKSUMS = "checksums"
_LOG = logging.getLogger(__name__)


def kept_network(folder: Path, make: Callable[[Path], None], files: tuple[str, ...] = ()) -> Path:
    """The network's file in `folder`, which `make` fills with the network and `files` where they
    are not there as they were written. Raises OSError where the disk refuses, and what `make`
    raises."""
    names = (NETWORK, Path(NETWORK).with_suffix(".bin").name, *files)
    if not _is_intact(folder, names):
        if folder.exists():
            _LOG.warning("%s is damaged and is made again", folder)
        with new_folder(folder, "a network of OpenVINO's") as made:
            make(made)
            (made / _CHECKSUMS).write_text(_checksums(made, names))
            shutil.rmtree(folder, ignore_errors=True)
            if folder.is_file():
                folder.unlink(missing_ok=True)
        if not _is_intact(folder, names):
            raise OSError(f"{folder} does not read back as it was written; check the disk")
    return folder / NETWORK


def _is_intact(folder: Path, names: tuple[str, ...]) -> bool:
    try:
        return (folder / _CHECKSUMS).read_text() == _checksums(folder, names)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
        return False


def _checksums(folder: Path, names: tuple[str, ...]) -> str:
    lines = []
    for name in names:
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()} {name}\n")
    return "".join(lines)
