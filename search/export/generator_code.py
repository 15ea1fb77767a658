"""The exporter to Keras's ImageDataGenerator, whose names, units and distributions are ours, but
for one exchange."""

from typing import Any

from data.augmentations import AUGMENTATIONS
from search.export.exporting import Exported, Policy, Step, missing, written

# What a person writes -> what moves pictures that way in Keras 3.15.
EXCHANGED = {"width_shift_range": "height_shift_range", "height_shift_range": "width_shift_range"}
EXCHANGE = (
    "Exchanged on purpose: in Keras 3.15 ImageDataGenerator's {theirs} moves pictures {way}, as "
    "{ours} does in the "
    "experiment file. Exchange them back where a later version has mended that"
)
WAYS = {"width_shift_range": "sideways", "height_shift_range": "up and down"}
UNKNOWN = ("contrast_range", "saturation_range", "policy", "cutout")
OF_UNKNOWN = {option for name in UNKNOWN for option in AUGMENTATIONS[name].options}


def write_generator(policy: Policy) -> Exported:
    head = "from tensorflow.keras.preprocessing.image import ImageDataGenerator"
    steps = [
        _step(policy, name, value)
        for name, value in policy.active.items()
        if name not in OF_UNKNOWN
    ]
    remark = Step(
        (),
        remarks=(
            "For the training images alone: give the validation images one without arguments",
        ),
    )
    return written(
        policy,
        head,
        "augmentation = ImageDataGenerator(",
        [remark, *steps],
        ")",
        "augmentation = ImageDataGenerator()",
    )


def _step(policy: Policy, name: str, value: Any) -> Step:
    if name in UNKNOWN:
        return missing(name, value, "ImageDataGenerator has nothing of the kind")
    if name in EXCHANGED:
        remark = EXCHANGE.format(theirs=EXCHANGED[name], way=WAYS[name], ours=name)
        return Step((name,), f"{EXCHANGED[name]}={value!r},", (remark,))
    return Step((name,), f"{name}={value!r},")
