"""Extremes and label safety, against figures worked by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.errors import UserError
from data.extremes import LabelSafety, augment_to, extremes, label_safety
from search.training.run_trial import probe_extremes


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (5, 40, 40, 3), dtype=np.uint8)


def labels(name: str, value: Any, options: dict[str, Any] | None = None) -> list[str]:
    return [extreme.label for extreme in extremes(name, value, options)]


def only(images: NDArray[np.uint8], settings: dict[str, Any]) -> LabelSafety:
    (row,) = label_safety(images, settings)
    return row


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rotation_range", 40, ["rotation_range -40 degrees", "rotation_range +40 degrees"]),
        (
            "width_shift_range",
            0.2,
            ["width_shift_range -0.2 of the side", "width_shift_range +0.2 of the side"],
        ),
        (
            "height_shift_range",
            12.5,
            ["height_shift_range -12.5 px", "height_shift_range +12.5 px"],
        ),
        ("height_shift_range", 10, ["height_shift_range -9 px", "height_shift_range +9 px"]),
        ("width_shift_range", 1, ["width_shift_range +0 px"]),
        (
            "zoom_range",
            0.3,
            ["zoom_range 0.7, 1.4 times as large", "zoom_range 1.3, 0.77 times as large"],
        ),
        (
            "brightness_range",
            [0.8, 1.2],
            ["brightness_range 0.8 times", "brightness_range 1.2 times"],
        ),
        ("horizontal_flip", True, ["horizontal_flip flipped"]),
        ("cutout", 0.25, ["cutout 0.25 of the side"]),
    ],
)
def test_extremes_speak_the_unit_of_the_experiment_file(
    name: str, value: Any, expected: list[str]
) -> None:
    assert labels(name, value) == expected


def test_trivial_augment_shows_each_operation_at_its_strongest() -> None:
    found = labels("policy", "trivial_augment_wide")
    assert {
        "policy rotate +135 degrees",
        "policy rotate -135 degrees",
        "policy translate x +32 pixels",
    } <= set(found)
    assert {
        "policy posterize 2 bits",
        "policy brightness 0.01 times",
        "policy brightness 2 times",
    } <= set(found)
    assert "policy equalize" in found
    assert not any("identity" in label for label in found)


def test_rand_augment_shows_each_operation_at_its_magnitude() -> None:
    found = labels("policy", "rand_augment", {"policy_magnitude": 15, "policy_ops": 3})
    assert {
        "policy rotate +15 degrees",
        "policy rotate -15 degrees",
        "policy color 1.45 times",
    } <= set(found)


def test_a_shift_of_a_quarter_fills_a_quarter(images: NDArray[np.uint8]) -> None:
    row = label_safety(images, {"width_shift_range": 10.0})[0]
    assert row.fill_share == 0.25
    assert row.mean_shift_pixels == pytest.approx(10)
    assert row.unchanged_share == 0


def test_a_flip_fills_nothing_and_moves_half_the_side(images: NDArray[np.uint8]) -> None:
    row = only(images, {"horizontal_flip": True})
    assert row.fill_share == 0
    assert row.mean_shift_pixels == pytest.approx(20)  # the mean of |39 - 2x| over 0 .. 39


def test_a_zoom_of_two_leaves_a_quarter_of_the_picture(images: NDArray[np.uint8]) -> None:
    row = label_safety(images, {"zoom_range": [1, 2]})[-1]
    assert row.fill_share == pytest.approx(0.75, abs=0.001)


def test_cutout_counts_as_fill(images: NDArray[np.uint8]) -> None:
    row = only(images, {"cutout": 0.5})
    assert row.fill_share == 0.25
    assert row.mean_shift_pixels == 0


def test_a_policy_that_moves_the_picture_is_measured_too(images: NDArray[np.uint8]) -> None:
    rows = {row.label: row for row in label_safety(images, {"policy": "trivial_augment_wide"})}
    moved = rows["policy translate y +32 pixels"]
    assert moved.fill_share == 32 / 40
    assert moved.mean_shift_pixels == pytest.approx(32)
    assert rows["policy solarize 0 threshold"].mean_shift_pixels == 0


@pytest.mark.parametrize(
    "settings",
    [{"width_shift_range": 1}, {"cutout": 0.01}, {"brightness_range": [1, 1.001]}],
    ids=str,
)
def test_changed_0_pixels_is_caught_and_named(
    images: NDArray[np.uint8], settings: dict[str, Any]
) -> None:
    row = label_safety(images, settings)[0]
    assert row.unchanged_share == 1
    assert "0 pixels" in row.remark


def test_the_remark_says_how_to_mend_an_int_shift_of_one(images: NDArray[np.uint8]) -> None:
    assert "write 1.0 or more" in only(images, {"width_shift_range": 1}).remark


def test_nothing_set_nothing_measured(images: NDArray[np.uint8]) -> None:
    assert label_safety(images, {"rotation_range": 0, "fill_mode": "reflect"}) == ()


def test_the_fill_is_the_one_that_was_set(images: NDArray[np.uint8]) -> None:
    settings = {"fill_mode": "constant", "cval": 77}
    last = extremes("width_shift_range", 10.0)[1]
    painted = augment_to(images, [0], last, settings)
    assert (painted[0, :, 30:] == 77).all()
    np.testing.assert_array_equal(painted[0, :, :30], images[0, :, 10:])


def test_a_value_that_is_not_allowed_is_refused(images: NDArray[np.uint8]) -> None:
    with pytest.raises(UserError, match="rotation_range"):
        extremes("rotation_range", -1)
    with pytest.raises(UserError, match="rotation_range"):
        label_safety(images, {"rotation_range": "much"})


def test_probes_come_in_the_order_of_the_table_whatever_a_journal_made_of_it(
    images: NDArray[np.uint8],
) -> None:
    dataset: Any = SimpleNamespace(images=images, labels=np.zeros(5, int), groups=None)
    fold: Any = SimpleNamespace(validate=np.arange(5))
    wanted = {"horizontal_flip": True, "rotation_range": 45.0}
    probes = probe_extremes(dataset, lambda pictures, heads: heads, np.arange(5), [fold], wanted)
    assert [each.augmentation for each in probes] == ["rotation_range"] * 2 + ["horizontal_flip"]


def test_the_model_is_tried_on_pictures_painted_with_the_experiments_options(
    images: NDArray[np.uint8],
) -> None:
    seen = []

    def answer(pictures: NDArray[np.uint8], heads: NDArray[np.int64]) -> NDArray[np.int64]:
        seen.append(pictures)
        return np.zeros(len(pictures), np.int64)

    dataset: Any = SimpleNamespace(images=images, labels=np.zeros(5, int), groups=None)
    fold: Any = SimpleNamespace(validate=np.arange(5))
    wanted = {"rotation_range": 45, "fill_mode": "constant", "cval": 200}
    probes = probe_extremes(dataset, answer, np.arange(5), [fold], wanted)
    assert [probe.augmentation for probe in probes] == ["rotation_range"] * 2
    # the first are the clean ones
    assert all((pictures[:, 0, 0] == 200).all() for pictures in seen[1:])


def test_the_model_is_tried_in_the_same_order_however_the_settings_are_kept(
    images: NDArray[np.uint8],
) -> None:
    """A journal sorts names: a trial made again from it is compared probe by probe."""
    dataset: Any = SimpleNamespace(images=images, labels=np.zeros(5, int), groups=None)
    fold: Any = SimpleNamespace(validate=np.arange(5))
    wanted = {"rotation_range": 45, "horizontal_flip": True}
    first, again = (
        probe_extremes(
            dataset, lambda pictures, _: np.zeros(len(pictures)), np.arange(5), [fold], settings
        )
        for settings in (wanted, dict(sorted(wanted.items())))
    )
    assert first == again
    assert first[0].augmentation == "rotation_range"
