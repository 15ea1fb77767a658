"""Flips: half of the pictures mirrored, left and right or up and down. How they are drawn, their
matrices and words, and how other libraries write them."""

from collections.abc import Callable

import numpy as np

from data.augmentation_record import (
    FIRST_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    StepWriter,
    as_argument,
    plain,
)
from data.geometry import Floats, scaling
from data.value_forms import Flag


def coin(units: Floats, size: int, value: bool) -> Floats:
    """-1 (mirrored) for half of the images, 1 for the others."""
    return np.where(units[:, :1] < 0.5, -1.0, 1.0)


def _keras_vertical_flip(setting: SettingToWrite) -> CodeStep:
    both = (
        'One layer for both would flip both ways at once ("horizontal_and_vertical" tosses one '
        "coin)"
    )
    flips_both = setting.settings["horizontal_flip"]
    return CodeStep('layers.RandomFlip("vertical"),', (both,) if flips_both else ())


def _flip(
    name: str,
    stream: int,
    about: str,
    axes: Callable[[Floats], tuple[Floats, Floats]],
    exports: dict[str, StepWriter],
) -> Augmentation:
    return Augmentation(
        name=name,
        stream=stream,
        identity=False,
        form=Flag(),
        unit="half of the images",
        about=about,
        examples=(True,),
        draw=coin,
        matrix=lambda drawn: scaling(*axes(drawn[:, 0])),
        ends=lambda value: FIRST_END,
        words=lambda numbers, value: "flipped" if numbers[0] < 0 else "as it is",
        exports={"imagedatagenerator": as_argument, **exports},
    )


FLIPS: tuple[Augmentation, ...] = (
    _flip(
        "horizontal_flip",
        6,
        "Mirrors left and right.",
        lambda sign: (sign, np.ones_like(sign)),
        {
            "keras": plain('layers.RandomFlip("horizontal"),'),
            "torchvision": plain("v2.RandomHorizontalFlip(0.5),"),
            "albumentations": plain("A.HorizontalFlip(p=0.5),"),
        },
    ),
    _flip(
        "vertical_flip",
        7,
        "Turns upside down, mirrored.",
        lambda sign: (np.ones_like(sign), sign),
        {
            "keras": _keras_vertical_flip,
            "torchvision": plain("v2.RandomVerticalFlip(0.5),"),
            "albumentations": plain("A.VerticalFlip(p=0.5),"),
        },
    ),
)
