"""Arrays in files: any damage is one kind of error."""

from pathlib import Path

import numpy as np
import pytest

from data.numpy_files import DamagedArray, read_array, read_arrays


def _read(path: Path) -> object:
    if path.suffix == ".npy":
        return read_array(path)
    with path.open("rb") as file:
        return read_arrays(file)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.filterwarnings("ignore:invalid")  # Python's parser's, of what a flip made of a number
def test_any_flipped_bit_gives_an_array_or_the_one_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    np.save(path, np.arange(6.0)) if suffix == ".npy" else np.savez(path, a=np.arange(6.0))
    written, refused = path.read_bytes(), 0
    for place in range(0, len(written), 3):
        for bit in range(8):
            content = bytearray(written)
            content[place] ^= 1 << bit
            path.write_bytes(content)
            try:
                _read(path)
            except (DamagedArray, OSError, MemoryError) as error:
                refused += bool(str(error)) and "\n" not in str(error)
    assert refused > 30


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(DamagedArray, match="or holds Python objects"):
        read_array(path)


@pytest.mark.parametrize("content", [bytes(100), b"hello"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nobody_is_advised_to_unpickle_a_file_of_something_else(
    suffix: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(DamagedArray, match=r"^it is no file of plain arrays, or holds Python"):
        _read(path)


def test_an_npz_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(2))
    with pytest.raises(DamagedArray, match="npz"):
        read_array(path)
