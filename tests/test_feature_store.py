"""Features on disk: found again, checked, made again when damaged, and kept within a budget."""

import logging
import os
import shutil
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset import Dataset
from data.dataset_notes import DataNotes
from search.experiment.trial import Resources
from search.features import feature_rows as rows_module
from search.features import store as store_module
from search.features.feature_rows import (
    ABSENT_ROW,
    FeatureRows,
    NotFinite,
    read_features,
    write_features,
)
from search.features.store import FeatureStore, KeptNumbers

FEATURES = np.arange(600, dtype=np.float32).reshape(20, 30)


def _written(folder: Path) -> Path:
    path = folder / "features" / "x.npy"
    write_features(path, FEATURES.shape, FEATURES.dtype, iter([FEATURES]))
    return path


def test_features_are_read_back_memory_mapped(tmp_path: Path) -> None:
    found = read_features(_written(tmp_path))
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, FEATURES)


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_features(tmp_path / "none.npy") is None


@pytest.mark.parametrize("cut", [0, 1, 8, 17, 100, 1000])
def test_a_truncated_file_is_made_again(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = _written(tmp_path)
    os.truncate(path, cut)
    with caplog.at_level(logging.WARNING):
        assert read_features(path) is None
    assert "damaged" in caplog.text


@pytest.mark.parametrize("place", [0, 50, 200, 1500, -20, -1])
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, place: int) -> None:
    path = _written(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    found = read_features(path)
    # A flip in the header's padding changes nothing that is read; anything else is damage.
    assert found is None or np.array_equal(found, FEATURES)


@pytest.mark.parametrize("place", range(128))
def test_a_flipped_bit_of_the_header_is_found(tmp_path: Path, place: int) -> None:
    path = _written(tmp_path)
    written = path.read_bytes()
    for bit in range(8):
        content = bytearray(written)
        content[place] ^= 1 << bit
        path.write_bytes(content)
        assert read_features(path) is None


def test_features_kept_in_other_numbers_are_made_again(tmp_path: Path) -> None:
    path = _written(tmp_path)
    assert read_features(path, dtype=np.float16) is None
    assert read_features(path, dtype=np.float32) is not None


class CountingExtractor:
    """Features are the mean of each image; counts how many images it saw."""

    engine = "fake"

    def __init__(self, version: str) -> None:
        self.versioned_engine = f"fake {version}"
        self.num_images = 0

    output_shape = (3,)

    def extract(self, batches: Iterable[np.ndarray], num_images: int) -> np.ndarray:
        self.num_images += num_images
        return np.concatenate([batch.mean(axis=(1, 2)) for batch in batches]).astype(np.float32)


def _store(folder: Path, extractor: CountingExtractor, expected: str) -> FeatureStore:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    labels, splits = np.zeros(12, np.int32), np.zeros(12, np.int8)
    dataset = Dataset(images, labels, splits, ("a",), tuple("abcdefghijkl"), "digest", DataNotes())
    resources = Resources(cache_dir=folder / "cache", views_dir=folder / "views")

    def build() -> Any:
        return extractor

    return FeatureStore(dataset, build, "backbone", expected, resources)


def test_features_of_another_engine_version_are_made_again(tmp_path: Path) -> None:
    old, new = CountingExtractor("1"), CountingExtractor("2")
    _store(tmp_path, old, "fake 1").clean()
    _store(tmp_path, old, "fake 1").clean()
    _store(tmp_path, new, "fake 2").clean()
    assert (old.num_images, new.num_images) == (12, 12)


def test_an_engine_that_stands_in_has_a_cache_of_its_own(tmp_path: Path) -> None:
    stand_in, first_choice = CountingExtractor("1"), CountingExtractor("9")
    _store(tmp_path, stand_in, "fake 9").clean()
    _store(tmp_path, stand_in, "fake 9").clean()
    _store(tmp_path, first_choice, "fake 9").clean()
    assert (stand_in.num_images, first_choice.num_images) == (12, 12)


def test_the_engine_is_known_of_features_that_were_kept(tmp_path: Path) -> None:
    made = _store(tmp_path, CountingExtractor("1"), "fake 1")
    made.clean()
    found = _store(tmp_path, CountingExtractor("1"), "fake 1")
    found.clean()
    assert (made.engine, found.engine) == ("fake", "fake")


def test_a_view_is_computed_once_and_held_by_nobody(tmp_path: Path) -> None:
    extractor = CountingExtractor("1")
    store = _store(tmp_path, extractor, "fake 1")
    rows = np.arange(12)
    store.view(rows, {"rotation_range": 20}, 1, 0)
    again = store.view(rows, {"rotation_range": 20}, 1, 0)
    assert extractor.num_images == 12
    assert isinstance(again.values, np.memmap)
    held = weakref.ref(again.values)
    del again
    assert held() is None


def test_a_view_damaged_between_two_readings_is_made_again(tmp_path: Path) -> None:
    extractor = CountingExtractor("1")
    store = _store(tmp_path, extractor, "fake 1")
    rows = np.arange(12)
    first = store.view(rows, {"rotation_range": 20}, 1, 0).values
    store.view(rows, {"rotation_range": 20}, 1, 0)
    file = store.policy_dir(rows, {"rotation_range": 20}, 1) / "00000.npy"
    content = bytearray(file.read_bytes())
    content[140] ^= 255
    file.write_bytes(content)
    np.testing.assert_array_equal(store.view(rows, {"rotation_range": 20}, 1, 0).values, first)
    assert extractor.num_images == 24


def test_what_memory_should_not_hold_is_written_as_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _store(tmp_path / "small", CountingExtractor("1"), "fake 1").clean().values
    monkeypatch.setattr(store_module, "RESIDENT_BYTES", 100)
    monkeypatch.setattr(store_module, "BLOCK_BYTES", 12)
    monkeypatch.setattr(store_module, "DRAWN_BATCH", 4)
    streamed = _store(tmp_path / "large", CountingExtractor("1"), "fake 1").clean().values
    assert isinstance(streamed, np.memmap)
    np.testing.assert_array_equal(streamed, kept)
    (file,) = (tmp_path / "large" / "cache" / "features").iterdir()
    assert read_features(file) is not None


@pytest.mark.slow
def test_rows_are_read_alike_from_memory_and_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30, dtype=np.float16).reshape(10, 3)
    picked = FeatureRows(values, np.array([7, 1, 4]))
    assert picked.shape == (3, 3)
    np.testing.assert_array_equal(picked.resident, values[[7, 1, 4]])
    monkeypatch.setattr(rows_module, "RESIDENT_BYTES", 0)
    large = FeatureRows(values, np.array([7, 1, 4]))
    held, which = large.holding(np.array([[2, 0], [2, 2]]))
    np.testing.assert_array_equal(which, [0, 2])
    np.testing.assert_array_equal(held, values[[7, 4]])
    assert held.dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(list(large.blocks())), values[[7, 1, 4]])


