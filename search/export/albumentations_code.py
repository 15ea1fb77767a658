"""The exporter to Albumentations 2: one Affine, then flips and colours, each always applied.

It moves whole pixels, and zooms and turns before it shifts; ours shifts in between.
"""

from search.export.exporting import (
    AFFINE,
    CUT_INSIDE,
    CUT_OFF,
    LEANS,
    SHIFTS,
    WHOLE_PIXELS,
    Exported,
    Policy,
    Step,
    Writer,
    call,
    lacking,
    pair,
    plain,
    steps_of,
    unmoved,
    written,
    zoom_ends,
)

BORDERS = {"nearest": "REPLICATE", "constant": "CONSTANT", "reflect": "REFLECT", "wrap": "WRAP"}


def write_albumentations(policy: Policy) -> Exported:
    moved = tuple(name for name in AFFINE if name in policy.active)
    steps = [_affine(policy, moved)] if moved else []
    return written(
        policy,
        "import albumentations as A\nimport cv2",
        '# For uint8 images [height, width, 3]: augmentation(image=image)["image"]; for training '
        "alone\n"
        "augmentation = A.Compose(\n    [",
        [*steps, *steps_of(policy, STEPS)],
        "    ]\n)",
        "augmentation = A.NoOp()",
    )


def _affine(policy: Policy, names: tuple[str, ...]) -> Step:
    if lacks := unmoved(policy):
        return Step(names, lacks=lacks)
    mode, level = policy.fill
    values, remarks, caveats = [], [], []
    if "rotation_range" in names:
        degrees = policy.full["rotation_range"]
        values.append(f"rotate={pair(-degrees, degrees)}")
    shifts = [round(policy.shift_pixels(name)) for name in SHIFTS]
    if any(shifts):
        # translate_percent cuts each shift down to whole pixels, so that 1 px would be none.
        across, down = (f"({-shift}, {shift})" for shift in shifts)
        values.append(f'translate_px={{"x": {across}, "y": {down}}}')
        remarks.append(f"Shifts in pixels, of pictures of {policy.size} px a side")
        caveats.append(WHOLE_PIXELS)
    if "shear_range" in names:
        degrees = policy.full["shear_range"]
        values.append(f'shear={{"x": {pair(-degrees, degrees)}, "y": (0, 0)}}')
        caveats.append(LEANS)
    if "zoom_range" in names:
        low, high = zoom_ends(policy.full["zoom_range"])
        scale = pair(1 / high, 1 / low)
        values.append(f'scale={{"x": {scale}, "y": {scale}}}')
        remarks.append(f"Factors {low:g} to {high:g} upside down: above 1 the picture grows here")
        caveats.append("zoom_range: spread evenly over the enlargement, not over the factor")
    values.append(f"border_mode=cv2.BORDER_{BORDERS[mode]}")
    values += [f"fill={level}"] if mode == "constant" else []
    # Applied to half of the images if nothing is said.
    return Step(names, call("A.Affine", *values, "p=1.0"), tuple(remarks), tuple(caveats))


def _colour(name: str, changed: str) -> Writer:
    def write(policy: Policy, value: list[float]) -> Step:
        ranges = {
            "brightness": (1, 1),
            "contrast": (1, 1),
            "saturation": (1, 1),
            changed: tuple(value),
        }
        arguments = [f"{key}={pair(*ends)}" for key, ends in ranges.items()]
        remark = (
            "What is not meant is switched off: ColorJitter changes everything if nothing is said"
        )
        return Step((name,), call("A.ColorJitter", *arguments, "hue=(0, 0)", "p=1.0"), (remark,))

    return write


def _channel_shift(policy: Policy, levels: float) -> Step:
    limits = pair(-levels / 255, levels / 255)
    code = call(
        "A.RandomBrightnessContrast", f"brightness_limit={limits}", "contrast_limit=(0, 0)", "p=1.0"
    )
    return Step(("channel_shift_range",), code, (f"{levels:g} of 255 levels, added",), (CUT_OFF,))


def _cutout(policy: Policy, side: float) -> Step:
    sides = [
        f"hole_{name}_range={(side, side)}" for name in ("height", "width")
    ]  # an int would be pixels
    code = call("A.CoarseDropout", "num_holes_range=(1, 1)", *sides, "fill=127", "p=1.0")
    return Step(("cutout",), code, (), (CUT_INSIDE,))


STEPS: dict[str, Writer] = {
    "horizontal_flip": plain("horizontal_flip", "A.HorizontalFlip(p=0.5),"),
    "vertical_flip": plain("vertical_flip", "A.VerticalFlip(p=0.5),"),
    "channel_shift_range": _channel_shift,
    "brightness_range": _colour("brightness_range", "brightness"),
    "contrast_range": _colour("contrast_range", "contrast"),
    "saturation_range": _colour("saturation_range", "saturation"),
    "policy": lacking("policy", "Albumentations has none of the published policies"),
    "cutout": _cutout,
}  # what moves pictures is one step: _affine
