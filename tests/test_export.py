"""Exported code is executed, and what it does to pictures compared with ours: moments of the affine
transforms and of levels.

A picture whose first two channels are its own coordinates shows, after any transform, where each
pixel was read: the affine matrix is a least-squares fit. Its third channel is 1 inside and the
fill, 0, outside, so that fill is left out of the fit. Draws are seeded; the tolerances would fail
equal distributions for about one seed in ten thousand.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exported import (
    COUNT,
    SEED,
    SIZE,
    Apply,
    Floats,
    exported,
    with_albumentations,
    with_generator,
    with_keras,
    with_torchvision,
)
from numpy.typing import NDArray
from PIL import Image

from data.moves import most_pixels
from data.views import augment, plan_pictures, unit_draws
from search.export.exporters import Policy, targets_of

# Keras 3.15 calls SciPy by its old name.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform`:DeprecationWarning"
)


def coordinates() -> Floats:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return np.repeat(np.stack([x, y, np.ones_like(x)], axis=-1)[None], COUNT, axis=0)


def fitted(pictures: Floats) -> Floats:
    """The matrix [n, 2, 3] from output to source pixels of each transformed picture of
    coordinates."""
    y, x = np.mgrid[:SIZE, :SIZE]
    places = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3).astype(float)
    found = []
    for picture in pictures.reshape(len(pictures), -1, 3):
        inside = picture[:, 2] > 0.999
        found.append(np.linalg.lstsq(places[inside], picture[inside, :2], rcond=None)[0].T)
    return np.stack(found)


def ours(augmentation: dict[str, Any]) -> Floats:
    plan = plan_pictures(
        augmentation, SIZE, lambda stream: unit_draws(SEED, stream, 0, np.arange(COUNT))
    )
    assert plan.matrices is not None
    return plan.matrices


def assert_same_moments(theirs: Floats, expected: Floats, spread: float = 0.15) -> None:
    """Means within 4.5 standard errors, standard deviations within `spread`, of each number
    apart."""
    deviation = expected.std(axis=0)
    error = 4.5 * deviation * np.sqrt(2 / COUNT) + 1e-3
    assert (np.abs(theirs.mean(axis=0) - expected.mean(axis=0)) <= error).all()
    moves = deviation > 1e-3
    assert (theirs.std(axis=0)[~moves] < 2e-3).all()
    assert (np.abs(theirs.std(axis=0)[moves] / deviation[moves] - 1) < spread).all()


MOVES: dict[str, dict[str, Any]] = {
    "rotation": {"rotation_range": 20},
    "sideways": {"width_shift_range": 0.2},
    "up and down, px": {"height_shift_range": 6.0},
    "zoom": {"zoom_range": 0.3},
    "zoom out alone": {"zoom_range": [1.0, 1.4]},
    "both flips": {"horizontal_flip": True, "vertical_flip": True},
    "one flip": {"vertical_flip": True},
    "all": {
        "rotation_range": 20,
        "width_shift_range": 0.2,
        "height_shift_range": 0.1,
        "zoom_range": [0.8, 1.1],
        "horizontal_flip": True,
    },
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("library", [with_keras, with_generator])
def test_pictures_move_as_ours_do(name: str, library: Callable[[dict[str, Any]], Apply]) -> None:
    augmentation = {**MOVES[name], "fill_mode": "constant", "cval": 0}
    assert_same_moments(fitted(library(augmentation)(coordinates())), ours(augmentation))


@pytest.mark.parametrize(
    "augmentation", [{"shear_range": 15}, {"width_shift_range": 5}, {"height_shift_range": 7}]
)
def test_the_generator_shears_and_shifts_by_whole_pixels_as_we_do(
    augmentation: dict[str, Any],
) -> None:
    augmentation = {**augmentation, "fill_mode": "constant", "cval": 0}
    assert_same_moments(fitted(with_generator(augmentation)(coordinates())), ours(augmentation))


def test_keras_leans_by_our_sines() -> None:
    augmentation = {"shear_range": 15, "fill_mode": "constant", "cval": 0}
    lean = fitted(with_keras(augmentation)(coordinates()))[:, 0, 1]
    expected = ours(augmentation)[:, 0, 1]
    assert abs(lean.mean()) < 4.5 * expected.std() / np.sqrt(COUNT)
    assert lean.std() == pytest.approx(expected.std(), rel=0.15)


@pytest.mark.parametrize(
    "name", ["rotation", "both flips", "one flip", "sideways", "up and down, px"]
)
def test_albumentations_moves_pictures_as_we_do_but_for_whole_pixels(name: str) -> None:
    augmentation = {**MOVES[name], "fill_mode": "constant", "cval": 0}
    assert_same_moments(
        fitted(with_albumentations(augmentation)(coordinates())), ours(augmentation), 0.2
    )


def test_albumentations_zooms_within_our_range() -> None:
    augmentation = {"zoom_range": [0.8, 1.4], "fill_mode": "constant", "cval": 0}
    factors = fitted(with_albumentations(augmentation)(coordinates()))[:, [0, 1], [0, 1]]
    assert (factors.min(axis=0) < 0.82).all()
    assert (factors.max(axis=0) > 1.36).all()
    assert ((factors > 0.799) & (factors < 1.401)).all()
    assert abs(np.corrcoef(factors.T).min()) < 0.2  # x and y apart


@pytest.mark.parametrize(
    "name", ["rotation", "both flips", "one flip", "sideways", "up and down, px"]
)
def test_torchvision_moves_pictures_as_we_do_but_for_whole_pixels(name: str) -> None:
    augmentation = {**MOVES[name], "fill_mode": "constant", "cval": 0}
    assert_same_moments(
        fitted(with_torchvision(augmentation)(coordinates())), ours(augmentation), 0.2
    )


def test_torchvision_zooms_within_our_range_x_and_y_alike() -> None:
    augmentation = {"zoom_range": [0.8, 1.4], "fill_mode": "constant", "cval": 0}
    factors = fitted(with_torchvision(augmentation)(coordinates()))[:, [0, 1], [0, 1]]
    assert 0.799 < factors.min() < 0.82
    assert 1.36 < factors.max() < 1.401
    assert np.abs(factors[:, 0] - factors[:, 1]).max() < 0.01


@pytest.mark.parametrize("library", [with_albumentations, with_torchvision])
def test_pictures_lean_by_our_range_about(library: Callable[[dict[str, Any]], Apply]) -> None:
    augmentation = {"shear_range": 15, "fill_mode": "constant", "cval": 0}
    lean, expected = (
        each[:, 0, 1] for each in (fitted(library(augmentation)(coordinates())), ours(augmentation))
    )
    assert abs(lean.mean()) < 4.5 * expected.std() / np.sqrt(COUNT)
    assert lean.std() == pytest.approx(expected.std(), rel=0.15)


# Two flat halves: a dark colour on the left, a light one on the right.
LEVELS = np.zeros((1, SIZE, SIZE, 3), np.uint8)
LEVELS[:, :, : SIZE // 2] = (60, 80, 100)
LEVELS[:, :, SIZE // 2 :] = (150, 140, 160)
GREY = np.full((1, SIZE, SIZE, 3), 127, np.uint8)


def levels_of(pictures: NDArray[Any]) -> Floats:
    """The six numbers that a two-coloured picture is, [n, 6]."""
    return pictures[:, SIZE // 2, [2, SIZE - 3]].reshape(len(pictures), 6).astype(float)


@pytest.mark.parametrize(
    ("library", "name", "value", "picture"),
    [
        (with_generator, "brightness_range", [0.7, 1.3], LEVELS),
        (with_generator, "channel_shift_range", 30.0, LEVELS),
        (with_keras, "brightness_range", [0.7, 1.3], GREY),  # it adds: only mid-grey is the same
        (with_keras, "saturation_range", [0.5, 1.5], LEVELS),
        (with_albumentations, "brightness_range", [0.7, 1.3], LEVELS),
        (with_albumentations, "contrast_range", [0.7, 1.3], LEVELS),
        (with_albumentations, "saturation_range", [0.5, 1.5], LEVELS),
        (with_torchvision, "brightness_range", [0.7, 1.3], LEVELS),
        (with_torchvision, "contrast_range", [0.7, 1.3], LEVELS),
        (with_torchvision, "saturation_range", [0.5, 1.5], LEVELS),
    ],
)
def test_levels_change_as_ours_do(
    library: Callable[[dict[str, Any]], Apply], name: str, value: Any, picture: NDArray[np.uint8]
) -> None:
    images = np.repeat(picture, COUNT, axis=0)
    expected = levels_of(augment(images, range(COUNT), {name: value}, SEED, 0))
    theirs = levels_of(library({name: value})(images))
    assert (
        np.abs(theirs.mean(axis=0) - expected.mean(axis=0)).max()
        < 4.5 * expected.std() * np.sqrt(2 / COUNT) + 1
    )
    assert np.abs(theirs.std(axis=0) / np.maximum(expected.std(axis=0), 1) - 1).max() < 0.15


def test_keras_stretches_contrast_by_our_factors() -> None:
    images = np.repeat(LEVELS, COUNT, axis=0)
    theirs = levels_of(with_keras({"contrast_range": [0.7, 1.4]})(images))
    stretch = (theirs[:, 3] - theirs[:, 0]) / 90  # the two reds are 90 levels apart
    assert 0.7 <= stretch.min() < 0.72
    assert 1.38 < stretch.max() <= 1.4001
    assert stretch.mean() == pytest.approx(1.05, abs=0.04)


def test_keras_shifts_channels_by_our_levels() -> None:
    theirs = levels_of(with_keras({"channel_shift_range": 30.0})(np.repeat(LEVELS, COUNT, axis=0)))
    shift = theirs - levels_of(LEVELS.astype(np.float32))
    assert np.ptp(shift, axis=1).max() < 1e-3  # all channels alike
    assert shift[:, 0].std() == pytest.approx(30 / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize("library", [with_keras, with_albumentations, with_torchvision])
def test_a_square_of_our_side_is_cut_out_of_every_picture(
    library: Callable[[dict[str, Any]], Apply],
) -> None:
    pictures = library({"cutout": 0.25})(np.repeat(LEVELS, 50, axis=0))
    cut = np.isclose(pictures, 127).all(axis=-1)
    # 8 x 8 pixels; Keras's edges fall between pixels
    assert (np.abs(cut.sum(axis=(1, 2)) - 64) <= 17).all()
    assert len(np.unique(cut.reshape(50, -1), axis=0)) > 10


@pytest.mark.parametrize("shift", [0.6, 1.0, 1.4, 2, 0.05, 0.9, 40.0, 70.0])
@pytest.mark.parametrize("name", ["width_shift_range", "height_shift_range"])
@pytest.mark.parametrize("library", [with_albumentations, with_torchvision])
def test_a_shift_of_whole_pixels_moves_and_reaches_its_end(
    library: Callable[[dict[str, Any]], Apply], name: str, shift: float
) -> None:
    augmentation = {name: shift, "fill_mode": "nearest"}
    ramp = np.arange(SIZE, dtype=np.uint8) + 100  # beyond its ends the edge is repeated
    line = ramp[None, :] if name.startswith("width") else ramp[:, None]
    image = np.repeat(np.broadcast_to(line, (SIZE, SIZE))[..., None], 3, axis=-1)
    moved = library(augmentation)(np.repeat(image[None], 150, axis=0))[:, SIZE // 2, SIZE // 2, 0]
    end = min(round(most_pixels(shift, SIZE)), SIZE // 2)
    assert 1 <= np.abs(moved.astype(int) - 100 - SIZE // 2).max() <= end
    assert np.abs(moved.astype(int) - 100 - SIZE // 2).max() >= 0.9 * end - 1


WIDE: tuple[dict[str, Any], ...] = (
    {"width_shift_range": 0.9},
    {"height_shift_range": 60.0},
    {"zoom_range": [1, 4]},
    {"rotation_range": 45, "zoom_range": [2, 2.01]},
    {"rotation_range": 360, "width_shift_range": 0.5, "shear_range": 40, "zoom_range": [1, 2]},
)


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
@pytest.mark.parametrize("augmentation", WIDE)
def test_torchvision_pads_as_wide_as_the_strongest_transform_reads(
    augmentation: dict[str, Any], fill_mode: str
) -> None:
    white = np.full((200, SIZE, SIZE, 3), 255, np.uint8)
    assert with_torchvision({**augmentation, "fill_mode": fill_mode})(white).min() >= 254


def photographs() -> NDArray[np.uint8]:
    from skimage import data as samples

    sources = (samples.astronaut(), samples.chelsea(), samples.coffee(), samples.rocket())
    few = [np.asarray(Image.fromarray(each).resize((SIZE, SIZE))) for each in sources]
    return np.repeat(np.stack(few), COUNT // len(few), axis=0)


ON_PHOTOGRAPHS: dict[str, Any] = {
    "hue_range": 90,
    "grayscale_share": 0.4,
    "auto_contrast_share": 0.4,
    "equalize_share": 0.4,
    "invert_share": 0.4,
    "posterize_range": 6,
    "solarize_range": 255,
    "sharpness_range": [0.0, 2.0],
    "noise_range": 40.0,
    "blur_range": 2.0,
    "jpeg_range": 90,
    "erasing_range": 0.2,
    "crop_range": 0.5,
}
# Each said in a comment of the code: drawn once for a whole batch, sides drawn apart, and the like.
LOOSER = {
    ("keras", "blur_range"): 1.0,
    ("keras", "erasing_range"): 0.3,
    ("keras", "noise_range"): 0.25,
    ("albumentations", "crop_range"): 0.35,
    ("torchvision", "crop_range"): 0.35,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_PHOTOGRAPHS)
@pytest.mark.parametrize("library", [with_keras, with_albumentations, with_torchvision])
def test_photographs_change_as_much_as_ours_do(
    library: Callable[[dict[str, Any]], Apply], name: str
) -> None:
    augmentation = {name: ON_PHOTOGRAPHS[name], "erasing_fill": "white"}
    to = library.__name__.removeprefix("with_")
    if to not in targets_of(Policy("A test", augmentation, SIZE)):
        pytest.skip(f"{to} cannot express it")
    images = photographs()
    inside = np.s_[:, 1:-1, 1:-1]  # Keras sharpens as if there were black beyond the border
    painted = augment(images, range(COUNT), augmentation, SEED, 0)
    expected = np.abs(painted - images.astype(float))[inside]
    theirs = np.abs(library(augmentation)(images) - images.astype(float))[inside]
    tolerance = LOOSER.get((to, name), 0.15)
    assert theirs.mean() == pytest.approx(expected.mean(), rel=tolerance)
    assert tolerance == 0.15 or exported(to, **augmentation).caveats
