"""Reads the tensors of a legacy PyTorch weights file (.pth) without PyTorch and without running
anything in it.

The file is four pickles (magic number, protocol, machine, state dict), a fifth with the storage
keys, then the raw storages, each behind its length. What the tensors are called and where they go
in a model belongs to the backbone, not here.
"""

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data.errors import UserError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_LENGTH = np.dtype("<i8")
_STORAGE_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    num_values: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows four names and calls nothing else: any other global ends the reading before it is
    looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A new function each time: a hostile file that sets attributes on it spoils only its
            # own copy.
            return lambda *arguments: _Tensor(*arguments[:4])
        if module == "torch" and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, num_values, view = pid
        if kind != "storage" or view is not None or dtype not in _STORAGE_TYPES.values():
            raise pickle.UnpicklingError("it holds something other than plain tensors")
        return _Storage(key, dtype, num_values)


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """The file's tensors by name, contiguous, float32 or int64; sizes and strides are honoured.

    Raises UserError if the file is not a legacy PyTorch state dict, is damaged or truncated, or
    refers to anything but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except FileNotFoundError:
        raise UserError(
            f"weights file {path} does not exist; give the path of an existing file"
        ) from None
    # A damaged pickle can raise nearly anything; whatever it is, the file is what the user has to
    # mend.
    except Exception as error:
        raise UserError(
            f"weights file {path} cannot be read: {str(error) or type(error).__name__}; allowed is "
            "a "
            "complete legacy PyTorch state dict of plain tensors; download or save it again"
        ) from error


def _read(file: BinaryIO, file_size: int) -> dict[str, np.ndarray]:
    if file.read(2) == b"PK":
        raise ValueError(
            "it is a zip archive, PyTorch's newer format (save with "
            "_use_new_zipfile_serialization=False)"
        )
    file.seek(0)
    header = [_Unpickler(file).load() for _ in range(3)]
    if header[:2] != [MAGIC_NUMBER, PROTOCOL_VERSION] or header[2].get("little_endian") is not True:
        raise ValueError("its header is not PyTorch's")
    tensors = _Unpickler(file).load()
    if not isinstance(tensors, dict) or not all(
        isinstance(tensor, _Tensor) for tensor in tensors.values()
    ):
        raise ValueError("it is not a state dict")
    wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    keys = _Unpickler(file).load()
    values = {key: _read_storage(file, wanted[key], file_size) for key in keys}
    return {name: _strided(tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storage(file: BinaryIO, storage: _Storage, file_size: int) -> np.ndarray:
    length = np.frombuffer(file.read(_LENGTH.itemsize), _LENGTH)
    if length.size != 1 or length[0] != storage.num_values:
        raise ValueError(f"storage {storage.key} is missing or has another length than announced")
    num_bytes = storage.num_values * np.dtype(storage.dtype).itemsize
    # Checked before reading: a false length must not make us reserve that much memory.
    if num_bytes > file_size - file.tell():
        raise ValueError("it is truncated")
    return np.frombuffer(file.read(num_bytes), storage.dtype)


def _strided(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    sizes_are_valid = all(size > 0 for size in tensor.size) and all(
        stride >= 0 for stride in tensor.stride
    )
    if not sizes_are_valid or len(tensor.size) != len(tensor.stride) or tensor.offset < 0:
        raise ValueError("a tensor's sizes or strides are impossible")
    steps = zip(tensor.size, tensor.stride, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    if last >= values.size or math.prod(tensor.size) > values.size:
        raise ValueError("a tensor reaches beyond its storage")
    byte_strides = [stride * values.itemsize for stride in tensor.stride]
    view = np.lib.stride_tricks.as_strided(
        values[tensor.offset :], tensor.size, byte_strides, writeable=False
    )
    return np.ascontiguousarray(view)
