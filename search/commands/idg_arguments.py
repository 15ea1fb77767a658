"""A call of Keras's ImageDataGenerator in a text: its arguments by name, and what they meant there
and mean here, where that differs. The text is parsed and never run.

A line per argument that has something to say, by one function each in one table; a contract test
sees to it that none is passed over. The experiment made of them is `import_idg`'s part.
"""

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from data.messages import LONGEST_VALUE, did_you_mean, literal
from data.moves import SHIFTS
from data.value_forms import is_number

Arguments = dict[str, Any]

HARMLESS = ("False", "None", "0", "0.0")
DEFAULTS = {
    "interpolation_order": ("1",),
    "zca_epsilon": ("1e-06", "1e-6"),
    "data_format": ("'channels_last'",),
    "dtype": ("'float32'",),
}
DROPPED = {
    "rescale": "the backbone scales pixels itself",
    "preprocessing_function": "the backbone preprocesses itself; what it augments has to be "
    "written as a setting",
    "featurewise_center": "it is no augmentation",
    "samplewise_center": "it is no augmentation",
    "featurewise_std_normalization": "it is no augmentation",
    "samplewise_std_normalization": "it is no augmentation",
    "zca_whitening": "it is no augmentation",
    "zca_epsilon": "it is no augmentation",
    "interpolation_order": "pictures are read bilinearly, which is order 1",
    "data_format": "arrays are read as [images, height, width, channels]; transpose them where "
    "channels come first",
    "dtype": "pictures are kept as whole numbers of 0 to 255",
}


def what_differs(arguments: Arguments, settings: Arguments) -> list[str]:
    """A line for each argument that is left out or does something else than it seems to, or than it
    did.

    settings: the augmentations that the arguments switch on, as an experiment file writes them.
    """
    left_out = [
        f"{name}={arguments[name]} is left out: {why}"
        for name, why in DROPPED.items()
        if arguments.get(name, "None") not in (*HARMLESS, *DEFAULTS.get(name, ()))
    ]
    noted = [
        said
        for name in arguments
        if name in DIFFERENCES and (said := DIFFERENCES[name](name, arguments))
    ]
    return [*left_out, *noted, *_exchanged(settings)]


def _exchanged(settings: Arguments) -> list[str]:
    # 2 px and 2.0 px are two things
    width, height = (repr(settings.get(name)) for name in SHIFTS)
    if width == height:
        return []
    return [
        "Keras 3.15's width_shift_range moves pictures up and down and its height_shift_range "
        "sideways; here the names mean "
        "what they say. Exchange the two to search around what was trained"
    ]


def _angle(name: str, arguments: Arguments) -> str:
    value = arguments[name]
    if not is_number(value) or not 0 < abs(value) < 2:
        return ""
    said = f"{name}={value} is in degrees, here and in today's Keras, and hardly changes a picture"
    turned = math.degrees(abs(value))
    if name == "shear_range":
        return f"{said}; Keras before 2.2 took radians: write {turned:.3g} for what it did then"
    share = f", {360 * abs(value):.3g} if a share of a turn" if abs(value) < 1 else ""
    return f"{said}; write {turned:.3g} if radians were meant{share}"


def _shift(name: str, arguments: Arguments) -> str:
    value, side = arguments[name], "width" if name.startswith("width") else "height"
    if isinstance(value, list):
        return _listed_shift(name, value, side)
    if not is_number(value):
        return ""
    if value <= -1:
        return (
            f"{name}={value} moves pictures by up to {abs(value):g} times their {side} in Keras, "
            f"which takes a negative number for a fraction; here it is {abs(value):g} px"
        )
    if value == 1 and isinstance(value, int):
        return (
            f"{name}=1 is left out: an int n draws from 0 to n-1, so nothing moves; 1.0 would be "
            "up to 1 px"
        )
    return ""


def _listed_shift(name: str, value: list[Any], side: str) -> str:
    largest = max((abs(each) for each in value if is_number(each)), default=0)
    unit = f"of the {side}" if largest < 1 else "px"
    said = (
        f"{name}={value} moves each picture by one of these numbers or its negative, and by "
        "nothing between"
    )
    outside = (
        f" (in Keras by that many times the {side}, as none is 1 or more)"
        if max(value) < 1 <= largest
        else ""
    )
    return (
        f"{said}{outside}; here it moves by anything up to {largest:g} {unit}, which is another "
        "distribution"
    )


def _grey_levels(name: str, arguments: Arguments) -> str:
    value = arguments[name]
    if not is_number(value) or not 0 < abs(value) < 1:
        return ""
    return (
        f"{name}={value} is in grey levels of 255, before any rescale, and hardly changes a "
        f"picture; write {255 * abs(value):.3g} if a share of them was meant"
    )


def _brightness(name: str, arguments: Arguments) -> str:
    if arguments[name] is None:
        return ""
    return (
        f"{name} multiplies the pixels, as in today's Keras; older ones stretched each picture to "
        "the full range first"
    )


def _fill_value(name: str, arguments: Arguments) -> str:
    value = arguments[name]
    if not is_number(value) or value == 0:
        return ""
    if arguments.get("fill_mode", "nearest") != "constant":
        return f"{name}={value} changes nothing: only fill_mode 'constant' reads it"
    if 0 < value <= 1 or value != int(value):
        return (
            f"{name}={value} is a grey level of 0 to 255, before any rescale, and is rounded; "
            "white is 255"
        )
    return ""


def _validation(name: str, arguments: Arguments) -> str:
    if not arguments[name]:
        return ""
    return (
        f"a generator with {name} augments its validation images too, and takes them by their "
        "order in each folder; here they "
        "stay clean and are drawn at random, class by class, so scores differ"
    )


DIFFERENCES: dict[str, Callable[[str, Arguments], str]] = {
    "rotation_range": _angle,
    "shear_range": _angle,
    **dict.fromkeys(SHIFTS, _shift),
    "channel_shift_range": _grey_levels,
    "brightness_range": _brightness,
    "cval": _fill_value,
    "validation_split": _validation,
}


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
