"""What of a setting is seen in pictures of a size: measured on pictures, not taken from the
table."""

import numpy as np
import pytest

from data.augmentations import AUGMENTATIONS, visible_settings, visible_value
from data.extremes import augment_to, extremes

STEPPED = {name: record for name, record in AUGMENTATIONS.items() if record.step is not None}
SIZE = 96


def _ramp() -> np.ndarray:
    """A grey picture of steep slopes."""
    ramp = np.linspace(0, 255, SIZE)  # 2.7 levels per pixel
    return np.repeat(np.add.outer(ramp, ramp)[None, :, :, None] / 2, 3, axis=3).astype(np.uint8)


def _colours() -> np.ndarray:
    """Every pixel of a colour of its own."""
    return np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)


def _change(picture: np.ndarray, name: str, value: object) -> float:
    """The largest change, in grey levels, that a value at its extremes makes to a picture."""
    return max(
        (
            float(np.abs(augment_to(picture, [0], end).astype(int) - picture).max())
            for end in extremes(name, value)
        ),
        default=0.0,
    )


def _value(name: str, steps: float) -> float | list[float]:
    """So many visible steps; factors lie that far on both sides of 1."""
    step = STEPPED[name].step
    assert step is not None
    strength = steps * step(0.0, SIZE)
    if AUGMENTATIONS[name].identity == [1.0, 1.0]:
        return [1 - strength, 1 + strength]
    return strength


@pytest.mark.parametrize("name", STEPPED)
def test_what_is_left_out_changes_no_picture_by_more_than_its_rounding(name: str) -> None:
    value = _value(name, 0.9)
    assert visible_value(name, value, SIZE) is None
    assert _change(_ramp(), name, value) <= 1
    record = AUGMENTATIONS[name]
    if record.kind == "pixel" and not record.reads:  # what moves shows where no two pixels agree
        assert _change(_colours(), name, value) <= 1


@pytest.mark.parametrize("name", STEPPED)
def test_what_is_shown_changes_pictures(name: str) -> None:
    value = _value(name, 30)
    assert visible_value(name, value, SIZE) is not None
    assert _change(_colours(), name, value) > 1


def test_every_strength_has_a_step() -> None:
    unstepped = {
        name
        for name, record in AUGMENTATIONS.items()
        if record.step is None and record.kind != "option"
    }
    whole = {
        "horizontal_flip",
        "vertical_flip",
        "policy",
        "aug_mix",
        "posterize_range",
        "jpeg_range",
    }
    assert unstepped == whole | {name for name in AUGMENTATIONS if name.endswith("_share")}


def test_what_is_no_number_stays_as_it_is() -> None:
    settings = {
        "policy": "rand_augment",
        "horizontal_flip": True,
        "fill_mode": "wrap",
        "rotation_range": "odd",
    }
    assert visible_settings(settings, 150) == settings
    assert visible_settings({"mine.py:fog": 0.00001}, 150) == {"mine.py:fog": 0.00001}


def test_whole_pixels_stay_whole() -> None:
    assert visible_settings({"width_shift_range": 7}, 150) == {"width_shift_range": 7}
