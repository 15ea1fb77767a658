"""Decoded once and kept: what makes it decode again, what it survives, what it says when it cannot
write."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pictures import SPLIT_COUNTS, encoded, folder_config, opened, picture, refusal, write_folders

from data.files import TEMPORARY_PREFIX, StorageError
from data.settings import DatasetConfig

NOBODY = 65534


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    return tmp_path / "cache"


def num_decoded(config: DatasetConfig, cache: Path) -> int:
    calls: list[int] = []
    opened(config, cache, progress=lambda done, total: calls.append(done))
    return len(calls)


def store_of(cache: Path) -> Path:
    (file,) = (cache / "decoded").iterdir()
    return file


def test_any_number_of_threads_gives_the_same(root: Path, tmp_path: Path) -> None:
    config = folder_config(root)
    digests = {opened(config, tmp_path / str(n), num_threads=n).digest for n in (1, 2, 7)}
    assert len(digests) == 1


def test_a_file_that_changed_is_decoded_again(root: Path, cache: Path) -> None:
    config = folder_config(root)
    before = opened(config, cache).digest
    assert num_decoded(config, cache) == 0
    (root / "train" / "cat" / "000.png").write_bytes(encoded(picture(99)))
    assert num_decoded(config, cache) == 10
    assert opened(config, cache).digest != before


def test_another_size_is_another_store(root: Path, cache: Path) -> None:
    assert num_decoded(folder_config(root), cache) == 10
    assert num_decoded(folder_config(root, image_size=32), cache) == 10
    assert num_decoded(folder_config(root), cache) == 0


@pytest.mark.parametrize("damage", ["pixel", "digest", "cut", "longer", "empty", "text"])
def test_a_damaged_store_is_noticed_and_made_again(
    root: Path, cache: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = folder_config(root)
    before = opened(config, cache)
    digest, pixels = before.digest, before.images.copy()
    store = store_of(cache)
    data = bytearray(store.read_bytes())
    if damage in ("pixel", "digest"):
        data[{"pixel": 5000, "digest": 10 * 16 * 16 * 3 + 7}[damage]] ^= 1
    store.unlink()  # the old map stays as it was
    others = {"cut": data[:-1], "longer": data + b"\0", "empty": b"", "text": b"text" * 100}
    store.write_bytes(bytes(others.get(damage, data)))

    after = opened(config, cache)

    assert after.digest == digest
    assert np.array_equal(after.images, pixels)
    assert "is damaged" in caplog.text
    assert num_decoded(config, cache) == 0


def test_seeds_share_one_store(tmp_path: Path, cache: Path) -> None:
    write_folders(tmp_path / "data", {"cat": 12, "dog": 12})
    config = folder_config(tmp_path / "data")
    first, second = opened(config, cache, seed=1), opened(config, cache, seed=2)
    assert store_of(cache).is_file()
    assert not np.array_equal(first.splits, second.splits)


def test_a_stopped_pass_leaves_nothing_and_the_next_one_starts_over(
    root: Path, cache: Path
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(folder_config(root), cache, progress=stop)
    assert not list((cache / "decoded").iterdir())
    assert num_decoded(folder_config(root), cache) == 10


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_room_is_told_before_decoding(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: DiskUsage(10**9, 10**9, 5000))
    assert "the decoded images take 0.0 GB" in refusal(folder_config(root), cache)


def test_a_disk_that_refuses_half_way_is_told_and_nothing_stays(root: Path, cache: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 16 * 16 * 3, hard))  # half of the pixels
    try:
        with pytest.raises(StorageError, match="cannot write the decoded images"):
            opened(folder_config(root), cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((cache / "decoded").iterdir())
    assert num_decoded(folder_config(root), cache) == 10


def test_leftovers_of_killed_processes_are_swept(root: Path, cache: Path) -> None:
    (cache / "decoded").mkdir(parents=True)
    old, young, others = (
        f"{TEMPORARY_PREFIX}{each}" for each in ("1-" + 12 * "0", "1-" + 12 * "1", "x")
    )
    for name, hours in ((old, 7), (young, 1), (others, 7)):
        path = cache / "decoded" / name
        path.touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)
    opened(folder_config(root), cache)
    left = {path.name for path in (cache / "decoded").glob(f"{TEMPORARY_PREFIX}*")}
    assert left == {young, others}


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that everybody may enter, with permissions that count even where the tests run as
    root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(user)
    shutil.rmtree(folder)


def test_a_folder_without_permission_is_named_and_found_again_when_mended(as_nobody: Path) -> None:
    write_folders(as_nobody / "data", SPLIT_COUNTS | {"train/cat/locked": 1})
    (as_nobody / "data/train/cat/locked").chmod(0)
    config = folder_config(as_nobody / "data")
    message = refusal(config, as_nobody / "cache")
    (as_nobody / "data/train/cat/locked").chmod(0o700)
    assert "1 file cannot be used: train/cat/locked (Permission denied)" in message
    assert len(opened(config, as_nobody / "cache").names) == 11


def test_a_file_that_becomes_readable_is_taken_in(as_nobody: Path) -> None:
    write_folders(as_nobody / "data", SPLIT_COUNTS)
    (as_nobody / "data/train/cat/000.png").chmod(0)
    config = folder_config(as_nobody / "data", on_bad_file="skip")
    locked = opened(config, as_nobody / "cache")
    (as_nobody / "data/train/cat/000.png").chmod(0o600)
    assert [item.reason for item in locked.notes.left_out] == ["Permission denied"]
    assert len(opened(config, as_nobody / "cache").names) == 10


def test_a_cache_without_permission_is_told_in_one_line(as_nobody: Path) -> None:
    write_folders(as_nobody / "data", SPLIT_COUNTS)
    (as_nobody / "cache").mkdir(mode=0o500)
    with pytest.raises(OSError, match=r"cannot write the decoded images .*permission denied"):
        opened(folder_config(as_nobody / "data"), as_nobody / "cache")
