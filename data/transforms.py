"""Transforms of other libraries as augmentations, written as `transform_libraries` has it.

Each picture has a transform of its own, seeded by the picture's draws, so that it can be drawn
again.
"""

import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from data.augmentation_record import CodeStep, SettingToWrite, StepWriter, call
from data.errors import UserError
from data.geometry import Floats, Images
from data.messages import did_you_mean, words_of
from data.quiet_import import import_quietly
from data.transform_libraries import TRANSFORM_LIBRARIES, WrittenTransform, written_transform

_MIXES_BATCHES = {"mixup": "training.mixup", "cutmix": "training.cutmix"}
NUM_TRANSFORM_SEEDS = 2**31
EXPORT_TARGETS = ("keras", "imagedatagenerator", "torchvision", "albumentations")


def imported_first(names: Iterable[str]) -> tuple[str, ...]:
    """The libraries of these augmentations that a process imports before TensorFlow."""
    libraries = {found.library for name in names if (found := written_transform(name)) is not None}
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
    written: WrittenTransform
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
    written = written_transform(name)
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


def _refuse_unusable(name: str, written: WrittenTransform) -> None:
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
    written = written_transform(name)
    if written is None:
        raise ValueError(f"{name} is no transform")
    return {target: partial(_step, written, target) for target in EXPORT_TARGETS}


def _step(written: WrittenTransform, target: str, setting: SettingToWrite) -> CodeStep:
    if target != written.library:
        return setting.refused(f"it is a transform of {written.library}'s")
    prefix = TRANSFORM_LIBRARIES[target].prefix
    return CodeStep(call(f"{prefix}{written.name}", *written.written(float(setting.value))))
