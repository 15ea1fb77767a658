"""Weights files: what may be read, reading them into a built model, and the hash that names them.

No file is ever executed: of a .keras archive only the arrays are read, never its configuration's
classes, and of a legacy PyTorch file (.pth) only its tensors, without PyTorch. That file is four
pickles (magic number, protocol, machine, state dict), a fifth with the storage keys, then the raw
storages, each behind its length. Which weights a backbone has of its own is `backbones`' part.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from data.errors import UserError
from data.messages import text_of

if TYPE_CHECKING:
    import keras


KERAS_SUFFIXES = (".keras", ".weights.h5", ".h5")
TORCH_SUFFIX = ".pth"


def check_file(path: Path, takes_torch: bool) -> None:
    """Raises UserError if `path` is no file of a kind that can be read, or holds code."""
    allowed = (*KERAS_SUFFIXES, TORCH_SUFFIX) if takes_torch else KERAS_SUFFIXES
    if not path.name.endswith(allowed):
        raise UserError(
            f"weights {str(path)!r} is not known; allowed: imagenet, random or a file "
            f"({', '.join(allowed)})"
        )
    if not path.is_file():
        raise UserError(
            f"weights file {path} does not exist; give the path of an existing file, imagenet or "
            "random"
        )
    if path.suffix == ".keras":
        _refuse_code(path, _keras_config(path))
    elif path.suffix == ".h5":
        _refuse_code(path, h5_config(path))


def _keras_config(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error


def h5_config(path: Path) -> object:
    """Of the whole model that an .h5 file holds; None where it holds weights alone. Raises
    UserError where it cannot be read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            return None if text is None else json.loads(text)
    except (KeyError, ValueError, TypeError, OSError, RuntimeError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _refuse_code(path: Path, config: object) -> None:
    if _holds_lambda(config):
        raise UserError(
            f"weights file {path} holds a Lambda layer, which is code and is never run; allowed "
            "are files without one: put a layer of Keras's own in its place or, where the backbone "
            "is not `file`, save the weights alone by model.save_weights('NAME.weights.h5')"
        )


def _holds_lambda(node: object) -> bool:
    if isinstance(node, dict):
        return node.get("class_name") in ("Lambda", "__lambda__") or any(
            map(_holds_lambda, node.values())
        )
    return isinstance(node, list) and any(map(_holds_lambda, node))


def load_file(
    model: keras.Model, path: Path, load_torch: Callable[[keras.Model, Path], None] | None
) -> None:
    """Sets the weights of `model` from the file at `path`, which must have every one, in its shape.

    Raises UserError, in one line, if the file is damaged, truncated or another model's; the model
    is then not to be used.
    """
    if path.suffix == TORCH_SUFFIX and load_torch is not None:
        load_torch(model, path)
        return
    try:
        model.load_weights(path)
    # Keras, h5py and zipfile raise many types for a bad file, and each means that this file does
    # not fit this model.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = text_of(error, 200) or type(error).__name__
    return UserError(
        f"weights file {path} is damaged, truncated or another model's ({reason}); allowed is a "
        "complete file saved from this backbone; save or download it again"
    )


def file_identity(name: str, path: Path) -> str:
    """A hash of the backbone's name and the file's content. Raises UserError if it cannot be
    read."""
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"weights file {path} cannot be read ({error.strerror}); give an existing file"
        ) from error
    return text_identity(name, content)


def text_identity(*parts: str) -> str:
    """A hash of the parts and of Keras's version: it draws the initial weights and names the
    downloads."""
    text = "\n".join([importlib.metadata.version("keras"), *parts])
    return hashlib.sha256(text.encode()).hexdigest()


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

    def persistent_load(self, pid: tuple[str, str, str, str, int, object]) -> _Storage:
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
            "a complete legacy PyTorch state dict of plain tensors; download or save it again"
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
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    keys = _Unpickler(file).load()
    values = {key: _read_storage(file, storages[key], file_size) for key in keys}
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
