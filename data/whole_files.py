"""JPEG and PNG checked for being whole, and stripped of what surrounds the picture: a film behind
it, Exif, profiles, texts. None of that is ever a reason to refuse it.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from data.errors import BadImage

# JPEG (ITU T.81, B.1.1): a marker is FF and a byte that is neither 00 nor FF. Restart markers (D0
# to D7) stand among the pixels; the others begin a segment, but for these two.
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
JPEG_START, JPEG_END, SCAN = 0xD8, 0xD9, 0xDA
# What may stand between the first scan and the end: tables, further scans, notes (B.2).
AFTER_SCAN = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xDF, 0xFE, *range(0xE0, 0xF0)})
# JFIF's and Adobe's say how colours are meant; the others (Exif, profiles, comments) are notes.
JPEG_NOTES = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
EXIF = 0xE1
# The least bytes, marker included, of what says how colours are meant: JFIF (T.871, 10.1) and
# Adobe's. What is shorter says nothing.
SHORTEST = {0xE0: 18, 0xEE: 16}

PNG_START, PNG_HEADER = b"\x89PNG\r\n\x1a\n", struct.Struct(">I4s")
TRANSPARENCY = b"tRNS"  # that pixels need, though it may be missing
# Notes by how they begin: what may say how the picture is turned (Exif, Exif as ImageMagick writes
# it, XMP), and that more pictures follow. Tried in this order, since a bad one must not take a good
# one with it.
USEFUL_IN_PNG = (
    (b"eXIf", b"acTL", b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"),
    (b"eXIf",),
    (),
)
USEFUL_IN_JPEG = (frozenset({EXIF}), frozenset[int]())


class _Segment(NamedTuple):
    marker: int
    start: int
    end: int


def check_jpeg(data: bytes) -> None:
    """Raise BadImage unless the picture ends where its end marker says, whatever comes after it.

    Pillow itself overlooks a cut that takes no more than the end.
    """
    if not any(segment.marker == JPEG_END for segment in _segments(data)):
        raise BadImage("damaged: the file is cut short (no end marker after the last scan)")


def jpeg_versions(data: bytes) -> Iterator[bytes]:
    """The file, then the same picture with ever fewer notes."""
    yield data
    for useful in USEFUL_IN_JPEG:
        kept = [
            data[s.start : s.end]
            for s in _segments(data)
            if s.marker not in JPEG_NOTES - useful and s.end - s.start >= SHORTEST.get(s.marker, 0)
        ]
        yield data[:2] + b"".join(kept)


def _segments(data: bytes) -> Iterator[_Segment]:
    """From the first segment to the end marker; stops before what cannot stand where it stands. A
    scan's segment has its pixels with it."""
    place, in_scan, waiting = 2, False, None
    while found := MARKER.search(data, place):
        marker = found[1][0]
        if waiting is not None:
            yield waiting._replace(end=found.start())
            waiting = None
        if marker == JPEG_START or (in_scan and marker != JPEG_END and marker not in AFTER_SCAN):
            return
        if marker == JPEG_END:
            yield _Segment(marker, found.start(), found.end())
            return
        place = found.end()
        if marker < 0xC0:  # stands alone
            continue
        place += max(2, int.from_bytes(data[place : place + 2], "big"))
        segment = _Segment(marker, found.start(), place)
        if marker == SCAN:
            in_scan, waiting = True, segment
        else:
            yield segment


def check_png(data: bytes) -> None:
    """Raise BadImage where a chunk that the pixels need is cut or has another checksum than it
    says."""
    for _ in _chunks(data):
        pass


def png_versions(data: bytes) -> Iterator[bytes]:
    """The same picture with ever fewer notes; never with profiles and other texts.

    Pillow would unpack those, and take a bad one for damage of the picture.
    """
    for useful in USEFUL_IN_PNG:
        needed: list[bytes] = []
        notes: list[bytes] = []
        for name, chunk in _chunks(data):
            if _is_needed(name):
                needed.append(chunk)
            elif name.startswith(useful) or chunk[8:].startswith(useful):
                notes.append(chunk)
        # Notes after the header, so that they are read, and found bad, before the pixels are.
        yield PNG_START + b"".join(needed[:1] + notes + needed[1:])


def _is_needed(name: bytes) -> bool:
    return not name[0] & 0x20 or name == TRANSPARENCY  # a capital letter: critical (PNG, 5.4)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes of every chunk up to IEND, but for notes whose checksum is wrong."""
    place, name = len(PNG_START), b"first"
    while place + PNG_HEADER.size <= len(data):
        length, name = PNG_HEADER.unpack_from(data, place)
        end = place + PNG_HEADER.size + length + 4
        chunk = data[place:end]
        if end > len(data):
            break
        is_sound = zlib.crc32(memoryview(chunk)[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if not is_sound and _is_needed(name):
            raise BadImage(f"damaged: wrong checksum of its {_printable(name)} chunk")
        if is_sound:
            yield name, chunk
        if name == b"IEND":
            return
        place = end
    raise BadImage(f"damaged: the file is cut short (in or after its {_printable(name)} chunk)")


def _printable(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")
