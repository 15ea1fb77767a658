"""Pixels of more than 8 bits per channel as a file holds them, whichever library reads them whole.

Pillow reads grey ones; colour it cuts to the high byte, and floats in colour not at all: OpenCV
reads those. What neither reads whole is refused: cut to the high byte, 12 bits of 16 are black.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import TiffImagePlugin
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from data.bit_depth import level_of
from data.errors import BadImage
from data.tiff_pages import BIG

# TIFF 6.0: sections 8 (a plane per channel), 3 (what zero is), 18 and 19.
BITS_PER_SAMPLE, PLANAR_CONFIGURATION, SEPARATE = 258, 284, 2
WHITE_IS_ZERO = 0
EXTRA_SAMPLES, UNSPECIFIED, MULTIPLIED = 338, 0, 1
SAMPLE_FORMAT, SIGNED = 339, 2
ORIENTATION, SIDEWAYS = 274, (5, 6, 7, 8)
PACKED = (10, 12, 14)  # bits, which OpenCV moves up to fill 16
# JPEG 2000 (ITU T.800, A.5.1): how many channels, then three bytes each: bits less 1, and the sign.
CODESTREAM, CHANNELS, DEPTHS, SIGN = b"\xff\x4f\xff\x51", 40, 42, 0x80
# AVIF (AV1-ISOBMFF, 2.3.3): whether there are more than 8 bits.
AV1_RECORD, DEEP_BYTE, DEEP_BIT = b"av1C", 6, 0x40


def deep_values(image: ImageFile, data: bytes) -> np.ndarray | None:
    """Values of more than 8 bits per channel, [h, w] or RGB(A) [h, w, 3 or 4]; None where there are
    8 or fewer. Raises BadImage where they cannot be read whole.

    Not turned upright unless Pillow turned it (TIFF).
    """
    tags: Mapping[int, Any] = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    if image.mode == "L" and SIGNED in tags.get(SAMPLE_FORMAT, ()):
        return np.asarray(image).view(np.int8)
    is_deep, is_pillows = _is_deep(image, data, tags), image.mode.startswith(("I", "F"))
    if is_pillows and not _is_swapped(image, data):
        values = _native(np.asarray(image))
        if image.format == "JPEG2000" and is_deep:  # which Pillow moves up to fill 16 bits
            values = values >> max(16 - max(_depths_in_jpeg2000(data)), 0)
        return _with_clear_value(values, image)
    if not is_pillows:
        check_planes(tags)
    return _read_whole(image, data, tags) if is_pillows or is_deep else None


def is_negative(tags: Mapping[int, Any]) -> bool:
    """Whether zero is white in the deep values of a TIFF of these tags; Pillow sees to it where
    there are 8 bits."""
    return tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO


def read_deep(data: bytes, size: tuple[int, int], tags: Mapping[int, Any]) -> np.ndarray | None:
    """The values by OpenCV; None where it cannot read them as they are, or there are only 8 bits
    per channel. tags: of a TIFF."""
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.dtype == np.uint8 or values.shape[:2] != size[::-1]:
        return None
    if tags and _bits(tags) in PACKED:
        values = np.right_shift(values, 16 - _bits(tags))
    if values.ndim == 2 or values.shape[2] not in (3, 4):
        return values if values.ndim == 2 else None
    return _with_meaning(values[..., [2, 1, 0, 3][: values.shape[2]]], tags)


def check_planes(tags: Mapping[int, Any]) -> None:
    """Raise BadImage for a TIFF with a plane per channel that has more than 8 bits per channel,
    colours multiplied by how opaque they are, or a grey channel and another: Pillow and OpenCV take
    the planes of most such files for pixels and say nothing, or fail."""
    channels = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    is_separate = tags.get(PLANAR_CONFIGURATION) == SEPARATE
    is_multiplied = tags.get(EXTRA_SAMPLES, ())[:1] == (MULTIPLIED,)
    is_pair = channels == 2
    if is_separate and channels > 1 and (_bits(tags) > 8 or is_multiplied or is_pair):
        kind = ", with associated alpha" if is_multiplied else ", grey and another" * is_pair
        raise BadImage(
            f"a kind of TIFF that is not read ({_bits(tags)} bits per channel, a plane per channel"
            f"{kind}); save it with the channels of a pixel together, or as PNG"
        )


def tiff_tags(data: bytes) -> Mapping[int, Any]:
    """The first directory of a TIFF that Pillow does not read. Raises BadImage, as `check_planes`
    does too."""
    header = data[: 16 if data.startswith(BIG) else 8]
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file = BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    check_planes(directory)
    return directory


def tiff_size(tags: Mapping[int, Any]) -> tuple[int, int]:
    """Width and height, turned upright as OpenCV does. Raises BadImage where the tags lack them."""
    width, height = tags.get(TiffImagePlugin.IMAGEWIDTH), tags.get(TiffImagePlugin.IMAGELENGTH)
    if not isinstance(width, int) or not isinstance(height, int):
        raise BadImage("damaged: the TIFF's directory is missing or cut off")
    return (height, width) if tags.get(ORIENTATION) in SIDEWAYS else (width, height)


def _read_whole(image: ImageFile, data: bytes, tags: Mapping[int, Any]) -> np.ndarray:
    values = read_deep(data, image.size, tags)
    if values is None:
        image.load()  # which names the damage, where that is why
        raise BadImage(
            f"{image.mode} of more than 8 bits per channel, in a kind of {image.format} that is "
            "not read; save it as RGB or grey, of 8 or 16 bits per channel, or as PNG"
        )
    is_meant = values.ndim == 2 or bool(tags) or image.has_transparency_data
    return values if is_meant else values[..., :3]


def _bits(tags: Mapping[int, Any]) -> int:
    bits = tags.get(BITS_PER_SAMPLE, 1)
    return max(bits) if isinstance(bits, tuple) else bits


def _is_swapped(image: ImageFile, data: bytes) -> bool:
    """Whether Pillow takes the bytes of numbers in the wrong order: of compressed big-endian TIFFs
    other than of unsigned 16 bits."""
    decoders = {tile[0] for tile in image.tile}
    return data.startswith(b"MM") and "libtiff" in decoders and image.mode in ("I", "F")


def _is_deep(image: ImageFile, data: bytes, tags: Mapping[int, Any]) -> bool:
    if tags:
        return _bits(tags) > 8
    if image.format == "JPEG2000":
        return max(_depths_in_jpeg2000(data), default=0) > 8
    if image.format == "AVIF":
        place = data.find(AV1_RECORD)
        return place >= 0 and bool(data[place + DEEP_BYTE] & DEEP_BIT)
    return any(";16" in str(tile[3]) for tile in image.tile)


def _depths_in_jpeg2000(data: bytes) -> list[int]:
    """Bits of each channel. Raises BadImage for signed numbers, which libraries move up so that
    none is negative, and say nothing."""
    place = data.find(CODESTREAM)
    channels = int.from_bytes(data[place + CHANNELS : place + DEPTHS]) if place >= 0 else 0
    depths = data[place + DEPTHS : place + DEPTHS + 3 * channels : 3]
    if any(depth & SIGN for depth in depths):
        raise BadImage("JPEG 2000 of signed numbers; save it with unsigned ones, or as TIFF")
    return [depth + 1 for depth in depths]


def _with_clear_value(values: np.ndarray, image: ImageFile) -> np.ndarray:
    """RGBA where one grey of a PNG stands for nothing at all, as Pillow does where there are 8
    bits."""
    clear = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(clear, int):
        return values
    opaque = np.where(values == clear, 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return np.dstack([values.astype(np.uint16)] * 3 + [opaque])


def _with_meaning(values: np.ndarray, tags: Mapping[int, Any]) -> np.ndarray:
    """Without a fourth channel that means nothing; with colours that are not multiplied by how
    opaque they are. values: [h, w, 3 or 4]."""
    extra = tags.get(EXTRA_SAMPLES, ())[:1]
    if extra == (UNSPECIFIED,):
        return values[..., :3]
    if values.shape[2] == 3 or extra != (MULTIPLIED,):
        return values
    alpha = values[..., 3:]
    top = level_of(alpha).white
    straight = values[..., :3] * (top / np.where(alpha > 0, alpha, np.inf))
    return np.dstack([straight.clip(0, top).astype(values.dtype), alpha])


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)
