"""The libraries whose transforms can be augmentations, and how one is written:
`keras:RandomPerspective`, `albumentations:GaussNoise(std_range=(0, strength), p=1)`.

What is searched stands where the arguments say `strength`: literals and arithmetic, read and never
run. Without arguments it is Keras's `factor`, and elsewhere the probability `p`.
"""

import ast
import inspect
import operator
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import UserError
from data.geometry import Images

STRENGTH = "strength"
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
class WrittenTransform:
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
    return isinstance(name, str) and written_transform(name) is not None


def written_transform(name: str) -> WrittenTransform | None:
    found = TRANSFORM.fullmatch(name)
    return None if found is None else WrittenTransform(found[1], found[2], found[3] or "")
