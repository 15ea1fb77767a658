"""Reading files that somebody else may have put there: regular ones, and never more than was agreed
on."""

import os
import stat
from pathlib import Path

from data.errors import UserError


def read_regular(path: Path, most_bytes: int, within: Path | None = None) -> bytes:
    """The file's content. within: a folder that no link may lead out of.

    Raises UserError for what is no regular file (a FIFO, a device), is larger than `most_bytes` or
    lies elsewhere; OSError where it cannot be read.
    """
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise UserError(f"{path} is a link that leads out of {within}; put the file itself there")
    # Opening a FIFO would wait for somebody to write into it.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{path} is no regular file; restore it")
        content = file.read(min(most_bytes, os.fstat(descriptor).st_size) + 1)
    if len(content) > most_bytes:
        raise UserError(f"{path} has more than {most_bytes} bytes; a search leaves fewer")
    return content
