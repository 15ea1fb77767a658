"""Zip files that somebody else wrote, read by their own word and not a byte further; and an .npz of
the very arrays asked for, or nothing: their names, types and number of dimensions.

Allowed is what `zipfile` writes into a seekable file: stored and deflated files one after the
other, their directory, its end. The standard library's reader also takes encrypted, bz2 and lzma
entries, overlapping ones, 64-bit sizes and text around the archive, and unpacks whatever comes out;
none of that is needed here, and each has been used to fill somebody's memory. Pickles are never
read.
"""

import io
import re
import stat
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from io import SEEK_END
from math import prod
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile

import numpy as np

from data.messages import escaped

_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_HARMLESS_FLAGS = 0x0806  # how hard it was packed, and that the name is UTF-8
_ENCRYPTED, _SIZE_BEHIND = 0x0001, 0x0008
_UNIX = 3
MOST_NAME_BYTES = 200  # of an entry's name, extra field and comment together


class Entry(NamedTuple):
    """name: bytes that are no UTF-8 as surrogates (see `shown`). size: bytes once unpacked, as the
    directory claims. fault: why it is not to be read, in words."""

    name: str
    size: int
    packed_size: int
    crc: int
    deflated: bool
    start: int
    fault: str | None


def shown(name: str) -> str:
    """An entry's name on one line, bytes that are no UTF-8 as \\xe9, which no separator is."""
    return escaped(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def read_directory(file: BinaryIO, most_entries: int) -> list[Entry]:
    """Every entry, in the directory's order. Raises BadZipFile where the archive as a whole is not
    as allowed."""
    place, count, num_bytes = _find_directory(file, most_entries)
    file.seek(place)
    directory = file.read(num_bytes)
    found = list(_entries(file, directory, count))
    end = 0
    for header, entry in sorted(found, key=lambda each: each[0]):
        if header != end:
            raise BadZipFile(f"{shown(entry.name)} does not begin where the entry before it ends")
        end = entry.start + entry.packed_size
    if end != place:
        raise BadZipFile("its directory does not begin where its last entry ends")
    return [entry for _, entry in found]


def read_entry(file: BinaryIO, entry: Entry) -> bytes:
    """An entry unpacked. Raises BadZipFile where it is not exactly what the directory claims."""
    if entry.fault is not None:
        raise BadZipFile(entry.fault)
    file.seek(entry.start)
    content = file.read(entry.packed_size)
    if entry.deflated:
        content = _inflated(content, entry.size)
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise BadZipFile("its size or checksum is not the one in the directory")
    return content


def _find_directory(file: BinaryIO, most_entries: int) -> tuple[int, int, int]:
    """Where the directory begins, its entries and its bytes."""
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - _END.size))
    tail = file.read(_END.size)
    if len(tail) < _END.size or not tail.startswith(b"PK\5\6"):
        raise BadZipFile("it is not a zip, was cut short, or something follows its end")
    _, disk, first_disk, here, count, num_bytes, place, comment = _END.unpack(tail)
    if disk or first_disk or here != count or comment or place + num_bytes + _END.size != size:
        raise BadZipFile("the end of its directory does not fit the file")
    if count > most_entries or num_bytes > count * (_ENTRY.size + MOST_NAME_BYTES):
        raise BadZipFile(
            f"it holds more than {most_entries} files, or its directory is too long for its files"
        )
    return place, count, num_bytes


def _entries(file: BinaryIO, directory: bytes, count: int) -> Iterator[tuple[int, Entry]]:
    """Each with the place of its header."""
    at = 0
    for _ in range(count):
        if not directory.startswith(b"PK\1\2", at) or at + _ENTRY.size > len(directory):
            raise BadZipFile("its directory is damaged")
        fields = _ENTRY.unpack_from(directory, at)
        (
            made_by,
            _,
            flags,
            method,
            _,
            _,
            crc,
            packed_size,
            size,
            *lengths,
            disk,
            _,
            attributes,
            header,
        ) = fields[1:]
        name = directory[at + _ENTRY.size :][: lengths[0]]
        if flags & _ENCRYPTED:
            raise BadZipFile("it is locked with a password")
        if flags & _SIZE_BEHIND:
            raise BadZipFile("it was packed by a program that writes sizes behind the files")
        kind = stat.S_IFMT(attributes >> 16) if made_by >> 8 == _UNIX else 0
        fault = _fault(flags, method, kind, disk, (size, packed_size))
        start = _start(file, header, (flags, method, name))
        words = name.decode("utf-8", "surrogateescape")
        yield header, Entry(words, size, packed_size, crc, method == _DEFLATED, start, fault)
        at += _ENTRY.size + sum(lengths)
    if at != len(directory):
        raise BadZipFile("its directory is damaged")


def _fault(flags: int, method: int, kind: int, disk: int, sizes: tuple[int, int]) -> str | None:
    if flags & ~_HARMLESS_FLAGS:
        return "it is encrypted, or written in a way that no bundle is"
    if method not in (_STORED, _DEFLATED):
        return f"it is packed by method {method}; allowed: stored and deflated"
    if kind not in (0, stat.S_IFREG):
        return "it is a link or another special file"
    size, packed_size = sizes
    # what cannot be packed grows by less
    most_packed = size if method == _STORED else size + size // 100 + 100
    if (
        disk
        or size == 0xFFFFFFFF
        or packed_size > most_packed
        or (method == _STORED and packed_size != size)
    ):
        return "its sizes are not those of a file"
    return None


def _start(file: BinaryIO, header: int, expected: tuple[int, int, bytes]) -> int:
    """Where an entry's content begins. Raises BadZipFile where its own header says otherwise than
    the directory."""
    file.seek(header)
    local = file.read(_LOCAL.size)
    if len(local) < _LOCAL.size or not local.startswith(b"PK\3\4"):
        raise BadZipFile("an entry has no header")
    _, _, flags, method, *_, name_bytes, extra_bytes = _LOCAL.unpack(local)
    if (flags, method, file.read(name_bytes)) != expected:
        raise BadZipFile(
            f"the header of {escaped(expected[2].decode('utf-8', 'backslashreplace'))} contradicts "
            "the directory"
        )
    return header + _LOCAL.size + name_bytes + extra_bytes


def _inflated(content: bytes, size: int) -> bytes:
    """At most one byte more than was claimed, which is enough to see that there is more."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(content, size + 1)
    except zlib.error as error:
        raise BadZipFile("what is packed in it is damaged") from error
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise BadZipFile("it does not unpack to the size in the directory")
    return unpacked


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
    content: bytes, forms: Mapping[str, ArrayForm], optional: Collection[str] = ()
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
                f"it holds {', '.join(map(shown, names))}; allowed are exactly {', '.join(forms)}"
            )
        if sum(entry.size for entry in entries) > MOST_BYTES:
            raise ValueError(f"its arrays claim more than {MOST_BYTES >> 20} MiB")
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
    # of Python's integers, which do not wrap around
    num_bytes = prod(shape) * np.dtype(dtype).itemsize
    if len(content) != len(header[0]) + num_bytes:
        raise ValueError(f"{name} has not as many values as its shape {shape} says")
    values = np.frombuffer(content, dtype, offset=len(header[0]))
    return values.reshape(shape, order="F" if is_fortran else "C")
