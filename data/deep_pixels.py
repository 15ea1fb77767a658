"""Files of more than 8 bits per channel: their values as they are stored, where Pillow would drop
the low bits.

Pillow reads grey ones whole; colour it cuts to the high byte, and floats in colour not at all.
OpenCV reads those. What the values mean is `bit_depth`.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import TiffImagePlugin
from PIL.ImageFile import ImageFile

from data.errors import BadImage

SAMPLE_FORMAT, SIGNED = 339, 2  # TIFF 6.0, section 19
WHITE_IS_ZERO = 0  # PhotometricInterpretation, section 3
BITS_PER_SAMPLE, PLANAR_CONFIGURATION, SEPARATE = 258, 284, 2  # section 8: a plane per channel
CODESTREAM, DEPTH_PLACE = (
    b"\xff\x4f\xff\x51",
    42,
)  # JPEG 2000 (ITU T.800, A.5.1): the first channel's bits less 1


def deep_values(image: ImageFile, data: bytes) -> np.ndarray | None:
    """Values of more than 8 bits per channel, [h, w] or RGB(A) [h, w, 3 or 4]; None where there are
    8 or fewer.

    Not turned upright unless Pillow turned it (TIFF).
    """
    if image.mode.startswith(("I", "F")):
        return _native(np.asarray(image))
    if image.mode == "L" and isinstance(image, TiffImagePlugin.TiffImageFile) and _is_signed(image):
        return np.asarray(image).view(np.int8)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        check_planes(image.tag_v2)
    if not _is_deep(image, data):
        return None
    values = read_deep(data, image.size)
    if values is not None and not image.has_transparency_data:
        return values[..., :3]  # a fourth channel that nobody says the meaning of
    return values


def is_negative(image: ImageFile) -> bool:
    """Whether zero is white in the deep values of a TIFF; Pillow sees to it where there are 8
    bits."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or not image.mode.startswith(
        ("I", "F")
    ):
        return False
    return image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO


def read_deep(data: bytes, size: tuple[int, int]) -> np.ndarray | None:
    """The values by OpenCV; None where it cannot read them as they are, or there are only 8 bits
    per channel."""
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.dtype == np.uint8 or values.shape[:2] != size[::-1]:
        return None
    if values.ndim == 2 or values.shape[2] not in (3, 4):
        return values if values.ndim == 2 else None
    return values[..., [2, 1, 0, 3][: values.shape[2]]]


def check_planes(tags: Mapping[int, Any]) -> None:
    """Raise BadImage for a TIFF of more than 8 bits per channel with a plane per channel: Pillow
    and OpenCV take the planes of most such files for pixels, and say nothing.
    """
    bits = tags.get(BITS_PER_SAMPLE, 1)
    depths = bits if isinstance(bits, tuple) else (bits,)
    is_separate = tags.get(PLANAR_CONFIGURATION) == SEPARATE
    if is_separate and max(depths) > 8 and tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) > 1:
        raise BadImage(
            f"a kind of TIFF that is not read ({max(depths)} bits per channel, a plane per "
            "channel); save it with the "
            "channels of a pixel together [h, w, 3], or as PNG"
        )


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of a TIFF that Pillow does not read, from its first directory. Raises
    BadImage, as `check_planes` does too.
    """
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    check_planes(directory)
    width, height = (
        directory.get(TiffImagePlugin.IMAGEWIDTH),
        directory.get(TiffImagePlugin.IMAGELENGTH),
    )
    if not isinstance(width, int) or not isinstance(height, int):
        raise BadImage("damaged: the TIFF's directory is missing or cut off")
    return width, height


def _is_signed(image: TiffImagePlugin.TiffImageFile) -> bool:
    return SIGNED in image.tag_v2.get(SAMPLE_FORMAT, ())


def _is_deep(image: ImageFile, data: bytes) -> bool:
    if image.mode == "CMYK":
        return False  # inks, 0..65535 as printers use them: the high byte will do
    arguments = [tile[3] for tile in image.tile]
    if image.format == "JPEG2000":
        place = data.find(CODESTREAM)
        return place >= 0 and (data[place + DEPTH_PLACE] & 0x7F) >= 8
    if image.format == "PPM":
        return ("RGB", 65535) in arguments  # a smaller range is declared, and Pillow keeps to it
    return any(";16" in str(argument) for argument in arguments)


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)
