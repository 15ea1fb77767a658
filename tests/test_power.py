"""Budget advice: what a plan can detect, by formula and as told to people."""

from math import sqrt

import numpy as np
import pytest

from search.evidence.power import Spread, advise, assumed_spread, detectable_effect, measured_spread
from search.experiment.trial import Predictions

IMAGES_ONLY = Spread(image=0.1, noise=0, head=0)


def test_images_alone_follow_the_textbook() -> None:
    # a standard error of 0.1 / sqrt(10000); 1.960 + 0.842 of them
    assert detectable_effect(10_000, 0.8, 5, 3, IMAGES_ONLY) == pytest.approx(0.0028016, rel=1e-3)


def test_more_power_and_more_comparisons_take_larger_effects() -> None:
    # 1.960 + 1.282 for 90 %; 3.023 + 0.842 for one of 20, 0.05 / 20 two-sided
    assert detectable_effect(10_000, 0.8, 5, 3, IMAGES_ONLY, power=0.9) == pytest.approx(0.003242, rel=1e-3)
    assert detectable_effect(10_000, 0.8, 5, 3, IMAGES_ONLY, num_compared=20) == pytest.approx(
        0.003865, rel=1e-3
    )


def test_heads_set_a_limit_that_images_do_not_lift() -> None:
    heads_only = Spread(image=0, noise=0, head=0.01)
    few, many = (detectable_effect(n, 0.8, 5, 3, heads_only) for n in (1000, 1_000_000))
    # 15 heads, 10 degrees of freedom: 2.228 + 0.879 of 0.01 / sqrt(15)
    assert few == many == pytest.approx(3.107 * 0.01 / sqrt(15), rel=1e-3)


@pytest.mark.parametrize(
    ("more", "less"),
    [((3409, 5, 3), (341, 5, 3)), ((3409, 5, 5), (3409, 5, 2)), ((3409, 10, 3), (3409, 5, 3))],
)
def test_more_of_anything_detects_less(more: tuple[int, int, int], less: tuple[int, int, int]) -> None:
    smaller, larger = (detectable_effect(n, 0.84, folds, seeds) for n, folds, seeds in (more, less))
    assert smaller < larger


def test_the_assumed_spread_agrees_with_what_was_measured() -> None:
    # on clothing photographs: 0.2 to 0.3 points, 5 folds x 3 seeds, 3409 images, accuracy 0.84
    assert 0.002 < sqrt(sum(assumed_spread(0.84).variances(3409, 5, 3))) < 0.003


def test_a_spread_is_measured_from_seeds_that_differ() -> None:
    # correct in 84 % independently for each seed: all of the variance is noise, of which settings share two fifths
    rng = np.random.default_rng(0)
    wrong = (rng.random((5, 4000)) > 0.84).astype(np.int16)
    fold = np.arange(4000).astype(np.int16) % 5
    baseline = Predictions(np.arange(4000), wrong, np.zeros(wrong.shape, np.float32), fold)
    spread = measured_spread(baseline, np.zeros(4000, int), "accuracy")
    assert spread is not None
    assert spread.noise == pytest.approx(sqrt(1.2 * 0.84 * 0.16), rel=0.02)
    assert spread.head < 0.01


def test_one_seed_measures_no_spread() -> None:
    baseline = Predictions(np.arange(4), np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4))
    assert measured_spread(baseline, np.zeros(4, int), "accuracy") is None


def test_what_one_point_needs_detects_one_point_with_the_fewest_heads() -> None:
    advice = advise(3409, 0.84, 5, 1, num_compared=20)
    assert advice.needed is not None
    folds, seeds = advice.needed
    assert detectable_effect(3409, 0.84, folds, seeds, num_compared=20) <= 0.01
    assert detectable_effect(3409, 0.84, folds, seeds - 1, num_compared=20) > 0.01
    assert advice.detectable_effect > 0.01


def test_a_single_fold_scores_the_validation_images_only() -> None:
    advice = advise(3409, 0.84, 1, 3, num_validation=341)
    assert advice.num_images == 341
    assert advice.detectable_effect == detectable_effect(341, 0.84, 1, 3)
    assert advice.needed is not None
    assert advice.needed[0] > 1


def test_advice_reads_as_plain_sentences() -> None:
    assert advise(10_000, 0.8, 5, 3, IMAGES_ONLY).text == (
        "5 folds x 3 seeds on 10,000 images find an effect of 0.28 points 4 times in 5. "
        "1 point takes no more than 5 folds x 2 seeds."
    )
    assert advise(200, 0.84, 5, 3, num_compared=20).text.endswith("1 point would take about 12,800 images.")


def test_the_basis_is_named() -> None:
    assert advise(1000, 0.84, 5, 3).basis == "assumed"
    assert advise(1000, 0.84, 5, 3, IMAGES_ONLY).basis == "measured"


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="0 folds"):
        detectable_effect(100, 0.8, 0, 3)
    with pytest.raises(ValueError, match="between 0 and 1"):
        advise(100, 84, 5, 3)