@pytest.mark.parametrize("resident_bytes", [0, 1000])
def test_a_row_without_a_value_reads_as_nan(
    monkeypatch: pytest.MonkeyPatch, resident_bytes: int
) -> None:
    monkeypatch.setattr(rows_module, "RESIDENT_BYTES", resident_bytes)
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    held, _ = FeatureRows(values, np.array([1, ABSENT_ROW])).holding(np.array([0, 1]))
    np.testing.assert_array_equal(held, [[3, 4, 5], [np.nan] * 3])
    np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3))


def test_where_the_disk_refuses_much_it_is_held_in_memory_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = _store(tmp_path / "small", CountingExtractor("1"), "fake 1").clean().values
    monkeypatch.setattr(store_module, "RESIDENT_BYTES", 100)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "cache").write_text("a file stands where the folder would be")
    held = _store(tmp_path / "large", CountingExtractor("1"), "fake 1").clean().values
    np.testing.assert_array_equal(held, kept)
    assert "features were not cached" in caplog.text


def test_a_view_deleted_between_two_readings_is_made_again_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another worker made room: in the middle of a reading what is mapped stays readable."""
    extractor, rows = CountingExtractor("1"), np.arange(12)
    store = _store(tmp_path, extractor, "fake 1")
    store.view(rows, {"rotation_range": 20}, 1, 0)
    mapped = store.view(rows, {"rotation_range": 20}, 1, 0).values
    shutil.rmtree(store.policy_dir(rows, {"rotation_range": 20}, 1))
    again = store.view(rows, {"rotation_range": 20}, 1, 0).values
    np.testing.assert_array_equal(again, mapped)
    assert extractor.num_images == 24
    assert not caplog.text


@pytest.mark.parametrize("opening", [1, 2])
def test_a_view_deleted_while_it_is_opened_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opening: int
) -> None:
    """numpy opens a file once for its header and once to map it; the checksum is read by a
    third."""
    path = _written(tmp_path)
    load = np.load

    def load_and_lose(*arguments: Any, **options: Any) -> Any:
        if opening == 1:
            path.unlink()
        found = load(*arguments, **options)
        path.unlink()
        return found

    monkeypatch.setattr(np, "load", load_and_lose)
    assert read_features(path) is None


def test_a_large_view_deleted_as_soon_as_it_was_written_is_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _store(tmp_path / "small", CountingExtractor("1"), "fake 1").clean().values
    monkeypatch.setattr(store_module, "RESIDENT_BYTES", 100)

    def write_and_lose(path: Path, *arguments: Any) -> None:
        write_features(path, *arguments)
        path.unlink()

    monkeypatch.setattr(store_module, "write_features", write_and_lose)
    held = _store(tmp_path / "large", CountingExtractor("1"), "fake 1").clean().values
    np.testing.assert_array_equal(held, kept)


class BrightExtractor(CountingExtractor):
    """Beyond float16 for the brightest picture alone: whichever one was painted brightest."""

    def __init__(self, limit: float, value: float = 1e5) -> None:
        super().__init__("1")
        self.limit, self.value = limit, value

    def extract(
        self, batches: Iterable[np.ndarray], num_images: int, out: np.ndarray | None = None
    ) -> np.ndarray:
        found = super().extract(batches, num_images)
        found[found.mean(axis=1) > self.limit] = self.value
        if out is None:
            return found
        with np.errstate(over="ignore"):
            out[:] = found
        return out


def _bright_store(folder: Path, extractor: Any, dtype: type[np.floating]) -> FeatureStore:
    store = _store(folder, extractor, "fake 1")
    return FeatureStore(
        store.dataset,
        lambda: extractor,
        "brightnet/x",
        "fake 1",
        _resources(folder),
        KeptNumbers(dtype),
    )


def _resources(folder: Path) -> Resources:
    return Resources(cache_dir=folder / "cache", views_dir=folder / "views")


BRIGHTER = {"brightness_range": [1.8, 1.9]}


def test_views_beyond_float16_are_refused_where_clean_images_fit(tmp_path: Path) -> None:
    store = _bright_store(tmp_path, BrightExtractor(limit=160), np.float16)
    store.clean()
    with pytest.raises(
        NotFinite, match=r"brightnet do not fit in float16.*first for b\).*to float32"
    ):
        store.view(np.arange(1, 12), BRIGHTER, 1, 0)


def test_every_image_is_checked_read_or_made_or_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for resident in (400_000_000, 10):
        monkeypatch.setattr(store_module, "RESIDENT_BYTES", resident)
        for _ in range(2):  # made, then found on the disk
            store = _bright_store(tmp_path / str(resident), BrightExtractor(limit=100), np.float16)
            for _ in range(2):
                with pytest.raises(NotFinite, match="do not fit in float16"):
                    store.clean()


def test_pictures_of_no_image_are_checked_too(tmp_path: Path) -> None:
    store = _bright_store(tmp_path, BrightExtractor(limit=100), np.float16)
    with pytest.raises(NotFinite, match="first for picture 1"):
        store.of_pictures(
            np.stack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)])
        )


def test_features_that_are_no_number_are_no_matter_of_float16(tmp_path: Path) -> None:
    store = _bright_store(tmp_path, BrightExtractor(limit=100, value=np.nan), np.float32)
    with pytest.raises(
        NotFinite, match=r"brightnet gives infinite features or none \(NaN\), first for a"
    ):
        store.clean()


def test_what_fits_in_float32_is_given(tmp_path: Path) -> None:
    assert (
        _bright_store(tmp_path, BrightExtractor(limit=100), np.float32).clean().values.max() == 1e5
    )
