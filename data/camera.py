"""The augmentations that change what a lens, a sensor or a file makes of a picture: sharpness,
blur, noise, JPEG. How each is drawn and painted, its words, and how other libraries write it."""

from math import ceil, sqrt

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from data.augmentation_record import (
    STRONG_END,
    Augmentation,
    CodeStep,
    SettingToWrite,
    between,
    call,
    choice_of,
    lacking,
    number,
    pair,
    times,
    up_to,
    whole_up_to,
)
from data.geometry import Floats, Images
from data.seeded import SEEDS, random_normals
from data.value_forms import Number, NumberPair, Whole

RANGE_STEPS = 20  # of a range, where a library has one strength only
WIDEST_BLUR = 20.0  # pixels


def sharpen(images: Images, drawn: Floats) -> None:
    """Multiplies the distance from the picture smoothed by drawn[:, 0]: Pillow's own."""
    for image, factor in zip(images, drawn[:, 0].tolist(), strict=True):
        image[...] = np.asarray(ImageEnhance.Sharpness(Image.fromarray(image)).enhance(factor))


def blur(images: Images, drawn: Floats) -> None:
    """By a Gaussian of drawn[:, 0] pixels' standard deviation, cut off at three of them."""
    for image, sigma in zip(images, drawn[:, 0].tolist(), strict=True):
        if sigma > 0:
            image[...] = cv2.GaussianBlur(image, (kernel_width(sigma),) * 2, sigma)


def kernel_width(sigma: float) -> int:
    """In pixels, odd."""
    return 2 * ceil(3 * sigma) + 1


def add_noise(images: Images, drawn: Floats) -> None:
    """Adds normal noise of standard deviation drawn[:, 0] levels to each colour of each pixel, from
    the seed drawn[:, 1]; rounds, and cuts off at 0 and 255."""
    for image, (sigma, seed) in zip(images, drawn.tolist(), strict=True):
        noisy = random_normals(seed, image.size).reshape(image.shape)
        noisy *= np.float32(sigma)
        noisy += image
        np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
        image[...] = noisy


def compress(images: Images, drawn: Floats) -> None:
    """Writes each picture as a JPEG of quality 100 - drawn[:, 0] and reads it again."""
    for image, lost in zip(images, drawn[:, 0].tolist(), strict=True):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 100 - int(lost)]
        _, written = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
        image[...] = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR_RGB))


def noise(units: Floats, size: int, most: float) -> Floats:
    """A standard deviation in [0, most), and a seed: [k, 2]."""
    return np.stack([units[:, 0] * most, np.floor(units[:, 1] * SEEDS)], axis=1)


def _spread(low: float, high: float) -> str:
    """The middles of RANGE_STEPS parts of a range, as code that yields `value`."""
    width = (high - low) / RANGE_STEPS
    return f"({number(low + width / 2)} + {number(width)} * step for step in range({RANGE_STEPS}))"


def _stepped(setting: SettingToWrite) -> str:
    return f"{setting.name}: one of {RANGE_STEPS} strengths, evenly spread over the range"


def _keras_sharpness(setting: SettingToWrite) -> CodeStep:
    low, high = setting.value
    if high > 2:
        return setting.refused("RandomSharpness goes up to 2 times")
    remark = f"{low:g} to {high:g} times: Keras counts in halves"
    edges = f"{setting.name}: at the picture's border Keras smooths with black beyond it"
    return CodeStep(f"layers.RandomSharpness({pair(low / 2, high / 2)}),", (remark,), (edges,))


def _torchvision_sharpness(setting: SettingToWrite) -> CodeStep:
    code = choice_of("v2.RandomAdjustSharpness(value, p=1.0)", _spread(*setting.value))
    return CodeStep(code, (), (_stepped(setting),))


def _keras_blur(setting: SettingToWrite) -> CodeStep:
    width = kernel_width(setting.value)
    sigma = f"sigma={pair(0, setting.value)}"
    code = call("layers.RandomGaussianBlur", "factor=(1.0, 1.0)", f"kernel_size={width}", sigma)
    caveat = (
        f"{setting.name}: Keras draws one strength across and one down for a whole batch, and "
        "blurs the border with black beyond it"
    )
    return CodeStep(code, (), (caveat,))


def _torchvision_blur(setting: SettingToWrite) -> CodeStep:
    width = kernel_width(setting.value)
    if width // 2 >= setting.size:
        return setting.refused(f"GaussianBlur needs pictures of more than {width // 2} px for it")
    return CodeStep(f"v2.GaussianBlur({width}, sigma={pair(1e-3, setting.value)}),")


