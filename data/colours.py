"""The augmentations that change pixels where they stand: channel shift, brightness, contrast,
saturation. How each is drawn and painted, its words, and how other libraries write it.

What paints takes uint8 [b, s, s, 3], changed in place, and the numbers drawn for each image,
float64 [b, p].
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.augmentation_record import (
    Augmentation,
    CodeStep,
    SettingToWrite,
    StepWriter,
    as_argument,
    between,
    call,
    lacking,
    number,
    pair,
    symmetric,
    times,
)
from data.geometry import Floats, Images
from data.value_forms import Number, NumberPair

LEVELS = np.arange(256, dtype=np.float64)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow's conversion to grey
MID_LEVEL = 127.5


def shift_channels(images: Images, drawn: Floats) -> None:
    """Adds drawn[:, 0] levels to all channels, cut off at the image's own least and largest level,
    as ImageDataGenerator does."""
    spans = np.array(
        [cv2.minMaxLoc(image.reshape(len(image), -1))[:2] for image in images]
    ).reshape(-1, 2)
    shifted = LEVELS + drawn[:, :1]
    look_up(images, np.rint(np.clip(shifted, spans[:, :1], spans[:, 1:])))


def brighten(images: Images, drawn: Floats) -> None:
    """Multiplies by drawn[:, 0] and drops the fraction, as Pillow's ImageEnhance.Brightness does in
    single precision."""
    scaled = LEVELS.astype(np.float32) * drawn[:, :1].astype(np.float32)
    look_up(images, np.clip(scaled, 0, 255))


def change_contrast(images: Images, drawn: Floats) -> None:
    """Multiplies the distance from the image's mean luma by drawn[:, 0]; rounds."""
    means = np.array([cv2.mean(image)[:3] for image in images]).reshape(-1, 3) @ LUMA
    stretched = means[:, None] + drawn[:, :1] * (LEVELS - means[:, None])
    look_up(images, np.clip(np.rint(stretched), 0, 255))


def saturate(images: Images, drawn: Floats) -> None:
    """Multiplies the distance of each pixel from its own luma by drawn[:, 0]; 0 is grey; rounds.

    OpenCV holds the weights to 1/1024, which moves a channel by up to 0.38 of a level before
    rounding.
    """
    factor = drawn[:, :1, None]
    mixes = factor * np.eye(3) + (1 - factor) * LUMA
    for image, mix in zip(images, mixes, strict=True):
        cv2.transform(image, mix, image)


def look_up(images: Images, tables: NDArray[np.floating]) -> None:
    """Replaces each level of images[i] by tables[i, level]; tables [b, 256] are cut to uint8."""
    for image, table in zip(images, tables.astype(np.uint8), strict=True):
        cv2.LUT(image, table, image)


def _levels_added(setting: SettingToWrite) -> str:
    return f"{number(setting.value)} of 255 levels, added"


def _cut_off(setting: SettingToWrite) -> str:
    return (
        f"{setting.name}: levels are cut off at 0 and 255, not at the picture's own least and "
        "largest"
    )


def _keras_shift(setting: SettingToWrite) -> CodeStep:
    code = f"layers.RandomBrightness({number(setting.value / 255)}, value_range=(0, 255)),"
    return CodeStep(code, (_levels_added(setting),), (_cut_off(setting),))


def _albumentations_shift(setting: SettingToWrite) -> CodeStep:
    limits = f"brightness_limit={pair(-setting.value / 255, setting.value / 255)}"
    code = call("A.RandomBrightnessContrast", limits, "contrast_limit=(0, 0)", "p=1.0")
    return CodeStep(code, (_levels_added(setting),), (_cut_off(setting),))


def _keras_brightness(setting: SettingToWrite) -> CodeStep:
    ends = (max(-1.0, min(1.0, (end - 1) * MID_LEVEL / 255)) for end in setting.value)
    return CodeStep(
        f"layers.RandomBrightness({pair(*ends)}, value_range=(0, 255)),",
        (_factors(setting),),
        (
            f"{setting.name}: Keras adds where we multiply; the same for mid-grey, more for dark "
            "levels, less for light ones",
        ),
    )


