"""The one affine transform of torchvision and of Albumentations, for all that moves a picture.

Both move whole pixels, and turn and zoom before they shift; ours shifts in between. torchvision
fills with one level, so pictures are padded ahead of it. Units read in the sources of torchvision
0.29 and Albumentations 2.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import atan2, ceil, cos, radians, sin, tan
from operator import add

from data.augmentation_record import CodeStep, Motion, SettingToWrite, call, number, pair
from data.geometry import BORDERS, Fill
from data.moves import fill_of

PADDING = {"nearest": "edge", "reflect": "symmetric"}  # "reflect" there leaves the edge pixel out
MOST_PADDING = 5  # sides: beyond, each picture would be made over a hundred times as large first


@dataclass(frozen=True)
class Moves:
    """The augmentations that move pictures of `size` pixels a side, each with how far."""

    parts: Sequence[tuple[SettingToWrite, Motion]]
    size: int

    @property
    def whole(self) -> Motion:
        """How far all of them move a picture together."""
        return reduce(add, (motion for _, motion in self.parts), Motion())

    @property
    def fill(self) -> Fill:
        return fill_of(self.parts[0][0].settings)

    def names(self, *attributes: str) -> str:
        """Of the augmentations that set one of these attributes of their motion."""
        still = Motion()
        return ", ".join(
            setting.name
            for setting, motion in self.parts
            if any(getattr(motion, each) != getattr(still, each) for each in attributes)
        )

    def caveats(self, zoomed: str) -> tuple[str, ...]:
        """What both libraries do differently; `zoomed` says it of the zoom."""
        said = (
            (self.names("across", "down"), "whole pixels, and not scaled by the zoom"),
            (self.names("factors"), zoomed),
            (
                self.names("lean"),
                "by the angle's tangent, leaving the height as it is; ours by its sine and cosine",
            ),
        )
        return tuple(f"{names}: {what}" for names, what in said if names)

    def too_short(self) -> tuple[str, ...]:
        """What cannot be expressed by shifts in whole pixels: those that round to none."""
        return tuple(
            f"{setting.name} {setting.value} (it shifts by whole pixels, and this is "
            f"{number(most)} px)"
            for setting, motion in self.parts
            if (most := max(motion.across, motion.down)) > 0 and round(most) == 0
        )


def write_albumentations(moves: Moves) -> CodeStep:
    if lacks := moves.too_short():
        return CodeStep(lacks=lacks)
    whole, fill = moves.whole, moves.fill
    values, remarks = [], []
    if whole.degrees:
        values.append(f"rotate={pair(-whole.degrees, whole.degrees)}")
    if moves.names("across", "down"):
        # translate_percent cuts each shift down to whole pixels, so that 1 px would be none.
        across, down = (f"({-round(most)}, {round(most)})" for most in (whole.across, whole.down))
        values.append(f'translate_px={{"x": {across}, "y": {down}}}')
        remarks.append(f"Shifts in pixels, of pictures of {moves.size} px a side")
    if whole.lean:
        values.append(f'shear={{"x": {pair(-whole.lean, whole.lean)}, "y": (0, 0)}}')
    if moves.names("factors"):
        scale = pair(1 / whole.factors[1], 1 / whole.factors[0])
        values.append(f'scale={{"x": {scale}, "y": {scale}}}')
        remarks.append(_upside_down(whole))
    values.append(f"border_mode=cv2.BORDER_{BORDERS[fill.mode]}")
    values += [f"fill={fill.value}"] if fill.mode == "constant" else []
    # Applied to half of the images if nothing is said.
    code = call("A.Affine", *values, "p=1.0")
    zoomed = "spread evenly over the enlargement, not over the factor"
    return CodeStep(code, tuple(remarks), moves.caveats(zoomed))


def write_torchvision(moves: Moves) -> CodeStep:
    whole, fill, size = moves.whole, moves.fill, moves.size
    if fill.mode == "wrap":
        why = "torchvision cannot repeat a picture beside itself"
        return CodeStep(lacks=(f"fill_mode wrap ({why})",))
    if lacks := moves.too_short():
        return CodeStep(lacks=lacks)
    margin = 0 if fill.mode == "constant" else _margin(whole, size)
    if margin > MOST_PADDING * size:
        return CodeStep(lacks=(_too_far(moves),))
    side = size + 2 * margin
    values, remarks = [f"degrees={number(whole.degrees)}"], []
    if moves.names("across", "down"):
        shifts = (whole.across, whole.down)
        values.append(f"translate={pair(*(min(shift / side, 1) for shift in shifts))}")
        remarks.append(
            f"Shifts of {shifts[0]:g} and {shifts[1]:g} px, as fractions of the side, {side} px "
            "here"
        )
    if moves.names("factors"):
        values.append(f"scale={pair(1 / whole.factors[1], 1 / whole.factors[0])}")
        remarks.append(_upside_down(whole))
    if whole.lean:
        values.append(f"shear=(-{number(whole.lean)}, {number(whole.lean)})")
    level = fill.value if fill.mode == "constant" else 0
    values += ["interpolation=v2.InterpolationMode.BILINEAR", f"fill={level}"]
    code = call("v2.RandomAffine", *values)
    if margin:
        code = _padded(code, fill.mode, margin, size)
        remarks.append(
            f"fill_mode {fill.mode}: RandomAffine fills with one level, so the picture is padded "
            "ahead of it"
        )
    zoomed = "x and y zoomed alike, and spread evenly over the enlargement, not over the factor"
    return CodeStep(code, tuple(remarks), moves.caveats(zoomed))


def _upside_down(whole: Motion) -> str:
    low, high = whole.factors
    return f"Factors {low:g} to {high:g} upside down: above 1 the picture grows here"


def _margin(whole: Motion, size: int) -> int:
    """How far beyond the picture the strongest transform reads, in pixels: it shifts, turns, leans
    and then zooms."""
    across, down = size / 2 + whole.across, size / 2 + whole.down
    angle = radians(whole.degrees)
    across, down = _turned(across, down, angle), _turned(down, across, angle)
    across += tan(radians(whole.lean)) * down
    furthest = max(whole.factors) * max(across, down)
    return max(0, ceil(furthest - size / 2) + 1)  # 1: it reads between two pixels


def _turned(along: float, other: float, angle: float) -> float:
    """The furthest along one axis that the corner of a rectangle comes, turned by up to `angle`
    either way."""
    best = min(angle, atan2(other, along))
    return along * cos(best) + other * sin(best)


def _padded(code: str, mode: str, margin: int, size: int) -> str:
    pads = [
        f'v2.Pad({width}, padding_mode="{PADDING[mode]}"),' for width in _pads(mode, margin, size)
    ]
    return "\n".join([*pads, code, f"v2.CenterCrop({size}),"])


def _pads(mode: str, margin: int, size: int) -> Iterator[int]:
    """The widths of one padding after another: none reflects a picture wider than it is."""
    while margin > 0:
        width = min(margin, size) if mode == "reflect" else margin
        yield width
        margin, size = margin - width, size + 2 * width


def _too_far(moves: Moves) -> str:
    moved = ", ".join(f"{setting.name} {setting.value}" for setting, _ in moves.parts)
    return (
        f"{moved} with fill_mode {moves.fill.mode} (the picture would have to be padded by more "
        f"than {MOST_PADDING} times its side)"
    )
