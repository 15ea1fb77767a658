"""One image in, uint8 RGB out: colours, orientation, limits, damage."""

import contextlib
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import LIMIT, chunk, decoded, encoded, picture
from PIL import Image, ImageOps

from data.decode import decode_image, quiet_pillow
from data.errors import BadImage
from data.picture_file import ORIENTATION_TAG


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (12, 10), colour)


@pytest.mark.parametrize(
    ("image", "format_name", "colour", "conversions"),
    [
        (plain("RGB", (10, 200, 30)), "PNG", (10, 200, 30), ()),
        (plain("L", 77), "PNG", (77, 77, 77), ("grey",)),
        (plain("1", 1), "PNG", (255, 255, 255), ("black and white",)),
        (plain("P", 3), "PNG", None, ("palette",)),
        (plain("RGBA", (255, 0, 0, 0)), "PNG", (255, 255, 255), ("transparency laid on white",)),
        (plain("RGBA", (255, 0, 0, 51)), "PNG", (255, 204, 204), ("transparency laid on white",)),
        (plain("LA", (0, 215)), "PNG", (40, 40, 40), ("grey", "transparency laid on white")),
        (plain("LA", (40, 255)), "PNG", (40, 40, 40), ("grey",)),
        (plain("RGBA", (10, 200, 30, 255)), "PNG", (10, 200, 30), ()),
        (plain("CMYK", (0, 255, 255, 0)), "TIFF", (255, 0, 0), ("CMYK",)),
        (plain("I;16", 257 * 130), "PNG", (130, 130, 130), ("grey",)),
        (plain("I", 257 * 130), "TIFF", (130, 130, 130), ("grey",)),
        (plain("F", 0.4), "TIFF", (102, 102, 102), ("grey",)),
    ],
)
def test_colours_become_rgb_and_the_conversion_is_named(
    image: Image.Image,
    format_name: str,
    colour: tuple[int, ...] | None,
    conversions: tuple[str, ...],
) -> None:
    result = decoded(image, format_name)

    expected = np.array(image.convert("RGB").getpixel((0, 0)) if colour is None else colour)
    assert result.pixels.shape == (8, 8, 3)
    assert result.pixels.dtype == np.uint8
    assert np.abs(result.pixels.astype(int) - expected).max() <= 1
    assert result.conversions == conversions


def test_a_palette_with_transparency_is_laid_on_white() -> None:
    image = Image.fromarray(np.tile(np.arange(4, dtype=np.uint8), (8, 2))).convert("P")
    image.putpalette([10, 20, 30] * 4)
    result = decoded(image, "PNG", transparency=3)
    assert (result.pixels[:, 3] == 255).all()
    assert (result.pixels[:, 2] == (10, 20, 30)).all()
    assert result.conversions == ("palette", "transparency laid on white")


def test_a_cmyk_jpeg_is_converted() -> None:
    result = decoded(plain("CMYK", (0, 255, 255, 0)), "JPEG")
    assert np.abs(result.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert result.conversions == ("CMYK",)


@pytest.mark.parametrize("format_name", ["GIF", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format_name: str) -> None:
    frames = [plain("RGB", (255, 0, 0)), plain("RGB", (0, 0, 255)), plain("RGB", (0, 255, 0))]
    result = decoded(frames[0], format_name, save_all=True, append_images=frames[1:])
    assert np.abs(result.pixels.astype(int) - (255, 0, 0)).max() <= 3
    assert "first frame of several" in result.conversions


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    data = encoded(picture(1, 64, 40), "JPEG", exif=exif, quality=95)

    result = decode_image(data, 16, LIMIT)

    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    expected = np.asarray(upright.resize((16, 16), Image.Resampling.BILINEAR))
    assert np.abs(result.pixels.astype(int) - expected).max() <= 2
    assert result.conversions == (() if orientation == 1 else ("turned by EXIF",))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 30000), (30000, 1)])
