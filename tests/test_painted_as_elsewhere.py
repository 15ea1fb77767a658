"""The same strength given to our paint and to that of Keras, Pillow or Albumentations: the same
picture. Random draws are left out, for no two libraries share them."""

import io
import os
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest
from skimage import data as samples

from data.augmentations import AUGMENTATIONS

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


@pytest.mark.parametrize(
    "name",
    ["grayscale_share", "auto_contrast_share", "equalize_share", "invert_share"],
)
def test_a_share_of_the_pictures_is_changed_wholly_and_grows(
    images: NDArray[np.uint8], name: str
) -> None:
    draw = AUGMENTATIONS[name].draw
    assert draw is not None
    units = np.random.default_rng(1).random((4000, 4))
    some, more = (draw(units, 48, share)[:, 0] for share in (0.3, 0.6))
    assert some.mean() == pytest.approx(0.3, abs=0.03)
    assert (more >= some).all()  # the same pictures, and others
    assert (ours(name, images, 0) == images).all()
