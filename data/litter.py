"""What is no picture of anybody's: hidden files, and what file managers, disks and archives leave behind.

One table for every place that lists files.
"""

import re

# Lower case. A name that begins with a dot (.DS_Store, ._photo.jpg, .git, .thumbnails) is litter too.
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
    }
)
# Album covers of Windows Media Player, thumbnails of Synology, locks of office programs, Linux's wastebaskets.
PATTERN = re.compile(r"albumart(_\{.*\}.*|small)\.jpg|synofile_thumb_.*|~\$.*|\.trash-.*", re.IGNORECASE)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name, without the path above it, is to be passed over."""
    return name.startswith(".") or name.lower() in LITTER or PATTERN.fullmatch(name) is not None
