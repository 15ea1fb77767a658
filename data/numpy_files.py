"""Arrays in files as NumPy writes them (.npy, .npz), read so that damage is one kind of error.

NumPy parses a header with Python's own parser, which raises whatever it likes for a flipped bit,
and its zip reader raises as much again. Nothing is ever unpickled. Files of a stranger's bundle are
`strict_zip`'s.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile

import numpy as np

from data.errors import UserError

_IN_WORDS = (ValueError, EOFError, KeyError, BadZipFile, zlib.error)  # what these say is for people

# NumPy advises to unpickle what it knows no better, a file of zeros too.
PICKLED = "it is no file of plain arrays, or holds Python objects"


class DamagedArray(ValueError):
    """The file holds no array that NumPy wrote whole. `str()` says why, in one line."""


@contextmanager
def reading_arrays() -> Iterator[None]:
    """Whatever NumPy raises in the block for a file's bytes becomes a DamagedArray; OSError,
    MemoryError and UserError pass."""
    try:
        yield
    except (OSError, MemoryError, UserError):
        raise
    except Exception as error:  # SyntaxError, tokenize's TokenError, RecursionError, TypeError, ...
        said = " ".join(str(error).split())
        said = PICKLED if "allow_pickle" in said else said
        known = isinstance(error, _IN_WORDS) and said
        raise DamagedArray(said if known else "the header of an array is damaged") from error


def read_array(path: Path, is_mapped: bool = False) -> np.ndarray:
    """The array of an .npy, mapped where that is asked for. Raises OSError, DamagedArray."""
    with reading_arrays():
        found = np.load(path, mmap_mode="r" if is_mapped else None, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        found.close()
        raise ValueError("it is an .npz")


def read_arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    """Every array of an .npz, by its name. Raises OSError, DamagedArray."""
    with reading_arrays(), np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
