"""TIFFs around their pixels: which page is the picture, whether its pixels are all there, and
libtiff kept from writing to the terminal. Numbers of tags are those of TIFF 6.0."""

import contextlib
import ctypes
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL
from PIL.TiffImagePlugin import ImageFileDirectory_v2

SUBFILE, REDUCED = 254, 1  # a smaller version of another page
OLD_SUBFILE, OLD_REDUCED, SUB_PAGES = 255, 2, 330  # as cameras have them
COMPRESSION, ZLIB, UNCHECKED = 259, (8, 32946), (5, 32773)  # LZW, PackBits
_PLACES = ((273, 279), (324, 325))  # offsets and lengths of strips, and of tiles
BIG = (b"II+\0", b"MM\0+")  # whose header is of 16 bytes, and not of 8
MOST_PAGES = 32  # that are looked at


def of_main_page(data: bytes) -> bytes:
    """The same file beginning with its first page that is no thumbnail; as it is where there is
    none, or it begins so."""
    with contextlib.suppress(Exception):  # a parser of hostile bytes; whoever reads it names it
        for number, (offset, tags) in enumerate(_pages(data)):
            if not _is_reduced(tags):
                return data if number == 0 else _beginning_at(data, offset)
    return data


def missing_pixels(data: bytes, tags: Mapping[int, Any]) -> str | None:
    """Why the page of these tags cannot be read whole, in words; None where nothing of that is
    seen."""
    for offsets, lengths in _PLACES:
        for start, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False):
            if start + length > len(data):
                return "damaged: the file is cut short"
            if tags.get(COMPRESSION) in ZLIB and not _unpacks(data[start : start + length]):
                return "damaged: what is packed in it cannot be unpacked"
    return None


def may_be_damaged(tags: Mapping[int, Any]) -> bool:
    """Whether pixels are packed so that only the library which failed could tell."""
    return tags.get(COMPRESSION) in UNCHECKED


@contextlib.contextmanager
def quiet_libtiff() -> Iterator[None]:
    """Pillow's own libtiff, where there is one, writes nothing to the terminal; what it says of
    damage is raised, too."""
    libraries = []
    for path in Path(PIL.__file__).parent.parent.glob("[Pp]illow.libs/libtiff*"):
        with contextlib.suppress(OSError, AttributeError):  # another build of Pillow
            set_handler = ctypes.CDLL(str(path)).TIFFSetErrorHandler
            set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            libraries.append((set_handler, set_handler(None)))
    try:
        yield
    finally:
        for set_handler, before in libraries:
            set_handler(before)


def _is_reduced(tags: Mapping[int, Any]) -> bool:
    return bool(tags.get(SUBFILE, 0) & REDUCED) or tags.get(OLD_SUBFILE) == OLD_REDUCED


def _pages(data: bytes) -> Iterator[tuple[int, ImageFileDirectory_v2]]:
    """Each directory with its offset, those below others last."""
    below: list[int] = []
    offset = _directory(data).next
    for _ in range(MOST_PAGES):
        if not offset:
            break
        directory = _at(data, offset)
        below += directory.get(SUB_PAGES, ())
        yield offset, directory
        offset = directory.next
    yield from ((each, _at(data, each)) for each in below[:MOST_PAGES])


def _at(data: bytes, offset: int) -> ImageFileDirectory_v2:
    directory, file = _directory(data), BytesIO(data)
    file.seek(offset)
    directory.load(file)
    return directory


def _directory(data: bytes) -> ImageFileDirectory_v2:
    return ImageFileDirectory_v2(data[: 16 if data.startswith(BIG) else 8])


def _beginning_at(data: bytes, offset: int) -> bytes:
    start, end = (8, 16) if data.startswith(BIG) else (4, 8)
    written = offset.to_bytes(end - start, "little" if data.startswith(b"II") else "big")
    return data[:start] + written + data[end:]


def _unpacks(packed: bytes) -> bool:
    unpacker = zlib.decompressobj()
    try:
        while packed and not unpacker.eof:
            unpacker.decompress(packed, 1 << 20)
            packed = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof
