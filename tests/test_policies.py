"""The fourteen operations one by one, on worked pictures; and how the two papers' policies sample
them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from scipy import stats

from data.augmentations import draw
from data.operations import OPERATIONS, TOP, StrengthScale
from data.policies import apply_policy, draw_policy, policy_matrices
from data.views import augment, unit_draws

Images = NDArray[np.uint8]
BY_NAME = {operation.name: operation for operation in OPERATIONS}
SEED = 9
COUNT = 20_000


def run(name: str, pixels: Images, strength: float = 0.0) -> Images:
    return np.asarray(BY_NAME[name].apply(Image.fromarray(pixels), strength))


def noise(size: int = 12) -> Images:
    return np.random.default_rng(2).integers(0, 256, (size, size, 3), dtype=np.uint8)


def grey(*levels: int) -> Images:
    """One row of grey pixels."""
    return np.repeat(np.array(levels, np.uint8)[None, :, None], 3, axis=2)


def drawn(policy: str, ops: int = 2, magnitude: int = 10, size: int = 100) -> NDArray[np.float64]:
    return draw_policy(unit_draws(SEED, 12, 0, np.arange(COUNT)), size, policy, ops, magnitude)


# The operations.


def test_there_are_the_papers_fourteen() -> None:
    colours = {
        "auto contrast",
        "equalize",
        "solarize",
        "color",
        "posterize",
        "contrast",
        "brightness",
        "sharpness",
    }
    moves = {"rotate", "shear x", "shear y", "translate x", "translate y"}
    assert set(BY_NAME) == {"identity"} | colours | moves
    assert len(OPERATIONS) == 14


def test_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(run("identity", noise()), noise())


def test_auto_contrast_stretches_each_channel_to_all_levels() -> None:
    assert run("auto contrast", grey(100, 110, 120))[0, :, 0].tolist() == [0, 127, 255]


def test_equalize_makes_levels_equally_frequent() -> None:
    ramp = np.arange(256).repeat(3).reshape(16, 16, 3)
    dark = (ramp**2 // 255).astype(np.uint8)  # most of it near black
    shares = np.histogram(run("equalize", dark), bins=4, range=(0, 256))[0] / dark.size
    assert np.histogram(dark, bins=4, range=(0, 256))[0].max() / dark.size > 0.45
    assert shares.max() < 0.3


def test_rotate_turns_counter_clockwise_and_fills_with_black() -> None:
    picture = noise(8)
    np.testing.assert_array_equal(run("rotate", picture, 90), np.rot90(picture))
    assert (run("rotate", picture, 45)[0, 0] == 0).all()


def test_solarize_inverts_from_the_threshold_on() -> None:
    assert run("solarize", grey(0, 99, 100, 255), 100)[0, :, 0].tolist() == [0, 99, 155, 0]
    assert run("solarize", grey(0, 99, 255), 256)[0, :, 0].tolist() == [0, 99, 255]


def test_posterize_keeps_the_high_bits() -> None:
    assert run("posterize", grey(0b10110111, 0b01111111), 2)[0, :, 0].tolist() == [
        0b10000000,
        0b01000000,
    ]


def test_color_blends_with_grey() -> None:
    picture = np.array([[[200, 100, 50]]], np.uint8)
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)  # 124
    assert run("color", picture, 0.0)[0, 0].tolist() == [luma] * 3
    assert run("color", picture, 0.5)[0, 0].tolist() == [162, 112, 87]
    assert run("color", picture, 1.5)[0, 0].tolist() == [238, 88, 13]


def test_contrast_stretches_about_the_mean() -> None:
    assert run("contrast", grey(100, 120, 140), 0.5)[0, :, 0].tolist() == [110, 120, 130]
    assert run("contrast", grey(100, 120, 140), 2.0)[0, :, 0].tolist() == [80, 120, 160]


def test_brightness_multiplies() -> None:
    assert run("brightness", grey(10, 100, 200), 1.5)[0, :, 0].tolist() == [15, 150, 255]
    assert run("brightness", grey(100), 0.01)[0, 0, 0] == 1


def test_sharpness_blends_with_the_smoothed_picture() -> None:
    smooth = np.asarray(Image.fromarray(noise()).filter(ImageFilter.SMOOTH))
    np.testing.assert_array_equal(run("sharpness", noise(), 0.0), smooth)
    expected = np.clip(2 * noise().astype(float) - smooth, 0, 255)
    np.testing.assert_array_equal(run("sharpness", noise(), 2.0), expected)


def test_shear_x_leans_rows_by_their_distance_from_the_top() -> None:
    picture = noise(8)
    leaned = run("shear x", picture, 0.5)
    for row in range(8):  # a row reads 0.5 * (row + 0.5) pixels further right
        moved = int(0.5 * (row + 0.5) + 0.5)
        np.testing.assert_array_equal(leaned[row, : 8 - moved], picture[row, moved:])
        assert (leaned[row, 8 - moved :] == 0).all()


def test_shear_y_is_shear_x_of_the_transposed_picture() -> None:
    picture = noise(8)
    transposed = np.ascontiguousarray(picture.swapaxes(0, 1))
    np.testing.assert_array_equal(
        run("shear y", picture, -0.3), run("shear x", transposed, -0.3).swapaxes(0, 1)
    )


def test_translate_x_moves_left_and_fills_with_black() -> None:
    moved = run("translate x", noise(8), 3)
    np.testing.assert_array_equal(moved[:, :5], noise(8)[:, 3:])
    assert (moved[:, 5:] == 0).all()


def test_translate_y_moves_down_for_a_negative_strength() -> None:
    moved = run("translate y", noise(8), -3)
    np.testing.assert_array_equal(moved[3:], noise(8)[:5])
    assert (moved[:3] == 0).all()


@pytest.mark.parametrize("operation", OPERATIONS, ids=BY_NAME)
def test_every_operation_keeps_the_form_of_the_picture_at_every_strength(operation: Any) -> None:
    for scale in (operation.wide, operation.rand):
        for magnitude in (0, 13, TOP):
            picture = operation.apply(
                Image.fromarray(noise(20)), scale.strength(magnitude, True, 20)
            )
            assert (picture.size, picture.mode) == ((20, 20), "RGB")


@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if op.neutral is not None], ids=lambda op: op.name
)
def test_the_neutral_strength_changes_nothing(operation: Any) -> None:
    np.testing.assert_array_equal(
        operation.apply(Image.fromarray(noise()), operation.neutral), noise()
    )


@pytest.mark.parametrize("position", range(14), ids=BY_NAME)
def test_matrices_say_where_each_pixel_was_read(position: int) -> None:
    size = 21
    rows, columns = np.mgrid[:size, :size]
    chart = np.stack([columns + 1, rows + 1, np.full_like(rows, 9)], axis=2).astype(np.uint8)
    operation = OPERATIONS[position]
    if operation.matrix is None:
        still = policy_matrices(np.array([[position, 0.5]]), size)[0]
        np.testing.assert_allclose(still, np.eye(3)[:2], atol=1e-12)
        return
    strength = operation.wide.strength(7, False, size)
    matrix = policy_matrices(np.array([[position, strength]]), size)[0]
    x, y = np.einsum("ij,jrc->irc", matrix, np.stack([columns, rows, np.ones_like(rows)]))
    painted = np.asarray(operation.apply(Image.fromarray(chart), strength)).astype(int)
    seen = painted[..., 2] == 9
    assert seen.any()
    # The nearest pixel is at most half a pixel away; Pillow's own coordinates are good to about
    # 1e-4.
    assert np.abs(painted[..., 0] - 1 - x)[seen].max() < 0.501
    assert np.abs(painted[..., 1] - 1 - y)[seen].max() < 0.501


# The strengths.


@pytest.mark.parametrize(
    ("name", "weakest", "strongest"),
    [
        ("rotate", 0, 135),
        ("solarize", 256, 0),
        ("color", 0.01, 2),
        ("posterize", 8, 2),
        ("contrast", 0.01, 2),
        ("brightness", 0.01, 2),
        ("sharpness", 0.01, 2),
        ("shear x", 0, 0.99),
        ("shear y", 0, 0.99),
        ("translate x", 0, 32),
        ("translate y", 0, 32),
    ],
)
def test_the_wide_space_is_the_papers(name: str, weakest: float, strongest: float) -> None:
    scale = BY_NAME[name].wide
    assert (scale.strength(0, False, 150), scale.strength(TOP, False, 150)) == pytest.approx(
        (weakest, strongest)
    )


@pytest.mark.parametrize("name", ["rotate", "shear x", "shear y", "translate x", "translate y"])
def test_half_of_the_wide_moves_go_the_other_way(name: str) -> None:
    scale = BY_NAME[name].wide
    assert scale.strength(20, True, 150) == -scale.strength(20, False, 150)


@pytest.mark.parametrize("operation", OPERATIONS, ids=BY_NAME)
def test_rand_augment_grows_stronger_from_nothing(operation: Any) -> None:
    if operation.neutral is None:
        return
    away = [
        abs(operation.rand.strength(magnitude, False, 150) - operation.neutral)
        for magnitude in range(TOP + 1)
    ]
    assert away[0] == 0
    assert away == sorted(away)
    assert abs(operation.rand.strength(TOP, True, 150) - operation.neutral) == pytest.approx(
        away[-1]
    )


def test_rand_augment_moves_by_a_share_of_the_side_as_autoaugment_does() -> None:
    assert BY_NAME["translate x"].rand.strength(TOP, False, 331) == pytest.approx(150)


def test_whole_strengths_drop_the_fraction() -> None:
    assert StrengthScale(0, 135, mirror=0, whole=True).strength(7, False, 1) == 31  # 31.5 degrees


# The sampling. Seeded; each test of a sound sampler fails for one seed in 10,000.


def test_trivial_augment_draws_one_operation_and_one_strength_uniformly() -> None:
    numbers = drawn("trivial_augment_wide")
    assert numbers.shape == (COUNT, 2)
    assert stats.chisquare(np.bincount(numbers[:, 0].astype(int), minlength=14)).pvalue > 1e-4
    degrees = numbers[numbers[:, 0] == 3, 1]
    assert set(np.abs(degrees)) == {135 * magnitude // TOP for magnitude in range(TOP + 1)}
    assert (
        stats.chisquare(
            np.bincount((np.abs(degrees) * TOP / 135 + 0.999).astype(int), minlength=31)
        ).pvalue
        > 1e-4
    )
    assert stats.binomtest(int((degrees > 0).sum()), int((degrees != 0).sum())).pvalue > 1e-4


def test_trivial_augment_draws_operation_and_strength_apart() -> None:
    units = unit_draws(SEED, 12, 0, np.arange(COUNT))
    table = np.histogram2d(units[:, 0] * 14 // 1, units[:, 1] * 31 // 1, bins=(14, 31))[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_rand_augment_draws_its_operations_apart_and_with_replacement() -> None:
    numbers = drawn("rand_augment", ops=3)
    assert numbers.shape == (COUNT, 6)
    first, second, third = (numbers[:, column].astype(int) for column in (0, 2, 4))
    for one, other in ((first, second), (second, third), (first, third)):
        assert stats.chisquare(np.bincount(one * 14 + other, minlength=196)).pvalue > 1e-4


def test_rand_augment_applies_all_at_one_magnitude() -> None:
    numbers = drawn("rand_augment", ops=2, magnitude=20)
    for column in (0, 2):
        degrees = numbers[numbers[:, column] == 3, column + 1]
        assert set(degrees) == {-20.0, 20.0}


def test_rand_augment_reflects_its_operations_apart() -> None:
    numbers = drawn("rand_augment", ops=2)
    strengths = [numbers[:, 1], numbers[:, 3]]
    moved = np.all([np.isin(numbers[:, column], (3, 10, 11, 12, 13)) for column in (0, 2)], axis=0)
    same = int((np.sign(strengths[0]) == np.sign(strengths[1]))[moved].sum())
    assert stats.binomtest(same, int(moved.sum())).pvalue > 1e-4


def test_the_first_of_many_operations_is_also_the_only_one() -> None:
    np.testing.assert_array_equal(drawn("rand_augment", ops=8)[:, :2], drawn("rand_augment", ops=1))


def test_the_eighth_operation_is_still_uniform() -> None:
    last = drawn("rand_augment", ops=8)[:, 14].astype(int)
    assert stats.chisquare(np.bincount(last, minlength=14)).pvalue > 1e-4


def test_operations_are_applied_in_the_order_drawn() -> None:
    pixels = noise()[None].copy()
    names = [operation.name for operation in OPERATIONS]
    apply_policy(
        pixels, np.array([[names.index("brightness"), 1.9, names.index("translate x"), 4.0]])
    )
    bright = ImageEnhance.Brightness(Image.fromarray(noise())).enhance(1.9)
    np.testing.assert_array_equal(pixels[0], run("translate x", np.asarray(bright), 4))


def test_each_image_of_a_batch_gets_its_own_operation() -> None:
    images = np.repeat(noise(32)[None], 60, axis=0)
    painted = augment(images, range(60), {"policy": "trivial_augment_wide"}, SEED, 0)
    assert len({picture.tobytes() for picture in painted}) > 30


def test_policy_settings_reach_the_draws() -> None:
    settings = {"policy": "rand_augment", "policy_ops": 4, "policy_magnitude": 30}
    numbers = draw(settings, 100, lambda stream: unit_draws(SEED, stream, 0, np.arange(COUNT)))[
        "policy"
    ]
    np.testing.assert_array_equal(numbers, drawn("rand_augment", ops=4, magnitude=30))
