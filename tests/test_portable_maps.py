"""Pictures of Netpbm: the values that the file holds, whatever its kind and its greatest value."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import LIMIT, folder_config, opened

from data.decode import decode_image
from data.errors import BadImage
from data.picture_file import open_picture
from data.portable_map import map_header

TOPS = (17, 100, 255, 256, 1023, 4095, 16383, 65535)


def samples(top: int, in_colour: bool = False, seed: int = 0) -> np.ndarray:
    shape = (12, 10, 3) if in_colour else (12, 10)
    values = np.random.default_rng(seed).integers(0, top + 1, shape).astype(np.uint16)
    values.flat[0] = top
    return values


def portable(kind: str, values: np.ndarray, top: int) -> bytes:
    """A file of kind 2, 3, 5 or 6."""
    header = f"P{kind}\n{values.shape[1]} {values.shape[0]}\n{top}\n".encode()
    if kind in "23":
        return header + " ".join(map(str, values.ravel().tolist())).encode()
    return header + values.astype(">u2" if top > 255 else np.uint8).tobytes()


def read(data: bytes) -> np.ndarray:
    values = open_picture(data, LIMIT).values
    assert values is not None
    return values


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("kind", ["2", "3", "5", "6"])
def test_values_are_those_of_the_file(kind: str, top: int) -> None:
    values = samples(top, kind in "36")
    found = read(portable(kind, values, top))
    assert np.array_equal(found, values)
    assert found.dtype == (np.uint16 if top > 255 else np.uint8)


@pytest.mark.parametrize("kind", ["2", "3", "5", "6"])
@pytest.mark.parametrize("top", [1, 15])
def test_a_white_that_would_be_black_is_refused(kind: str, top: int) -> None:
    with pytest.raises(BadImage, match=rf"values of 0\.\.{top}, which would come out nearly black"):
        decode_image(portable(kind, samples(top, kind in "36"), top), 8, LIMIT)


def test_a_white_below_255_is_said_not_to_be_used() -> None:
    data = portable("5", np.full((8, 8), 100, np.uint16), 100)
    decoded = decode_image(data, 8, LIMIT)
    assert (decoded.pixels == 100).all()
    assert decoded.conversions == ("values kept, not stretched to the file's white", "grey")


def test_white_space_and_comments_of_plain_files_are_passed_over() -> None:
    data = b"P2#a\n# b 9 9\r\t2 \x0b\n#c\r\n3\n 1000#d\n1\t2\n#3 4\n003\r\n\x0c4 5#end"
    with pytest.raises(BadImage, match="damaged: 5 of 6 values can be read"):
        read(data)
    assert read(data + b"\n6 ").tolist() == [[1, 2], [3, 4], [5, 6]]
    assert read(data + b"\n6 and what follows").tolist() == [[1, 2], [3, 4], [5, 6]]


def test_bytes_begin_after_one_white_space_though_they_look_like_more() -> None:
    assert read(b"P5 2 1 255\n \n").tolist() == [[32, 10]]
    assert read(b"P5 # of bytes\n2 1 255\n#5").tolist() == [[35, 53]]
    assert read(b"P5 1 1 300 \x01\x02tail").tolist() == [[258]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P2 2 2 255 1 2 3", "damaged: 3 of 4 values"),
        (b"P2 2 2 255 ", "damaged: 0 of 4 values"),
        (b"P2 2 2 255 \n \n", "damaged: 0 of 4 values"),
        (b"P2 2 2 255 1 -2 3 4", "damaged: 1 of 4 values"),
        (b"P2 2 2 255 1 2.5 3 4", "damaged: 2 of 4 values"),
        (b"P2 2 2 255 1 2 3 256", "damaged: a value of 256; its header allows 0..255"),
        (b"P2 1 1 65535 65536", "damaged: a value of 65536"),
        (b"P2 1 1 255 " + b"9" * 400, "damaged: a value of inf"),
        (b"P5 2 2 100 zzzz", r"a value of 122; its header allows 0\.\.100"),
        (b"P5 2 2 4095 1234567", "damaged: 3 of 4 values"),
        (b"P6 2 2 255 12345678901", "damaged: 11 of 12 values"),
        (b"P5 0 2 255 ", "0 x 2 pixels"),
        (b"P5 2 2 65536 ", r"0\.\.65536; expected"),
        (b"P5 2 2 0 ", r"0\.\.0; expected"),
        (b"P5 2 2", "no whole header"),
        (b"P5 -2 2 255 abcd", "no whole header"),
        (b"P5 99999 99999 255 ", "9999800001 pixels"),
        (b"P0CMYK 2 2 4095 ", "no whole header"),
        (b"PyRGBA 2 2 4095 ", "no whole header"),
        (b"P7\nWIDTH 2\n", "not an image"),
        (b"PF\n2 2\n-1.0\n", "not an image"),
    ],
)
def test_what_is_none_is_refused_in_a_line(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode_image(data, 8, LIMIT)


@pytest.mark.parametrize("data", [b"P1 2 1 10", b"P4 2 1 \x80"])
def test_bits_are_black_where_they_are_set(data: bytes) -> None:
    assert map_header(data) is None
    decoded = decode_image(data, 2, LIMIT)
    assert decoded.pixels[0, :, 0].tolist() == [0, 255]


def test_floats_in_grey_are_as_the_file_holds_them_from_the_last_row_up() -> None:
    values = np.array([[0.25, 0.5], [0.75, 1.0]], np.float32)
    for scale, order in ((b"-1.0", "<f4"), (b"9.5", ">f4")):
        data = b"Pf\n2 2\n" + scale + b"\n" + values.astype(order).tobytes()
        assert read(data).tolist() == values[::-1].tolist()


@pytest.mark.parametrize("kind", ["2", "3", "5", "6"])
@pytest.mark.parametrize("top", [16383, 65535])
def test_png_in_train_and_portable_maps_in_test_are_scaled_alike(
    kind: str, top: int, tmp_path: Path
) -> None:
    for number in range(8):
        split = ("train", "validation", "test")[max(0, number // 2 - 1)]
        path = tmp_path / split / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = samples(16383, kind in "36", number)
        if split == "test":
            path.with_suffix(".ppm").write_bytes(portable(kind, values, top))
        else:
            in_order = values[..., ::-1] if kind in "36" else values  # OpenCV's: blue, green, red
            path.write_bytes(cv2.imencode(".png", in_order)[1].tobytes())
    images = opened(folder_config(tmp_path), tmp_path / "cache").images
    means = images.reshape(8, -1).mean(axis=1)
    assert np.abs(means - 127.5).max() < 15
