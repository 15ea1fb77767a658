"""A contract that every record of the table of augmentations keeps."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from made_up_records import INVERT, ends_of
from numpy.typing import NDArray

from data.augmentation_record import Augmentation
from data.augmentations import AUGMENTATIONS, active, alone, complete, draw
from data.errors import UserError
from data.extremes import augment_to, extremes, label_safety
from data.messages import literal
from data.value_forms import Choice, Flag, NumberPair, Whole
from data.views import augment, unit_draws
from search.export.exporters import LIBRARIES

RECORDS = [*AUGMENTATIONS.values(), INVERT]
EVERY = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
DRAWN = pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.kind != "option"], ids=lambda record: record.name
)
# Given once: a stream that changes changes everybody's pictures. A new augmentation takes the next
# number.
STREAMS = {
    "rotation_range": 1,
    "width_shift_range": 2,
    "height_shift_range": 3,
    "shear_range": 4,
    "zoom_range": 5,
    "horizontal_flip": 6,
    "vertical_flip": 7,
    "channel_shift_range": 8,
    "brightness_range": 9,
    "contrast_range": 10,
    "saturation_range": 11,
    "policy": 12,
    "cutout": 13,
    "fill_mode": 14,
    "cval": 15,
    "policy_ops": 16,
    "policy_magnitude": 17,
    "hue_range": 18,
    "grayscale_share": 19,
    "auto_contrast_share": 20,
    "equalize_share": 21,
    "invert_share": 22,
    "posterize_range": 23,
    "solarize_range": 24,
    "sharpness_range": 25,
    "blur_range": 26,
    "noise_range": 27,
    "jpeg_range": 28,
    "erasing_range": 29,
    "erasing_fill": 30,
    "crop_range": 31,
    "crop_ratio": 32,
    "perspective_range": 33,
    "elastic": 34,
    "aug_mix": 35,
}


def strong(record: Augmentation) -> Any:
    """A value that must show: the top of the bounds, halved where it is a number."""
    if isinstance(record.form, Flag | Choice):
        return ends_of(record)[-1]
    if isinstance(record.form, Whole):
        return int(ends_of(record)[1]) // 2
    return [0.0, 0.5] if isinstance(record.form, NumberPair) else float(ends_of(record)[1]) / 2


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUGMENTATIONS, INVERT.name, INVERT)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Without black and white, so that there is something to stretch."""
    return np.random.default_rng(0).integers(10, 246, (8, 24, 24, 3), dtype=np.uint8)


def units(count: int) -> Callable[[int], NDArray[np.float64]]:
    return lambda stream: unit_draws(3, stream, 0, np.arange(count))


@EVERY
def test_streams_are_never_changed_nor_shared(record: Augmentation) -> None:
    assert STREAMS.get(record.name, record.stream) == record.stream
    assert [other.stream for other in AUGMENTATIONS.values()].count(record.stream) == 1


@EVERY
def test_the_identity_is_a_value_that_changes_nothing(
    record: Augmentation, images: NDArray[np.uint8]
) -> None:
    assert record.parse(record.identity) == record.identity
    assert not active({record.name: record.identity})
    np.testing.assert_array_equal(
        augment(images, range(8), {record.name: record.identity}, 1, 0), images
    )


@EVERY
def test_a_parsed_value_is_json_and_parses_to_itself(record: Augmentation) -> None:
    value = record.parse(strong(record) if record.kind != "option" else record.identity)
    again = record.parse(json.loads(json.dumps(value)))
    assert again == value
    assert type(again) is type(value)


@EVERY
def test_both_bounds_are_allowed(record: Augmentation) -> None:
    low, high = ends_of(record)[0], ends_of(record)[-1]
    values = [[low, high], [high, high]] if isinstance(record.form, NumberPair) else [low, high]
    assert all(record.name in complete({record.name: value}) for value in values)


@EVERY
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        -1,
        1e9,
        "strong",
        [1, 2, 3],
        {},
        [math.nan, 1],
        [True, True],
        b"ab",
    ],
    ids=repr,
)
def test_a_value_that_means_nothing_is_refused_with_what_is_allowed(
    record: Augmentation, value: Any
) -> None:
    with pytest.raises(UserError) as refusal:
        complete({record.name: value})
    message = str(refusal.value)
    assert message.startswith(f"{record.name}: received {literal(value)}; allowed: ")
    assert message.endswith(record.form.allowed)
    assert "\n" not in message


@EVERY
@pytest.mark.parametrize("value", [True, False, np.True_], ids=repr)
def test_truth_values_are_for_flags_alone(record: Augmentation, value: Any) -> None:
    if isinstance(record.form, Flag) and isinstance(value, bool):
        assert complete({record.name: value})[record.name] is value
    else:
        with pytest.raises(UserError, match=record.name):
            complete({record.name: value})


@EVERY
def test_a_record_is_an_option_or_can_be_drawn_and_applied(record: Augmentation) -> None:
    applied = [record.matrix is not None, record.paint is not None]
    expected = {"geometric": [True, False], "pixel": [False, True], "option": [False, False]}
    assert applied == expected[record.kind]
    assert (record.draw is None) == (record.kind == "option")


@DRAWN
def test_draws_are_finite_numbers_for_each_image_apart(record: Augmentation) -> None:
    drawn = draw({record.name: strong(record)}, 24, units(50))[record.name]
    assert drawn.shape[0] == 50
    assert np.isfinite(drawn).all()
    np.testing.assert_array_equal(
        draw({record.name: strong(record)}, 24, units(10))[record.name], drawn[:10]
    )


