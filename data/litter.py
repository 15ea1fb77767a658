"""What is no picture of anybody's: hidden files, what stands beside pictures (edits, films, notes),
and what file managers, disks, archives and unfinished downloads leave behind.

One table for every place that lists files.
"""

import re
from pathlib import PurePath

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
