"""The augmentations that a picture has wholly or not at all: flips, of half of the pictures; grey,
stretched, equalized and negative, of a share of them. How each is drawn and painted, or its matrix,
its words, and how other libraries write it."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from data.augmentation_record import (
    FIRST_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    StepWriter,
    as_argument,
    lacking,
    number,
    pair,
    plain,
)
from data.geometry import Floats, Images, scaling
from data.value_forms import Flag, Number


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


def chosen(units: Floats, size: int, share: float) -> Floats:
    """1 for a share of the images, 0 for the others."""
    return np.where(units[:, :1] < share, 1.0, 0.0)


def _of_chosen(change: Callable[[NDArray[np.uint8]], Any]) -> Callable[[Images, Floats], None]:
    """What paints the chosen images, uint8 [s, s, 3] each, by `change`."""

    def paint(images: Images, drawn: Floats) -> None:
        for index in np.flatnonzero(drawn[:, 0]):
            images[index] = change(images[index])

    return paint


def _grey(image: NDArray[np.uint8]) -> NDArray[Any]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]


def _by_pillow(change: Callable[[Image.Image], Image.Image]) -> Callable[[NDArray[np.uint8]], Any]:
    return lambda image: np.asarray(change(Image.fromarray(image)))


def _share_argument(start: str) -> StepWriter:
    return lambda setting: CodeStep(f"{start}{number(setting.value)}),")


def _keras_stretch(setting: SettingToWrite) -> CodeStep:
    if setting.value < 1:
        return setting.refused("Keras's AutoContrast changes every picture")
    return CodeStep("layers.AutoContrast(value_range=(0, 255)),")


def _keras_invert(setting: SettingToWrite) -> CodeStep:
    # A single number would be the most that the probability is drawn to be.
    return CodeStep(f"layers.RandomInvert(factor={pair(setting.value, setting.value)}),")


def _share(name: str, stream: int, done: str, **its_own: Any) -> Augmentation:
    """One that changes a share of the pictures. done: of one that was changed."""
    return Augmentation(
        name=name,
        stream=stream,
        identity=0.0,
        form=Number(0, 1),
        unit="share of the images",
        examples=(1.0,),
        draw=chosen,
        ends=lambda value: FIRST_END,
        words=lambda numbers, value: done if numbers[0] else "as it is",
        **its_own,
    )


NOW_AND_THEN: tuple[Augmentation, ...] = (
    _share(
        "grayscale_share",
        19,
        "grey",
        about="Makes some pictures grey.",
        paint=_of_chosen(_grey),
        exports={
            "keras": _share_argument("layers.RandomGrayscale(factor="),
            "torchvision": _share_argument("v2.RandomGrayscale("),
            "albumentations": _share_argument("A.ToGray(p="),
        },
    ),
    _share(
        "auto_contrast_share",
        20,
        "stretched",
        about="Stretches each colour of some pictures to go from 0 to 255.",
        paint=_of_chosen(_by_pillow(ImageOps.autocontrast)),
        exports={
            "keras": _keras_stretch,
            "torchvision": _share_argument("v2.RandomAutocontrast("),
            "albumentations": _share_argument('A.AutoContrast(method="pil", p='),
        },
    ),
    _share(
        "equalize_share",
        21,
        "equalized",
        about="Makes all levels of each colour about as frequent, in some pictures.",
        paint=_of_chosen(_by_pillow(ImageOps.equalize)),
        exports={
            "keras": lacking("Keras 3.15 cannot run its Equalization within a Sequential model"),
            "torchvision": _share_argument("v2.RandomEqualize("),
            "albumentations": _share_argument('A.Equalize(mode="pil", p='),
        },
    ),
    _share(
        "invert_share",
        22,
        "negative",
        about="Turns some pictures into their negative.",
        paint=_of_chosen(np.invert),
        exports={
            "keras": _keras_invert,
            "torchvision": _share_argument("v2.RandomInvert("),
            "albumentations": _share_argument("A.InvertImg(p="),
        },
    ),
)
