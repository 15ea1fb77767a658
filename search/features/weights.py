"""Weights files: what may be read, reading them into a built model, and the hash that names them.

No file is ever executed: of a .keras archive only the arrays are read, never its configuration's
classes, and of a PyTorch file only its tensors. Which weights a backbone has of its own is
`backbones`' part.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError

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
        _refuse_code(path)


def _refuse_code(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    if _holds_lambda(config):
        raise UserError(
            f"weights file {path} holds a Lambda layer, which is code and is never run; allowed "
            "are files "
            "without one: save the weights alone by model.save_weights('NAME.weights.h5')"
        )


def _holds_lambda(node: Any) -> bool:
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
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"weights file {path} is damaged, truncated or another model's ({reason}); allowed is a "
        "complete "
        "file saved from this backbone; save or download it again"
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
