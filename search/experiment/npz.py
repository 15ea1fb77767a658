"""Arrays in an .npz that somebody else may have written: the very names, types and number of
dimensions asked for, or nothing.

Pickles are never read, and no member is unpacked beyond what it claims.
"""

import io
import re
from collections.abc import Collection, Mapping
from math import prod
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from data.messages import escaped
from data.strict_zip import read_directory, read_entry

# As `numpy.save` writes it. NumPy's own reader evaluates a literal and asks `numpy.dtype` what any
# text may mean.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<|][a-z][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9, ]{0,60})\), \} *\n",
    re.DOTALL,
)
MOST_BYTES = 1 << 26  # of all arrays together: a million images under ten seeds


class ArrayForm(NamedTuple):
    """What an array must be. dtype: as NumPy spells it, byte order included."""

    dtype: str
    num_dimensions: int


def read_npz(
    content: bytes,
    forms: Mapping[str, ArrayForm],
    most_bytes: int = MOST_BYTES,
    optional: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """The arrays, by name; those of `optional` may be missing. Raises ValueError in one line that
    names the array where anything is not as asked for."""
    file = io.BytesIO(content)
    try:
        entries = read_directory(file, len(forms))
        names = [entry.name for entry in entries]
        needed = {f"{name}.npy" for name in forms if name not in optional}
        allowed = {f"{name}.npy" for name in forms}
        if len(set(names)) < len(names) or not needed <= set(names) <= allowed:
            raise ValueError(
                f"it holds {escaped(', '.join(names))}; allowed are exactly {', '.join(forms)}"
            )
        if sum(entry.size for entry in entries) > most_bytes:
            raise ValueError(f"its arrays claim more than {most_bytes >> 20} MiB")
        return {
            (name := entry.name.removesuffix(".npy")): _array(
                name, read_entry(file, entry), forms[name]
            )
            for entry in entries
        }
    except BadZipFile as error:
        raise ValueError(f"it is damaged: {error}") from error


def _array(name: str, content: bytes, form: ArrayForm) -> np.ndarray:
    header = _HEADER.match(content)
    if header is None or len(header[0]) != 10 + int.from_bytes(header[1], "little"):
        raise ValueError(f"{name} has no header that NumPy writes for such an array")
    dtype, is_fortran, shape = (
        header[2].decode(),
        header[3] == b"True",
        [int(n) for n in header[4].split(b",") if n.strip()],
    )
    if dtype != form.dtype or len(shape) != form.num_dimensions:
        raise ValueError(
            f"{name} is {dtype} of {len(shape)} dimensions; allowed: {form.dtype} of "
            f"{form.num_dimensions}"
        )
    num_bytes = (
        prod(shape) * np.dtype(dtype).itemsize
    )  # of Python's integers, which do not wrap around
    if len(content) != len(header[0]) + num_bytes:
        raise ValueError(f"{name} has not as many values as its shape {shape} says")
    values = np.frombuffer(content, dtype, offset=len(header[0]))
    return values.reshape(shape, order="F" if is_fortran else "C")
