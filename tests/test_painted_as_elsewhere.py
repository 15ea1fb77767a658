"""The same strength given to our paint and to that of Keras, Pillow or Albumentations: the same
picture. Random draws are left out, for no two libraries share them."""

import io
import os
from typing import Any

import cv2
import numpy as np
import pytest
from made_up_records import ends_of
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest
from skimage import data as samples

from data.aug_mix import MIXED
from data.augmentation_record import LAST
from data.augmentations import AUGMENTATIONS
from data.distortions import read_elastic
from data.geometry import FILL_MODES, Fill, fold, warp
from data.views import augment
from search.export.exporters import Policy, write

Pictures = NDArray[Any]


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Photographs, [4, 48, 48, 3]: two faces, a cup and a rocket; the darkest has no level above
    170."""
    sources = (samples.astronaut(), samples.chelsea(), samples.coffee(), samples.rocket())
    resized = [cv2.resize(each, (48, 48), interpolation=cv2.INTER_AREA) for each in sources]
    resized[-1] //= 3
    return np.stack([*resized[:-1], resized[-1] * 2])


def ours(name: str, images: NDArray[np.uint8], *numbers: float) -> Pictures:
    """Painted with the same numbers for every picture."""
    paint = AUGMENTATIONS[name].paint
    assert paint is not None
    out = images.copy()
    paint(out, np.tile(np.array(numbers, float), (len(images), 1)))
    return out.astype(int)


def by_pillow(images: NDArray[np.uint8], change: Any) -> Pictures:
    return np.stack([np.asarray(change(Image.fromarray(each))) for each in images]).astype(int)


def by_keras(images: NDArray[np.uint8], layer: Any, transformation: Any) -> Pictures:
    """Rounded, for Keras leaves fractions."""
    drawn = {
        name: layer.backend.numpy.array(value, "float32") for name, value in transformation.items()
    }
    return np.rint(np.asarray(layer.transform_images(images.astype(np.float32), drawn))).astype(int)


def albumentations(part: str) -> Any:
    """Its functions of one kind."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network for its newest version
    return pytest.importorskip(f"albumentations.augmentations.{part}.functional")


@pytest.mark.parametrize("degrees", [-170.0, -30.0, 5.0, 90.0])
def test_hue_is_kerass(images: NDArray[np.uint8], degrees: float) -> None:
    from keras.layers import RandomHue

    theirs = by_keras(images, RandomHue(1.0), {"factor": [degrees / 360] * len(images)})
    assert np.abs(ours("hue_range", images, degrees) - theirs).max() <= 1


def test_grey_is_pillows(images: NDArray[np.uint8]) -> None:
    theirs = by_pillow(images, lambda picture: picture.convert("L").convert("RGB"))
    assert np.abs(ours("grayscale_share", images, 1) - theirs).max() <= 1


def test_equalized_is_pillows(images: NDArray[np.uint8]) -> None:
    assert (ours("equalize_share", images, 1) == by_pillow(images, ImageOps.equalize)).all()


def test_stretched_is_kerass(images: NDArray[np.uint8]) -> None:
    """Keras rounds where Pillow drops the fraction."""
    from keras.layers import AutoContrast

    theirs = np.rint(np.asarray(AutoContrast()(images.astype(np.float32))))
    assert np.abs(ours("auto_contrast_share", images, 1) - theirs).max() <= 1


def test_negative_is_pillows(images: NDArray[np.uint8]) -> None:
    assert (ours("invert_share", images, 1) == by_pillow(images, ImageOps.invert)).all()


@pytest.mark.parametrize("bits", range(8))
def test_posterized_is_pillows(images: NDArray[np.uint8], bits: int) -> None:
    theirs = by_pillow(images, lambda picture: ImageOps.posterize(picture, 8 - bits))
    assert (ours("posterize_range", images, bits) == theirs).all()