def _albumentations_blur(setting: SettingToWrite) -> CodeStep:
    sigma = f"sigma_limit={pair(1e-3, max(setting.value, 1e-3))}"
    return CodeStep(f"A.GaussianBlur(blur_limit=0, {sigma}, p=1.0),")


def _keras_noise(setting: SettingToWrite) -> CodeStep:
    power = number(setting.value / 255 / sqrt(3))
    code = f"layers.Rescaling(1 / 255),\nlayers.GaussianNoise({power}),\nlayers.Rescaling(255.0),"
    remark = f"The power that 0 to {number(setting.value)} levels have on average, as share of 255"
    caveat = f"{setting.name}: one strength for all pictures, and not cut off at 0 and 255"
    return CodeStep(code, (remark,), (caveat,))


def _torchvision_noise(setting: SettingToWrite) -> CodeStep:
    spread = _spread(0, setting.value / 255)
    remark = f"{number(setting.value)} of 255 levels"
    return CodeStep(
        choice_of("v2.GaussianNoise(0.0, value)", spread), (remark,), (_stepped(setting),)
    )


def _albumentations_noise(setting: SettingToWrite) -> CodeStep:
    share = f"std_range={pair(0, setting.value / 255)}"
    remark = f"{number(setting.value)} of 255 levels"
    return CodeStep(f"A.GaussNoise({share}, p=1.0),", (remark,))


def _torchvision_jpeg(setting: SettingToWrite) -> CodeStep:
    return CodeStep(f"v2.JPEG(({100 - setting.value}, 100)),")


def _albumentations_jpeg(setting: SettingToWrite) -> CodeStep:
    code = f"A.ImageCompression(quality_range=({100 - setting.value}, 100), p=1.0),"
    return CodeStep(code, (), (f"{setting.name}: Albumentations takes red for blue in the file",))


CAMERA: tuple[Augmentation, ...] = (
    Augmentation(
        name="sharpness_range",
        stream=25,
        identity=[1.0, 1.0],
        form=NumberPair(0, 10, 1.0),
        unit="times",
        about="Sharpens pictures, or smooths them below 1, by a factor from this range.",
        examples=([0.5, 1.5], [0.0, 3.0], [0.0, 8.0]),
        draw=between,
        paint=sharpen,
        words=times,
        step=lambda value, size: 0.5 / 255,  # more than the most that a level is from its smoothing
        exports={
            "keras": _keras_sharpness,
            "torchvision": _torchvision_sharpness,
            "albumentations": lacking("Albumentations sharpens by other kernels"),
        },
    ),
    Augmentation(
        name="blur_range",
        stream=26,
        identity=0.0,
        form=Number(0, WIDEST_BLUR),
        unit="pixels, a standard deviation",
        about="Blurs pictures by a Gaussian up to this wide.",
        examples=(0.7, 1.5, 4.0),
        draw=up_to,
        paint=blur,
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"{numbers[0]:.3g} px",
        step=lambda value, size: 0.28,  # exp(-1 / 2 / 0.28 ** 2) of 255 levels come from next door
        exports={
            "keras": _keras_blur,
            "torchvision": _torchvision_blur,
            "albumentations": _albumentations_blur,
        },
    ),
    Augmentation(
        name="noise_range",
        stream=27,
        identity=0.0,
        form=Number(0, 255),
        unit="grey levels, a standard deviation",
        about="Adds normal noise to each colour of each pixel, up to this strong.",
        examples=(10, 30, 80),
        draw=noise,
        paint=add_noise,
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"{numbers[0]:.3g} grey levels",
        step=lambda value, size: 0.11,  # of which the most extreme number makes half a level
        exports={
            "keras": _keras_noise,
            "torchvision": _torchvision_noise,
            "albumentations": _albumentations_noise,
        },
    ),
    Augmentation(
        name="jpeg_range",
        stream=28,
        identity=0,
        form=Whole(0, 99),
        unit="of JPEG's quality of 100, taken away",
        about="Compresses pictures as JPEG files of a quality down to 100 less this.",
        examples=(40, 70, 95),
        draw=whole_up_to,
        paint=compress,
        ends=lambda value: STRONG_END,
        words=lambda numbers, value: f"quality {100 - numbers[0]:.0f}",
        exports={
            "keras": lacking("Keras has no layer that compresses"),
            "torchvision": _torchvision_jpeg,
            "albumentations": _albumentations_jpeg,
        },
    ),
)
