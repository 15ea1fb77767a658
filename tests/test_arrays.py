"""Arrays as people save them, and scikit-learn's digits."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import spoiled
from pictures import arrays_config

from data.dataset import list_images
from data.errors import UserError
from data.image_store import Decoder, open_store
from data.listing import Listing
from data.settings import DatasetConfig, Split

IMAGES = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
LABELS = np.array([3, 1, 3, 1])


def listed(tmp_path: Path, **arrays: Any) -> Listing:
    return list_images(arrays_config(tmp_path, **arrays), tmp_path)


def refusal(tmp_path: Path, **arrays: Any) -> str:
    with pytest.raises(UserError) as caught:
        listed(tmp_path, **arrays)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_and_labels_are_read(tmp_path: Path) -> None:
    listing = listed(tmp_path, images=IMAGES, labels=LABELS)
    assert listing.class_names == ("1", "3")
    assert listing.labels.tolist() == [1, 0, 1, 0]
    assert listing.draw == Split()
    assert all(np.array_equal(listing.read(position), IMAGES[position]) for position in range(4))


def test_a_damaged_header_is_told_in_a_line(tmp_path: Path) -> None:
    config = arrays_config(tmp_path, images=IMAGES, labels=LABELS)
    path = Path(str(config.path))
    path.write_bytes(spoiled(path.read_bytes()))
    with pytest.raises(UserError, match=r"cannot be read as an \.npz: the header of an array is"):
        list_images(config, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # of writing it
@pytest.mark.parametrize("second", ["labels.npy", "Labels.npy"])
def test_an_array_that_is_there_twice_is_refused(second: str, tmp_path: Path) -> None:
    config = arrays_config(tmp_path, images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(str(config.path), "a") as archive:
        archive.writestr(second, archive.read("labels.npy"))
    with pytest.raises(UserError, match="holds two arrays called labels"):
        list_images(config, tmp_path)


@pytest.mark.parametrize(
    "pattern", [("x_{}", "y_{}"), ("X_{}", "Y_{}"), ("{}_images", "{}_labels")]
)
def test_an_array_a_split_is_read(tmp_path: Path, pattern: tuple[str, str]) -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, rows in (("train", slice(0, 2)), ("val", slice(2, 3)), ("test", slice(3, 4))):
        arrays |= {
            pattern[0].format(name): IMAGES[rows],
            pattern[1].format(name): LABELS[rows].reshape(-1, 1),
        }
    listing = listed(tmp_path, **arrays)
    assert listing.splits.tolist() == [0, 0, 1, 2]
    assert listing.names == ("train 0", "train 1", "validation 0", "test 0")
    assert all(np.array_equal(listing.read(position), IMAGES[position]) for position in range(4))


@pytest.mark.parametrize(
    "splits",
    [[0, 0, 1, 2], ["train", "train", "val", "test"], [b"train", b"train", b"valid", b"test"]],
)
def test_splits_may_be_numbers_or_names(tmp_path: Path, splits: list[Any]) -> None:
    assert listed(
        tmp_path, images=IMAGES, labels=LABELS, splits=np.array(splits)
    ).splits.tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0, 51, 255], np.int64), [0, 51, 255]),
        (np.array([0, 0.2, 1], np.float32), [0, 51, 255]),
        (np.array([0, 50.6, 255], np.float64), [0, 51, 255]),
        (np.array([0, 257 * 51, 65535], np.uint16), [0, 51, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
    ],
)
def test_any_usual_range_becomes_bytes_by_one_rule_for_all(
    tmp_path: Path, images: np.ndarray, expected: list[int]
) -> None:
    square = np.repeat(images, 16).reshape(3, 4, 4)
    stored = decoded_by_rule(tmp_path, images=square, labels=[0, 1, 1])
    assert [int(image[0, 0, 0]) for image in stored] == expected


def decoded_by_rule(tmp_path: Path, **arrays: Any) -> np.ndarray:
    """Every image uint8 [8, 8, 3], as a data set would have it."""
    listing = listed(tmp_path, **arrays)
    stored = open_store(tmp_path / "images", Decoder(listing, 8, 10**6, 1), None)
    return np.asarray(stored.images)


def test_all_splits_of_a_file_are_scaled_alike(tmp_path: Path) -> None:
    tops = {"train": (100, 4095), "val": (1023, 200), "test": (2047, 300)}
    arrays: dict[str, Any] = {}
    for split, values in tops.items():
        arrays[f"x_{split}"] = np.repeat(np.array(values, np.uint16), 16).reshape(2, 4, 4)
        arrays[f"y_{split}"] = [0, 1]
    assert decoded_by_rule(tmp_path, **arrays)[:, 0, 0, 0].tolist() == [6, 255, 64, 12, 127, 19]


@pytest.mark.parametrize("images", [[-1.0, 0.5], [0.0, 300.0], [0.0, np.nan], [0, 70_000]])
def test_images_of_unknown_range_are_refused(tmp_path: Path, images: list[float]) -> None:
    assert "expected 0..255" in refusal(
        tmp_path, images=np.array(images).reshape(2, 1, 1), labels=[0, 1]
    )


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"classes of the same name: 'cat' \(classes 1 and 3\)"):
        listed(tmp_path, images=IMAGES, labels=LABELS, class_names=["dog", "cat", "hen", "cat"])


def test_one_hot_labels_and_class_names_are_understood(tmp_path: Path) -> None:
    one_hot = np.eye(3, dtype=np.float32)[[2, 0, 1, 2]]
    listing = listed(tmp_path, images=IMAGES, labels=one_hot, class_names=["hat", "shoe", "skirt"])
    assert listing.labels.tolist() == [2, 0, 1, 2]
    assert listing.class_names == ("hat", "shoe", "skirt")


def test_text_labels_are_understood(tmp_path: Path) -> None:
    listing = listed(tmp_path, images=IMAGES, labels=["hat", "shoe", "hat", "shoe"])
    assert listing.class_names == ("hat", "shoe")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "holds decimals (3.0, ...)"),
        ({"images": IMAGES, "labels": np.ones((4, 2))}, "has shape [4, 2]; expected [n]"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "images has shape [4, 5, 6, 3] and labels [3]"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["a", "b"]}, "whole numbers of 0..1"),
        ({"images": IMAGES, "labels": LABELS.astype(complex)}, "is of complex128"),
        ({"images": IMAGES[..., :2], "labels": LABELS}, "has shape [4, 5, 6, 2]"),
        ({"images": IMAGES.astype("U3"), "labels": LABELS}, "is of <U3"),
        ({"images": IMAGES}, "has images but no labels"),
        ({"pictures": IMAGES, "labels": LABELS}, "has the arrays pictures, labels; expected images "
                                                 "and"),
        ({"images": IMAGES, "labels": LABELS, "splits": [0, 1, 2, 3]}, "holds 0, 1, 2, 3; allowed: "
                                                                       "0 or"),
        ({"images": IMAGES, "labels": LABELS, "splits": [0, 1]}, "splits has 2 values for 4 "
                                                                 "images"),
        ({"x_val": IMAGES, "y_val": LABELS, "x_valid": IMAGES, "y_valid": LABELS}, "keep one array "
                                                                                   "of"),
        ({"x_val": IMAGES, "y_val": LABELS}, "has no train split"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    assert words in refusal(tmp_path, **arrays)


class _Runs:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("key", ["images", "labels"])
def test_object_arrays_are_refused_and_never_unpickled(tmp_path: Path, key: str) -> None:
    mark = tmp_path / "was_run"
    objects = np.array([_Runs(mark)] * 4, dtype=object)
    message = refusal(tmp_path, **({"images": IMAGES, "labels": LABELS} | {key: objects}))
    assert "holds Python objects, which are never loaded" in message
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x80\x04\x95", b"\x93NUMPY\x01\x00", b"PK\x03\x04 and no more"]
)
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"npz"):
        list_images(DatasetConfig(source="arrays", path=str(path)), tmp_path)


def test_a_truncated_npz_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    config = arrays_config(tmp_path, images=IMAGES, labels=LABELS)
    path = Path(config.path or "")
    data = path.read_bytes()
    for cut in np.linspace(0, len(data) - 1, 20).astype(int).tolist():
        path.write_bytes(data[:cut])
        with pytest.raises(UserError):
            list_images(config, tmp_path)


def test_digits_are_scaled_to_the_whole_range() -> None:
    listing = list_images(DatasetConfig(source="digits"), Path())
    images = np.stack([listing.read(position) for position in range(1797)])
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.uint8
    assert (int(images.min()), int(images.max())) == (0, 255)
    assert listing.class_names == tuple("0123456789")
    assert listing.draw == Split()
