"""What a source hands over: which images there are, their labels and splits, and how to read one.

`FileTable` makes a listing for every source that has files. What lies beside pictures everywhere
(hidden files, edits, films, notes, what file managers, disks, archives and unfinished downloads
leave behind) is named here, to be passed over. Decodes nothing, and judges nothing but whether a
file can be read.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePath

import numpy as np

from data.dataset_notes import Converted, LeftOut
from data.group_pattern import groups_of_paths
from data.messages import escaped
from data.settings import DatasetConfig, Split

NOT_A_FILE = {
    stat.S_IFIFO: "a FIFO, not a file",
    stat.S_IFDIR: "a folder, not a file",
    stat.S_IFSOCK: "a socket, not a file",
    stat.S_IFCHR: "a device, not a file",
    stat.S_IFBLK: "a device, not a file",
}
NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
# Uncompressed 16-bit RGBA takes 8 bytes a pixel; a file larger than that (and its headers) holds
# something else.
MAX_BYTES_A_PIXEL = 8
HEADER_BYTES = 1 << 24


@dataclass(frozen=True)
class Listing:
    """The images of a source, in an order that does not change: an image's position is its identity
    in random draws.

    names: printable, one line each; labels int32 [n], into class_names; splits int8 [n] as declared
    by the source; read(i) gives a file's bytes or a uint8 array, or raises OSError; fingerprint
    changes when any content may have; draw: fractions still to be drawn from train; problems: what
    was found and cannot be read at all; remarks: sentences on how labels are written, which may be
    meant; found: what was done with files and folders, with how many and the first; groups: each
    image's, "" where it has none; None where the experiment names none.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]
    read: Callable[[int], bytes | np.ndarray]
    fingerprint: str
    draw: Split | None = None
    problems: tuple[LeftOut, ...] = ()
    remarks: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    found: Mapping[str, Converted] = field(default_factory=dict)


class FileTable:
    """Collects files below `root`, one `add` each, and makes a Listing of those that are regular
    files."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)
        self.names: list[str] = []
        self.splits: list[int] = []
        self.problems: list[LeftOut] = []
        self._found: dict[str, list[str]] = {}
        self._classes: list[str] = []
        self._groups: list[str] = []
        self._stamps: list[tuple[int, int]] = []

    def add(self, name: str, class_name: str, split: int, group: str | None = None) -> bool:
        """Take in the file at `name`, relative to the root, and say whether something is there.

        What is no regular file becomes a problem.
        """
        try:
            status = Path(self.root, name).stat()
        except (OSError, ValueError) as error:
            self.refuse(name, reason_of(error))
            return isinstance(error, OSError) and error.errno not in NO_SUCH_FILE
        if not stat.S_ISREG(status.st_mode):
            self.refuse(name, NOT_A_FILE.get(stat.S_IFMT(status.st_mode), "not a file"))
            return True
        self.names.append(name)
        self.splits.append(split)
        self._classes.append(class_name)
        self._groups += [] if group is None else [group]
        self._stamps.append((status.st_size, status.st_mtime_ns))
        return True

    def refuse(self, name: str, reason: str) -> None:
        self.problems.append(LeftOut(name=escaped(name), reason=reason))

    def note(self, what: str, name: str) -> None:
        """Count what was done with a file or folder: `what` is the rest of the sentence."""
        self._found.setdefault(what, []).append(escaped(name))

    def listing(
        self, class_names: Sequence[str], draw: Split | None, config: DatasetConfig
    ) -> Listing:
        numbers = {name: number for number, name in enumerate(class_names)}
        max_bytes = MAX_BYTES_A_PIXEL * config.max_pixels + HEADER_BYTES
        return Listing(
            names=tuple(escaped(name) for name in self.names),
            labels=np.array([numbers[name] for name in self._classes], np.int32),
            splits=np.array(self.splits, np.int8),
            class_names=tuple(escaped(name) for name in class_names),
            read=partial(_read_file, self.root, self.names, max_bytes),
            fingerprint=self._fingerprint(),
            draw=draw,
            problems=tuple(self.problems),
            groups=self._named_groups(config),
            found={
                what: Converted(count=len(names), first=tuple(names[:3]))
                for what, names in self._found.items()
            },
        )

    def _named_groups(self, config: DatasetConfig) -> tuple[str, ...] | None:
        if config.group_pattern is not None:
            return groups_of_paths(config.group_pattern, self.names)
        return tuple(self._groups) if config.group_column is not None else None

    def _fingerprint(self) -> str:
        """sha256 over root, names, sizes and modification times: a file changed with all three kept
        goes unnoticed."""
        digest = sha256(os.fsencode(self.root))
        for name, (size, mtime_ns) in zip(self.names, self._stamps, strict=True):
            digest.update(b"\0" + os.fsencode(name) + f"\0{size} {mtime_ns}".encode())
        return digest.hexdigest()


def reason_of(error: Exception) -> str:
    """Why something could not be read, without the path that the message names already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = " ".join(str(error).split())
    return "it holds a NUL, and no path does" if "null byte" in said else said


def _read_file(root: str, names: Sequence[str], max_bytes: int, position: int) -> bytes:
    with Path(root, names[position]).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise OSError(
                errno.EFBIG, f"{size} bytes, more than dataset.max_pixels could need ({max_bytes})"
            )
        return file.read()


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
    }
)
# Of files alone: a folder may be a class called License, or v1.json.
FILES = frozenset(
    {"readme", "readme.md", "readme.txt", "license", "license.md", "license.txt"}
    | {"labels.txt", "classes.txt", "_classes.txt"}
    | {"_classes.csv", "_annotations.csv", "_annotations.txt"}  # Roboflow
)
SUFFIXES = frozenset(
    {".xmp", ".aae", ".pp3", ".dop", ".thm", ".json", ".xml"}  # edits and notes beside a picture
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
    r"|\.trash-.*"  # Linux's wastebaskets
    r"|.*\.lrdata",  # Lightroom's previews
    re.IGNORECASE,
)


def is_litter(name: str, is_folder: bool = False) -> bool:
    """Whether a file or folder of this name, without the path above it, is to be passed over."""
    if name.startswith(".") or name.lower() in LITTER or PATTERN.fullmatch(name):
        return True
    is_note = name.lower() in FILES or PurePath(name).suffix.lower() in SUFFIXES
    return is_note and not is_folder
