"""The augmentations that exchange colours for others: hue, fewer levels, inverted highlights. How
each is drawn and painted, its words, and how other libraries write it."""

import cv2
import numpy as np

from data.augmentation_record import (
    STRONG_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    call,
    choice_of,
    number,
    pair,
    symmetric,
    up_to,
    whole_up_to,
)
from data.colours import LEVELS, look_up
from data.geometry import Floats, Images
from data.value_forms import Number, Whole

LEVEL_BITS = 8
HALF_TURN = 180
# The steepest that a level changes with the hue is 255 levels in 60 degrees.
HUE_STEP = 0.5 * 60 / 255


def turn_hue(images: Images, drawn: Floats) -> None:
    """Turns the hue by drawn[:, 0] degrees (HSV, in single precision); rounds."""
    rows = images.reshape(-1, images.shape[2], 3)
    tones = cv2.cvtColor(rows.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hue = tones[..., 0].reshape(len(images), -1)
    hue[...] = (hue + drawn[:, :1].astype(np.float32)) % 360
    painted = cv2.cvtColor(tones, cv2.COLOR_HSV2RGB)
    images[...] = np.rint(painted * 255).reshape(images.shape)


def posterize(images: Images, drawn: Floats) -> None:
    """Sets the lowest drawn[:, 0] bits of each level to 0, as Pillow's ImageOps.posterize does."""
    masks = (255 << drawn[:, 0].astype(np.int64) & 255).astype(np.uint8)
    images &= masks[:, None, None, None]


def solarize(images: Images, drawn: Floats) -> None:
    """Inverts the levels from 256 - drawn[:, 0] on, as Pillow's ImageOps.solarize does."""
    look_up(images, np.where(256 - drawn[:, :1] > LEVELS, LEVELS, 255 - LEVELS))


def _keras_hue(setting: SettingToWrite) -> CodeStep:
    degrees = setting.value
    remark = f"{number(degrees)} degrees, either way: Keras counts in half turns"
    return CodeStep(f"layers.RandomHue({number(degrees / HALF_TURN)}),", (remark,))


def _torchvision_hue(setting: SettingToWrite) -> CodeStep:
    degrees = setting.value
    remark = f"{number(degrees)} degrees, either way: torchvision counts in turns"
    return CodeStep(f"v2.ColorJitter(hue={number(degrees / 360)}),", (remark,))


def _albumentations_hue(setting: SettingToWrite) -> CodeStep:
    turns = setting.value / 360
    if turns < 1 / HALF_TURN:
        return setting.refused("Albumentations turns the hue in steps of 2 degrees")
    same = [f"{name}=(1, 1)" for name in ("brightness", "contrast", "saturation")]
    code = call("A.ColorJitter", *same, f"hue={pair(-turns, turns)}", "p=1.0")
    return CodeStep(code, (), (f"{setting.name}: in steps of 2 degrees",))


def _keras_posterize(setting: SettingToWrite) -> CodeStep:
    kept = LEVEL_BITS - setting.value
    remark = f"{kept} to {LEVEL_BITS} bits kept: Keras leaves the second number out"
    return CodeStep(f"layers.RandomPosterization(factor=({kept}, {LEVEL_BITS + 1})),", (remark,))


def _torchvision_posterize(setting: SettingToWrite) -> CodeStep:
    kept = f"range({LEVEL_BITS - setting.value}, {LEVEL_BITS + 1})"
    return CodeStep(choice_of("v2.RandomPosterize(value, p=1.0)", kept), ("Bits kept",))


def _albumentations_posterize(setting: SettingToWrite) -> CodeStep:
    kept = (LEVEL_BITS - setting.value, LEVEL_BITS)
    return CodeStep(f"A.Posterize(num_bits={kept}, p=1.0),", ("Bits kept",))


def _keras_solarize(setting: SettingToWrite) -> CodeStep:
    if setting.value < 255:
        return setting.refused("Keras's Solarization draws its threshold from black up")
    return CodeStep("layers.Solarization(threshold_factor=(0.0, 1.0)),")


def _torchvision_solarize(setting: SettingToWrite) -> CodeStep:
    thresholds = f"range({256 - int(setting.value)}, 257)"
    return CodeStep(choice_of("v2.RandomSolarize(value, p=1.0)", thresholds))


def _albumentations_solarize(setting: SettingToWrite) -> CodeStep:
    least = pair((255 - setting.value) / 255, 1)
    return CodeStep(f"A.Solarize(threshold_range={least}, p=1.0),", ("Shares of 255",))


TONES: tuple[Augmentation, ...] = (
    Augmentation(
        name="hue_range",
        stream=18,
        identity=0.0,
        form=Number(0, HALF_TURN),
        unit="degrees",
        about="Turns every colour round the colour circle by an angle up to this, either way.",
        examples=(10, 40, 120),
        draw=symmetric,
        paint=turn_hue,
        step=lambda value, size: HUE_STEP,
        exports={
            "keras": _keras_hue,
            "torchvision": _torchvision_hue,
            "albumentations": _albumentations_hue,
        },
    ),
    Augmentation(
        name="posterize_range",
        stream=23,
        identity=0,
        form=Whole(0, LEVEL_BITS - 1),
        unit=f"bits of {LEVEL_BITS} taken away",
        about="Leaves fewer levels: takes away a whole number of bits up to this.",
        examples=(3, 5, 7),
        draw=whole_up_to,
        paint=posterize,
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"{numbers[0]:.0f} bits taken away",
        exports={
            "keras": _keras_posterize,
            "torchvision": _torchvision_posterize,
            "albumentations": _albumentations_posterize,
        },
    ),
    Augmentation(
        name="solarize_range",
        stream=24,
        identity=0.0,
        form=Number(0, 255),
        unit="grey levels below 256",
        about="Inverts the levels above a threshold, which is up to this far down from white.",
        examples=(50, 120, 250),
        draw=up_to,
        paint=solarize,
        idle=lambda value: "" if value > 1 else "no level is above 255",
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"from level {256 - numbers[0]:.0f} on",
        step=lambda value, size: 1.0,
        exports={
            "keras": _keras_solarize,
            "torchvision": _torchvision_solarize,
            "albumentations": _albumentations_solarize,
        },
    ),
)