@pytest.mark.parametrize("levels", [1, 2, 100, 255])
def test_solarized_is_pillows(images: NDArray[np.uint8], levels: int) -> None:
    theirs = by_pillow(images, lambda picture: ImageOps.solarize(picture, 256 - levels))
    assert (ours("solarize_range", images, levels) == theirs).all()


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_sharpened_is_pillows_and_but_for_the_border_kerass(
    images: NDArray[np.uint8], factor: float
) -> None:
    from keras.layers import RandomSharpness

    painted = ours("sharpness_range", images, factor)
    sharpened = by_pillow(images, lambda picture: ImageEnhance.Sharpness(picture).enhance(factor))
    assert (painted == sharpened).all()
    halves = [factor / 2] * len(images)
    theirs = by_keras(images, RandomSharpness(1.0), {"factor": halves})
    assert np.abs(painted - theirs)[:, 1:-1, 1:-1].max() <= 2  # Pillow rounds what it smooths


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
def test_blurred_is_scipys_and_albumentationss(images: NDArray[np.uint8], sigma: float) -> None:
    painted = ours("blur_range", images, sigma)
    kernel = albumentations("blur").create_gaussian_kernel_1d(sigma)
    for image, mine in zip(images, painted, strict=True):
        plain = image.astype(float)
        exact = [
            gaussian_filter(plain[..., channel], sigma, mode="mirror", truncate=3)
            for channel in range(3)
        ]
        assert np.abs(np.stack(exact, axis=-1) - mine).max() <= 2
        other = cv2.sepFilter2D(plain, -1, kernel, kernel)
        assert np.abs(other - mine).max() <= 3


