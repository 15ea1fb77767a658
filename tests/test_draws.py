"""Uniform draws as a pure function of (seed, stream, view, image)."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from data.views import BLOCK_IMAGES, unit_draws

MASK = 2**64 - 1


def philox(counter: int, key: int) -> list[int]:
    """Philox 4x64-10 as the paper writes it (Salmon et al., 2011), in plain integers."""
    words = [counter >> 64 * i & MASK for i in range(4)]
    keys = [key & MASK, key >> 64]
    for _ in range(10):
        first, third = words[0] * 0xD2E7470EE14C6C93, words[2] * 0xCA5A826395121157
        words = [
            third >> 64 ^ words[1] ^ keys[0],
            third & MASK,
            first >> 64 ^ words[3] ^ keys[1],
            first & MASK,
        ]
        keys = [(keys[0] + 0x9E3779B97F4A7C15) & MASK, (keys[1] + 0xBB67AE8584CAA73B) & MASK]
    return words


def test_the_reference_has_the_published_known_answer() -> None:
    assert philox(0, 0) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]


@pytest.mark.parametrize("index", [0, 1, BLOCK_IMAGES - 1, BLOCK_IMAGES, 123_456_789])
def test_an_image_gets_the_philox_block_of_its_index(index: int) -> None:
    import hashlib

    key = int.from_bytes(hashlib.blake2b(b"7/3/5", digest_size=16).digest(), "little")
    expected = [(word >> 11) / 2**53 for word in philox(index + 1, key)]
    assert unit_draws(7, 3, 5, np.array([index]))[0].tolist() == expected


def test_order_repetition_and_company_change_nothing() -> None:
    every = unit_draws(1, 2, 3, np.arange(3000))
    picks = np.array([2999, 12, 0, 12, 1024, 1023])
    np.testing.assert_array_equal(unit_draws(1, 2, 3, picks), every[picks])
    np.testing.assert_array_equal(unit_draws(1, 2, 3, np.array([12])), every[12:13])


def test_scattered_indices_of_a_huge_dataset_cost_little() -> None:
    assert unit_draws(1, 2, 3, np.array([0, 10**15])).shape == (2, 4)


def test_no_images_no_draws() -> None:
    assert unit_draws(1, 2, 3, np.array([], dtype=np.int64)).shape == (0, 4)


@pytest.mark.parametrize("seed", [0, -1, 2**64 - 1, 2**70, -(2**70)])
def test_any_integer_is_a_seed_and_each_its_own(seed: int) -> None:
    mine = unit_draws(seed, 1, 0, np.arange(4))
    others = [unit_draws(other, 1, 0, np.arange(4)) for other in (1, 2**64, -2)]
    assert all(not np.array_equal(mine, other) for other in others)
    assert mine.min() >= 0
    assert mine.max() < 1


def test_draws_are_uniform() -> None:
    draws = unit_draws(11, 1, 0, np.arange(20_000))
    for column in draws.T:  # seeded; a sound generator fails one in 10,000 seeds
        assert stats.kstest(column, "uniform").pvalue > 2.5e-5


def test_seeds_streams_views_and_columns_share_nothing() -> None:
    images = np.arange(10_000)
    keys = [(0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)]
    columns = np.concatenate([unit_draws(*key, images) for key in keys], axis=1)
    correlation = np.corrcoef(columns.T)[np.triu_indices(columns.shape[1], 1)]
    # 276 pairs, each normal with deviation 0.01: seeded; fails by chance for one seed in 1,000.
    assert np.abs(correlation).max() < 0.047


@pytest.mark.parametrize("indices", [np.array([-1]), np.array([[1, 2]])])
def test_indices_that_are_none_are_refused(indices: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        unit_draws(0, 1, 0, indices)
