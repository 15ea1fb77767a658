"""Augmentations that no table holds: functions of the user's own, `FILE.py:NAME`, and transforms of
other libraries, `LIBRARY:NAME`. Their record is made of the name alone, so that every process has
it; what paints is found when a picture is painted.

    NAME(images uint8 [n, s, s, 3], strength, units float64 [n, 4] in [0, 1)) -> uint8 [n, s, s, 3]
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import numpy as np

from data.augmentation_record import LAST, Augmentation, Units, lacking
from data.errors import UserError, said_by
from data.geometry import Floats, Images
from data.own_code import (
    OWN_CODE,
    at_fault,
    is_own,
    line_of_definition,
    line_of_fault,
    one_at_a_time,
    own_function,
)
from data.transform_libraries import TRANSFORM, is_transform
from data.transforms import EXPORT_TARGETS, transform_exports, transform_of
from data.value_forms import Value

LARGEST = 1e9
FIRST_STREAM = 1 << 32  # beyond every number of the table
ENDS: tuple[Units, ...] = ((0.0, 0.0, 0.0, 0.0), (LAST, LAST, LAST, LAST))
OUTSIDE = f"{OWN_CODE.pattern}|^(?:{TRANSFORM.pattern})$"


@dataclass(frozen=True)
class Strength:
    """A number, or true and false; parsed to float or left a bool."""

    numeric: bool = True

    @property
    def allowed(self) -> str:
        return "a number, or true and false; 0 and false change nothing"

    @property
    def searched(self) -> dict[str, float]:
        return {"min": 0, "max": 1}

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
                {"type": "boolean"},
            ]
        }

    def parse(self, value: object) -> Value:
        if isinstance(value, bool):
            return value
        if not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise ValueError("no such number")
        return float(value)


def is_from_outside(name: object) -> bool:
    """Whether a name is of a function of the user's own or of a library's transform."""
    return is_own(name) or is_transform(name)


@lru_cache(maxsize=256)
def outside_record(name: str) -> Augmentation:
    """The record of such a name. Nothing is run, or looked for, to make it."""
    own = is_own(name)
    about = "A function of your own" if own else "A transform of another library"
    why = f"it is your own function {name}; call it yourself, as docs/own-code.md shows"
    number = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "little")
    return Augmentation(
        name=name,
        stream=FIRST_STREAM + number,
        identity=0.0,
        form=Strength(),
        about=f"{about}.",
        examples=(1.0,),
        draw=_strength_and_units,
        paint=partial(paint_own if own else paint_transform, name),
        ends=lambda value: ENDS,
        words=_words,
        exports=dict.fromkeys(EXPORT_TARGETS, lacking(why)) if own else transform_exports(name),
    )


def _strength_and_units(units: Floats, size: int, value: Any) -> Floats:
    """[k, 5]: the strength, then the draws, which are the function's to use."""
    return np.concatenate([np.full((len(units), 1), float(value)), units], axis=1)


def _words(numbers: Floats, value: Any) -> str:
    which = "highest" if numbers[1:].any() else "lowest"
    return f"strength {numbers[0]:.4g}, {which} draws"


def paint_own(name: str, images: Images, numbers: Floats) -> None:
    """Paints images uint8 [k, s, s, 3] in place. Raises UserError, with file and line, for whatever
    is wrong with what the function does."""
    images[...] = _painted_by(name, images, float(numbers[0, 0]), numbers[:, 1:])


def _painted_by(name: str, images: Images, strength: float, units: Floats) -> Images:
    """What the function makes of the images, which it is not let change."""
    function = own_function(name)
    kept, drawn = images.view(), np.ascontiguousarray(units)
    kept.flags.writeable = drawn.flags.writeable = False
    try:
        with one_at_a_time(name):
            found = function(kept, strength, drawn)
    except BaseException as error:
        if re.search("read-?only", said_by(error)):
            raise UserError(
                f"{name}: {line_of_fault(name, error)}it changes its input; let it work on a copy, "
                "images.copy()"
            ) from error
        raise at_fault(name, error) from error
    return _checked(name, found, images.shape)


