"""AugMix: three chains of one to three operations each, mixed with one another and the picture.
How it is drawn and painted, its words, and how other libraries write it.

Hendrycks, Mu, Cubuk, Zoph, Gilmer and Lakshminarayanan, "AugMix: A simple data processing method to
improve robustness and uncertainty", ICLR 2020: the nine operations of the published code, at its
strengths, without those that its benchmark tests; no loss between views. Here geometric operations
read the nearest pixel, as the other policies do.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.augmentation_record import LAST, Augmentation, CodeStep, SettingToWrite, Units, lacking
from data.geometry import Floats, Images
from data.operations import OPERATIONS, TOP, StrengthScale
from data.policies import digit, strength_words
from data.value_forms import Whole

MOST_SEVERITY = 10
CHAINS, DEEPEST = 3, 3
OPS = CHAINS * DEEPEST
LEAST, NUM_STRENGTHS = 0.1, 32  # a strength is drawn from LEAST to the severity, in so many steps
SHARES = 2**26  # a uniform draw of 53 bits is two, of 26 and 27
_NONE, _LEAN = StrengthScale(0, 0), StrengthScale(0, 0.3, mirror=0)
_MOVE = StrengthScale(0, 1 / 3, mirror=0, whole=True, of_side=True)
SCALES = {
    "auto contrast": _NONE,
    "equalize": _NONE,
    "posterize": StrengthScale(4, 0, whole=True),
    "rotate": StrengthScale(0, 30, mirror=0, whole=True),
    "solarize": StrengthScale(256, 0, whole=True),
    "shear x": _LEAN,
    "shear y": _LEAN,
    "translate x": _MOVE,
    "translate y": _MOVE,
}
MIXED = tuple(operation for operation in OPERATIONS if operation.name in SCALES)


def mix_chains(images: Images, drawn: Floats) -> None:
    """Applies drawn[i]: the share of the mixture, the weights of its chains, and an operation of
    MIXED (-1 for none) and its strength for each place of each chain, [4 + 18]; rounds."""
    for target, numbers in zip(images, drawn, strict=True):
        mixture = np.zeros(target.shape, np.float32)
        for weight, chain in _chains(numbers):
            picture = Image.fromarray(target)
            for position, strength in chain:
                picture = MIXED[position].apply(picture, strength)
            mixture += np.float32(weight) * np.asarray(picture)
        share = np.float32(numbers[0])
        target[...] = np.rint((1 - share) * target + share * mixture)


def _chains(numbers: Floats) -> list[tuple[float, list[tuple[int, float]]]]:
    """Each chain's weight, and its operations with their strengths."""
    pairs = numbers[1 + CHAINS :].reshape(CHAINS, DEEPEST, 2).tolist()
    chains = [
        [(int(place), strength) for place, strength in chain if place >= 0] for chain in pairs
    ]
    return list(zip(numbers[1 : 1 + CHAINS].tolist(), chains, strict=True))


def draw_chains(units: Floats, size: int, severity: int) -> Floats:
    """What `mix_chains` takes, from uniform draws [k, 4].

    Columns: the share of the mixture (beta(1, 1), which is uniform); two cuts of a line, whose
    three parts are the weights (Dirichlet(1, 1, 1)); operations, depths and signs; strengths.
    """
    first = np.floor(units[:, 1] * SHARES)
    cuts = np.sort(np.stack([first / SHARES, units[:, 1] * SHARES - first], axis=1), axis=1)
    weights = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    places, rest = _digits(units[:, 2], len(MIXED), OPS)
    depths, rest = _digits(rest, DEEPEST, CHAINS)
    signs, _ = _digits(rest, 2, OPS)
    levels, _ = _digits(units[:, 3], NUM_STRENGTHS, OPS)
    magnitudes = (LEAST + (levels + 0.5) / NUM_STRENGTHS * (severity - LEAST)) * TOP / MOST_SEVERITY
    strengths = _strengths(places, magnitudes, signs.astype(bool), size)
    absent = np.tile(np.arange(DEEPEST), CHAINS) > np.repeat(depths, DEEPEST, axis=1)
    pairs = np.stack([np.where(absent, -1, places), strengths], axis=-1)
    return np.hstack([units[:, :1], weights, pairs.reshape(len(units), 2 * OPS)])


def _digits(fraction: Floats, base: int, count: int) -> tuple[NDArray[np.int64], Floats]:
    """So many digits, [k, count], and what follows them."""
    found = []
    for _ in range(count):
        one, fraction = digit(fraction, base)
        found.append(one)
    return np.stack(found, axis=1), fraction


def _strengths(
    places: NDArray[np.int64], magnitudes: Floats, signs: NDArray[np.bool_], size: int
) -> Floats:
    scales = [SCALES[operation.name] for operation in MIXED]
    flat = zip(places.flat, magnitudes.flat, signs.flat, strict=True)
    found = [scales[place].strength(magnitude, bool(sign), size) for place, magnitude, sign in flat]
    return np.array(found).reshape(places.shape)


def each_alone(severity: int) -> tuple[Units, ...]:
    """Uniform draws that show each operation alone, at its strongest."""
    # The tiny part past the first operation's digit makes the digits after it 0: one deep.
    return tuple((LAST, LAST, (place + 1e-12) / len(MIXED), LAST) for place in range(len(MIXED)))


def describe_chains(numbers: Floats, severity: int) -> str:
    """One image's chains in words, but those that hardly show."""
    said = [
        ", ".join(
            strength_words(MIXED[place], strength, SCALES[MIXED[place].name])
            for place, strength in chain
        )
        for weight, chain in _chains(numbers)
        if weight * numbers[0] > 0.01
    ]
    return " + ".join(said) or "hardly changed"


def _torchvision(setting: SettingToWrite) -> CodeStep:
    caveat = f"{setting.name}: strengths are 0 to {setting.value - 1} ninths of the strongest"
    return CodeStep(f"v2.AugMix(severity={setting.value}, all_ops=False),", (), (caveat,))


AUG_MIX = Augmentation(
    name="aug_mix",
    stream=35,
    identity=0,
    form=Whole(0, MOST_SEVERITY),
    unit="of 10, AugMix's severity",
    about="Mixes the picture with three copies of it, each changed by up to three operations.",
    examples=(1, 3, 8),
    draw=draw_chains,
    paint=mix_chains,
    ends=each_alone,
    words=describe_chains,
    exports={
        "keras": lacking("Keras's AugMix draws once for a whole batch and has other ranges"),
        "torchvision": _torchvision,
        "albumentations": lacking("Albumentations has none of the published policies"),
    },
)