def test_extreme_shapes_are_stretched_to_the_square(width: int, height: int) -> None:
    result = decoded(Image.new("RGB", (width, height), (9, 8, 7)), size=32)
    assert (result.pixels == (9, 8, 7)).all()


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 255
    result = decoded(Image.fromarray(stripes), size=10)
    assert np.abs(result.pixels[:, 1:-1].astype(int) - 127).max() <= 3


def test_a_large_jpeg_decoded_at_reduced_scale_is_close_to_the_whole() -> None:
    image = picture(2, 1600, 1200)
    result = decode_image(encoded(image, "JPEG", quality=95), 32, 10_000_000)
    expected = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
    assert np.abs(result.pixels.astype(int) - expected).mean() < 1.5


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_arrays_are_taken_as_images(shape: tuple[int, ...]) -> None:
    result = decode_image(np.full(shape, 255, np.uint8), 8, LIMIT)
    assert (result.pixels == 255).all()


@pytest.mark.parametrize(
    "array", [np.zeros((6, 5, 2), np.uint8), np.zeros((6, 5), complex), np.zeros((0, 5), np.uint8)]
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(BadImage, match="expected numbers"):
        decode_image(array, 8, LIMIT)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_wherever_it_is_cut(progressive: bool) -> None:
    data = encoded(picture(3, 120, 90), "JPEG", progressive=progressive)
    cuts = [*np.linspace(0, len(data) - 1, 20).astype(int).tolist(), len(data) - 2]
    for cut in cuts:
        with pytest.raises(BadImage, match=r"damaged|empty|not an image"):
            decode_image(data[:cut], 16, LIMIT)


TAILS = {
    "zeros": bytes(5000),
    "film": b"\0\0\0\x18ftypmp42"
    + np.random.default_rng(3).integers(0, 256, 200_000, np.uint8).tobytes(),
    "marks of scans": b"\xff\xda" * 10,
    "a picture cut short": encoded(picture(5), "JPEG")[:-50],
    "a picture": encoded(picture(5), "JPEG"),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_a_jpegs_end_is_no_matter_but_never_stands_for_it(
    tail: str, progressive: bool
) -> None:
    data = encoded(picture(3, 120, 90), "JPEG", progressive=progressive)
    whole = decode_image(data + TAILS[tail], 16, LIMIT)
    assert np.array_equal(whole.pixels, decode_image(data, 16, LIMIT).pixels)
    for cut in (2, 100, 300):
        with pytest.raises(BadImage, match="cut short"):
            decode_image(data[:-cut] + TAILS[tail], 16, LIMIT)


@pytest.mark.parametrize(
    "format_name", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"]
)
def test_what_follows_other_pictures_is_no_matter(format_name: str) -> None:
    data = encoded(picture(3), format_name)
    expected = decode_image(data, 16, LIMIT).pixels
    assert np.array_equal(decode_image(data + b"\0tail" * 999, 16, LIMIT).pixels, expected)


def test_of_a_phones_picture_with_a_second_one_the_first_is_taken() -> None:
    data = encoded(picture(3), "MPO", save_all=True, append_images=[picture(4)])
    for cut in (len(data), len(data) - 200):  # a messenger may have cut the second one
        result = decode_image(data[:cut], 16, LIMIT)
        assert result.conversions == ()
        assert np.array_equal(
            result.pixels, decode_image(encoded(picture(3), "JPEG"), 16, LIMIT).pixels
        )


BOMB = zlib.compress(bytes(5_000_000))
BAD_NOTES = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + BOMB),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + BOMB),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "Exif as text": chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB),
    "iCCP of an unknown method": chunk(b"iCCP", b"profile\0\7xyz"),
    "eXIf": chunk(b"eXIf", b"zzzzz"),
    "cut iTXt": chunk(b"iTXt", b"abc"),
    "cut pHYs": chunk(b"pHYs", b"1"),
    "cut acTL": chunk(b"acTL", b"1"),
    "checksum": chunk(b"tEXt", b"a\0b", flipped=1),
}


