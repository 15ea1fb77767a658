"""More than 8 bits per channel in every kind of file: the values that it holds, or a refusal."""

import base64
import lzma
import struct
import zlib
from io import BytesIO
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from pictures import LIMIT, chunk, encoded
from PIL import Image

from data.decode import decode_image, quiet_pillow
from data.errors import BadImage
from data.picture_file import PictureFile, open_picture

GREY, RGB, INKS, LAB, NEGATIVE = 1, 2, 5, 8, 0
UNSPECIFIED, MULTIPLIED, STRAIGHT = 0, 1, 2


def values_of(bits: int, *channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**bits, (16, 16, *channels)).astype(np.uint16)


def packed(values: np.ndarray, bits: int) -> bytes:
    """So many bits each, the highest first, rows filled up to bytes."""
    rows = values.reshape(len(values), -1, 1).astype(np.int64)
    parts = rows >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(parts.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    values: np.ndarray,
    meaning: int = GREY,
    order: Literal["<", ">"] = "<",
    extra: int | None = None,
    body: bytes | None = None,
    **tags: int,
) -> bytes:
    """A TIFF of one strip. values: [16, 16] or [16, 16, channels]; tags: bits, compression, planes,
    turn."""
    channels = values.shape[2] if values.ndim == 3 else 1
    body = values.astype(values.dtype.newbyteorder(order)).tobytes() if body is None else body
    bits = tags.get("bits", 8 * values.dtype.itemsize)
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    fields = [
        (256, [16]),
        (257, [16]),
        (258, [bits] * channels),
        (259, [tags.get("compression", 1)]),
    ]
    fields += [
        (262, [meaning]),
        (273, [8]),
        (274, [tags.get("turn", 1)]),
        (277, [channels]),
        (278, [16]),
        (279, [len(body)]),
    ]
    fields += [(284, [tags.get("planes", 1)])]
    fields += [] if extra is None else [(338, [extra])]
    fields += [(339, [kind] * channels)]
    body += b"\0" * (len(body) % 2)
    lists, entries = b"", b""
    for number, numbers in fields:
        written = struct.pack(f"{order}{len(numbers)}H", *numbers).ljust(4, b"\0")
        if len(written) > 4:
            place = 8 + len(body) + len(lists)
            lists, written = lists + written, struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", number, 3, len(numbers)) + written
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", 8 + len(body) + len(lists)
    )
    return start + body + lists + struct.pack(f"{order}H", len(fields)) + entries + bytes(4)


def whole(data: bytes) -> PictureFile:
    with quiet_pillow():
        return open_picture(data, LIMIT)


