"""The exporter to torchvision.transforms.v2: one affine transform, filled by padding ahead of it,
then flips and colours.

Units read in torchvision 0.29's sources. It moves whole pixels, and turns and zooms before it
shifts; ours shifts in between.
"""

from collections.abc import Iterator
from math import atan2, ceil, cos, radians, sin, tan

from search.export.exporting import (
    AFFINE,
    CUT_INSIDE,
    LEANS,
    SHIFTS,
    WHOLE_PIXELS,
    Exported,
    Policy,
    Step,
    Writer,
    call,
    lacking,
    missing,
    number,
    pair,
    plain,
    steps_of,
    unmoved,
    written,
    zoom_ends,
)

PADDING = {
    "nearest": "edge",
    "reflect": "symmetric",
}  # "reflect" there leaves the edge pixel out
MOST_PADDING = 5  # sides: beyond, each picture would be made over a hundred times as large first


def write_torchvision(policy: Policy) -> Exported:
    moved = tuple(name for name in AFFINE if name in policy.active)
    steps = [_affine(policy, moved)] if moved else []
    return written(
        policy,
        "from torchvision.transforms import v2",
        "# For uint8 tensors [3, height, width], for training alone\naugmentation = v2.Compose(\n  "
        "  [",
        [*steps, *steps_of(policy, STEPS)],
        "    ]\n)",
        "augmentation = v2.Identity()",
    )


def _affine(policy: Policy, names: tuple[str, ...]) -> Step:
    (mode, level), size = policy.fill, policy.size
    if mode == "wrap":
        return missing("fill_mode", mode, "torchvision cannot repeat a picture beside itself")
    if lacks := unmoved(policy):
        return Step(names, lacks=lacks)
    margin = 0 if mode == "constant" else _margin(policy)
    if margin > MOST_PADDING * size:
        return Step(names, lacks=(_too_far(policy, names),))
    side = size + 2 * margin
    values, remarks, caveats = [f"degrees={number(policy.full['rotation_range'])}"], [], []
    shifts = [policy.shift_pixels(name) for name in SHIFTS]
    if any(shifts):
        values.append(f"translate={pair(*(min(shift / side, 1) for shift in shifts))}")
        remarks.append(
            f"Shifts of {shifts[0]:g} and {shifts[1]:g} px, as fractions of the side, {side} px "
            "here"
        )
        caveats.append(WHOLE_PIXELS)
    if "zoom_range" in names:
        low, high = zoom_ends(policy.full["zoom_range"])
        values.append(f"scale={pair(1 / high, 1 / low)}")
        remarks.append(f"Factors {low:g} to {high:g} upside down: above 1 the picture grows here")
        caveats.append(
            "zoom_range: x and y zoomed alike, and spread evenly over the enlargement, not over "
            "the factor"
        )
    if "shear_range" in names:
        degrees = number(policy.full["shear_range"])
        values.append(f"shear=(-{degrees}, {degrees})")
        caveats.append(LEANS)
    values += [
        "interpolation=v2.InterpolationMode.BILINEAR",
        f"fill={level if mode == 'constant' else 0}",
    ]
    lines = [call("v2.RandomAffine", *values)]
    if margin:
        pads = [
            f'v2.Pad({width}, padding_mode="{PADDING[mode]}"),'
            for width in _pads(mode, margin, size)
        ]
        lines = [*pads, *lines, f"v2.CenterCrop({size}),"]
        remarks.append(
            f"fill_mode {mode}: RandomAffine fills with one level, so the picture is padded ahead "
            "of it"
        )
    return Step(names, "\n".join(lines), tuple(remarks), tuple(caveats))


def _margin(policy: Policy) -> int:
    """How far beyond the picture the strongest transform reads, in pixels: it shifts, turns, leans
    and then zooms."""
    half = policy.size / 2
    across, down = (half + policy.shift_pixels(name) for name in SHIFTS)
    angle = radians(policy.full["rotation_range"])
    across, down = _turned(across, down, angle), _turned(down, across, angle)
    across += tan(radians(policy.full["shear_range"])) * down
    largest = max(zoom_ends(policy.full["zoom_range"]))
    return max(0, ceil(largest * max(across, down) - half) + 1)  # 1: it reads between two pixels


def _turned(along: float, other: float, angle: float) -> float:
    """The furthest along one axis that the corner of a rectangle comes, turned by up to `angle`
    either way."""
    best = min(angle, atan2(other, along))
    return along * cos(best) + other * sin(best)


def _pads(mode: str, margin: int, size: int) -> Iterator[int]:
    """The widths of one padding after another: none reflects a picture wider than it is."""
    while margin > 0:
        width = min(margin, size) if mode == "reflect" else margin
        yield width
        margin, size = margin - width, size + 2 * width


def _too_far(policy: Policy, names: tuple[str, ...]) -> str:
    moved = ", ".join(f"{name} {policy.full[name]}" for name in names)
    return (
        f"{moved} with fill_mode {policy.fill[0]} (the picture would have to be padded by more "
        f"than {MOST_PADDING} times its side)"
    )


def _colour(name: str, argument: str) -> Writer:
    return lambda policy, value: Step((name,), f"v2.ColorJitter({argument}={pair(*value)}),")


def _cutout(policy: Policy, value: float) -> Step:
    if round(value * policy.size) >= policy.size:
        return missing(
            "cutout",
            value,
            "RandomErasing leaves a picture as it is rather than erase a whole side of it",
        )
    area = number(value**2)
    code = f"v2.RandomErasing(p=1.0, scale=({area}, {area}), ratio=(1.0, 1.0), value=127),"
    return Step(("cutout",), code, (f"{value:g} of the side: counted in areas",), (CUT_INSIDE,))


def _published(policy: Policy, value: str) -> Step:
    ops, magnitude = policy.full["policy_ops"], policy.full["policy_magnitude"]
    trivial = value == "trivial_augment_wide"
    code = (
        "v2.TrivialAugmentWide(),"
        if trivial
        else f"v2.RandAugment(num_ops={ops}, magnitude={magnitude}),"
    )
    return Step(("policy",), code)


STEPS: dict[str, Writer] = {
    "horizontal_flip": plain("horizontal_flip", "v2.RandomHorizontalFlip(0.5),"),
    "vertical_flip": plain("vertical_flip", "v2.RandomVerticalFlip(0.5),"),
    "channel_shift_range": lacking("channel_shift_range", "torchvision has nothing that adds"),
    "brightness_range": _colour("brightness_range", "brightness"),
    "contrast_range": _colour("contrast_range", "contrast"),
    "saturation_range": _colour("saturation_range", "saturation"),
    "policy": _published,
    "cutout": _cutout,
}  # what moves pictures is one step: _affine