def _checked(name: str, found: Any, shape: tuple[int, ...]) -> Images:
    wanted = f"uint8 {list(shape)}"
    if not isinstance(found, np.ndarray):
        given = type(found).__name__
    elif found.dtype == np.uint8 and found.shape == shape:
        return found
    else:
        has_nan = found.dtype.kind == "f" and bool(np.isnan(found).any())
        given = f"{found.dtype} {list(found.shape)}{' with NaN' if has_nan else ''}"
    raise UserError(
        f"{name}: {line_of_definition(name)}it returned {given}; allowed: {wanted}, as it was "
        "given (np.clip and .astype(np.uint8) make it so)"
    )


def paint_transform(name: str, images: Images, numbers: Floats) -> None:
    """As `paint_own`, by a library. An image is drawn from its own numbers alone."""
    transform_of(name).paint(images, numbers[:, 0], numbers[:, 1:])


def check_outside(name: str, strengths: tuple[Value, ...], size: int) -> None:
    """Tries it on made-up pictures: 0 changes nothing, the same draws give the same picture, alone
    and among others. Raises UserError where not."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    units, where = rng.random((4, 4)), line_of_definition(name) if is_own(name) else ""
    numbers = [float(value) for value in strengths if isinstance(value, int | float)]
    for value in numbers if is_transform(name) else ():
        transform_of(name).check_growth(value, size)
    for value in dict.fromkeys((0.0, *numbers)):
        first = _painted(name, images, value, units)
        if value == 0 and (first != images).any():
            raise UserError(
                f"{name}: {where}it changes pictures at strength 0; return the images as they are "
                "where strength is 0"
            )
        again = partial(_painted, name, images, value, units)
        if is_own(name) and _uses_shared_chance(again):
            raise UserError(
                f"{name}: {where}it draws from, or seeds, NumPy's or Python's usual generator, "
                "which is every thread's; make one of its own for each row u of units: "
                "np.random.default_rng(int(u[0] * 2**32))"
            )
        if (first != _painted(name, images, value, units)).any():
            how = "take what is random from units, [n, 4], and not from a generator of its own"
            if is_transform(name):
                how = (
                    "it draws more than its seed says, so that a picture cannot be drawn again; "
                    "leave it out, or take one of ours (docs/compared.md)"
                )
            raise UserError(
                f"{name}: {where}drawn twice from the same numbers, its pictures differ at "
                f"strength {value:g}; {how}"
            )
        alone = [_painted(name, images[i : i + 1], value, units[i : i + 1]) for i in range(4)]
        if (first != np.concatenate(alone)).any():
            raise UserError(
                f"{name}: {where}a picture comes out otherwise alone than among others, at "
                f"strength {value:g}; make each from its own pixels and its own row of units"
            )


def _uses_shared_chance(call: Callable[[], object]) -> bool:
    """Whether it draws from, or seeds, a generator that all threads of a process share. They are
    moved on before, so that seeding shows, and put back."""
    ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is only looked at
    random.random(), np.random.random()  # noqa: NPY002
    before = _shared_chance()
    try:
        call()
        return _shared_chance() != before
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)  # noqa: NPY002


def _shared_chance() -> tuple[object, ...]:
    kind, keys, *place = np.random.get_state(legacy=True)  # noqa: NPY002
    return random.getstate(), kind, np.asarray(keys).tobytes(), place


def _painted(name: str, images: Images, strength: float, units: Floats) -> Images:
    out = images.copy()
    numbers = np.concatenate([np.full((len(units), 1), strength), units], axis=1)
    paint = outside_record(name).paint
    assert paint is not None
    paint(out, numbers)
    return out


def outside_schema() -> dict[str, Any]:
    """The JSON Schema of such a strength, fixed or searched."""
    number = {"type": "number"}
    ends = {"min": number, "max": number, "step": number, "sampling": {"enum": ["linear", "log"]}}
    fixed = [number, {"type": "boolean"}]
    listed = {"type": "array", "minItems": 2, "items": {"anyOf": fixed}}
    searched = {
        "type": "object",
        "properties": ends,
        "required": ["min", "max"],
        "additionalProperties": False,
    }
    choices = {
        "type": "object",
        "properties": {"choices": listed},
        "required": ["choices"],
        "additionalProperties": False,
    }
    words = "An augmentation of your own, FILE.py:NAME, or another library's, LIBRARY:NAME."
    return {"description": words, "anyOf": [*fixed, listed, searched, choices]}
