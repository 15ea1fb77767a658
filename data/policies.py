"""Published policies, an image at a time on Pillow: TrivialAugment Wide and RandAugment, over one
table of fourteen operations.

TrivialAugment: Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data
augmentation", ICCV 2021: one operation and one strength of 31, both uniform, drawn for each image;
the Wide space. RandAugment: Cubuk, Zoph, Shlens and Le, 2020: `ops` operations with replacement,
all at one magnitude; AutoAugment's ranges. That paper leaves open which end of a range is strong.
Here magnitude 0 is the weakest for every operation, and colours move either way from 1
(TrivialAugment's authors call that space mirrored), so that a search over the magnitude is a search
over strength. As published, geometric operations read the nearest pixel and fill with black, and
shear leans about the top left corner.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.augmentation_record import LAST, Augmentation, CodeStep, SettingToWrite, Units, lacking
from data.geometry import Floats, Images
from data.operations import OPERATIONS, TOP, Operation, StrengthScale
from data.value_forms import Choice, Whole

TRIVIAL_AUGMENT_WIDE = "trivial_augment_wide"
RAND_AUGMENT = "rand_augment"
POLICIES = ("none", TRIVIAL_AUGMENT_WIDE, RAND_AUGMENT)
# One 53-bit draw yields eight choices of fourteen, each uniform to one part in a million.
MOST_OPS = 8


def apply_policy(images: Images, drawn: Floats) -> None:
    """Applies drawn[i] (operation, strength, operation, strength, ...) to images[i] in place; uint8
    [b, s, s, 3]."""
    for target, numbers in zip(images, drawn.tolist(), strict=True):
        picture = Image.fromarray(target)
        for position, strength in zip(numbers[::2], numbers[1::2], strict=True):
            picture = OPERATIONS[int(position)].apply(picture, strength)
        target[...] = np.asarray(picture)


def draw_policy(units: Floats, size: int, policy: str, ops: int, magnitude: int) -> Floats:
    """What `apply_policy` takes, from uniform draws [k, 4].

    Columns: the operations (as digits in base 14, so that the first of two operations is also the
    only one of one), the magnitude, the reflections (as bits).
    """
    trivial = policy == TRIVIAL_AUGMENT_WIDE
    strengths = _strengths(policy, size)
    magnitudes = (
        np.floor(units[:, 1] * (TOP + 1)).astype(int) if trivial else np.full(len(units), magnitude)
    )
    columns = []
    choice, coin = units[:, 0], units[:, 2]
    for _ in range(1 if trivial else ops):
        position, choice = digit(choice, len(OPERATIONS))
        reflected, coin = digit(coin, 2)
        columns += [position.astype(np.float64), strengths[position, magnitudes, reflected]]
    return np.stack(columns, axis=1)


def policy_matrices(drawn: Floats, size: int) -> Floats:
    """Where each output pixel is read, [k, 2, 3] on pixel centres, after all of an image's
    operations."""
    return np.stack([_path(numbers, size) for numbers in drawn.tolist()])[:, :2, :]


def policy_ends(policy: str) -> tuple[Units, ...]:
    """Uniform draws that show each operation alone at the ends of its range: strongest, strongest
    reflected, weakest."""
    reflected = 0.75
    found: list[Units] = []
    for position, operation in enumerate(OPERATIONS):
        # The tiny part past the operation's own digit makes every later digit 0: the identity.
        choice = (position + 1e-9) / len(OPERATIONS)
        scale = _scale(operation, policy)
        ends = (
            [(TOP, False), (TOP, True), (0, False)]
            if scale.mirror is None
            else [(TOP, False), (TOP, True)]
        )
        shown = {
            scale.strength(magnitude, flipped, 1000): (magnitude, flipped)
            for magnitude, flipped in reversed(ends)
        }
        found += [
            (choice, LAST if magnitude else 0.0, reflected if flipped else 0.0, 0.0)
            for strength, (magnitude, flipped) in shown.items()
            if operation.name != "identity" and strength != operation.neutral
        ]
    return tuple(found)


def describe_policy(drawn: Floats, policy: str) -> str:
    """One image's operations in words, identities left out."""
    pairs = zip(drawn[::2].tolist(), drawn[1::2].tolist(), strict=True)
    named = [(OPERATIONS[int(position)], strength) for position, strength in pairs]
    return (
        ", ".join(
            strength_words(op, strength, _scale(op, policy))
            for op, strength in named
            if op.name != "identity"
        )
        or "identity"
    )


