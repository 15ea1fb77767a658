"""One image: file bytes or an array to uint8 RGB [size, size, 3], saying what was converted on the
way.

Colour and resizing live here. How a file is opened is `picture_file`; which images there are, and
what happens to one that cannot be read, is `sources` and `dataset`.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from data.bit_depth import Level, Whites, eight_bits, level_of
from data.errors import BadImage
from data.picture_file import PictureFile, check_pixels, open_picture
from data.tiff_pages import quiet_libtiff

# A JPEG may be decoded at a half, a quarter or an eighth of its size. Kept twice as large as
# needed, the antialiasing filter still does the last halving, and the result differs little from a
# full decode.
DRAFT_MARGIN = 2
REDUCING_GAP = 3.0

MODE_NAMES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "La": "grey",
    "P": "palette",
    "PA": "palette",
}


@dataclass(frozen=True)
class Decoded:
    """`pixels` uint8 [size, size, 3], and the conversions made, in words ("grey", "turned by
    EXIF").

    level: of an image of more than 8 bits per channel, how much of the range it uses.
    """

    pixels: np.ndarray
    conversions: tuple[str, ...]
    level: Level | None = None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence what Pillow and OpenCV warn of and log on odd files; enter it once, around the
    threads that decode.

    What matters in them (sizes, damage) is checked here in its own words. The filter belongs to the
    process, so it must not be entered by each thread.
    """
    Image.init()
    silent, logger = logging.NullHandler(), logging.getLogger("PIL")
    logger.addHandler(silent)  # without any handler, logging's last resort writes to stderr
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with quiet_libtiff(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        cv2.utils.logging.setLogLevel(level)
        logger.removeHandler(silent)


def decode_image(
    data: bytes | np.ndarray, size: int, max_pixels: int, whites: Whites | None = None
) -> Decoded:
    """Decode a file's bytes, or an array [h, w] or [h, w, 1, 3 or 4], and resize to [size, size,
    3].

    The whole picture is kept and stretched to a square, as Keras's `target_size` does, by an
    antialiasing bilinear filter. whites: what becomes 255, for images of more than 8 bits per
    channel (`bit_depth`); None takes the least that the image's own level allows, which the caller
    compares with the other images'. Raises BadImage for what is no image, is damaged, has more than
    `max_pixels` pixels (found before decoding), or goes beyond `whites`.
    """
    try:
        opened = _of_array(data) if isinstance(data, np.ndarray) else open_picture(data, max_pixels)
        image, level = _eight_bit_image(opened, size, whites)
        check_pixels(image.size, max_pixels)
        colour, changes = _to_rgb(image)
        square = colour.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # a parser of hostile bytes raises whatever it trips over
        raise BadImage(_reason(error)) from error
    if opened.turn is not None:  # after resizing, when it is cheap
        square = square.transpose(opened.turn)
    return Decoded(np.asarray(square), opened.changes + changes, level)


def _of_array(pixels: np.ndarray) -> PictureFile:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if (
        pixels.dtype.kind not in "biuf"
        or pixels.ndim not in (2, 3)
        or channels not in (1, 3, 4)
        or not pixels.size
    ):
        raise BadImage(
            f"an array of {pixels.dtype} {list(pixels.shape)}; expected numbers [h, w] or [h, w, "
            "1, 3 or 4]"
        )
    return PictureFile(
        None, pixels[..., 0] if pixels.ndim == 3 and channels == 1 else pixels, (), None
    )


def _eight_bit_image(
    opened: PictureFile, size: int, whites: Whites | None
) -> tuple[Image.Image, Level | None]:
    """The image with 8 bits per channel, and the level where it had more."""
    values = opened.values
    if values is None:
        assert opened.image is not None
        opened.image.draft(None, (DRAFT_MARGIN * size, DRAFT_MARGIN * size))  # None: keep the mode
        return opened.image, None
    if values.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(values)), None
    if values.dtype == bool:
        return Image.fromarray(values.astype(np.uint8) * 255), None
    has_alpha = values.ndim == 3 and values.shape[2] == 4
    colours = values[..., :3] if has_alpha else values
    level = level_of(colours)
    scaled = eight_bits(colours, _white(level, whites))
    if opened.is_negative:
        scaled = 255 - scaled
    if has_alpha:  # how opaque is no brightness: it has a range of its own
        alpha = values[..., 3]
        scaled = np.dstack([scaled, eight_bits(alpha, level_of(alpha).white)])
    return Image.fromarray(np.ascontiguousarray(scaled)), level


def _white(level: Level, whites: Whites | None) -> float:
    if whites is None:
        return level.white
    white = whites.get(level.kind)
    if white is None:
        raise BadImage(
            f"{level.kind} of more than 8 bits per channel, of which the model saw none; save it "
            "with 8 bits"
        )
    if level.white > white:
        raise BadImage(
            f"values up to {level.value:g}, and those the model saw end at {white:g}; scale them "
            "to that range"
        )
    return white


def _to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """An 8-bit RGB image and what that took. Transparency is laid on white; no colour profile is
    applied."""
    changes: list[str] = []
    if image.mode == "La":  # multiplied by how opaque it is, which Pillow converts to LA alone
        image = image.convert("LA")
    if image.mode not in ("RGB", "RGBA", "RGBX"):
        changes.append(MODE_NAMES.get(image.mode, image.mode))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:  # else nothing shows through
            changes.append("transparency laid on white")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == "RGB" else image.convert("RGB"), tuple(changes)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"damaged: {text}" if text else f"damaged: {type(error).__name__}"
