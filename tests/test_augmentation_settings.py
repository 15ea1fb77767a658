"""What a set of augmentation settings means: completed, canonical, idle; and which mistakes are
refused."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.augmentations import AUGMENTATIONS, active, complete, idle
from data.errors import UserError
from data.value_forms import Zoom
from data.views import augment


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)


def canonical(settings: dict[str, Any]) -> str:
    return json.dumps(active(settings))


def test_complete_names_every_augmentation() -> None:
    assert list(complete({"rotation_range": 30})) == list(AUGMENTATIONS)
    assert complete({})["brightness_range"] == [1.0, 1.0]


def test_what_complete_returns_is_the_callers_own() -> None:
    pair = complete({})["brightness_range"]
    assert isinstance(pair, list)
    pair[0] = 0.0
    assert complete({})["brightness_range"] == [1.0, 1.0]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"unknown name 'rotaton_range'; did you mean rotation_range\?"
    ):
        complete({"rotaton_range": 3})


def test_settings_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(UserError, match="a mapping of names to values"):
        complete(["rotation_range"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zoom_range", [0, 1]),
        ("zoom_range", [-0.5, 1]),
        ("zoom_range", [1.2, 0.8]),
        ("zoom_range", 1),
        ("brightness_range", [1.2, 0.8]),
        ("brightness_range", 0.2),
        ("horizontal_flip", 1),
        ("policy_ops", 1.5),
        ("policy_ops", 0),
        ("fill_mode", "Nearest"),
        ("rotation_range", None),
        ("width_shift_range", [-5, 5]),
    ],
)
def test_particular_mistakes_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=name):
        complete({name: value})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"zoom_range": 0.1}, {"zoom_range": [0.9, 1.1]}),
        ({"zoom_range": 0}, {"zoom_range": [1, 1]}),
        (
            {"rotation_range": 30},
            {"rotation_range": 30.0, "shear_range": 0, "brightness_range": None},
        ),
        ({"rotation_range": 30}, {"fill_mode": "nearest", "rotation_range": 30}),
        ({"rotation_range": 30}, {"rotation_range": 30, "cval": 9}),
        ({"rotation_range": 30}, {"rotation_range": 30, "policy_ops": 3, "policy_magnitude": 20}),
        ({"rotation_range": 30, "zoom_range": 0.1}, {"zoom_range": 0.1, "rotation_range": 30}),
        ({"horizontal_flip": True}, {"horizontal_flip": True, "fill_mode": "wrap"}),
        ({"zoom_range": [0.5, 1]}, {"zoom_range": [0.5, 1], "fill_mode": "constant", "cval": 3}),
        ({"policy": "trivial_augment_wide"}, {"policy": "trivial_augment_wide", "policy_ops": 1}),
        ({"policy": "rand_augment"}, {"policy": "rand_augment", "policy_magnitude": 10.0}),
        ({"width_shift_range": 1}, {}),
        ({"rotation_range": -0.0}, {}),
        ({"rotation_range": np.float32(30)}, {"rotation_range": np.int64(30)}),
    ],
    ids=str,
)
def test_the_same_effect_has_the_same_text_and_the_same_pictures(
    first: dict[str, Any], second: dict[str, Any], images: NDArray[np.uint8]
) -> None:
    assert canonical(first) == canonical(second)
    np.testing.assert_array_equal(
        augment(images, range(8), first, 4, 1), augment(images, range(8), second, 4, 1)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"width_shift_range": 2}, {"width_shift_range": 2.0}),
        ({"rotation_range": 30}, {"rotation_range": 30, "fill_mode": "reflect"}),
        (
            {"rotation_range": 30, "fill_mode": "constant"},
            {"rotation_range": 30, "fill_mode": "constant", "cval": 99},
        ),
        ({"policy": "rand_augment"}, {"policy": "rand_augment", "policy_ops": 3}),
        ({"zoom_range": [0.9, 1.2]}, {"zoom_range": [0.9, 1.1]}),
    ],
    ids=str,
)
def test_another_effect_has_another_text_and_other_pictures(
    first: dict[str, Any], second: dict[str, Any], images: NDArray[np.uint8]
) -> None:
    assert canonical(first) != canonical(second)
    assert (augment(images, range(8), first, 4, 1) != augment(images, range(8), second, 4, 1)).any()


def test_active_settings_complete_to_what_they_came_from() -> None:
    settings = {
        "rotation_range": 20,
        "fill_mode": "constant",
        "cval": 7,
        "policy": "rand_augment",
        "policy_ops": 3,
    }
    assert complete(active(settings)) == complete(settings)
    assert active(active(settings)) == active(settings)


def test_what_was_written_and_does_nothing_is_named() -> None:
    found = idle(
        {"width_shift_range": 1, "cval": 3, "policy_ops": 3, "rotation_range": 20, "shear_range": 0}
    )
    assert list(found) == ["width_shift_range", "cval", "policy_ops"]
    assert "changes 0 pixels" in found["width_shift_range"]


def test_zoom_is_one_number_or_a_pair() -> None:
    assert complete({"zoom_range": [0.7, 1.3]})["zoom_range"] == 0.3
    assert complete({"zoom_range": (0.7, 1.2)})["zoom_range"] == [0.7, 1.2]
    assert isinstance(AUGMENTATIONS["zoom_range"].form, Zoom)
