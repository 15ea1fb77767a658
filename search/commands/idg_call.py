"""A call of Keras's ImageDataGenerator in a text, as its arguments by name. The text is parsed and
never run.

What the arguments mean, and the experiment made of them, is `import_idg`'s part.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from data.messages import LONGEST_VALUE, did_you_mean, literal

CALLED = "ImageDataGenerator"
LONGEST_TEXT = 100_000

# Keras 3.15's parameters in their order, for values written without a name.
PARAMETERS = (
    "featurewise_center", "samplewise_center", "featurewise_std_normalization",
    "samplewise_std_normalization", "zca_whitening", "zca_epsilon", "rotation_range",
    "width_shift_range", "height_shift_range", "brightness_range", "shear_range", "zoom_range",
    "channel_shift_range", "fill_mode", "cval", "horizontal_flip", "vertical_flip", "rescale",
    "preprocessing_function", "data_format", "validation_split", "interpolation_order", "dtype",
)  # fmt: skip


def generator_calls(text: str) -> list[dict[str, Any]]:
    """The arguments of every ImageDataGenerator(...) in `text`, by name.

    A value that an experiment file can use is a number, word, flag, None or list; of the others (a
    function, `1./255`) the text is given. Raises UserError for text that is no Python code and for
    arguments that are not plain.
    """
    return [_arguments(call) for call in _calls(text)]


def _calls(text: str) -> list[ast.Call]:
    if len(text) > LONGEST_TEXT:
        raise UserError(f"received {len(text)} characters; pass the call of {CALLED} alone")
    try:
        tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = (getattr(error, "lineno", None) or 1) - 1
        line = next(iter(text.strip().splitlines()[number:]), "")
        raise UserError(
            f"line {number + 1} of what was passed is not Python code: {literal(line.strip())}; "
            f"pass {CALLED}(...) with every bracket and quote closed"
        ) from error
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [
        call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) == CALLED
    ]


def _arguments(call: ast.Call) -> dict[str, Any]:
    """The arguments by name. Values that are not needed (a function, `1./255`) need not be
    plain."""
    if len(call.args) > len(PARAMETERS) or any(
        isinstance(value, ast.Starred) for value in call.args
    ):
        raise UserError(
            f"{CALLED} takes {len(PARAMETERS)} arguments without a name at most, and no *list"
        )
    given = dict(zip(PARAMETERS, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg is None:
            raise UserError(f"{CALLED}(**...) hides its arguments; write them out")
        if keyword.arg not in PARAMETERS:
            hint = did_you_mean(keyword.arg, PARAMETERS)
            raise UserError(f"{CALLED} has no argument {keyword.arg}{hint}")
        if keyword.arg in given:
            raise UserError(f"{CALLED} is given {keyword.arg} twice; keep one")
        given[keyword.arg] = keyword.value
    return {name: _value(name, node) for name, node in given.items()}


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def _value(name: str, node: ast.expr) -> Any:
    """A number, word, flag, None, list or tuple; sums and quotients of numbers are worked out."""
    if name not in AUGMENTATIONS and name != "validation_split":
        text = ast.unparse(node)
        return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
    try:
        return _plain(node)
    except (ValueError, ArithmeticError) as error:
        raise UserError(
            f"{name}={ast.unparse(node)[:LONGEST_VALUE]} is not a plain value; write the number "
            "itself"
        ) from error


def _plain(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(each) for each in node.elts]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_number(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_number(node.left), _number(node.right))
    raise ValueError(f"{type(node).__name__} is not plain")


def _number(node: ast.expr) -> float:
    value = _plain(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    return value
