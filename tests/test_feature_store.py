"""Features on disk: found again, checked, made again when damaged, and kept within a budget."""

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from data.files import StorageError
from search.feature_store import make_room, read_features, write_features

FEATURES = np.arange(600, dtype=np.float32).reshape(20, 30)


def _written(folder: Path) -> Path:
    path = folder / "features" / "x.npy"
    write_features(path, FEATURES)
    return path


def test_features_are_read_back_memory_mapped(tmp_path: Path) -> None:
    found = read_features(_written(tmp_path))
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, FEATURES)


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_features(tmp_path / "none.npy") is None


@pytest.mark.parametrize("cut", [0, 1, 8, 17, 100, 1000])
def test_a_truncated_file_is_made_again(tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture) -> None:
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


def _policy(views: Path, name: str, num_bytes: int, age: int) -> Path:
    folder = views / name
    folder.mkdir(parents=True)
    (folder / "00000.npy").write_bytes(bytes(num_bytes))
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_the_policy_untouched_for_longest_goes_first(tmp_path: Path) -> None:
    old, new, mine = (_policy(tmp_path, name, 100, age) for name, age in (("a", 30), ("b", 20), ("c", 40)))
    make_room(tmp_path, 320, keep=mine, num_bytes=100)
    assert (old.exists(), new.exists(), mine.exists()) == (False, True, True)


def test_nothing_goes_while_all_fits(tmp_path: Path) -> None:
    folders = [_policy(tmp_path, name, 100, 1) for name in "abc"]
    make_room(tmp_path, 400, keep=folders[0], num_bytes=100)
    assert all(folder.exists() for folder in folders)


def test_a_trial_that_alone_is_too_much_says_what_to_raise(tmp_path: Path) -> None:
    mine = _policy(tmp_path, "mine", 300, 1)
    with pytest.raises(StorageError, match="disk_gb") as caught:
        make_room(tmp_path, 350, keep=mine, num_bytes=100)
    assert caught.value.errno == errno.EDQUOT
