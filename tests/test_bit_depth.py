"""Pictures of more than 8 bits per channel: one scale for all of a data set, whatever source it
comes from."""

from pathlib import Path

import numpy as np
import pytest
from pictures import (
    arrays_config,
    csv_config,
    encoded,
    folder_config,
    opened,
    picture,
    refusal,
    write_folders,
    write_shard,
)
from PIL import Image

from data.bit_depth import Level, eight_bits, level_of
from data.dataset import Dataset
from data.settings import DatasetConfig

SPLITS = ("train", "validation", "test")
TOPS = (4095, 900, 1500, 300, 600, 1100, 800, 2000)  # of train's four, then two of each other split


def pixels(top: int) -> np.ndarray:
    return np.resize(np.linspace(0, top, 16).astype(np.uint16), (16, 16))


def files(root: Path, format_name: str) -> list[str]:
    names = []
    for number, top in enumerate(TOPS):
        split = SPLITS[max(0, number // 2 - 1)]
        path = root / split / "ab"[number % 2] / f"{number}.{format_name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(top)).save(path)
        names.append(str(path.relative_to(root)))
    return names


@pytest.mark.parametrize("highest", [1, 16])
def test_eight_bits_that_hold_a_smaller_range_are_refused(tmp_path: Path, highest: int) -> None:
    images = np.random.default_rng(0).integers(0, highest + 1, (20, 8, 8), np.uint8)
    config = arrays_config(tmp_path, images=images, labels=np.arange(20) % 2)
    assert f"would come out nearly black: their values go up to {highest} of 255" in refusal(
        config, tmp_path
    )


def from_folder(root: Path, format_name: str = "png") -> DatasetConfig:
    files(root, format_name)
    return folder_config(root)


def from_csv(root: Path) -> DatasetConfig:
    rows = [f"{name},{name.split('/')[1]},{name.split('/')[0]}" for name in files(root, "tiff")]
    return csv_config(root, "path,label,split\n" + "\n".join(rows))


def from_arrays(root: Path) -> DatasetConfig:
    images = [pixels(top) for top in TOPS]
    return arrays_config(
        root, images=images, labels=np.arange(8) % 2, splits=[0, 0, 0, 0, 1, 1, 2, 2]
    )


def from_shards(root: Path) -> DatasetConfig:
    for split, part in zip(SPLITS, ((0, 4), (4, 6), (6, 8)), strict=True):
        examples = [(encoded(Image.fromarray(pixels(TOPS[n]))), n % 2) for n in range(*part)]
        write_shard(root / f"{split}.tfrec", examples)
    return DatasetConfig(source="tfrecord", path=str(root), image_size=16)


@pytest.mark.parametrize("source", [from_folder, from_csv, from_arrays, from_shards])
def test_train_and_test_of_every_source_are_scaled_by_the_same_twelve_bits(
    source: object, tmp_path: Path
) -> None:
    assert callable(source)
    dataset = opened(source(tmp_path), tmp_path / "cache")
    by_top = sorted(int(image.max()) for image in dataset.images)
    assert by_top == sorted(round(255 * top / 4095) for top in TOPS)
    scale = dataset.notes.scales["whole numbers"]
    assert (scale.white, scale.count, scale.level) == (4095, 8, 4095)
    assert (
        "8 images of more than 8 bits per channel (whole numbers): v became 255 v / 4095"
        in _said(dataset)
    )


def _said(dataset: Dataset) -> str:
    return "\n".join(dataset.notes.lines())


def test_the_scale_is_of_all_and_opened_again_it_is_the_same(tmp_path: Path) -> None:
    config = from_folder(tmp_path / "data")
    first, again = (opened(config, tmp_path / "cache") for _ in range(2))
    assert again.digest == first.digest
    assert again.notes == first.notes
    Image.fromarray(pixels(10_000)).save(tmp_path / "data" / "test" / "a" / "bright.png")
    wider = opened(config, tmp_path / "cache")
    assert wider.notes.scales["whole numbers"].white == 16383
    assert "test/a/bright.png, goes up to 10000; 4 of them use less than a sixteenth" in _said(
        wider
    )
    assert wider.images[:4].max() == round(255 * 4095 / 16383)


def test_pictures_of_8_bits_beside_them_stay_as_they_are(tmp_path: Path) -> None:
    config = from_folder(tmp_path)
    write_folders(tmp_path, {"train/a": 2})
    dataset = opened(config, tmp_path / "cache")
    row = dataset.names.index("train/a/000.png")
    resized = np.asarray(picture(0).resize((16, 16), Image.Resampling.BILINEAR))
    assert np.abs(dataset.images[row].astype(int) - resized).max() <= 1
    assert dataset.notes.scales["whole numbers"].count == 8


def test_dark_pictures_of_twelve_bits_are_no_copies_of_each_other(tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / SPLITS[max(0, number // 2 - 1)] / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 1024, (16, 16))
        Image.fromarray(values.astype(np.uint16)).save(path)
    dataset = opened(folder_config(tmp_path), tmp_path / "cache")
    assert dataset.groups is None
    assert (dataset.images.std(axis=(1, 2, 3)) > 60).all()


@pytest.mark.parametrize(
    ("level", "white"),
    [
        (0, 255),
        (256, 255),
        (257, 1023),
        (1024, 1023),
        (1025, 4095),
        (4096, 4095),
        (16385, 65535),
        (65535, 65535),
    ],
)
def test_the_white_is_the_least_usual_range_that_holds_the_level(level: int, white: int) -> None:
    assert Level("whole numbers", level).white == white


@pytest.mark.parametrize(("level", "white"), [(0, 1), (1, 1), (1.003, 1), (1.01, 255), (255, 255)])
def test_floats_are_of_0_to_1_or_of_0_to_255(level: float, white: float) -> None:
    assert Level("floats", level).white == white


def test_so_few_values_as_one_in_a_thousand_do_not_count() -> None:
    values = np.full((100, 100), 1000, np.uint16)
    values.flat[:10] = 60_000
    assert level_of(values) == Level("whole numbers", 1000)
    values.flat[:11] = 60_000
    assert level_of(values) == Level("whole numbers", 60_000)


def test_eight_bits_are_rounded_and_cut_at_white() -> None:
    whole = eight_bits(np.array([0, 8, 9, 2048, 4095, 60_000], np.uint16), 4095)
    assert whole.tolist() == [0, 0, 1, 128, 255, 255]
    assert eight_bits(np.array([0, 0.5, 1, 1.2], np.float32), 1.0).tolist() == [0, 128, 255, 255]


def floats_of(tops: list[float]) -> np.ndarray:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    return np.stack([np.roll(ramp, number) * top for number, top in enumerate(tops)])


@pytest.mark.parametrize(
    ("tops", "where"),
    [
        ([1.38, 1, 1, 1, 1, 1, 1, 1], "4 of 4 images in train would come out nearly black"),
        ([1, 1, 1, 1, 1, 1, 255, 255], "4 of 4 images in train would come out nearly black"),
        (
            [255, 255, 255, 255, 1, 1, 255, 255],
            "2 of 2 images in validation would come out nearly black",
        ),
    ],
)
def test_floats_of_two_ranges_are_refused_where_a_split_would_be_black(
    tops: list[float], where: str, tmp_path: Path
) -> None:
    images = floats_of(tops)
    config = arrays_config(
        tmp_path, images=images, labels=np.arange(8) % 2, splits=[0, 0, 0, 0, 1, 1, 2, 2]
    )
    message = refusal(config, tmp_path / "cache")
    assert where in message
    assert f"goes up to {max(tops) * 254 / 255:g}, so that white is 255" in message
    assert "clip them to 0..1, or multiply those of 0..1 by 255" in message
    assert not list((tmp_path / "cache").rglob("*.images"))


def test_one_step_above_twelve_bits_is_cut(tmp_path: Path) -> None:
    images = np.stack([np.roll(pixels(4096), number) for number in range(8)])
    config = arrays_config(
        tmp_path, images=images, labels=np.arange(8) % 2, splits=[0, 0, 0, 0, 1, 1, 2, 2]
    )
    assert opened(config, tmp_path / "cache").images.max(axis=(1, 2, 3)).tolist() == [255] * 8


def test_whole_numbers_up_to_16_are_refused_as_nearly_black(tmp_path: Path) -> None:
    images = np.stack([np.roll(pixels(16), number) for number in range(8)])
    config = arrays_config(tmp_path, images=images, labels=np.arange(8) % 2)
    assert "8 of 8 images in train would come out nearly black: they go up to 16" in refusal(
        config, tmp_path / "cache"
    )
