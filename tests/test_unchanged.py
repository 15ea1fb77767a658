"""Augmentations that change no picture of the dataset are said, and refused where nothing else is
searched, before anything is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import Heard, sit, small_config

from data.augmentations import AUGMENTATIONS, is_option, options_of
from data.errors import UserError
from data.unchanged import Sample, why_unchanged
from search.commands.check import make_plan
from search.driver.prepare import prepare, resources_of
from search.driver.unchanged import unchanged_lines

GREY = "the pictures are grey, and it changes colours alone"
COLOURS = {"saturation_range", "hue_range", "grayscale_share"}
RNG = np.random.default_rng(0)
COLOURED = RNG.integers(0, 256, (30, 16, 16, 3), np.uint8)


def _sample(images: np.ndarray) -> Sample:
    return Sample(images, np.arange(len(images)), options_of({}), 3)


def _grey(images: np.ndarray) -> np.ndarray:
    return np.repeat(images[..., :1], 3, axis=-1)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if not is_option(name)])
def test_only_colours_of_grey_pictures_leave_them_as_they_are(name: str) -> None:
    values = AUGMENTATIONS[name].examples
    assert why_unchanged(name, values, _sample(COLOURED)) == ""
    expected = GREY if name in COLOURS else ""
    assert why_unchanged(name, values, _sample(_grey(COLOURED))) == expected


@pytest.mark.parametrize(
    ("name", "values", "strong"),
    [
        ("rotation_range", [0, 1e-9], 360),  # whose ends are where it began
        ("channel_shift_range", [0, 0.001], 1),
        ("width_shift_range", [0.0, 0.001], 0.1),
        ("zoom_range", [0, 1e-6], 0.1),
        ("brightness_range", [[0.9999, 1.0001]], [0.9, 1.1]),
    ],
)
def test_strengths_that_are_too_little_for_a_pixel_are_told(
    name: str, values: list[Any], strong: Any
) -> None:
    why = why_unchanged(name, values, _sample(COLOURED))
    assert why.endswith("is too little to show at 16 x 16 pixels")
    assert why_unchanged(name, [*values, strong], _sample(COLOURED)) == ""


def test_a_shift_of_no_pixel_and_what_the_pictures_cannot_show_are_told() -> None:
    assert "draws only 0 pixels" in why_unchanged("width_shift_range", [1], _sample(COLOURED))
    dark = np.minimum(COLOURED, 100)
    assert why_unchanged("solarize_range", [20, 50], _sample(dark)) == (
        "it leaves 30 of them as they are"
    )
    assert why_unchanged("solarize_range", [20, 250], _sample(dark)) == ""


def test_one_picture_in_colour_among_many_grey_ones_is_found() -> None:
    images = _grey(RNG.integers(0, 256, (1900, 8, 8, 3), np.uint8))
    assert why_unchanged("hue_range", [20], _sample(images)) == GREY
    images[1500] = COLOURED[0, :8, :8]
    assert why_unchanged("hue_range", [20], _sample(images)) == ""


@pytest.mark.parametrize("values", [[0], [1e-9], [0, 1e-9]])
def test_what_is_rare_or_off_is_not_told(values: list[float]) -> None:
    assert why_unchanged("grayscale_share", values, _sample(COLOURED)) == ""


def test_a_transform_that_is_chance_is_told_of_grey_pictures_alone() -> None:
    pytest.importorskip("albumentations")
    for name in ("albumentations:ToGray", "albumentations:HorizontalFlip"):
        assert why_unchanged(name, [0, 1e-6], _sample(_grey(COLOURED))) == ""
    assert why_unchanged("albumentations:ToGray", [0, 1], _sample(_grey(COLOURED))) == GREY
    assert why_unchanged("albumentations:ToGray", [0, 1], _sample(COLOURED)) == ""


ONE_TRIAL = {
    "search": {"trials": 1},
    "evaluation": {"folds": 1, "seeds": 1, "confirm": None, "controls": [], "test": False},
}
TONES = {"saturation_range": [[1, 1], [0.5, 1.5]], "hue_range": {"min": 0, "max": 40}}
FLIPPED = {"vertical_flip": [False, True]}


def _lines(cache: Path, **augmentation: Any) -> tuple[str, ...]:
    config = small_config(cache, augmentation=augmentation)
    return unchanged_lines(prepare(config, resources_of(config, cache)))


def test_a_line_for_each_says_why_and_what_to_do(tmp_path: Path) -> None:
    assert _lines(tmp_path, **TONES, **FLIPPED, fill_mode="reflect", rotation_range=0) == tuple(
        f"augmentation.{name} changes no picture at any strength searched: {GREY}; leave it out"
        for name in TONES
    )
    assert _lines(tmp_path, rotation_range=1e-9, **FLIPPED) == (
        "augmentation.rotation_range changes no picture as it is set: 1e-09 is too little to show "
        "at 8 x 8 pixels; leave it out, or set it stronger",
    )
    assert _lines(tmp_path, **FLIPPED) == ()
    assert _lines(tmp_path, rotation_range=20) == ()


@pytest.mark.parametrize("fixed", [{}, {"rotation_range": 20}, {"rotation_range": 1e-9}])
def test_a_search_of_nothing_else_is_refused(tmp_path: Path, fixed: dict[str, float]) -> None:
    with pytest.raises(UserError, match="nothing else is searched: write what") as caught:
        _lines(tmp_path, **TONES, **fixed)
    assert "\n" not in str(caught.value)


def test_run_says_it_before_it_trains_and_check_and_run_refuse_alike(tmp_path: Path) -> None:
    heard = Heard()
    sit(
        small_config(tmp_path, augmentation={**TONES, **FLIPPED}, **ONE_TRIAL),
        tmp_path / "a",
        heard,
    )
    assert len([line for line in heard.messages if "changes no picture" in line]) == len(TONES)
    config = small_config(tmp_path, augmentation=TONES, **ONE_TRIAL)
    with pytest.raises(UserError, match="nothing else is searched"):
        make_plan(config)
    with pytest.raises(UserError, match="nothing else is searched"):
        sit(config, tmp_path / "b")
    assert not list((tmp_path / "b").rglob("*.npz"))
