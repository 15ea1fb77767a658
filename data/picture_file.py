"""A picture file opened: its format told by its bytes, JPEG and PNG checked for being whole and
stripped of what surrounds the picture, its header checked, its turn read, nothing scaled yet.

A film behind the picture, Exif, profiles, texts: none of that is ever a reason to refuse it.
Colours and sizes are `decode`.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from data.deep_pixels import deep_values, is_negative, read_deep, tiff_size, tiff_tags
from data.errors import BadImage
from data.portable_map import map_header, map_samples

# Pillow knows some forty formats, one of which starts Ghostscript; trust the ones people train on.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM")

# EXIF orientation (tag 0x0112, EXIF 2.32 section 4.6.4) to the turn that sets the picture upright.
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class PictureFile:
    """What one file holds. image: its header, pixels not yet read; None where Pillow has no such
    format.

    values: where there are more than 8 bits per channel, [h, w] or RGB(A) [h, w, 3 or 4]; changes:
    what had to be done, in words; turn: what is left to do to set it upright; is_negative: whether
    the greatest value is black.
    """

    image: ImageFile | None
    values: np.ndarray | None
    changes: tuple[str, ...]
    turn: Image.Transpose | None
    is_negative: bool = False


def open_picture(data: bytes, max_pixels: int) -> PictureFile:
    """Raises BadImage for what is no picture, is cut short, or has more than `max_pixels`
    pixels."""
    if not data:
        raise BadImage("empty file (0 bytes)")
    name = _format_of(data)
    if name == "PPM" and (header := map_header(data)) is not None:
        check_pixels(header.size, max_pixels)
        return PictureFile(None, map_samples(data, header), header.changes, None)
    try:
        image, data = _open(name, data)
    except (SyntaxError, OSError):  # what Pillow raises for a kind of pixels it does not know
        if name != "TIFF":
            raise
        return _foreign_tiff(data, max_pixels)
    check_pixels(image.size, max_pixels)
    turn = UPRIGHT.get(_orientation(image))
    changes = _header_changes(image) + (("turned by EXIF",) if turn is not None else ())
    values = deep_values(image, data)
    if not isinstance(image, TiffImageFile):
        return PictureFile(image, values, changes, turn)
    # Which Pillow, and OpenCV too, turns when it reads the pixels.
    is_inverted = values is not None and is_negative(image.tag_v2)
    return PictureFile(image, values, changes, None, is_inverted)


def is_named_as_picture(name: str) -> bool:
    """Whether a file's ending is one of FORMATS."""
    return Image.registered_extensions().get(PurePath(name).suffix.lower()) in FORMATS


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Raise BadImage for more than `max_pixels` pixels. size: width and height."""
    width, height = size
    if width * height > max_pixels:
        raise BadImage(
            f"{width} x {height} is {width * height} pixels; dataset.max_pixels allows {max_pixels}"
        )


def _format_of(data: bytes) -> str:
    Image.init()
    for name in FORMATS:
        _, accepts = Image.OPEN.get(name, (None, None))
        if accepts and accepts(data[:16]) is True:
            return name
    raise BadImage(f"not an image in a format that is read ({', '.join(FORMATS)})")


def _open(name: str, data: bytes) -> tuple[ImageFile, bytes]:
    """By the plugin that knows the bytes, and the bytes that it read: `Image.open` would apply
    Pillow's own, global pixel limit."""
    if name == "JPEG":
        check_jpeg(data)
        # Not by its factory, which would open a phone's second picture (depth, gain map) too.
        return _first_that_opens(JpegImageFile, jpeg_versions(data))
    if name == "PNG":
        check_png(data)
        return _first_that_opens(PngImageFile, png_versions(data))
    opened = Image.OPEN[name][0](BytesIO(data), "")
    assert isinstance(opened, ImageFile)
    return opened, data


def _first_that_opens(
    plugin: type[ImageFile], versions: Iterable[bytes]
) -> tuple[ImageFile, bytes]:
    """Of versions with ever fewer notes: a bad one makes Pillow raise all kinds of errors. Raises
    the last."""
    failure: Exception = BadImage("damaged")
    for data in versions:
        try:
            return plugin(BytesIO(data)), data
        except Exception as error:
            failure = error
    raise failure


def _foreign_tiff(data: bytes, max_pixels: int) -> PictureFile:
    """Floats and signed numbers in colour, and floats of 64 bits. Raises BadImage where OpenCV
    fails too."""
    tags = tiff_tags(data)
    size = tiff_size(tags)
    check_pixels(size, max_pixels)
    values = read_deep(data, size, tags)
    if values is None:
        raise BadImage(
            "a kind of TIFF that is not read; save it with 8 or 16 bits per channel, or as PNG"
        )
    return PictureFile(None, values, (), None, is_negative(tags))


def _orientation(image: ImageFile) -> int:
    """EXIF's number of the turn; 1, upright, where there is none or it cannot be read."""
    try:
        # Not a PNG's own method, which reads the pixels first, in case that it stands behind them.
        number = Image.Image.getexif(image).get(ORIENTATION_TAG, 1)
    except Exception:  # a parser of hostile bytes; the picture is no worse for it
        return 1
    return number if isinstance(number, int) else 1


def _header_changes(image: ImageFile) -> tuple[str, ...]:
    """What only the unread file tells."""
    is_animated = getattr(image, "is_animated", False)
    return ("first frame of several",) if is_animated else ()


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
