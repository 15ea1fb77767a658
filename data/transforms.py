"""Transforms of other libraries as augmentations: `keras:RandomPerspective`,
`albumentations:GaussNoise(std_range=(0, strength), p=1)`.

What is searched stands where the arguments say `strength`: literals and arithmetic, read and never
run. Without arguments it is Keras's `factor`, and elsewhere the probability `p`. Each picture has a
transform of its own, seeded by the picture's draws, so that it can be drawn again.
"""

import ast
import importlib.util
import inspect
import operator
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from data.augmentation_record import CodeStep, SettingToWrite, StepWriter, call
from data.errors import UserError
from data.geometry import Floats, Images
from data.messages import did_you_mean, words_of
from data.quiet_import import import_quietly

STRENGTH = "strength"
_MIXES_BATCHES = {"mixup": "training.mixup", "cutmix": "training.cutmix"}
NUM_TRANSFORM_SEEDS = 2**31
MOST_EACH = 4096  # of any number in arguments: they may come from anywhere
TRANSFORM = re.compile(
    r"(keras|albumentations|torchvision):([A-Za-z]\w{0,99})(\([\w .,=()+*/'\"\[\]-]{0,200}\))?"
)
PLAIN_WORD = re.compile(r"[\w -]{0,40}")
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_TORCH = threading.Lock()  # PyTorch has one generator a process


@dataclass(frozen=True)
class TransformLibrary:
    """module: where its transforms are. base: the class they have in common. usual: where strength
    goes when no arguments are written. target, prefix: of `export`. paint: one picture uint8
    [s, s, 3] by the class, its arguments and a seed. wants_whole: whether it refuses 4.0 where it
    wants a whole number, and has no other use for 4. is_first: whether it is imported before
    TensorFlow (PyTorch 2.14 built with CUDA ends the process where it comes after 2.21)."""

    module: str
    base: str
    usual: str
    prefix: str
    paint: Callable[[Any, dict[str, Any], int, Images], Any]
    wants_whole: bool = False
    is_first: bool = False


def _by_keras(kind: Any, arguments: dict[str, Any], seed: int, picture: Images) -> Any:
    seeded = {"seed": seed} if "seed" in inspect.signature(kind.__init__).parameters else {}
    layer = kind(**arguments, **seeded)
    found = np.asarray(layer(picture[None].astype(np.float32), training=True))[0]
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def _by_albumentations(kind: Any, arguments: dict[str, Any], seed: int, picture: Images) -> Any:
    transform = kind(**arguments)
    transform.set_random_seed(seed)
    return transform(image=picture)["image"]


def _by_torchvision(kind: Any, arguments: dict[str, Any], seed: int, picture: Images) -> Any:
    import torch

    with _TORCH, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        return kind(**arguments)(planes).numpy().transpose(1, 2, 0)


TRANSFORM_LIBRARIES = {
    "keras": TransformLibrary(
        "keras.layers", "BaseImagePreprocessingLayer", "factor", "layers.", _by_keras, True
    ),
    "albumentations": TransformLibrary(
        "albumentations", "BasicTransform", "p", "A.", _by_albumentations
    ),
    "torchvision": TransformLibrary(
        "torchvision.transforms.v2", "Transform", "p", "v2.", _by_torchvision, True, is_first=True
    ),
}


