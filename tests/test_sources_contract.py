"""What every source owes the rest, tested over the table: a new record is tested as soon as it has
an example here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import (
    SPLIT_COUNTS,
    arrays_config,
    csv_config,
    encoded,
    folder_config,
    picture,
    write_folders,
    write_shard,
)

from data.dataset import TEST, TRAIN, VALIDATION, list_images, open_dataset
from data.folder import named_classes
from data.settings import DatasetConfig
from data.sources import SOURCES
from search.commands.init_source import found_images, source_of


def folder_example(root: Path) -> DatasetConfig:
    write_folders(root, {"cat": 8, "dog": 8})
    return folder_config(root)


def csv_example(root: Path) -> DatasetConfig:
    write_folders(root, {"photos": 16})
    return csv_config(
        root, "path,label\n" + "".join(f"photos/{i:03d}.png,{i % 2}\n" for i in range(16))
    )


def arrays_example(root: Path) -> DatasetConfig:
    images = np.stack([np.asarray(picture(number)) for number in range(16)])
    return arrays_config(root, images=images, labels=np.arange(16) % 2)


def tfrecord_example(root: Path) -> DatasetConfig:
    examples = [(encoded(picture(number)), number % 2) for number in range(16)]
    write_shard(root / "photos.tfrecord-00000-of-00002", examples[:8])
    write_shard(root / "photos.tfrecord-00001-of-00002", examples[8:])
    return DatasetConfig(source="tfrecord", path=str(root), image_size=16)


def digits_example(root: Path) -> DatasetConfig:
    return DatasetConfig(source="digits", image_size=8)


def turned_digits_example(root: Path) -> DatasetConfig:
    return DatasetConfig(source="turned_digits", image_size=8)


def mirrored_digits_example(root: Path) -> DatasetConfig:
    return DatasetConfig(source="mirrored_digits", image_size=8)


def clothing_example(root: Path) -> DatasetConfig:
    write_folders(root, SPLIT_COUNTS)
    return DatasetConfig(source="clothing", path=str(root), image_size=16)


EXAMPLES: dict[str, Callable[[Path], DatasetConfig]] = {
    "folder": folder_example,
    "csv": csv_example,
    "arrays": arrays_example,
    "tfrecord": tfrecord_example,
    "digits": digits_example,
    "turned_digits": turned_digits_example,
    "mirrored_digits": mirrored_digits_example,
    "clothing": clothing_example,
}


@pytest.fixture(params=SOURCES)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetConfig:
    (tmp_path / "data").mkdir()
    made = EXAMPLES[request.param](tmp_path / "data")
    assert made.source == request.param
    return made


def test_a_listing_holds_together(config: DatasetConfig, tmp_path: Path) -> None:
    listing = list_images(config, tmp_path / "cache")
    num_images = len(listing.names)
    assert (listing.labels.dtype, listing.labels.shape) == (np.dtype(np.int32), (num_images,))
    assert (listing.splits.dtype, listing.splits.shape) == (np.dtype(np.int8), (num_images,))
    assert set(np.unique(listing.labels)) == set(range(len(listing.class_names)))
    assert len(set(listing.names)) == num_images
    assert len(set(listing.class_names)) == len(listing.class_names)
    assert all(name.isprintable() for name in (*listing.names, *listing.class_names))


def test_listing_twice_gives_the_same(config: DatasetConfig, tmp_path: Path) -> None:
    first, second = (list_images(config, tmp_path / "cache") for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert first.names == second.names
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(np.asarray(first.read(3)), np.asarray(second.read(3)))


def test_it_opens_as_images_with_all_three_splits(config: DatasetConfig, tmp_path: Path) -> None:
    dataset = open_dataset(config, tmp_path / "cache", seed=1)
    size = config.image_size
    assert dataset.images.shape == (len(dataset.names), size, size, 3)
    assert dataset.images.dtype == np.uint8
    assert not dataset.images.flags.writeable
    for split in (TRAIN, VALIDATION, TEST):
        labels = dataset.labels[dataset.indices(split)]
        assert set(np.unique(labels)) == set(range(len(dataset.class_names)))


def test_opened_again_it_is_the_same_and_nothing_is_decoded(
    config: DatasetConfig, tmp_path: Path
) -> None:
    decoded: list[int] = []
    opened = [
        open_dataset(
            config, tmp_path / "cache", seed=1, progress=lambda done, total: decoded.append(done)
        )
        for _ in range(2)
    ]
    assert opened[0].digest == opened[1].digest
    assert decoded == list(range(1, len(opened[0].names) + 1))


def test_a_source_says_what_it_is() -> None:
    assert all(source.about and "\n" not in source.about for source in SOURCES.values())


def test_init_knows_it_by_its_path_where_it_says_an_ending(
    config: DatasetConfig, tmp_path: Path
) -> None:
    source = SOURCES[config.source]
    assert (source.ending is not None) == bool(source.layout)
    if source.ending is None:
        return
    chosen, listing = found_images(str(config.path), source_of(str(config.path)), {})
    found = {each.key: each for each in chosen}
    assert found["dataset.source"].value == config.source
    assert found["dataset.source"].why == source.layout
    assert len(listing.names) >= 16


def test_its_classes_are_folders_where_it_says_so(config: DatasetConfig, tmp_path: Path) -> None:
    if SOURCES[config.source].classes_are_folders:
        listing = list_images(config, tmp_path / "cache")
        assert named_classes(Path(config.path or "")) == {*listing.class_names}
    else:
        assert config.path is None or not named_classes(Path(config.path))