def _scale(operation: Operation, policy: str) -> StrengthScale:
    return operation.rand if policy == RAND_AUGMENT else operation.wide


def strength_words(operation: Operation, strength: float, scale: StrengthScale) -> str:
    """An operation and how strong, of whichever of its ranges."""
    if not operation.unit:
        return operation.name
    number = f"{strength:+.3g}" if scale.mirror == 0 else f"{strength:.3g}"
    return f"{operation.name} {number} {'of the side' if scale.of_side else operation.unit}"


def digit(fraction: Floats, base: int) -> tuple[NDArray[np.int64], Floats]:
    """The first digit of fractions in [0, 1) written in a base, and what follows it, in [0, 1)."""
    scaled = fraction * base
    digit = np.floor(scaled)
    return digit.astype(np.int64), scaled - digit


@lru_cache(maxsize=8)
def _strengths(policy: str, size: int) -> Floats:
    """Every strength there is: [operation, magnitude, reflected]."""
    return np.array(
        [
            [
                [_scale(operation, policy).strength(m, flipped, size) for flipped in (False, True)]
                for m in range(TOP + 1)
            ]
            for operation in OPERATIONS
        ]
    )


def _path(numbers: list[float], size: int) -> Floats:
    # Pillow measures from the first pixel's corner
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    total = np.eye(3)
    for position, strength in zip(numbers[::2], numbers[1::2], strict=True):
        matrix = OPERATIONS[int(position)].matrix
        if matrix is not None:
            total = total @ np.vstack([np.reshape(matrix(strength, size), (2, 3)), [0, 0, 1]])
    return np.linalg.inv(corner) @ total @ corner


def _keras(setting: SettingToWrite) -> CodeStep:
    if setting.value == TRIVIAL_AUGMENT_WIDE:
        return setting.refused("Keras has no such layer")
    return setting.refused(
        "Keras's RandAugment draws once for a whole batch and has other operations and ranges"
    )


def _torchvision(setting: SettingToWrite) -> CodeStep:
    if setting.value == TRIVIAL_AUGMENT_WIDE:
        return CodeStep("v2.TrivialAugmentWide(),")
    ops, magnitude = (setting.settings[option] for option in OPTIONS)
    return CodeStep(f"v2.RandAugment(num_ops={ops}, magnitude={magnitude}),")


POLICY_OPTIONS: tuple[Augmentation, ...] = (
    Augmentation(
        name="policy_ops",
        stream=16,
        identity=2,
        form=Whole(1, MOST_OPS),
        unit="operations per image",
        about="Operations in a row, for `policy: rand_augment`.",
        examples=(1, 2, 4),
        shown_with={"policy": RAND_AUGMENT},
    ),
    Augmentation(
        name="policy_magnitude",
        stream=17,
        identity=10,
        form=Whole(0, TOP),
        unit="of 30",
        about="Their strength, for `policy: rand_augment`.",
        examples=(5, 10, 25),
        shown_with={"policy": RAND_AUGMENT},
    ),
)
OPTIONS = tuple(option.name for option in POLICY_OPTIONS)

POLICY = Augmentation(
    name="policy",
    stream=12,
    identity="none",
    form=Choice(POLICIES),
    about="A published recipe: one operation drawn from many (TrivialAugment, wide), or a few at "
    "one strength (RandAugment).",
    examples=(TRIVIAL_AUGMENT_WIDE, RAND_AUGMENT),
    options=OPTIONS,
    drawn_with=OPTIONS,
    reads_options=lambda value: bool(value == RAND_AUGMENT),
    draw=draw_policy,
    paint=apply_policy,
    moves=policy_matrices,
    ends=policy_ends,
    words=describe_policy,
    exports={
        "keras": _keras,
        "torchvision": _torchvision,
        "albumentations": lacking("Albumentations has none of the published policies"),
    },
)