@dataclass(frozen=True)
class _Written:
    """LIBRARY:NAME(ARGUMENTS), taken apart. Raises UserError where the arguments cannot be read."""

    library: str
    name: str
    arguments: str

    @property
    def keywords(self) -> Mapping[str, ast.expr]:
        text = self.arguments or f"({TRANSFORM_LIBRARIES[self.library].usual}={STRENGTH})"
        try:
            found = ast.parse(f"f{text}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._refused(text) from error
        if not isinstance(found, ast.Call) or found.args or not all(k.arg for k in found.keywords):
            raise self._refused(text)
        keywords = {str(each.arg): each.value for each in found.keywords}
        names = {n.id for each in found.keywords for n in ast.walk(each) if isinstance(n, ast.Name)}
        if names != {STRENGTH}:
            raise self._refused(text)
        return keywords

    def at(self, strength: float) -> dict[str, Any]:
        """The arguments as values, whole ones as the library wants them."""
        typed = _whole if TRANSFORM_LIBRARIES[self.library].wants_whole else _as_it_is
        try:
            return {key: typed(_value(node, strength)) for key, node in self.keywords.items()}
        except (ValueError, ArithmeticError, TypeError, RecursionError) as error:
            raise self._refused(self.arguments) from error

    def written(self, strength: float) -> tuple[str, ...]:
        return tuple(f"{key}={value!r}" for key, value in self.at(strength).items())

    def _refused(self, text: str) -> UserError:
        return UserError(
            f"augmentation.{self.library}:{self.name}: received the arguments {text}; allowed: "
            f"NAME=VALUE each, of numbers up to {MOST_EACH}, words, tuples and + - * /, with "
            f"{STRENGTH} where the searched number goes, such as (std_range=(0, {STRENGTH}), p=1)"
        )


def _as_it_is(value: Any) -> Any:
    return value


def _whole(value: Any) -> Any:
    """4 for 4.0, in a tuple too."""
    if isinstance(value, tuple):
        return tuple(map(_whole, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(node: ast.expr, strength: float) -> Any:
    """Raises ValueError for anything but literals, arithmetic and `strength`, and for numbers and
    texts that no picture needs."""
    found = _computed(node, strength)
    is_number = isinstance(found, int | float)
    if (is_number and not abs(found) <= MOST_EACH) or (
        isinstance(found, str) and not PLAIN_WORD.fullmatch(found)
    ):
        raise ValueError(ast.unparse(node))
    return found


def _computed(node: ast.expr, strength: float) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    if isinstance(node, ast.Name):
        return strength
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(each, strength) for each in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, strength)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, strength), _value(node.right, strength)
        if isinstance(left, int | float) and isinstance(right, int | float):
            return _OPERATORS[type(node.op)](left, right)
    raise ValueError(ast.unparse(node))


def is_transform(name: object) -> bool:
    """Whether a name is of the form LIBRARY:NAME or LIBRARY:NAME(ARGUMENTS)."""
    return isinstance(name, str) and _parsed(name) is not None


def _parsed(name: str) -> _Written | None:
    found = TRANSFORM.fullmatch(name)
    return None if found is None else _Written(found[1], found[2], found[3] or "")


def imported_first(names: Iterable[str]) -> tuple[str, ...]:
    """The libraries of these augmentations that a process imports before TensorFlow."""
    libraries = {found.library for name in names if (found := _parsed(name)) is not None}
    return tuple(sorted(each for each in libraries if TRANSFORM_LIBRARIES[each].is_first))


def import_first(names: Iterable[str]) -> None:
    """Imports them, where installed. Raises UserError where TensorFlow was there before."""
    for library in imported_first(names):
        if library in sys.modules or importlib.util.find_spec(library) is None:
            continue
        if "tensorflow" in sys.modules:
            raise UserError(
                f"{library}'s transforms are named, and TensorFlow was imported before {library}, "
                f"which can end the process: import {library} at the very beginning"
            )
        import_quietly(library)


@dataclass(frozen=True)
class Transform:
    """kind: the library's class."""

    name: str
    written: _Written
    kind: Any

    def paint(self, images: Images, strengths: Floats, units: Floats) -> None:
        """Each of images uint8 [k, s, s, 3] in place, by a transform with a seed of its own.
        Raises UserError for what the library refuses."""
        paint = TRANSFORM_LIBRARIES[self.written.library].paint
        for picture, strength, row in zip(images, strengths.tolist(), units, strict=True):
            if not strength:
                continue
            try:
                found = paint(
                    self.kind,
                    self.written.at(strength),
                    int(row[0] * NUM_TRANSFORM_SEEDS),
                    picture.copy(),
                )
                picture[...] = _fitting(found, picture.shape)
            except UserError:
                raise
            except Exception as error:
                raise self._refused(strength, error) from error

    def _refused(self, strength: float, error: Exception) -> UserError:
        advice = "" if strength.is_integer() else "; if it takes whole numbers alone, write step: 1"
        return UserError(
            f"augmentation.{self.name}: {self.written.library} refuses it at strength "
            f"{strength:g} ({words_of(error, 200)}); its arguments were "
            f"{', '.join(self.written.written(strength))}{advice}"
        )

    def check_growth(self, strength: float, size: int) -> None:
        """Raises UserError where one pixel, or more, doubled up to size x size, come out larger
        than that: what enlarges is seen before it fills the memory."""
        paint = TRANSFORM_LIBRARIES[self.written.library].paint
        for side in (1 << power for power in range(size.bit_length())):
            try:
                picture = np.zeros((side, side, 3), np.uint8)
                found = np.shape(paint(self.kind, self.written.at(strength), 0, picture))
            except Exception:  # perhaps too small for it; a fault is told at full size
                continue
            if max(found[:2], default=0) > size:
                seen = f"at strength {strength:g} a picture of {side} x {side} is {list(found)}"
                raise UserError(f"augmentation.{self.name}: {seen} after it; it must keep its size")


def _fitting(found: Any, shape: tuple[int, ...]) -> Images:
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != shape:
        given = f"{getattr(found, 'dtype', type(found).__name__)} {list(np.shape(found))}"
        raise ValueError(f"it gives {given}, and a picture is uint8 {list(shape)}")
    return found


@lru_cache(maxsize=64)
def transform_of(name: str) -> Transform:
    """Raises UserError where the package is not installed, or has no such transform."""
    written = _parsed(name)
    if written is None:
        raise ValueError(f"{name} is no transform")
    library = TRANSFORM_LIBRARIES[written.library]
    if importlib.util.find_spec(written.library) is None:
        raise UserError(
            f"augmentation.{name}: {written.library} is not installed; pip install "
            f"{written.library}, or leave the line out"
        )
    import_first([name])
    kind = getattr(import_quietly(library.module), written.name, None)
    if library.base not in {each.__name__ for each in getattr(kind, "__mro__", ())}:
        raise UserError(
            f"augmentation.{name}: {library.module} has no transform of images called "
            f"{written.name}; see its documentation for their names"
        )
    _refuse_unusable(name, written)
    _refuse_unknown(name, kind, written.keywords)
    return Transform(name, written, kind)


def _refuse_unusable(name: str, written: _Written) -> None:
    """Raise UserError for what mixes several pictures, and for a seed."""
    if setting := _MIXES_BATCHES.get(written.name.lower()):
        raise UserError(
            f"augmentation.{name}: it mixes two pictures and their classes, and changes nothing in "
            f"one alone; write {setting}: 0.2, which may be searched"
        )
    if "seed" in written.keywords:
        raise UserError(
            f"augmentation.{name}: seed is set here, another for each picture, from the seed of "
            "the experiment; leave it out"
        )


def _refuse_unknown(name: str, kind: Any, keywords: Iterable[str]) -> None:
    """Raise UserError for an argument that the transform has not: Albumentations only warns."""
    taken = inspect.signature(kind).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        return  # Keras's layers, which refuse it themselves
    unknown = [each for each in keywords if each not in taken]
    if unknown:
        raise UserError(
            f"augmentation.{name}: it has no argument {unknown[0]}"
            f"{did_you_mean(unknown[0], taken)}; its arguments are {', '.join(taken)}"
        )


def transform_exports(name: str) -> dict[str, StepWriter]:
    """Its own library writes it; the others lack it."""
    written = _parsed(name)
    if written is None:
        raise ValueError(f"{name} is no transform")
    return {
        target: partial(_step, written, target)
        for target in ("keras", "imagedatagenerator", "torchvision", "albumentations")
    }


def _step(written: _Written, target: str, setting: SettingToWrite) -> CodeStep:
    if target != written.library:
        return setting.refused(f"it is a transform of {written.library}'s")
    prefix = TRANSFORM_LIBRARIES[target].prefix
    return CodeStep(call(f"{prefix}{written.name}", *written.written(float(setting.value))))
