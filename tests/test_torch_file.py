"""PyTorch's files, read without PyTorch: as it writes them, damaged, and hostile. Nothing in them
is run."""

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import UserError
from search.features.backbones import build_backbone
from search.features.weights import MAGIC_NUMBER, PROTOCOL_VERSION, read_torch_file


class Storage:
    """How PyTorch pickles a storage: by a persistent id. `values` is what the file then holds for
    it."""

    def __init__(self, key: str, values: np.ndarray, kind: str = "FloatStorage") -> None:
        self.key, self.values, self.kind = key, values, kind


class Global:
    """Pickled as a reference to `module.name`, whether that exists or not."""

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    """Pickled as a call of `function` on `arguments`, the pickle opcode REDUCE."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


PythonPickler: Any = pickle._Pickler  # the one whose steps can be replaced


class TorchPickler(PythonPickler):
    """Writes Storage, Global and Call as PyTorch's pickles have them."""

    def persistent_id(self, value: object) -> object:
        if isinstance(value, Storage):
            kind = Global(f"torch.{value.kind}")
            return ("storage", kind, value.key, "cpu", value.values.size, None)
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Global):
            module, _, name = value.name.rpartition(".")
            self.write(f"c{module}\n{name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def tensor(
    storage: Storage, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0
) -> Call:
    return Call(
        Global("torch._utils._rebuild_tensor_v2"),
        storage,
        offset,
        size,
        stride,
        False,
        OrderedDict(),
    )


def write_torch_file(path: Path, state: object, *storages: Storage) -> Path:
    with path.open("wb") as file:
        for part in (MAGIC_NUMBER, PROTOCOL_VERSION, {"little_endian": True}, state):
            TorchPickler(file, 2).dump(part)
        pickle.dump([storage.key for storage in storages], file, 2)
        for storage in storages:
            file.write(struct.pack("<q", storage.values.size) + storage.values.tobytes())
    return path


SIX = Storage("6", np.arange(6, dtype=np.float32))


def test_sizes_strides_and_offsets_are_honoured(tmp_path: Path) -> None:
    state = {"turned": tensor(SIX, (2, 3), (1, 2)), "tail": tensor(SIX, (2,), (2,), offset=3)}
    tensors = read_torch_file(write_torch_file(tmp_path / "w.pth", state, SIX))
    assert tensors["turned"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert tensors["tail"].tolist() == [3, 5]
    assert all(values.flags.c_contiguous for values in tensors.values())


IMPOSSIBLE = {
    "beyond its storage": tensor(SIX, (2, 3), (3, 2)),
    "a negative stride": tensor(SIX, (6,), (-1,), offset=5),
    "a negative offset": tensor(SIX, (2,), (1,), offset=-1),
    "larger than its storage by repeating": tensor(SIX, (10**9, 10**9), (0, 0)),
    "sizes without strides": tensor(SIX, (2, 3), (3,)),
}


@pytest.mark.parametrize("impossible", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_tensors_are_refused(tmp_path: Path, impossible: Call) -> None:
    path = write_torch_file(tmp_path / "w.pth", {"w": impossible}, SIX)
    with pytest.raises(UserError, match="cannot be read: a tensor"):
        read_torch_file(path)


HOSTILE = (
    "os.system",
    "builtins.eval",
    "builtins.getattr",
    "subprocess.Popen",
    "torch.load",
    "pathlib.Path.touch",
)


@pytest.mark.parametrize("function", HOSTILE)
def test_a_pickle_that_calls_something_is_never_run(tmp_path: Path, function: str) -> None:
    mark = tmp_path / "was-run"
    hostile = Call(Global(function), f"touch {mark}")
    path = write_torch_file(tmp_path / "w.pth", {"w": hostile}, SIX)
    with pytest.raises(UserError, match=f"cannot be read: it refers to {function}"):
        read_torch_file(path)
    assert not mark.exists()


def test_a_hostile_header_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    mark = tmp_path / "was-run"
    with path.open("wb") as file:
        TorchPickler(file, 2).dump(Call(Global("os.system"), f"touch {mark}"))
    with pytest.raises(UserError, match=r"it refers to os\.system"):
        read_torch_file(path)
    assert not mark.exists()


def test_a_storage_length_that_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Before memory is set aside for it."""
    path = tmp_path / "w.pth"
    large = Storage("9", np.broadcast_to(np.float32(0), 2**50))
    with path.open("wb") as file:
        for part in (
            MAGIC_NUMBER,
            PROTOCOL_VERSION,
            {"little_endian": True},
            {"w": tensor(large, (1,), (1,))},
            ["9"],
        ):
            TorchPickler(file, 2).dump(part)
        file.write(struct.pack("<q", 2**50))
    with pytest.raises(UserError, match="it is truncated"):
        read_torch_file(path)


def test_another_state_dict_is_not_taken_for_lite0(tmp_path: Path) -> None:
    path = write_torch_file(tmp_path / "w.pth", {"w": tensor(SIX, (6,), (1,))}, SIX)
    with pytest.raises(UserError, match=r"has no tensor _conv_stem\.weight"):
        build_backbone("efficientnet-lite0", str(path), 32)


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = write_torch_file(
        tmp_path / "w.pth", {"_conv_stem.weight": tensor(SIX, (6, 1, 1, 1), (1, 1, 1, 1))}, SIX
    )
    with pytest.raises(UserError, match=r"has shape .* for layer stem_conv, which does not fit"):
        build_backbone("efficientnet-lite0", str(path), 32)


def test_pytorchs_newer_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(UserError, match="it is a zip archive, PyTorch's newer format"):
        read_torch_file(path)


# Each takes a quarter of a second.
NUM_DAMAGES = int(os.environ.get("AUGSEARCH_FUZZ_EXAMPLES", "3000")) // 100


@settings(
    max_examples=NUM_DAMAGES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_damage_to_a_file_is_a_user_error_or_other_numbers(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = write_torch_file(tmp_path / "w.pth", {"w": tensor(SIX, (2, 3), (3, 1))}, SIX)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        tensors = read_torch_file(path)
    except UserError:
        return
    assert all(isinstance(values, np.ndarray) for values in tensors.values())
