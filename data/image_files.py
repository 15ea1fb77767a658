"""Which files are pictures that somebody means: what lies beside pictures everywhere and is passed
over (hidden files, edits, films, notes, what file managers, disks, archives and unfinished
downloads leave behind), and the images named on a command line, read one by one.

Labels and splits belong to `sources`; nothing here knows them.
"""

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from data.bit_depth import Whites
from data.decode import decode_image
from data.errors import BadImage
from data.listing import HEADER_BYTES, MAX_BYTES_A_PIXEL, NOT_A_FILE, reason_of
from data.messages import escaped
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
        return f"{escaped(self.name)}: {self.reason}"


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
    # Path.glob refuses absolute patterns
    matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207
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
        raise BadImage(NOT_A_FILE.get(stat.S_IFMT(status.st_mode), "not a file"))
    if status.st_size > MAX_BYTES_A_PIXEL * MAX_PIXELS + HEADER_BYTES:
        raise BadImage(
            f"{status.st_size} bytes, more than a picture of {MAX_PIXELS} pixels could need"
        )
    return Path(name).read_bytes()


# Lower case. A name that begins with a dot (.DS_Store, ._photo.jpg, .git, .thumbnails) is litter
# too.
LITTER = frozenset(
    {
        "thumbs.db",  # Windows: thumbnails, folder settings, wastebasket
        "thumbs.db:encryptable",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "found.000",
        "icon\r",  # macOS: folder icons, the other half of zipped files, mounted disks
        "__macosx",
        "desktop db",
        "desktop df",
        "network trash folder",
        "temporary items",
        "thevolumesettingsfolder",
        "picasa.ini",  # picture managers
        "picasaoriginals",
        "zbthumbnail.info",
        "@eadir",  # network disks (Synology, QNAP)
        "@__thumb",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "@sharebin",
        "#recycle",
        "#snapshot",
        "lost+found",  # Linux: what a repair of the disk found
        "__pycache__",
        "photothumb.db",  # picture managers: thumbnails, catalogues, edits
        "bridgecache.bct",
        "bridgecachet.bct",
        "pspbrwse.jbf",
        "captureone",
        "_gsdata_",  # GoodSync
        "readme",
        "readme.md",
        "readme.txt",
        "license",
        "license.md",
        "license.txt",
        "labels.txt",
        "classes.txt",
    }
)
SUFFIXES = frozenset(
    {".xmp", ".aae", ".pp3", ".dop", ".lrdata", ".json", ".xml"}  # edits and notes beside a picture
    | {".mov", ".mp4", ".m4v"}  # the films of phones' live photos
    | {
        ".crdownload",
        ".part",
        ".partial",
        ".download",
        ".opdownload",
        ".filepart",
        ".aria2",
    }  # unfinished
)
PATTERN = re.compile(
    r"albumart(_\{.*\}.*|small)\.jpg"  # Windows Media Player
    r"|synofile_thumb_.*|.*@syno(eastream|resource)"  # Synology
    # streams of Windows, as files
    r"|.*zone\.identifier|.*:(afp_\w+|encryptable|smartscreen|com\.\w+\..*)"
    r"|~\$.*|.*\.\w+~"  # locks of office programs, copies of editors
    r"|\.trash-.*",  # Linux's wastebaskets
    re.IGNORECASE,
)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name, without the path above it, is to be passed over."""
    return (
        name.startswith(".")
        or name.lower() in LITTER
        or PurePath(name).suffix.lower() in SUFFIXES
        or PATTERN.fullmatch(name) is not None
    )
