"""The exporter to Keras's preprocessing layers: other units, four interpolations where ours has
one.

A layer after another reads from the picture that the one before made, so layers in our order give
our product of matrices.
"""

from math import radians, sin
from typing import Any

from search.export.exporting import (
    CUT_INSIDE,
    CUT_OFF,
    Exported,
    Policy,
    Step,
    Writer,
    missing,
    number,
    pair,
    plain,
    steps_of,
    written,
    zoom_ends,
)

MID_LEVEL = 127.5


def write_keras(policy: Policy) -> Exported:
    return written(
        policy,
        "import keras\nfrom keras import layers",
        "# Levels 0..255. Only fit(), or a call with training=True, augments\naugmentation = "
        "keras.Sequential(\n    [",
        steps_of(policy, STEPS),
        '    ],\n    name="augmentation",\n)',
        "augmentation = layers.Identity()",
    )


def _fill(policy: Policy) -> str:
    mode, level = policy.fill
    return f'fill_mode="{mode}"' + (f", fill_value={number(level)}" if mode == "constant" else "")


def _rotation(policy: Policy, degrees: float) -> Step:
    code = f"layers.RandomRotation({number(degrees / 360)}, {_fill(policy)}),"
    return Step(
        ("rotation_range",), code, (f"{number(degrees)} degrees: Keras counts in turns of 360",)
    )


def _width_shift(policy: Policy, value: Any) -> Step:
    factor = number(min(policy.shift_pixels("width_shift_range") / policy.size, 1))
    return _shift(policy, "width_shift_range", f"height_factor=0.0, width_factor={factor}")


def _height_shift(policy: Policy, value: Any) -> Step:
    factor = number(min(policy.shift_pixels("height_shift_range") / policy.size, 1))
    return _shift(policy, "height_shift_range", f"height_factor={factor}, width_factor=0.0")


def _shift(policy: Policy, name: str, factors: str) -> Step:
    remark = (
        f"{number(policy.shift_pixels(name))} px of {policy.size}: Keras counts in fractions of "
        "the side"
    )
    caveats = (
        (f"{name}: any shift instead of whole pixels",) if policy.draws_whole_pixels(name) else ()
    )
    return Step(
        (name,), f"layers.RandomTranslation({factors}, {_fill(policy)}),", (remark,), caveats
    )


def _shear(policy: Policy, degrees: float) -> Step:
    code = f"layers.RandomShear(x_factor=(0.0, {number(sin(radians(degrees)))}), {_fill(policy)}),"
    caveat = (
        "shear_range: Keras leans pictures about their corner, not their centre, and leaves their "
        "height as it is"
    )
    return Step(
        ("shear_range",),
        code,
        (f"{number(degrees)} degrees: Keras counts in sines, either way",),
        (caveat,),
    )


def _zoom(policy: Policy, value: float | list[float]) -> Step:
    low, high = zoom_ends(value)
    if high > 2:
        return missing("zoom_range", value, "Keras shrinks no further than to a half")
    factor = pair(max(low - 1, -0.999), high - 1)
    remarks = (
        f"{number(low)} to {number(high)} times: Keras takes the factor less 1, above 0 shrinks",
        "Both factors, or x and y would be zoomed alike",
    )
    code = f"layers.RandomZoom(height_factor={factor}, width_factor={factor}, {_fill(policy)}),"
    return Step(("zoom_range",), code, remarks)


def _vertical_flip(policy: Policy, value: bool) -> Step:
    both = (
        'One layer for both would flip both ways at once ("horizontal_and_vertical" tosses one '
        "coin)",
    )
    remarks = both if "horizontal_flip" in policy.active else ()
    return Step(("vertical_flip",), 'layers.RandomFlip("vertical"),', remarks)


def _channel_shift(policy: Policy, levels: float) -> Step:
    code = f"layers.RandomBrightness({number(levels / 255)}, value_range=(0, 255)),"
    return Step(
        ("channel_shift_range",), code, (f"{number(levels)} of 255 levels, added",), (CUT_OFF,)
    )


def _brightness(policy: Policy, value: list[float]) -> Step:
    low, high = (max(-1.0, min(1.0, (end - 1) * MID_LEVEL / 255)) for end in value)
    code = f"layers.RandomBrightness({pair(low, high)}, value_range=(0, 255)),"
    caveat = (
        "brightness_range: Keras adds where we multiply; the same for mid-grey, more for dark "
        "levels, less for light ones"
    )
    return Step(("brightness_range",), code, (f"{value[0]:g} to {value[1]:g} times",), (caveat,))


def _contrast(policy: Policy, value: list[float]) -> Step:
    less, more = 1 - value[0], value[1] - 1
    if less < 0 or less > more or more > 1:
        # RandomContrast sorts its two factors: what takes away more than it adds, it would turn
        # round.
        return missing(
            "contrast_range", value, "RandomContrast needs 0 <= 1 - low <= high - 1 <= 1"
        )
    caveat = (
        "contrast_range: about each channel's own mean, not about the mean luma, and not cut off "
        "at 0 and 255"
    )
    return Step(
        ("contrast_range",),
        f"layers.RandomContrast({pair(less, more)}),",
        (f"{value[0]:g} to {value[1]:g} times: Keras takes how much below and above 1",),
        (caveat,),
    )


def _saturation(policy: Policy, value: list[float]) -> Step:
    if value[1] > 2:
        return missing("saturation_range", value, "RandomColorDegeneration goes up to 2 times")
    code = f"layers.RandomColorDegeneration({pair(1 - value[1], 1 - value[0])}),"
    remark = (
        f"{value[0]:g} to {value[1]:g} times: this layer counts the way to grey, 1 less the factor"
    )
    return Step(("saturation_range",), code, (remark,))


def _cutout(policy: Policy, side: float) -> Step:
    area = number(side**2)
    code = f"layers.RandomErasing(factor=(1.0, 1.0), scale=({area}, {area}), fill_value=127),"
    return Step(
        ("cutout",), code, (f"{number(side)} of the side: Keras counts in areas",), (CUT_INSIDE,)
    )


def _policy(policy: Policy, value: str) -> Step:
    if value == "trivial_augment_wide":
        return missing("policy", value, "Keras has no such layer")
    why = "Keras's RandAugment draws once for a whole batch and has other operations and ranges"
    return missing("policy", value, why)


# fill_mode and cval are arguments of the layers that move, policy_ops and policy_magnitude of the
# policy.
STEPS: dict[str, Writer] = {
    "rotation_range": _rotation,
    "width_shift_range": _width_shift,
    "height_shift_range": _height_shift,
    "shear_range": _shear,
    "zoom_range": _zoom,
    "horizontal_flip": plain("horizontal_flip", 'layers.RandomFlip("horizontal"),'),
    "vertical_flip": _vertical_flip,
    "channel_shift_range": _channel_shift,
    "brightness_range": _brightness,
    "contrast_range": _contrast,
    "saturation_range": _saturation,
    "policy": _policy,
    "cutout": _cutout,
}
