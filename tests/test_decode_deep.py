"""Pictures of more than 8 bits per channel, decoded: one scale by the bits in
use, whatever the file."""

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import LIMIT, chunk, decoded
from PIL import Image

from data.decode import decode_image, quiet_pillow
from data.errors import BadImage


def deep_png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits per channel. pixels: uint16 [h, w, 1 to 4], as grey, grey and alpha, RGB,
    RGBA."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">2I5B", width, height, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def opencv_file(ending: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(ending, pixels)[1].tobytes()


def ramp(top: float, dtype: Any, channels: int = 1) -> np.ndarray:
    """[64, 64, channels], rising to `top` from left to right, so that a picture of it has that
    level."""
    row = np.linspace(0, top, 64).astype(dtype)
    return np.broadcast_to(row[None, :, None], (64, 64, channels)).copy()


def spans_all(data: bytes | np.ndarray) -> bool:
    pixels = decode_image(data, 64, LIMIT).pixels
    return pixels.min() <= 2 and pixels.max() >= 253 and 120 < pixels.mean() < 135


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_is_scaled_by_the_bits_in_use(bits: int, channels: int) -> None:
    pixels = ramp(2**bits - 1, np.uint16, channels)
    if channels in (2, 4):
        pixels[..., -1] = 65535  # opaque
    assert spans_all(deep_png(pixels))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".tiff", ".ppm", ".jp2"])
def test_other_files_of_16_bits_in_colour_are_scaled_alike(bits: int, ending: str) -> None:
    assert spans_all(opencv_file(ending, ramp(2**bits - 1, np.uint16, 3)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "top"), [("i2", 4095), ("f4", 1), ("f4", 255), ("f8", 1), ("u2", 1023), ("u2", 65535)]
)
def test_signed_and_float_tiffs_follow_the_same_rule(dtype: str, top: float, channels: int) -> None:
    assert spans_all(opencv_file(".tiff", ramp(top, dtype, channels)))


@pytest.mark.parametrize(
    ("dtype", "values"),
    [("i2", (-5, 900)), ("f4", (-0.1, 1)), ("f4", (0, np.nan)), ("i1", (-1, 5))],
)
def test_pixels_below_zero_and_no_numbers_are_refused(
    dtype: str, values: tuple[float, float]
) -> None:
    pixels = np.resize(np.array(values, dtype), (4, 4))
    with pytest.raises(BadImage, match=r"values from .*expected 0\.\.255 or 0\.\.65535"):
        decode_image(opencv_file(".tiff", pixels), 8, LIMIT)


def planar_tiff(planes: np.ndarray, deflated: bool) -> bytes:
    """A little-endian TIFF of planes [3, h, w], a strip each, as scientific programs write them."""
    _, height, width = planes.shape
    bits, kind = planes.itemsize * 8, 3 if planes.dtype.kind == "f" else 1
    strips = [zlib.compress(plane.tobytes()) if deflated else plane.tobytes() for plane in planes]
    place = 8 + 2 + 10 * 12 + 4  # after the header and the directory
    sizes, starts = [len(strip) for strip in strips], [place + 36]
    starts += [starts[0] + sizes[0], starts[0] + sizes[0] + sizes[1]]
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, place)),
        *((259, 3, 1, 8 if deflated else 1), (262, 3, 1, 2), (273, 4, 3, place + 12)),
        *((277, 3, 1, 3), (279, 4, 3, place + 24), (284, 3, 1, 2), (339, 3, 3, place + 6)),
    ]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    lists = struct.pack("<6H6I", *[bits] * 3, *[kind] * 3, *starts, *sizes)
    return struct.pack("<2sHIH", b"II", 42, 8, 10) + directory + bytes(4) + lists + b"".join(strips)


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("dtype", ["<u2", "<f4"])
def test_a_deep_tiff_of_a_plane_per_channel_is_not_read_as_noise(
    dtype: str, deflated: bool
) -> None:
    planes = np.linspace(0, 1 if dtype == "<f4" else 65535, 3 * 64).reshape(3, 8, 8).astype(dtype)
    with pytest.raises(BadImage, match="a kind of TIFF that is not read"):
        decode_image(planar_tiff(planes, deflated), 8, 10**6)


@pytest.mark.parametrize("deflated", [False, True])
def test_an_8_bit_tiff_of_a_plane_per_channel_is_read(deflated: bool) -> None:
    planes = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    with quiet_pillow():
        read = decode_image(planar_tiff(planes, deflated), 8, 10**6).pixels
    assert (read == planes.transpose(1, 2, 0)).all()


def test_one_hot_pixel_does_not_decide_the_scale() -> None:
    pixels = ramp(4095, np.uint16)
    pixels[5, 5] = 65535
    assert spans_all(deep_png(pixels))


def test_transparency_has_a_range_of_its_own() -> None:
    pixels = np.full((8, 8, 4), 4095, np.uint16)
    pixels[..., 3] = 65535
    assert (decode_image(deep_png(pixels // [2, 2, 2, 1]), 8, LIMIT).pixels <= 128).all()


def test_a_negative_of_16_bits_becomes_positive_as_one_of_8_bits_does() -> None:
    plate = Image.fromarray(ramp(4095, np.uint16)[..., 0])
    result = decoded(plate, "TIFF", size=64, tiffinfo={262: 0})  # WhiteIsZero
    assert result.pixels[0, 0, 0] == 255
    assert result.pixels[0, -1, 0] == 0


def test_a_given_scale_is_kept_to() -> None:
    dark = deep_png(ramp(1023, np.uint16))
    assert decode_image(dark, 64, LIMIT, {"whole numbers": 4095}).pixels.max() == 64
    with pytest.raises(BadImage, match="values up to 1023, and those the model saw end at 255"):
        decode_image(dark, 64, LIMIT, {"whole numbers": 255})
    with pytest.raises(BadImage, match="of which the model saw none; save it with 8 bits"):
        decode_image(dark, 64, LIMIT, {})
