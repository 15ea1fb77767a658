"""One image: file bytes or an array to uint8 RGB [size, size, 3], saying what was converted on the way.

Formats, limits, orientation, colour and resizing live here. Which images there are, and what happens to
one that cannot be read, does not: that is `sources` and `dataset`.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

# Pillow knows some forty formats, one of which starts Ghostscript; trust the ones people train on.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM")

# A JPEG may be decoded at a half, a quarter or an eighth of its size. Kept twice as large as needed, the
# antialiasing filter still does the last halving, and the result differs little from a full decode.
DRAFT_MARGIN = 2
REDUCING_GAP = 3.0

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

# Within a JPEG's pixels a byte FF is always followed by 00, so these two are what they seem (ITU T.81,
# B.1.1.5). Pillow itself overlooks a cut that takes no more than the end.
JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"

MODE_NAMES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "La": "grey",
    "P": "palette",
    "PA": "palette",
}


class BadImage(ValueError):
    """One image cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 [size, size, 3], and the conversions made, in words ("grey", "turned by EXIF")."""

    pixels: np.ndarray
    conversions: tuple[str, ...]


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence what Pillow warns of and logs on odd files; enter it once, around the threads that decode.

    What matters in them (sizes, damage) is checked here in its own words. The filter belongs to the
    process, so it must not be entered by each thread.
    """
    Image.init()
    silent, logger = logging.NullHandler(), logging.getLogger("PIL")
    logger.addHandler(silent)  # without any handler, logging's last resort writes to stderr
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        logger.removeHandler(silent)


def decode_image(data: bytes | np.ndarray, size: int, max_pixels: int) -> Decoded:
    """Decode a file's bytes, or a uint8 array [h, w] or [h, w, 1, 3 or 4], and resize to [size, size, 3].

    The whole picture is kept and stretched to a square, as Keras's `target_size` does, by an
    antialiasing bilinear filter. Raises BadImage for what is no image, is damaged, or has more than
    `max_pixels` pixels (found before decoding).
    """
    try:
        image = _from_array(data) if isinstance(data, np.ndarray) else _open(data)
        _check_pixels(image.size, max_pixels)
        changes = _header_changes(image)
        if isinstance(image, ImageFile):
            image.draft(None, (DRAFT_MARGIN * size, DRAFT_MARGIN * size))  # None: keep the mode
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
        colour, colour_changes = _to_rgb(image)
        square = colour.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # a parser of hostile bytes raises whatever it trips over
        raise BadImage(_reason(error)) from error
    if turn is not None:  # after resizing, when it is cheap
        square = square.transpose(turn)
        changes += ("turned by EXIF",)
    return Decoded(np.asarray(square), changes + colour_changes)


def _open(data: bytes) -> ImageFile:
    """The plugin that knows the bytes; `Image.open` would apply Pillow's own, global pixel limit."""
    if not data:
        raise BadImage("empty file (0 bytes)")
    Image.init()
    for name in FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory and accepts and accepts(data[:16]) is True:
            if name == "PNG":  # only verify() reads the checksums of the pixels' chunks
                factory(BytesIO(data), "").verify()
            if name == "JPEG" and data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
                raise BadImage("damaged: the file is cut short (no end marker after the last scan)")
            return factory(BytesIO(data), "")
    raise BadImage(f"not an image in a format that is read ({', '.join(FORMATS)})")


def _from_array(pixels: np.ndarray) -> Image.Image:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3, 4) or pixels.size == 0:
        raise BadImage(
            f"an array of {pixels.dtype} {list(pixels.shape)}; expected uint8 [h, w] or [h, w, 1, 3 or 4]"
        )
    return Image.fromarray(
        np.ascontiguousarray(pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels)
    )


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise BadImage(
            f"{width} x {height} is {width * height} pixels; dataset.max_pixels allows {max_pixels}"
        )


def _header_changes(image: Image.Image) -> tuple[str, ...]:
    """What only the unread file tells: several frames, and 16-bit colour, whose low byte Pillow drops."""
    changes = []
    # Phones store a second picture (depth, gain map) in what is otherwise a JPEG; that is no animation.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        changes.append("first frame of several")
    raw_modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    if image.mode.startswith(("I", "F")) or any(";16" in mode for mode in raw_modes):
        changes.append("16 bits a channel")
    return tuple(changes)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """An 8-bit RGB image and what that took. Transparency is laid on white; no colour profile is
    applied."""
    changes: list[str] = []
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.mode not in ("RGB", "RGBA", "RGBX"):
        changes.append(MODE_NAMES.get(image.mode, image.mode))
    if image.has_transparency_data:
        changes.append("transparency laid on white")
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == "RGB" else image.convert("RGB"), tuple(changes)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 0..65535 to 0..255 by v / 257; Pillow's own conversion clips at 255 instead."""
    values = np.asarray(image)
    if image.mode == "F":
        raise BadImage("floating-point pixels, whose range is unknown; save it with 8 or 16 bits a channel")
    if values.min() < 0 or values.max() > 65535:
        raise BadImage("integer pixels outside 0..65535; save it with 8 or 16 bits a channel")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"damaged: {text}" if text else f"damaged: {type(error).__name__}"
