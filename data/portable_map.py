"""Grey and colour pictures of Netpbm (P2, P3, P5, P6; netpbm.sourceforge.net/doc/pgm.html and
ppm.html): their samples as the file holds them.

Pillow stretches them by the greatest value that the header allows, colour it cuts to 8 bits, and
OpenCV reads half of them: the same values would be bright in one file and dark in another.
"""

import re
from dataclasses import dataclass

import numpy as np

from data.errors import BadImage

# Number, width, height and greatest value. Comments go to the end of their line and may stand
# between all of them; one white space alone parts the header from samples that are bytes.
GAP = rb"(?:\s|#[^\r\n]*[\r\n])++"
HEADER = re.compile(rb"P([2356])" + (GAP + rb"(\d{1,10})") * 3 + rb"(?:\s|#[^\r\n]*[\r\n])")
COMMENT = re.compile(rb"#[^\r\n]*")
DIGITS = re.compile(rb"[0-9\s]*")
PILLOWS = re.compile(rb"P[14f]\s")  # bits, and floats in grey, which it takes as they are
IN_WORDS, IN_COLOUR = frozenset("23"), frozenset("36")
HIGHEST = 65535
_LEAST = 17  # samples up to 16 of 255 have fewer than 16 steps, and look black


@dataclass(frozen=True)
class MapHeader:
    """kind: the digit of P2, P3, P5 or P6; size: width and height; top: the greatest value allowed;
    start: of the samples, in bytes."""

    kind: str
    size: tuple[int, int]
    top: int
    start: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the samples: [h, w], or [h, w, 3] in colour."""
        return self.size[::-1] + ((3,) if self.kind in IN_COLOUR else ())

    @property
    def dtype(self) -> np.dtype:
        """Of samples that are bytes: the greatest value says whether there are one or two."""
        return np.dtype(">u2" if self.top > 255 else np.uint8)

    @property
    def changes(self) -> tuple[str, ...]:
        """What a viewer would show otherwise, in words."""
        return ("values kept, not stretched to the file's white",) if self.top < 255 else ()


def map_header(data: bytes) -> MapHeader | None:
    """None for the kinds that Pillow reads as they are. Raises BadImage for kinds that are not
    read, for a header that is cut short, and where what is white would come out nearly black."""
    if PILLOWS.match(data):
        return None
    found = HEADER.match(data)
    if found is None:
        raise BadImage(
            "no whole header of a portable map (P1 to P6, or Pf for floats; width, height and, but "
            "for P1 and P4, the greatest value)"
        )
    width, height, top = (int(number) for number in found.groups()[1:])
    if not (width and height and 0 < top <= HIGHEST):
        raise BadImage(
            f"{width} x {height} pixels of 0..{top}; expected 1 or more, of 0..{HIGHEST}"
        )
    if top < _LEAST:
        raise BadImage(
            f"values of 0..{top}, which would come out nearly black; multiply them up to 0..255, "
            "and write 255 as the greatest value"
        )
    return MapHeader(found[1].decode(), (width, height), top, found.end())


def map_samples(data: bytes, header: MapHeader) -> np.ndarray:
    """uint8, or uint16 where more than 255 is allowed, of `header.shape`; what follows them is no
    matter. Raises BadImage where there are too few, or one is greater than allowed."""
    count = int(np.prod(header.shape))
    read = _samples_in_words if header.kind in IN_WORDS else _samples_in_bytes
    samples = read(data, header, count)
    if samples.size < count:
        raise BadImage(f"damaged: {samples.size} of {count} values can be read, then no more")
    if samples.max() > header.top:
        raise BadImage(
            f"damaged: a value of {samples.max():.0f}; its header allows 0..{header.top}"
        )
    return samples.reshape(header.shape).astype(header.dtype.newbyteorder("="))


def _samples_in_bytes(data: bytes, header: MapHeader, count: int) -> np.ndarray:
    whole = (len(data) - header.start) // header.dtype.itemsize
    return np.frombuffer(data, header.dtype, min(count, whole), header.start)


def _samples_in_words(data: bytes, header: MapHeader, count: int) -> np.ndarray:
    """Decimal numbers, as floats: those have no greatest value to wrap at."""
    found = DIGITS.match(COMMENT.sub(b" ", data[header.start :]))
    digits = found[0].strip() if found else b""
    if not digits:  # of which NumPy makes -1
        return np.zeros(0, np.float32)
    return np.fromstring(digits, np.float32, sep=" ")[:count]