def test_noise_is_normal_and_drawn_again_from_its_seed() -> None:
    grey = np.full((1, 200, 200, 3), 128, np.uint8)
    added = ours("noise_range", grey, 20, 7)[0] - 128
    assert (ours("noise_range", grey, 20, 7)[0] - 128 == added).all()
    assert (ours("noise_range", grey, 20, 8)[0] - 128 != added).any()
    assert added.std() == pytest.approx(20, rel=0.01)
    assert (
        kstest(
            (added + np.random.default_rng(0).random(added.shape) - 0.5).ravel() / 20, "norm"
        ).pvalue
        > 1e-3
    )
    assert abs(np.corrcoef(added.reshape(-1, 3).T)[0, 1]) < 0.02  # colours apart
    assert abs(np.corrcoef(added[:, 1:].ravel(), added[:, :-1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("quality", [100, 90, 50, 10, 1])
def test_compressed_is_pillows_and_albumentationss(images: NDArray[np.uint8], quality: int) -> None:
    def through_a_file(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    painted = ours("jpeg_range", images, 100 - quality)
    assert (painted == by_pillow(images, through_a_file)).all()
    theirs = albumentations("pixel").image_compression  # which takes red for blue
    other = [theirs(image[..., ::-1], quality, ".jpg")[..., ::-1] for image in images]
    assert (painted == np.stack(other)).all()


def drawn(name: str, *values: Any, count: int = 4000) -> Pictures:
    """A record's numbers for pictures of 48 pixels a side."""
    draw = AUGMENTATIONS[name].draw
    assert draw is not None
    return draw(np.random.default_rng(1).random((count, 4)), 48, *values)


def test_a_rectangle_has_the_area_and_ratio_of_the_paper_and_lies_within() -> None:
    left, top, right, bottom = drawn("erasing_range", 0.4, "black")[:, :4].T
    assert min(left.min(), top.min()) == 0
    assert max(right.max(), bottom.max()) == 48
    wide, high = right - left, bottom - top
    area = wide * high / 48**2
    assert area.max() < 0.42
    assert area.mean() == pytest.approx(0.2, abs=0.01)
    big = area > 0.02
    ratio = wide[big] / high[big]
    assert 0.25 < ratio.min() < 0.4
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(left / (49 - wide), top / (49 - high))[0, 1] == pytest.approx(0, abs=0.05)


def test_erased_is_the_level_or_noise_from_its_seed(images: NDArray[np.uint8]) -> None:
    grey = ours("erasing_range", images, 3, 5, 20, 30, 127, 9)
    assert (grey[:, 5:30, 3:20] == 127).all()
    grey[:, 5:30, 3:20] = images[:, 5:30, 3:20]
    assert (grey == images).all()
    noise = ours("erasing_range", images, 3, 5, 20, 30, -1, 9)[0, 5:30, 3:20]
    assert noise.mean() == pytest.approx(127.5, abs=8)
    assert noise.std() == pytest.approx(256 / np.sqrt(12), abs=5)


def test_a_part_is_stretched_as_opencv_and_albumentations_do(images: NDArray[np.uint8]) -> None:
    left, top, wide, high = 7, 13, 24, 30
    theirs = albumentations("crops").crop(images[0], left, top, left + wide, top + high)
    theirs = cv2.resize(theirs, (48, 48), interpolation=cv2.INTER_LINEAR).astype(int)
    matrix = AUGMENTATIONS["crop_range"].matrix
    assert matrix is not None
    numbers = np.array([[wide / 48, high / 48, left + wide / 2 - 24, top + high / 2 - 24, 0, 0]])
    out = np.empty((1, 48, 48, 3), np.uint8)
    warp(images, np.array([0]), fold([matrix(numbers)], 48), Fill(), out)
    assert np.abs(out[0] - theirs)[1:-1, 1:-1].max() <= 1  # the border of theirs sees no neighbour


def test_a_part_has_its_area_and_ratio_and_lies_within() -> None:
    wide, high, right, down = drawn("crop_range", 0.6, 2.0)[:, :4].T
    area = wide * high
    assert 0.4 <= area.min() < 0.41
    assert area.mean() == pytest.approx(0.7, abs=0.01)
    assert 0.5 <= (wide / high).min() < 0.55
    assert np.median(wide / high) == pytest.approx(1, abs=0.03)
    for side, moved in ((wide, right), (high, down)):
        assert side.max() <= 1
        assert (np.abs(moved) <= (1 - side) * 47 / 2).all()
        assert np.abs(moved).max() > 7


@pytest.mark.parametrize("fill_mode", ["constant", "wrap"])
def test_a_part_shows_nothing_from_beyond_the_picture(fill_mode: str) -> None:
    record = AUGMENTATIONS["crop_range"]
    assert record.draw is not None
    assert record.matrix is not None
    ramps = np.zeros((1, 48, 48, 3), np.uint8) + np.arange(48, dtype=np.uint8)[:, None, None]
    corners = np.array([[0.9, 0.5, across, down] for across in (0, LAST) for down in (0, LAST)])
    units = np.vstack([corners, np.random.default_rng(1).random((20, 4))])
    matrices = fold([record.matrix(record.draw(units, 48, 0.9, 1.33))], 48)
    out = np.empty((len(units), 48, 48, 3), np.uint8)
    warp(ramps, np.zeros(len(units), np.int64), matrices, Fill(fill_mode, 255), out)
    assert np.ptp(np.diff(out[..., 0].astype(int), axis=1)) <= 2
    assert (out[..., 0] == out[:, :, :1, 0]).all()


MOVED = [[3.0, 0.0], [6.5, 2.0], [0.0, 9.0], [1.0, 0.5]]  # pixels inwards, clockwise


def test_perspective_is_kerass_and_opencvs(images: NDArray[np.uint8]) -> None:
    from keras.layers import RandomPerspective

    painted = ours("perspective_range", images, *np.ravel(MOVED), FILL_MODES.index("constant"), 9)
    places = np.array([[0, 0], [47, 0], [47, 47], [0, 47]], np.float32)
    moved = places + np.array(MOVED, np.float32) * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    matrix = cv2.getPerspectiveTransform(places, moved.astype(np.float32))
    whole = cv2.warpPerspective(np.full((48, 48), 255, np.uint8), matrix, (48, 48))
    border = np.ones((3, 3), np.uint8)  # where theirs mix the picture with the fill
    inside, outside = cv2.erode(whole, border) == 255, cv2.dilate(whole, border) == 0
    for image, mine in zip(images, painted, strict=True):
        other = cv2.warpPerspective(image, matrix, (48, 48), borderValue=(9, 9, 9))
        assert np.abs(other.astype(int) - mine)[inside].max() <= 1
    assert (painted[:, outside] == 9).all()
    layer = RandomPerspective(fill_value=9)
    theirs = layer.transform_images(
        images.astype(np.float32),
        {
            "apply_perspective": np.ones(len(images), bool),
            "start_points": np.tile(places[[0, 1, 3, 2]], (len(images), 1, 1)),
            "end_points": np.tile(moved[[0, 1, 3, 2]].astype(np.float32), (len(images), 1, 1)),
        },
    )
    assert np.abs(np.asarray(theirs) - painted)[:, inside].max() <= 1


@pytest.mark.parametrize("size", [8, 48, 150])
def test_elastic_moves_pixels_as_far_as_it_says_and_smoothly(size: int) -> None:
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    fields = []
    for seed in range(200):
        x, y = read_elastic(np.array([0.03 * size, seed, 0, 0]), size)
        fields.append((x - columns, y - rows))
    far = np.array(fields) / size
    assert np.sqrt((far**2).mean(axis=(0, 2, 3))) == pytest.approx(0.03, rel=0.05)
    assert np.abs(far.mean()) < 0.002
    next_door, apart = far[..., :-1], far[..., 1:]
    distance = 1 / size  # the correlation of a field blurred by a Gaussian, sigma 1 / 12
    expected = np.exp(-(distance**2) / 4 * 12**2)
    assert (next_door * apart).mean() / (far**2).mean() == pytest.approx(expected, abs=0.03)


def test_elastic_is_as_strong_and_as_smooth_as_albumentationss() -> None:
    names: dict[str, Any] = {}
    code = write(Policy("A test", {"elastic": 0.04}, 96), "albumentations").code
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    exec(code, names)
    theirs = next(iter(names["augmentation"]))
    theirs.set_random_seed(1)
    fields = [
        theirs.get_params_dependent_on_data({"shape": (96, 96, 3)}, {})["map_x"] - np.arange(96)
        for _ in range(100)
    ]
    inner = np.stack(fields)[:, 24:-24, 24:-24]  # theirs is stronger where the border is repeated
    assert np.sqrt((inner**2).mean()) == pytest.approx(0.04 * 96, rel=0.1)
    apart = (inner[..., 8:] * inner[..., :-8]).mean() / (inner**2).mean()
    assert apart == pytest.approx(np.exp(-1 / 4), abs=0.05)  # 8 pixels are one sigma


@pytest.mark.parametrize("size", [8, 9, 37])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("name", ["perspective_range", "elastic"])
def test_what_bends_is_filled_as_what_moves(name: str, fill_mode: str, size: int) -> None:
    flat = np.full((1, size, size, 3), 80, np.uint8)
    settings = {name: ends_of(AUGMENTATIONS[name])[1], "fill_mode": fill_mode, "cval": 200}
    for view in range(20):
        levels = set(np.unique(augment(flat, [0], settings, 3, view)))
        assert levels == {80, 200} if fill_mode == "constant" else levels == {80}


def test_aug_mix_mixes_chains_of_pillows_operations(images: NDArray[np.uint8]) -> None:
    place = {operation.name: number for number, operation in enumerate(MIXED)}
    chains = [
        *(place["rotate"], 9, place["posterize"], 3, -1, 0),
        *(place["equalize"], 0, -1, 0, -1, 0),
        *(place["solarize"], 180, -1, 0, -1, 0),
    ]
    painted = ours("aug_mix", images, 0.6, 0.5, 0.3, 0.2, *chains)
    mixture = (
        0.5 * by_pillow(images, lambda picture: ImageOps.posterize(picture.rotate(9), 3))
        + 0.3 * by_pillow(images, ImageOps.equalize)
        + 0.2 * by_pillow(images, lambda picture: ImageOps.solarize(picture, 180))
    )
    assert np.abs(painted - (0.4 * images + 0.6 * mixture)).max() <= 0.501


def test_aug_mix_draws_weights_depths_and_strengths_of_the_paper() -> None:
    numbers = drawn("aug_mix", 3)
    weights, pairs = numbers[:, 1:4], numbers[:, 4:].reshape(-1, 3, 3, 2)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights.mean(axis=0) == pytest.approx(1 / 3, abs=0.015)
    assert weights.var(axis=0) == pytest.approx(1 / 18, rel=0.06)  # Dirichlet(1, 1, 1)
    there = pairs[..., 0] >= 0
    assert there.mean(axis=(0, 1)) == pytest.approx([1, 2 / 3, 1 / 3], abs=0.02)
    for number, operation in enumerate(MIXED):
        strengths = pairs[pairs[..., 0] == number][:, 1]
        assert len(strengths) == pytest.approx(there.sum() / 9, rel=0.1)
        if operation.name == "rotate":
            assert set(strengths) == set(range(-8, 9))
        if operation.name == "shear x":
            assert 0.085 < np.abs(strengths).max() < 0.09
            assert abs(np.sign(strengths).mean()) < 0.08


@pytest.mark.parametrize(
    "name", ["grayscale_share", "auto_contrast_share", "equalize_share", "invert_share"]
)
def test_a_share_of_the_pictures_is_changed_wholly_and_grows(
    images: NDArray[np.uint8], name: str
) -> None:
    some, more = (drawn(name, share)[:, 0] for share in (0.3, 0.6))
    assert some.mean() == pytest.approx(0.3, abs=0.03)
    assert (more >= some).all()  # the same pictures, and others
    assert (ours(name, images, 0) == images).all()
