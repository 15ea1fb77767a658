"""A dataset sent in blocks arrives whole, or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from disks import mounted
from pictures import SPLIT_COUNTS, csv_config, folder_config, write_folders
from PIL import Image

from data import files
from data.dataset import Dataset, open_dataset
from data.files import StorageError
from data.packed import (
    DIGESTS,
    IMAGES,
    LABELS,
    SPLITS,
    blocks_of,
    open_packed,
    packed_folder,
    parcel_of,
    unpack,
)
from search.experiment.trial import Resources
from search.features.process_cache import received


@pytest.fixture
def dataset(root: Path, tmp_path: Path) -> Dataset:
    return open_dataset(folder_config(root), tmp_path / "cache", seed=1)


def test_it_arrives_as_it_was_sent(dataset: Dataset, tmp_path: Path) -> None:
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    arrived = open_packed(packed_folder(tmp_path / "there", dataset.digest))
    np.testing.assert_array_equal(arrived.images, dataset.images)
    np.testing.assert_array_equal(arrived.splits, dataset.splits)
    assert (arrived.digest, arrived.names, arrived.notes) == (
        dataset.digest,
        dataset.names,
        dataset.notes,
    )


def test_groups_and_the_scale_arrive_too(tmp_path: Path) -> None:
    write_folders(tmp_path / "data", SPLIT_COUNTS)
    for name in ("one", "copy"):
        values = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
        Image.fromarray(values).save(tmp_path / "data" / "train" / "cat" / f"{name}.png")
    dataset = open_dataset(folder_config(tmp_path / "data"), tmp_path / "cache", seed=1)
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    arrived = open_packed(packed_folder(tmp_path / "there", dataset.digest))
    assert arrived.groups is not None
    np.testing.assert_array_equal(arrived.groups, np.asarray(dataset.groups))
    assert arrived.notes.scales["whole numbers"].white == 4095


def test_receiving_twice_is_once(dataset: Dataset, tmp_path: Path) -> None:
    for _ in range(2):
        unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    assert len(list((tmp_path / "there" / "packed").iterdir())) == 1


def test_a_changed_pixel_is_found_and_nothing_is_left(dataset: Dataset, tmp_path: Path) -> None:
    blocks = [block.copy() for block in blocks_of(dataset)]
    blocks[0][2, 3, 4, 1] ^= 1
    with pytest.raises(ValueError, match="arrived with digest"):
        unpack(parcel_of(dataset), blocks, tmp_path / "there")
    assert list((tmp_path / "there" / "packed").iterdir()) == []


def test_changed_labels_are_found(dataset: Dataset, tmp_path: Path) -> None:
    parcel = replace(parcel_of(dataset), labels=np.zeros(len(dataset.labels), np.int32))
    with pytest.raises(ValueError, match="arrived with digest"):
        unpack(parcel, blocks_of(dataset), tmp_path / "there")


def test_missing_images_are_counted(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0 of \d+ images arrived"):
        unpack(parcel_of(dataset), [], tmp_path / "there")


@pytest.mark.parametrize("name", [IMAGES, LABELS, SPLITS, DIGESTS])
def test_a_byte_that_changed_on_the_disk_is_found_and_the_dataset_is_fetched_again(
    dataset: Dataset, tmp_path: Path, name: str
) -> None:
    resources = Resources(
        cache_dir=tmp_path / "there", views_dir=tmp_path / "views", dataset_digest=dataset.digest
    )
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    path = packed_folder(tmp_path / "there", dataset.digest) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert received(resources) is None
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    again = received(resources)
    assert again is not None
    assert again.digest == dataset.digest


def test_every_file_and_folder_is_flushed_before_it_has_its_name(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, seen = packed_folder(tmp_path / "there", dataset.digest), []

    def flushed(path: Path) -> None:
        seen.append((path.name, place.exists()))

    monkeypatch.setattr(files, "flush_to_disk", flushed)
    monkeypatch.setattr(files, "flush_folder", flushed)
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    before = {name for name, is_there in seen if not is_there}
    assert {path.name for path in place.iterdir()} <= before
    assert any(name.startswith(files.TEMPORARY_PREFIX) for name in before)
    assert seen[-1] == (place.parent.name, True)


def test_it_is_permitted_as_any_new_folder(dataset: Dataset, tmp_path: Path) -> None:
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    (tmp_path / "plain").mkdir()
    place = packed_folder(tmp_path / "there", dataset.digest)
    assert place.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    """Written through a memory map, it was a SIGBUS."""
    write_folders(tmp_path / "data", SPLIT_COUNTS)
    config = folder_config(tmp_path / "data", image_size=64)
    large = open_dataset(config, tmp_path / "cache", seed=1)
    with (
        mounted(tmp_path / "small", f"size={large.images.nbytes // 2}") as folder,
        pytest.raises(StorageError, match="the disk is full"),
    ):
        unpack(parcel_of(large), blocks_of(large), folder)


@pytest.mark.parametrize("size", [1, 2])
def test_named_groups_are_checked_on_arrival(tmp_path: Path, size: int) -> None:
    write_folders(tmp_path, {".": 24})
    rows = [f"{n:03d}.png,{n // 2 % 2},g{n // size}\n" for n in range(24)]
    config = csv_config(tmp_path, "path,label,group\n" + "".join(rows), group_column="group")
    dataset = open_dataset(config, tmp_path / "cache", seed=1)
    unpack(parcel_of(dataset), blocks_of(dataset), tmp_path / "there")
    arrived = open_packed(packed_folder(tmp_path / "there", dataset.digest))
    np.testing.assert_array_equal(arrived.groups, dataset.groups)
    wrong = replace(parcel_of(dataset), groups=np.zeros(24, np.int64))
    with pytest.raises(ValueError, match="arrived with digest"):
        unpack(wrong, blocks_of(dataset), tmp_path / "elsewhere")
