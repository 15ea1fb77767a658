"""Images named on a command line: files, folders and patterns, read one by one; a bad one is a
value, not an end.

Labels and splits belong to `sources`; nothing here knows them.
"""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.bit_depth import Whites
from data.decode import decode_image
from data.errors import BadImage
from data.listing import HEADER_BYTES, KINDS, MAX_BYTES_A_PIXEL, reason_of
from data.litter import is_litter
from data.messages import shown
from data.settings import DatasetConfig

MAX_PIXELS = DatasetConfig().max_pixels


@dataclass(frozen=True)
class NamedImage:
    """`pixels` uint8 [size, size, 3], decoded as a data set's images are; None where it could not
    be, with the `reason`."""

    name: str
    pixels: np.ndarray | None
    reason: str = ""

    @property
    def complaint(self) -> str:
        """One line for people."""
        return f"{shown(self.name)}: {self.reason}"


def read_named(names: Iterable[str], size: int, whites: Whites) -> Iterator[NamedImage]:
    """Every image that `names` mean, in the order named; inside folders and patterns sorted.

    whites: what became 255 in the data set, of more than 8 bits per channel (`bit_depth`).

    A folder means all files below it but litter. A name that is no file is read as a pattern (`*`,
    `?`, `[ab]`, `**`).
    """
    for name in names:
        found = _meant(name)
        if not found:
            yield NamedImage(name, None, "no such file, and as a pattern it matches none")
        for path in found:
            yield _read(path, size, whites)


def _meant(name: str) -> list[str]:
    if os.path.lexists(name):
        return _expanded(name)
    matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    return [path for match in matches for path in _expanded(match)]


def _expanded(name: str) -> list[str]:
    """The files of a folder, or the one file. Links to folders inside are not followed, so that no
    loop is entered."""
    if not Path(name).is_dir():
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(each for each in folders if not is_litter(each))
        found += [str(Path(folder, each)) for each in sorted(files) if not is_litter(each)]
    return found


def _read(name: str, size: int, whites: Whites) -> NamedImage:
    try:
        return NamedImage(name, decode_image(_content(name), size, MAX_PIXELS, whites).pixels)
    except (
        OSError,
        ValueError,
    ) as error:  # BadImage is a ValueError, and so is a name with a zero byte
        return NamedImage(
            name, None, str(error) if isinstance(error, BadImage) else reason_of(error)
        )


def _content(name: str) -> bytes:
    status = Path(name).stat()  # before opening: that would wait for a FIFO's writer for ever
    if not stat.S_ISREG(status.st_mode):
        raise BadImage(KINDS.get(stat.S_IFMT(status.st_mode), "not a file"))
    if status.st_size > MAX_BYTES_A_PIXEL * MAX_PIXELS + HEADER_BYTES:
        raise BadImage(
            f"{status.st_size} bytes, more than a picture of {MAX_PIXELS} pixels could need"
        )
    return Path(name).read_bytes()