def refusal(data: bytes) -> str:
    with quiet_pillow(), pytest.raises(BadImage) as caught:
        decode_image(data, 8, LIMIT)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def is_same(data: bytes, values: np.ndarray) -> bool:
    found = whole(data).values
    return found is not None and np.array_equal(found, values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("number_type", ["u2", "u4", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_numbers_of_every_kind_and_order_are_read(
    order: Literal["<", ">"], number_type: str, channels: tuple[int, ...]
) -> None:
    values = values_of(12, *channels).astype(number_type)
    meaning = RGB if channels else GREY
    assert is_same(tiff(values, meaning, order), values)
    body = zlib.compress(values.astype(values.dtype.newbyteorder(order)).tobytes())
    assert is_same(tiff(values, meaning, order, body=body, compression=8), values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("meaning", [GREY, RGB, NEGATIVE])
def test_bits_packed_closely_are_not_moved_up(
    order: Literal["<", ">"], bits: int, meaning: int
) -> None:
    values = values_of(bits, 3) if meaning == RGB else values_of(bits)
    assert is_same(tiff(values, meaning, order, body=packed(values, bits), bits=bits), values)


@pytest.mark.parametrize("number_type", ["u2", "u4", "i4", "f4", "f8"])
def test_zero_is_white_where_the_file_says_so(number_type: str) -> None:
    values = np.zeros((16, 16), number_type)
    values[:8] = 1 if number_type.startswith("f") else 1000
    data = tiff(values, NEGATIVE)
    with quiet_pillow():
        pixels = decode_image(data, 16, LIMIT).pixels
    assert (pixels[15] == 255).all()
    assert (pixels[0] < 10).all()


@pytest.mark.parametrize(("turn", "lit"), [(1, "top"), (3, "bottom"), (6, "right"), (8, "left")])
@pytest.mark.parametrize("number_type", ["u1", "u2", "u4", "f4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiffs_of_every_depth_are_turned_once(
    turn: int, lit: str, number_type: str, channels: int
) -> None:
    values = np.zeros((16, 16, channels), number_type)
    values[:8] = 1 if number_type == "f4" else 255
    data = tiff(values, RGB if channels == 3 else GREY, turn=turn)
    with quiet_pillow():
        grey = decode_image(data, 16, LIMIT).pixels[..., 0]
    halves = {"top": grey[:6], "bottom": grey[-6:], "left": grey[:, :6], "right": grey[:, -6:]}
    assert (halves[lit] > 250).all()
    assert grey.mean() < 130


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(values_of(12, 4), INKS), "CMYK of more than 8 bits per channel"),
        (tiff(values_of(12, 4), INKS, ">"), "CMYK of more than 8 bits per channel"),
        (tiff(values_of(12, 5), INKS, extra=STRAIGHT), "a kind of TIFF that is not read"),
        (tiff(values_of(12, 3), LAB), "a kind of TIFF that is not read"),
        (tiff(values_of(12, 2), GREY, extra=STRAIGHT), "a kind of TIFF that is not read"),
        (tiff(values_of(12, 3), RGB, planes=2), "a plane per channel"),
        (tiff(values_of(12, 4), INKS, planes=2), "a plane per channel"),
        (tiff(values_of(12, 3), RGB, body=bytes(900)), "damaged: image file is truncated"),
        (tiff(values_of(12), GREY, body=bytes(300)), "damaged: image file is truncated"),
    ],
)
def test_tiffs_that_no_library_reads_whole_are_refused(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


def test_colour_that_only_pillow_unpacks_is_refused_and_not_cut_to_its_high_byte() -> None:
    compressed = BytesIO()
    deep = Image.frombytes("I;16", (16, 16), values_of(12).tobytes())
    deep.save(compressed, "TIFF", compression="tiff_lzw")
    assert is_same(compressed.getvalue(), values_of(12))

    values = values_of(12, 3)
    data = tiff(values, RGB, body=lzma.compress(values.tobytes()), compression=34925)
    assert "RGB of more than 8 bits per channel, in a kind of TIFF that is not read" in refusal(
        data
    )


@pytest.mark.parametrize(("extra", "colour"), [(STRAIGHT, 159), (MULTIPLIED, 191)])
def test_colours_multiplied_by_how_opaque_they_are_are_laid_on_white_as_with_8_bits(
    extra: int, colour: int
) -> None:
    deep = np.full((16, 16, 4), 16383, np.uint16)
    deep[8:], deep[..., 3] = 65535, 32768
    deep[8:, :, 3] = 65535
    with quiet_pillow():
        found = [
            decode_image(tiff(values, RGB, extra=extra), 16, LIMIT).pixels[0, 0, 0]
            for values in (deep, (deep >> 8).astype(np.uint8))
        ]
    assert np.abs(np.array(found, int) - colour).max() <= 1


def test_a_fourth_channel_of_no_meaning_is_left_out() -> None:
    values = values_of(12, 4)
    assert is_same(tiff(values, RGB, extra=UNSPECIFIED), values[..., :3])


# First column and row of each pass, and the steps (PNG, 8.2).
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
ADAM7 += [(0, 1, 1, 2)]


def png(values: np.ndarray, colour: int, before: bytes = b"", interlaced: int = 0) -> bytes:
    height, width = values.shape[:2]
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for x, y, dx, dy in passes
        for row in values[y::dy, x::dx]
    )
    header = struct.pack(">2I5B", width, height, 16, colour, 0, 0, interlaced)
    parts = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(("colour", "channels"), [(0, ()), (2, (3,)), (4, (2,)), (6, (4,))])
def test_png_of_16_bits_is_read_whatever_stands_beside_its_pixels(
    colour: int, channels: tuple[int, ...], interlaced: int
) -> None:
    values = values_of(12, *channels)
    notes = chunk(b"sBIT", b"\x0c" * max(1, *channels, 1)) + chunk(b"gAMA", b"\0\0\xb1\x8f")
    expected = values[..., [0, 0, 0, 1]] if channels == (2,) else values
    assert is_same(png(values, colour, notes, interlaced), expected)


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3)])
def test_the_clear_value_of_a_png_of_16_bits_is_laid_on_white(colour: int, channels: int) -> None:
    values = np.full((16, 16, channels), 100, np.uint16)
    values[:8] = 4095
    data = png(values, colour, chunk(b"tRNS", struct.pack(f">{channels}H", *[100] * channels)))
    decoded = decode_image(data, 16, LIMIT)
    assert (decoded.pixels == 255).all()
    assert decoded.conversions == ("transparency laid on white",)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_jpeg_2000_without_loss_is_read_as_it_was_written(bits: int) -> None:
    values = np.pad(values_of(bits), 8)
    deep = Image.frombytes("I;16", (32, 32), values.tobytes())
    assert is_same(encoded(deep, "JPEG2000", irreversible=False), values)
    colours = np.dstack([values, values // 2, values // 3])
    exactly = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    written = cv2.imencode(".jp2", colours[..., ::-1], exactly)[1]
    assert is_same(written.tobytes(), colours)


# (80 x + 700 y) // 16 at 48 by 40, of 12 bits: no library installed here writes it.
GREY_OF_12_BITS = (
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAAKAAAADAAAQsHAAAAAAAP"
    "Y29scgEAAAAAABEAAAFSanAyY/9P/1EAKQAAAAAAMAAAACgAAAAAAAAAAAAAADAAAAAoAAAAAAAAAAAAAQsBAf9S"
    "AAwAAAABAAIEBAAB/1wACkBgaGhwaGhw/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AA"
    "CgAAAAAA2gAB/5Pf4nQSMyh7TIpz5NrgAYTn9lblPJ6/Kqi0Uxa/jzgeSzeB1CKBhN0Rxu1qc3XXASdJOMPEdVZa"
    "NObXROWRkGizS7k220clB607lJKhTo5QcADzxOVapVqRlWpVqlWnCyXFkOE631tLsDV4nW+tjMefWVlu83zfN+3+"
    "H5vm+b5xBNu/6uKHOc5znORcayqqqphJHgGGSoABrQVAAAABeva/wA+QJAfaEksl7UaG6lebKzAAARfAB8IsA+oL"
    "AILd6eRvxDZKo/jMhCAYSEf/2Q=="
)


def test_a_grey_jpeg_2000_of_12_bits_is_not_moved_up_to_16() -> None:
    y, x = np.mgrid[:40, :48]
    assert is_same(base64.b64decode(GREY_OF_12_BITS), ((80 * x + 700 * y) // 16).astype(np.uint16))


def test_a_big_endian_bigtiff_is_refused_by_its_kind() -> None:
    assert "a big-endian BigTIFF is not read" in refusal(b"MM\0+\0\x08\0\0" + bytes(64))


def with_depth(data: bytes, byte: int) -> bytes:
    """A JPEG 2000 of other bits, in the first channel of its codestream."""
    place = data.find(b"\xff\x4f\xff\x51") + 42
    return data[:place] + bytes([byte]) + data[place + 1 :]


def test_jpeg_2000_that_no_library_reads_whole_is_refused() -> None:
    deep = Image.frombytes("I;16", (16, 16), values_of(12).tobytes())
    signed = with_depth(encoded(deep, "JPEG2000", irreversible=False), 0x80 | 15)
    assert "JPEG 2000 of signed numbers" in refusal(signed)
    grey = encoded(Image.new("LA", (16, 16), (9, 9)), "JPEG2000", irreversible=False)
    assert "LA of more than 8 bits per channel, in a kind of JPEG2000" in refusal(
        with_depth(grey, 11)
    )


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_avif_of_more_than_8_bits_is_read_as_it_was_written(
    bits: int, channels: tuple[int, ...]
) -> None:
    ramp = np.arange(64, dtype=np.uint16) * (2**bits // 64)
    values: Any = np.tile(ramp, (64, 1))
    if channels:
        values = np.dstack([values, values.T, values[::-1, ::-1]])
    exactly = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
    written = cv2.imencode(".avif", values[..., ::-1] if channels else values, exactly)[1]
    assert is_same(written.tobytes(), values)


def test_a_jpeg_of_12_bits_is_refused() -> None:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    data[data.find(b"\xff\xc0") + 4] = 12
    assert "12-bit" in refusal(bytes(data))


def test_grey_multiplied_by_how_opaque_it_is_is_laid_on_white() -> None:
    values = np.full((16, 16, 2), 64, np.uint8)
    values[..., 1] = 128  # grey 127.5 half opaque
    with quiet_pillow():
        found = decode_image(tiff(values, GREY, extra=MULTIPLIED), 16, LIMIT)
    assert np.abs(found.pixels.astype(int) - 191).max() <= 1
    assert found.conversions == ("grey", "transparency laid on white")


def test_planes_multiplied_by_how_opaque_they_are_are_no_damage() -> None:
    data = tiff(np.zeros((16, 16, 4), np.uint8), RGB, extra=MULTIPLIED, planes=2)
    assert "a plane per channel, with associated alpha" in refusal(data)


def test_a_plane_of_grey_and_one_of_how_opaque_it_is_are_not_taken_for_pixels() -> None:
    assert "grey and another" in refusal(tiff(np.zeros((16, 16, 2), np.uint8), GREY, planes=2))


@pytest.mark.parametrize(
    ("deep", "tag"),
    [(False, {254: 1}), (True, {254: 1}), (False, {255: 2})],
    ids=["8 bits", "deep", "as older files say it"],
)
def test_a_tiff_that_begins_with_its_thumbnail_is_read_as_its_picture(
    deep: bool, tag: dict[int, int]
) -> None:
    values = values_of(16) if deep else values_of(8).astype(np.uint8)
    thumbnail, whole = Image.new("L", (4, 4)), Image.fromarray(values)
    whole.encoderinfo = {"tiffinfo": {254: 0}}  # type: ignore[attr-defined]
    data = encoded(thumbnail, "TIFF", save_all=True, append_images=[whole], tiffinfo=tag)
    with quiet_pillow():
        expected = decode_image(encoded(Image.fromarray(values), "TIFF"), 16, LIMIT)
        np.testing.assert_array_equal(decode_image(data, 16, LIMIT).pixels, expected.pixels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda body: body[:20], "damaged: what is packed in it cannot be unpacked"),
        (lambda body: body[:20] + bytes(20) + body[40:], "damaged: what is packed"),
    ],
)
def test_damaged_colour_that_pillow_does_not_read_is_no_kind_of_tiff(
    dtype: Any, damage: Any, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    values = values_of(8, 3).astype(dtype)
    body = zlib.compress(values.tobytes())
    assert said in refusal(tiff(values, RGB, body=damage(body), compression=8))
    whole = tiff(values, RGB, body=body, compression=8)
    assert "damaged: the file is cut short" in refusal(_pixels_last(whole, body)[:-10])
    assert capfd.readouterr().err == ""


def _pixels_last(whole: bytes, body: bytes) -> bytes:
    """Its pixels behind its directory, where a file that is cut short loses them."""
    at = whole.rindex(struct.pack("<HH", 273, 3))
    return whole[:at] + struct.pack("<HHLL", 273, 4, 1, len(whole)) + whole[at + 12 :] + body


def test_libtiff_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    values = values_of(8).astype(np.uint8)
    body = zlib.compress(values.tobytes())
    data = tiff(values, GREY, body=body[:20] + bytes(20) + body[40:], compression=8)
    assert "damaged" in refusal(data)
    assert capfd.readouterr().err == ""
