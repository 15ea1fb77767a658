"""What an augmentation can be exported to: one record per exporter in one table, and the code they
make together.

How each augmentation is written is in its own record; those that move pictures are one step of
`affine_code` where a library moves them once for all.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any

from data.augmentation_record import CODE_WIDTH, CodeStep, SettingToWrite
from data.augmentations import AUGMENTATIONS, active, complete, is_option
from data.errors import UserError
from search.export.affine_code import Moves, write_albumentations, write_torchvision


@dataclass(frozen=True)
class Policy:
    """An augmentation to be exported. title: what it is, for the first comment. size: the side of
    the images, in pixels."""

    title: str
    augmentation: dict[str, Any]
    size: int

    @property
    def active(self) -> dict[str, Any]:
        """Only what changes pictures."""
        return active(self.augmentation)

    def settings(self) -> list[SettingToWrite]:
        """Every augmentation and option that is on, in our order."""
        full = complete(self.augmentation)
        return [SettingToWrite(name, value, full, self.size) for name, value in self.active.items()]


@dataclass(frozen=True)
class Exported:
    """code: as text. caveats: a line each, what the code does differently. remarks: what else there
    is to say of it."""

    code: str
    caveats: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class CannotExpress(Exception):
    """The library has nothing for a part of the policy: each such part, and why."""


@dataclass(frozen=True)
class Library:
    """Whose code is written, around the steps in its call.

    name: in a sentence. imports, opening, closing: the code, which defines `augmentation`. empty:
    stands for all of it but the imports where the policy is no augmentation. remarks: comments at
    its head. affine: writes all that moves pictures as one step; None where each augmentation's
    record writes its own.
    """

    name: str
    imports: str
    opening: str
    closing: str
    empty: str
    remarks: tuple[str, ...] = ()
    affine: Callable[[Moves], CodeStep] | None = None


LIBRARIES: dict[str, Library] = {
    "keras": Library(
        name="Keras",
        imports="import keras\nfrom keras import layers",
        opening="# Levels 0..255. Only fit(), or a call with training=True, augments\n"
        "augmentation = keras.Sequential(\n    [",
        closing='    ],\n    name="augmentation",\n)',
        empty="augmentation = layers.Identity()",
    ),
    "imagedatagenerator": Library(
        name="ImageDataGenerator",
        imports="from tensorflow.keras.preprocessing.image import ImageDataGenerator",
        opening="augmentation = ImageDataGenerator(",
        closing=")",
        empty="augmentation = ImageDataGenerator()",
        remarks=(
            "For the training images alone: give the validation images one without arguments",
        ),
    ),
    "torchvision": Library(
        name="torchvision",
        imports="from torchvision.transforms import v2",
        opening="# For uint8 tensors [3, height, width], for training alone\n"
        "augmentation = v2.Compose(\n    [",
        closing="    ]\n)",
        empty="augmentation = v2.Identity()",
        affine=write_torchvision,
    ),
    "albumentations": Library(
        name="Albumentations",
        imports="import albumentations as A\nimport cv2",
        opening='# For uint8 images [height, width, 3]: augmentation(image=image)["image"]; '
        "for training alone\naugmentation = A.Compose(\n    [",
        closing="    ]\n)",
        empty="augmentation = A.NoOp()",
        affine=write_albumentations,
    ),
}
EXPORTERS = ("json", *LIBRARIES)


def write(policy: Policy, to: str) -> Exported:
    """The policy as code for `to`, one of EXPORTERS. Raises UserError where that cannot express all
    of it."""
    try:
        return _write(policy, to)
    except CannotExpress as lacking:
        able = " or ".join(targets_of(policy))
        raise UserError(f"--to {to} cannot express {lacking}; choose --to {able}") from lacking


def targets_of(policy: Policy) -> list[str]:
    """The exporters that can express all of the policy: the settings, then libraries, in order."""
    return [name for name in EXPORTERS if _expresses(policy, name)]


def _expresses(policy: Policy, to: str) -> bool:
    try:
        _write(policy, to)
    except CannotExpress:
        return False
    return True


def _write(policy: Policy, to: str) -> Exported:
    return _as_json(policy) if to == "json" else _as_code(policy, to)


def _as_json(policy: Policy) -> Exported:
    """The settings as an experiment file takes them, with their units."""
    settings = policy.active
    value = {
        "title": policy.title,
        "image_size": policy.size,
        "augmentation": settings,
        "units": {name: unit for name in settings if (unit := AUGMENTATIONS[name].unit)},
    }
    return Exported(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _as_code(policy: Policy, to: str) -> Exported:
    """A title, imports, and the steps a line each under their comments.

    Raises CannotExpress: code that leaves a part out would train something else.
    """
    library, steps = LIBRARIES[to], list(_steps(policy, to))
    if lacks := [lack for step in steps for lack in step.lacks]:
        raise CannotExpress("; ".join(lacks))
    caveats = tuple(caveat for step in steps for caveat in step.caveats)
    parts = [_comment(policy.title), library.imports, ""]
    if steps:
        depth = "    " * (2 if "\n" in library.opening else 1)
        body = [*map(_comment, library.remarks), *map(_step_text, steps)]
        parts += [library.opening, indent("\n".join(body), depth), library.closing]
    else:
        parts += [library.empty]
    return Exported("\n".join(parts) + "\n", caveats)


def _steps(policy: Policy, to: str) -> Iterator[CodeStep]:
    """The steps of every augmentation that is on, in our order; what moves pictures comes first
    where it is one step. An option is written by the augmentations that read it, unless its record
    writes it."""
    library, settings = LIBRARIES[to], policy.settings()
    if library.affine and (moves := _moves(settings)):
        yield library.affine(Moves(moves, policy.size))
        moved = {setting.name for setting, _ in moves}
        settings = [setting for setting in settings if setting.name not in moved]
    for setting in settings:
        write_step = AUGMENTATIONS[setting.name].exports.get(to)
        if write_step:
            yield write_step(setting)
        elif not is_option(setting.name):
            yield setting.refused(f"{library.name} has nothing of the kind")


def _moves(settings: Sequence[SettingToWrite]) -> list[tuple[SettingToWrite, Any]]:
    return [
        (setting, motion(setting.value, setting.size))
        for setting in settings
        if (motion := AUGMENTATIONS[setting.name].motion)
    ]


def _step_text(step: CodeStep) -> str:
    comments = [*step.remarks, *(f"Differs: {caveat}" for caveat in step.caveats)]
    return "\n".join([*map(_comment, comments), step.code])


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(text, CODE_WIDTH, break_long_words=False))