def _keras_contrast(setting: SettingToWrite) -> CodeStep:
    less, more = 1 - setting.value[0], setting.value[1] - 1
    if less < 0 or less > more or more > 1:
        # RandomContrast sorts its two factors: what takes away more than it adds, it would turn
        # round.
        return setting.refused("RandomContrast needs 0 <= 1 - low <= high - 1 <= 1")
    return CodeStep(
        f"layers.RandomContrast({pair(less, more)}),",
        (f"{_factors(setting)}: Keras takes how much below and above 1",),
        (
            f"{setting.name}: about each channel's own mean, not about the mean luma, and not cut "
            "off at 0 and 255",
        ),
    )


def _keras_saturation(setting: SettingToWrite) -> CodeStep:
    low, high = setting.value
    if high > 2:
        return setting.refused("RandomColorDegeneration goes up to 2 times")
    remark = f"{_factors(setting)}: this layer counts the way to grey, 1 less the factor"
    return CodeStep(f"layers.RandomColorDegeneration({pair(1 - high, 1 - low)}),", (remark,))


def _factors(setting: SettingToWrite) -> str:
    return f"{setting.value[0]:g} to {setting.value[1]:g} times"


def _torchvision_jitter(argument: str) -> StepWriter:
    return lambda setting: CodeStep(f"v2.ColorJitter({argument}={pair(*setting.value)}),")


def _albumentations_jitter(changed: str) -> StepWriter:
    def write(setting: SettingToWrite) -> CodeStep:
        ranges = dict.fromkeys(("brightness", "contrast", "saturation"), (1, 1))
        ranges[changed] = tuple(setting.value)
        arguments = [f"{name}={pair(*ends)}" for name, ends in ranges.items()]
        remark = (
            "What is not meant is switched off: ColorJitter changes everything if nothing is said"
        )
        return CodeStep(call("A.ColorJitter", *arguments, "hue=(0, 0)", "p=1.0"), (remark,))

    return write


def _multiplier(name: str, stream: int, **its_own: Any) -> Augmentation:
    """One that multiplies by a factor; its identity is to multiply by one."""
    return Augmentation(
        name=name,
        stream=stream,
        identity=[1.0, 1.0],
        form=NumberPair(0, 10, 1.0),
        unit="times",
        draw=between,
        words=times,
        step=lambda value, size: 0.5 / 255,  # changes the brightest pixel by half a grey level
        **its_own,
    )


COLOURS: tuple[Augmentation, ...] = (
    Augmentation(
        name="channel_shift_range",
        stream=8,
        identity=0.0,
        form=Number(0, 255),
        unit="grey levels",
        about="Adds one number up to this, of either sign, to all colours.",
        examples=(10, 40, 100),
        draw=symmetric,
        paint=shift_channels,
        step=lambda value, size: 0.5,
        exports={
            "keras": _keras_shift,
            "imagedatagenerator": as_argument,
            "torchvision": lacking("torchvision has nothing that adds"),
            "albumentations": _albumentations_shift,
        },
    ),
    _multiplier(
        "brightness_range",
        9,
        about="Multiplies all colours by one factor from this range.",
        examples=([0.9, 1.1], [0.7, 1.3], [0.3, 1.7]),
        paint=brighten,
        exports={
            "keras": _keras_brightness,
            "imagedatagenerator": as_argument,
            "torchvision": _torchvision_jitter("brightness"),
            "albumentations": _albumentations_jitter("brightness"),
        },
    ),
    _multiplier(
        "contrast_range",
        10,
        about="Moves colours away from their mean, or towards it, by a factor from this range.",
        examples=([0.9, 1.1], [0.7, 1.3], [0.3, 1.7]),
        paint=change_contrast,
        exports={
            "keras": _keras_contrast,
            "torchvision": _torchvision_jitter("contrast"),
            "albumentations": _albumentations_jitter("contrast"),
        },
    ),
    _multiplier(
        "saturation_range",
        11,
        about="Moves colours away from grey, or towards it, by a factor from this range.",
        examples=([0.8, 1.2], [0.5, 1.5], [0.0, 3.0]),
        paint=saturate,
        exports={
            "keras": _keras_saturation,
            "torchvision": _torchvision_jitter("saturation"),
            "albumentations": _albumentations_jitter("saturation"),
        },
    ),
)
