"""Augmentations that change no picture of the dataset are said, and refused where nothing else is
searched, before anything is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import EXPERIMENT, Heard, sit, small_config

from data.augmentations import AUGMENTATIONS, is_option, options_of
from data.errors import UserError
from data.own_code import given, read_code
from search.commands.check import make_plan
from search.driver.code_files import code_of
from search.driver.experiment_file import load_config
from search.driver.prepare import prepare, resources_of
from search.driver.unchanged import Sample, same_ends, unchanged_lines, why_unchanged

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


OWN = """import numpy as np
def nothing(images, strength, units):
    return images
def brighter(images, strength, units):
    return images if strength < 2 else np.where(images > 200, images, images + 50).astype(np.uint8)
def at_times(images, strength, units):
    return np.where((units[:, :1, None, None] < strength), 255 - images, images).astype(np.uint8)
def deaf(images, strength, units):
    return 255 - images if strength else images
"""


def test_what_is_from_outside_and_never_changes_a_picture_is_told(here: Path) -> None:
    (here / "mine.py").write_text(OWN)
    with given((read_code("mine.py", here / "mine.py", "test"),)):
        told = {
            name: why_unchanged(f"mine.py:{name}", [0, 1e-3, 1], _sample(COLOURED))
            for name in ("nothing", "brighter", "at_times", "deaf")
        }
        assert why_unchanged("mine.py:brighter", [0, 3], _sample(COLOURED)) == ""
        assert why_unchanged("mine.py:at_times", [0, 1e-3], _sample(COLOURED)) == ""
        ends = {
            name: same_ends(f"mine.py:{name}", [0, 0.2, 1], _sample(COLOURED))
            for name in ("at_times", "deaf")
        }
        assert same_ends("mine.py:deaf", [False, True], _sample(COLOURED)) is None
        assert same_ends("mine.py:at_times", [0.2, 0.2001], _sample(COLOURED)) is None
    assert told["nothing"] == told["brighter"] == "it leaves 100 of them as they are"
    assert told["at_times"] == told["deaf"] == ""
    assert ends == {"at_times": None, "deaf": (0.2, 1.0)}


def test_a_line_says_that_what_is_searched_changes_nothing(here: Path) -> None:
    (here / "mine.py").write_text(OWN)
    deaf = {"mine.py:deaf": {"min": 0.2, "max": 1}, "mine.py:nothing": [0, 1], **FLIPPED}
    config = load_config({**EXPERIMENT, "augmentation": deaf})
    with given(code_of(config)):
        lines = unchanged_lines(prepare(config, resources_of(config, here)))
    assert lines == (
        "augmentation.mine.py:nothing changes no picture at any strength searched: it leaves 100 "
        "of them as they are; leave it out, or set it stronger",
        "augmentation.mine.py:deaf draws the same pictures at 0.2 and at 1.0: what is searched "
        "does not change them; see that strength is used, or write one value",
    )


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


@pytest.mark.slow
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