@DRAWN
def test_a_strong_value_changes_pictures_and_never_their_shape(
    record: Augmentation, images: NDArray[np.uint8]
) -> None:
    before = images.copy()
    painted = augment(images, range(8), {record.name: strong(record)}, 1, 0)
    assert painted.shape == images.shape
    assert painted.dtype == np.uint8
    # flips leave half, policies an identity in 14
    assert (painted != images).any(axis=(1, 2, 3)).mean() >= 0.25
    np.testing.assert_array_equal(images, before)


@DRAWN
def test_one_augmentation_draws_the_same_whatever_else_is_on(record: Augmentation) -> None:
    alone = draw({record.name: strong(record)}, 24, units(20))
    together = draw(
        {other.name: strong(other) for other in AUGMENTATIONS.values() if other.kind != "option"},
        24,
        units(20),
    )
    np.testing.assert_array_equal(alone[record.name], together[record.name])


@DRAWN
@pytest.mark.parametrize("size", [8, 9, 31])
def test_a_picture_of_any_size_is_the_same_alone_as_in_company(
    record: Augmentation, size: int
) -> None:
    images = np.random.default_rng(size).integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    low, high = ends_of(record)[0], ends_of(record)[-1]
    most = [low, high] if isinstance(record.form, NumberPair) else high
    for settings in ({record.name: strong(record)}, {record.name: most}):
        together = augment(images, range(6), settings, 1, 0)
        assert together.shape == images.shape
        np.testing.assert_array_equal(augment(images, [4], settings, 1, 0)[0], together[4])


@DRAWN
def test_extremes_are_labelled_apart_and_can_be_painted(
    record: Augmentation, images: NDArray[np.uint8]
) -> None:
    found = extremes(record.name, strong(record))
    labels = [extreme.label for extreme in found]
    assert labels
    assert len(set(labels)) == len(labels)
    assert all(label.startswith(record.name) for label in labels)
    assert all((augment_to(images, range(8), extreme) != images).any() for extreme in found)
    assert all(extreme.name == record.name for extreme in found)


@EVERY
def test_the_identity_has_no_extremes(record: Augmentation) -> None:
    assert extremes(record.name, record.identity) == ()


@DRAWN
def test_label_safety_measures_each_extreme(
    record: Augmentation, images: NDArray[np.uint8]
) -> None:
    measured = label_safety(images, {record.name: strong(record)})
    assert [row.label for row in measured] == [
        extreme.label for extreme in extremes(record.name, strong(record))
    ]
    for row in measured:
        assert 0 <= row.fill_share <= 1
        assert row.mean_shift_pixels >= 0
        assert row.unchanged_share < 1
        assert row.remark == ""


@EVERY
def test_a_numeric_record_takes_numbers_and_others_do_not(record: Augmentation) -> None:
    if record.numeric:
        assert all(record.parse(bound) == bound for bound in ends_of(record))
    else:
        with pytest.raises(UserError):
            record.parse(1)


OTHER_OPTIONS = {
    "fill_mode": "constant",
    "cval": 200,
    "policy_ops": 3,
    "policy_magnitude": 25,
    "crop_ratio": 2.0,
    "erasing_fill": "white",
}


def test_every_option_belongs_to_an_augmentation() -> None:
    named = {option for record in AUGMENTATIONS.values() for option in record.options}
    options = {name for name, record in AUGMENTATIONS.items() if record.kind == "option"}
    assert named == options == set(OTHER_OPTIONS)


@DRAWN
def test_taken_alone_it_keeps_the_options_it_acts_with(
    record: Augmentation, images: NDArray[np.uint8]
) -> None:
    setting = {
        r.name: strong(r) for r in AUGMENTATIONS.values() if r.kind != "option"
    } | OTHER_OPTIONS
    only = alone(record.name, setting)
    assert set(only) == {record.name, *record.options}
    wanted = augment(images, range(8), {**OTHER_OPTIONS, record.name: setting[record.name]}, 3, 0)
    assert (augment(images, range(8), only, 3, 0) == wanted).all()


@EVERY
def test_a_record_says_what_it_is_for_and_has_examples_that_are_allowed(
    record: Augmentation,
) -> None:
    assert record.about.endswith(".")
    assert record.examples
    assert all(record.parse(value) == value for value in record.examples)


@EVERY
def test_an_option_shows_at_its_examples(record: Augmentation, images: NDArray[np.uint8]) -> None:
    settings = [{**record.shown_with, record.name: value} for value in record.examples]
    escaped = {augment(images, range(8), each, 1, 0).tobytes() for each in settings}
    assert len(escaped) == len(record.examples)


@EVERY
def test_what_it_is_exported_to_is_known(record: Augmentation) -> None:
    assert set(record.exports) <= set(LIBRARIES)
    moved_once = {name for name, library in LIBRARIES.items() if library.affine}
    assert record.motion is None or not moved_once & set(record.exports)


@DRAWN
def test_a_motion_is_as_far_as_a_matrix_goes(record: Augmentation) -> None:
    """Fitted to the matrices of both ends: the largest angle, shift and factor."""
    if record.motion is None:
        return
    assert record.matrix is not None
    value, ends = record.parse(record.examples[-1]), np.array(record.ends(strong(record)))
    matrices = record.matrix(record.numbers(ends, 24, complete({record.name: value})))
    motion = record.motion(value, 24)
    assert np.abs(matrices[:, 0, 2]).max() == pytest.approx(motion.across)
    assert np.abs(matrices[:, 1, 2]).max() == pytest.approx(motion.down)
    angle = np.degrees(np.arcsin(np.abs(matrices[:, 0, 1]).max()))
    assert angle == pytest.approx(motion.degrees + motion.lean)
    if motion.factors != (1, 1):
        assert sorted(matrices[:, 0, 0]) == pytest.approx(list(motion.factors))
