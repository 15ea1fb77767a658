"""A picture file opened: its format told by its bytes, its header checked, its turn read, nothing
scaled yet.

What surrounds the picture is `whole_files`, more than 8 bits `deep_pixels`; colours and sizes are
`decode`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from data.deep_pixels import deep_values, is_negative, read_deep, tiff_size, tiff_tags
from data.errors import BadImage
from data.portable_map import map_header, map_samples
from data.tiff_pages import BIG, may_be_damaged, missing_pixels, of_main_page
from data.whole_files import check_jpeg, check_png, jpeg_versions, png_versions

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
    if data.startswith(BIG[1]):  # which Pillow 12 cannot open
        raise BadImage("a big-endian BigTIFF is not read; save it as a usual TIFF or as PNG")
    data = of_main_page(data) if name == "TIFF" else data
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
            missing_pixels(data, tags)
            or f"{'damaged, or ' if may_be_damaged(tags) else ''}a kind of TIFF that is not read; "
            "save it with 8 or 16 bits per channel, or as PNG"
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
