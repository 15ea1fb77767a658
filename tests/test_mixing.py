"""Mixup and CutMix: what is mixed, in which shares, and that it is drawn for the image and not for
the batch."""

import numpy as np
import pytest

from search.training.batching import Mixing, mix

SIZE = 12


def _images(count: int = 64) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def _mixed(mixing: Mixing, count: int = 64, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return mix(_images(count), np.arange(count), mixing, seed=7, epoch=epoch)


def test_mixup_is_the_weighted_sum_of_an_image_and_the_one_before_it() -> None:
    images, (mixed, share) = _images().astype(np.float32), _mixed(Mixing(1.0, 0.0))
    weight = share[:, None, None, None]
    np.testing.assert_allclose(
        mixed, images * weight + np.roll(images, 1, 0) * (1 - weight), atol=1e-3
    )


def test_cutmix_takes_each_pixel_from_one_of_the_two_in_the_share_it_tells() -> None:
    images, (mixed, share) = _images(), _mixed(Mixing(0.0, 1.0))
    own = (mixed == images).all(axis=-1)
    assert (own | (mixed == np.roll(images, 1, axis=0)).all(axis=-1)).all()
    # by chance two pixels are alike
    np.testing.assert_allclose(own.mean(axis=(1, 2)), share, atol=0.02)


def test_what_is_pasted_is_one_box() -> None:
    images, (mixed, _) = _images(), _mixed(Mixing(0.0, 1.0))
    pasted = (mixed != images).any(axis=-1)
    for mask in pasted:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.95


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    """Mean and variance of 2000 shares (false-failure rate about 1 in 15,000 each)."""
    images = np.zeros((2000, 4, 4, 3), np.uint8)
    share = mix(images, np.arange(2000), Mixing(alpha, 0.0), seed=1, epoch=0)[1]
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(variance / 2000)
    assert abs(share.var() - variance) < 4 * np.sqrt(2 / 2000) * variance


def test_an_image_s_share_does_not_depend_on_its_batch() -> None:
    positions = np.array([5, 900, 17])
    alone = mix(_images(3), positions, Mixing(0.4, 0.0), seed=3, epoch=2)[1]
    other = mix(_images(3), positions[::-1], Mixing(0.4, 0.0), seed=3, epoch=2)[1]
    np.testing.assert_array_equal(alone, other[::-1])


def test_shares_differ_between_epochs() -> None:
    assert not np.array_equal(_mixed(Mixing(1.0, 0.0))[1], _mixed(Mixing(1.0, 0.0), epoch=1)[1])


def test_where_both_are_on_about_half_of_the_images_are_cut() -> None:
    images, (mixed, _) = _images(400), _mixed(Mixing(1.0, 1.0), 400)
    whole_pixels = (mixed == np.round(mixed)).all(axis=(1, 2, 3))
    assert 0.4 < whole_pixels.mean() < 0.6
    assert mixed.shape == images.shape