@pytest.mark.parametrize("where", [33, -12], ids=["before", "after"])  # the pixels
@pytest.mark.parametrize("note", BAD_NOTES)
def test_a_bad_note_in_a_png_is_no_damage_of_the_picture(note: str, where: int) -> None:
    data = encoded(picture(4))
    result = decode_image(data[:where] + BAD_NOTES[note] + data[where:], 16, LIMIT)
    assert np.array_equal(result.pixels, decode_image(data, 16, LIMIT).pixels)


def test_a_bad_note_takes_no_good_one_with_it() -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    data = encoded(picture(4), exif=exif)
    result = decode_image(data[:33] + BAD_NOTES["iTXt"] + data[33:], 16, LIMIT)
    assert result.conversions == ("turned by EXIF",)


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG's."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(
    "note",
    [
        segment(0xE1, b"Exif\0\0" + b"x" * 20),
        segment(
            0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0"
        ),  # turned by "abc"
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"\xff" * 20),
        segment(0xE2, b"ICC_PROFILE\0\x05\x01" + b"x" * 20),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + b"x" * 12),
        segment(0xED, b"Photoshop 3.0\08BIM" + b"\xff" * 16),
        segment(0xE1, b"Exif\0\0" + encoded(picture(7), "JPEG")[:600]),  # a thumbnail
        segment(0xE0, b"JFIF\0"),  # cut short
        segment(0xEE, b"Adobe\0"),
    ],
)
def test_a_bad_note_in_a_jpeg_is_no_damage_of_the_picture(note: bytes) -> None:
    data = encoded(picture(4), "JPEG")
    result = decode_image(data[:2] + note + data[2:], 16, LIMIT)
    assert np.array_equal(result.pixels, decode_image(data, 16, LIMIT).pixels)


def test_bad_exif_of_a_webp_is_no_damage_of_the_picture() -> None:
    assert decoded(picture(4), "WEBP", exif=b"Exif\0\0zzzz").conversions == ()


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_exif_turns_pictures_of_other_formats_once(format_name: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    lit_on_the_left = np.zeros((16, 16, 3), np.uint8)
    lit_on_the_left[:, :8] = 255
    result = decoded(Image.fromarray(lit_on_the_left), format_name, size=16, exif=exif)
    assert (result.pixels[:6] > 200).all()
    assert (result.pixels[-6:] < 50).all()
    assert result.conversions == ("turned by EXIF",)


def test_a_png_with_a_broken_checksum_is_refused() -> None:
    data = bytearray(encoded(picture(4)))
    place = data.rindex(b"IDAT")
    length = int.from_bytes(data[place - 4 : place], "big")
    data[place + 4 + length] ^= 1
    with pytest.raises(BadImage, match="checksum"):
        decode_image(bytes(data), 16, LIMIT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"dear diary, ", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode_image(data, 16, LIMIT)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    header = chunk(b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(
        BadImage, match=r"60000 x 60000 is 3600000000 pixels; dataset\.max_pixels allows 1000000"
    ):
        decode_image(bomb, 16, LIMIT)


def test_the_pixel_limit_is_inclusive() -> None:
    data = encoded(picture(5, 24, 20))
    assert decode_image(data, 8, 24 * 20).pixels.shape == (8, 8, 3)
    with pytest.raises(BadImage, match="480 pixels"):
        decode_image(data, 8, 24 * 20 - 1)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_unknown_range_are_refused(mode: str) -> None:
    image = Image.fromarray(np.full((4, 4), 70_000, "f4" if mode == "F" else "i4"))
    with pytest.raises(BadImage, match="save it with 8 or 16 bits"):
        decoded(image, "TIFF")


SEEDS = tuple(encoded(picture(6), name) for name in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    data=st.sampled_from(SEEDS),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.floats(0.2, 1),
)
def test_mutated_files_decode_or_are_refused_and_nothing_else(
    data: bytes, places: list[tuple[float, int]], length: float
) -> None:
    damaged = bytearray(data[: max(1, int(len(data) * length))])
    for place, value in places:
        damaged[int(place * len(damaged))] = value
    with quiet_pillow(), contextlib.suppress(BadImage):
        assert decode_image(bytes(damaged), 8, LIMIT).pixels.shape == (8, 8, 3)
