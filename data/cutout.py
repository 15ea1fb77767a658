"""Cutout: a mid-grey square somewhere in each picture. How it is drawn and painted, its words, and
how other libraries write it."""

import numpy as np

from data.augmentation_record import Augmentation, CodeStep, SettingToWrite, call, number
from data.geometry import Floats, Images
from data.value_forms import Number

MID_GREY = 127  # what zero is after the usual centring of pixels


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
    the size * size pixels."""
    width = round(side * size)
    first = np.floor(units[:, :2] * size) - width // 2
    return np.clip(np.concatenate([first, first + width], axis=1), 0, size)


def share_cut(drawn: Floats, size: int) -> Floats:
    """The share of pixels under the rectangle, [k]."""
    share: Floats = (drawn[:, 2] - drawn[:, 0]) * (drawn[:, 3] - drawn[:, 1]) / size**2
    return share


def _cut_inside(setting: SettingToWrite) -> str:
    return f"{setting.name}: the square stays inside the picture; ours may be cut off at the border"


def _keras_cutout(setting: SettingToWrite) -> CodeStep:
    area = number(setting.value**2)
    return CodeStep(
        f"layers.RandomErasing(factor=(1.0, 1.0), scale=({area}, {area}), fill_value=127),",
        (f"{number(setting.value)} of the side: Keras counts in areas",),
        (_cut_inside(setting),),
    )


def _torchvision_cutout(setting: SettingToWrite) -> CodeStep:
    if round(setting.value * setting.size) >= setting.size:
        return setting.refused(
            "RandomErasing leaves a picture as it is rather than erase a whole side of it"
        )
    area = number(setting.value**2)
    return CodeStep(
        f"v2.RandomErasing(p=1.0, scale=({area}, {area}), ratio=(1.0, 1.0), value=127),",
        (f"{setting.value:g} of the side: counted in areas",),
        (_cut_inside(setting),),
    )


def _albumentations_cutout(setting: SettingToWrite) -> CodeStep:
    side = setting.value  # as a float: an int would be pixels
    sides = [f"hole_{name}_range={(side, side)}" for name in ("height", "width")]
    code = call("A.CoarseDropout", "num_holes_range=(1, 1)", *sides, "fill=127", "p=1.0")
    return CodeStep(code, (), (_cut_inside(setting),))


CUTOUT = Augmentation(
    name="cutout",
    stream=13,
    identity=0.0,
    form=Number(0, 1),
    unit="fraction of the side",
    about="Covers one square in mid-grey.",
    examples=(0.1, 0.25, 0.5),
    draw=square,
    paint=cut_out,
    covers=share_cut,
    ends=lambda value: ((0.5, 0.5, 0.0, 0.0),),
    words=lambda numbers, value: f"{value:.3g} of the side",
    step=lambda value, size: 0.5 / size,  # half a pixel, which is rounded to none
    exports={
        "keras": _keras_cutout,
        "torchvision": _torchvision_cutout,
        "albumentations": _albumentations_cutout,
    },
)
