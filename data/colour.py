"""What changes pixels where they stand: channel shift, brightness, contrast, saturation, cutout.
Images change in place.

Each function takes uint8 [b, s, s, 3] and the numbers drawn for each image, float64 [b, p]. Numbers
are drawn in `augmentations`; the operations of published policies are in `policies`.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]

LEVELS = np.arange(256, dtype=np.float64)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow's conversion to grey
MID_GREY = 127  # what zero is after the usual centring of pixels


def shift_channels(images: Images, drawn: Floats) -> None:
    """Adds drawn[:, 0] levels to all channels, cut off at the image's own least and largest level,
    as ImageDataGenerator does.
    """
    spans = np.array(
        [cv2.minMaxLoc(image.reshape(len(image), -1))[:2] for image in images]
    ).reshape(-1, 2)
    shifted = LEVELS + drawn[:, :1]
    _look_up(images, np.rint(np.clip(shifted, spans[:, :1], spans[:, 1:])))


def brighten(images: Images, drawn: Floats) -> None:
    """Multiplies by drawn[:, 0] and drops the fraction, as Pillow's ImageEnhance.Brightness does in
    single precision.
    """
    scaled = LEVELS.astype(np.float32) * drawn[:, :1].astype(np.float32)
    _look_up(images, np.clip(scaled, 0, 255))


def change_contrast(images: Images, drawn: Floats) -> None:
    """Multiplies the distance from the image's mean luma by drawn[:, 0]; rounds."""
    means = np.array([cv2.mean(image)[:3] for image in images]).reshape(-1, 3) @ LUMA
    stretched = means[:, None] + drawn[:, :1] * (LEVELS - means[:, None])
    _look_up(images, np.clip(np.rint(stretched), 0, 255))


def saturate(images: Images, drawn: Floats) -> None:
    """Multiplies the distance of each pixel from its own luma by drawn[:, 0]; 0 is grey; rounds.

    OpenCV holds the weights to 1/1024, which moves a channel by up to 0.38 of a level before
    rounding.
    """
    factor = drawn[:, :1, None]
    mixes = factor * np.eye(3) + (1 - factor) * LUMA
    for image, mix in zip(images, mixes, strict=True):
        cv2.transform(image, mix, image)


def cut_out(images: Images, drawn: Floats) -> None:
    """Sets the rectangle drawn[:, :4] (left, top, right, bottom; the last two excluded) to
    mid-grey.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout",
    2017: a square of fixed side, its centre anywhere in the image, cut off at the border.
    """
    for image, (left, top, right, bottom) in zip(
        images, drawn.astype(np.int64).tolist(), strict=True
    ):
        image[top:bottom, left:right] = MID_GREY


def square(units: Floats, size: int, side: float) -> Floats:
    """The rectangle `cut_out` takes, [k, 4], for a square of side * size pixels centred on one of
    the size * size pixels.
    """
    width = round(side * size)
    first = np.floor(units[:, :2] * size) - width // 2
    return np.clip(np.concatenate([first, first + width], axis=1), 0, size)


def share_cut(drawn: Floats, size: int) -> Floats:
    """The share of pixels under the rectangle, [k]."""
    share: Floats = (drawn[:, 2] - drawn[:, 0]) * (drawn[:, 3] - drawn[:, 1]) / size**2
    return share


def _look_up(images: Images, tables: NDArray[np.floating]) -> None:
    """Replaces each level of images[i] by tables[i, level]; tables [b, 256] are cut to uint8."""
    for image, table in zip(images, tables.astype(np.uint8), strict=True):
        cv2.LUT(image, table, image)
