"""Budget advice: what a plan can detect, by formula and as told to people."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from search.evidence.advice import KnownBaseline, advise
from search.evidence.power import Plan, Spread, assumed_spread, detectable_effect, measured_spread
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES

IMAGES_ONLY = Spread(image=0.1, noise=0, head=0)


def test_images_alone_follow_the_textbook() -> None:
    # a standard error of 0.1 / sqrt(10000); 1.960 + 0.842 of them
    assert detectable_effect(Plan(10_000, 5, 3), IMAGES_ONLY) == pytest.approx(0.0028016, rel=1e-3)


def test_more_power_and_more_comparisons_take_larger_effects() -> None:
    # 1.960 + 1.282 for 90 %; 3.023 + 0.842 for one of 20, 0.05 / 20 two-sided
    assert detectable_effect(Plan(10_000, 5, 3), IMAGES_ONLY, power=0.9) == pytest.approx(
        0.003242, rel=1e-3
    )
    assert detectable_effect(Plan(10_000, 5, 3, 20), IMAGES_ONLY) == pytest.approx(
        0.003865, rel=1e-3
    )


def test_heads_set_a_limit_that_images_do_not_lift() -> None:
    heads_only = Spread(image=0, noise=0, head=0.01)
    few, many = (detectable_effect(Plan(n, 5, 3), heads_only) for n in (1000, 1_000_000))
    # 15 heads, 10 degrees of freedom and 2 beforehand: 2.179 + 0.842 of 0.01 / sqrt(15)
    assert few == many == pytest.approx(3.021 * 0.01 / sqrt(15), rel=1e-3)


@pytest.mark.parametrize(
    ("more", "less"),
    [((3409, 5, 3), (341, 5, 3)), ((3409, 5, 5), (3409, 5, 2)), ((3409, 10, 3), (3409, 5, 3))],
)
def test_more_of_anything_detects_less(
    more: tuple[int, int, int], less: tuple[int, int, int]
) -> None:
    spread = assumed_spread(0.84)
    smaller, larger = (detectable_effect(Plan(*sizes), spread) for sizes in (more, less))
    assert smaller < larger


def test_the_assumed_spread_agrees_with_what_was_measured() -> None:
    # on clothing photographs: 0.2 to 0.3 points, 5 folds x 3 seeds, 3409 images, accuracy 0.84
    assert 0.002 < sqrt(sum(assumed_spread(0.84).variances(Plan(3409, 5, 3)))) < 0.003


def test_a_spread_is_measured_from_seeds_that_differ() -> None:
    # correct in 84 % independently for each seed: all of the variance is noise, of which settings
    # share two fifths
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
    advice = advise(Plan(3409, 5, 1, 20), KnownBaseline(0.84), "accuracy")
    assert advice.needed is not None
    fewer = replace(advice.needed, seeds=advice.needed.seeds - 1)
    assert detectable_effect(advice.needed, assumed_spread(0.84)) <= 0.01
    assert detectable_effect(fewer, assumed_spread(0.84)) > 0.01
    assert (advice.detectable_effect or 0) > 0.01


def test_a_single_fold_scores_the_validation_images_only() -> None:
    advice = advise(Plan(3409, 1, 3), KnownBaseline(0.84), "accuracy", num_validation=341)
    assert advice.plan.num_images == 341
    assert advice.detectable_effect == detectable_effect(Plan(341, 1, 3), assumed_spread(0.84))
    assert advice.needed is not None
    assert advice.needed.folds > 1


def test_no_folds_are_told_that_a_plan_may_not_have() -> None:
    plan, known = Plan(3409, 1, 3), KnownBaseline(0.84)
    alone = advise(plan, known, "accuracy", num_validation=2000, folds=())
    assert alone.needed is not None
    assert alone.needed.folds == 1
    assert alone.needed.num_images == 2000
    assert detectable_effect(alone.needed, assumed_spread(0.84)) <= 0.01
    few = advise(plan, known, "accuracy", num_validation=50, folds=())
    assert few.needed is None
    assert few.larger is not None
    assert few.larger.folds == 1
    assert detectable_effect(few.larger, assumed_spread(0.84)) <= 0.01
    assert "folds" not in few.text
    images, seeds = few.larger.num_images, few.larger.seeds
    assert few.text.endswith(f"1 point would take about {images:,} images and {seeds} seeds.")


def test_advice_reads_as_plain_sentences() -> None:
    assert advise(Plan(10_000, 5, 3), KnownBaseline(0.8, IMAGES_ONLY), "accuracy").text == (
        "5 folds x 3 seeds on 10,000 images find an effect of 0.28 points 4 times in 5. "
        "1 point takes no more than 5 folds x 2 seeds."
    )
    assert advise(Plan(200, 5, 3, 20), KnownBaseline(0.84), "accuracy").text.endswith(
        "1 point would take about 1,600 images and 9 seeds."
    )


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="0 folds"):
        detectable_effect(Plan(100, 0, 3), assumed_spread(0.8))
    with pytest.raises(ValueError, match="between 0 and 1"):
        advise(Plan(100, 5, 3), KnownBaseline(84), "accuracy")


def test_a_plan_too_small_for_any_gain_says_that_it_can_show_nothing() -> None:
    assert detectable_effect(Plan(10, 1, 2, 43), assumed_spread(0.85)) > 0.15
    advice = advise(Plan(10, 1, 2, 43), KnownBaseline(0.85), "accuracy")
    assert advice.detectable_effect is None
    assert advice.room == pytest.approx(0.15)
    assert "can show nothing" in advice.text
    assert (
        "no augmentation can gain more than 15 points (at the accuracy that is assumed)"
        in advice.text
    )
    assert advice.found.startswith("nothing")


@pytest.mark.parametrize("num_images", [1, 2, 5, 40, 400, 4000])
@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.85, 0.999, 1.0])
@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (1, 2), (2, 1), (5, 3)])
def test_no_plan_claims_more_than_can_be_gained(
    num_images: int, accuracy: float, folds: int, seeds: int
) -> None:
    advice = advise(Plan(num_images, folds, seeds, 20), KnownBaseline(accuracy), "accuracy")
    assert advice.detectable_effect is None or 0 <= advice.detectable_effect < 1 - accuracy


def test_what_was_measured_bounds_the_gain() -> None:
    assert advise(
        Plan(200, 5, 3), KnownBaseline(0.85, IMAGES_ONLY), "accuracy"
    ).detectable_effect == pytest.approx(0.0198, rel=1e-2)
    advice = advise(Plan(200, 5, 3), KnownBaseline(0.99, IMAGES_ONLY, room=0.01), "accuracy")
    assert advice.detectable_effect is None
    assert (
        "no augmentation can gain more than 1 point (as the baseline was measured)" in advice.text
    )


def test_log_loss_is_told_in_nats_and_only_once_it_was_measured() -> None:
    before = advise(Plan(10_000, 5, 3), KnownBaseline(0.85), "log_loss")
    assert before.detectable_effect is None
    assert before.found == "not known yet"
    assert "not known before a first run" in before.text
    after = advise(Plan(10_000, 5, 3), KnownBaseline(0.85, IMAGES_ONLY, 0.4), "log_loss")
    assert after.found == "0.0028 nats, 4 times in 5"
    assert "points" not in after.text


def test_balanced_accuracy_of_unlike_classes_varies_more() -> None:
    weights = OBJECTIVES["balanced_accuracy"].flip(np.repeat([0, 1], [90, 10]))
    weight = float(np.sqrt((weights**2).mean()))
    assert weight == pytest.approx(sqrt(0.9 / (4 * 0.81) + 0.1 / (4 * 0.01)))
    plain, balanced = (
        advise(Plan(4000, 5, 3), KnownBaseline(0.85, weight=each), "accuracy").detectable_effect
        for each in (1.0, weight)
    )
    assert plain is not None
    assert balanced == pytest.approx(weight * plain)


def test_networks_vary_more_than_heads_on_frozen_features() -> None:
    plan = Plan(1347, 1, 6, 4, search_seeds=3)
    frozen, networks = (
        advise(plan, KnownBaseline(0.85, head_spread=spread), "accuracy").detectable_effect
        for spread in (0.02, 0.06)
    )
    assert frozen is not None
    assert networks is not None
    assert networks > 1.7 * frozen


@pytest.mark.parametrize(
    ("plan", "accuracy", "spread", "measured"),
    [
        (Plan(1347, 1, 1, 3, search_seeds=1), 0.86, 0.06, 0.113),
        (Plan(1347, 1, 1, 3, search_seeds=2), 0.88, 0.06, 0.061),
        (Plan(1347, 1, 4, 7, search_seeds=4), 0.90, 0.06, 0.033),
        (Plan(1078, 2, 3, 3, search_seeds=1), 0.95, 0.06, 0.021),
        (Plan(1347, 1, 6, 4, search_seeds=3), 0.94, 0.06, 0.018),
        (Plan(631, 1, 4, 4, search_seeds=3), 0.97, 0.06, 0.022),
        (Plan(341, 1, 8, 4, search_seeds=5), 0.67, 0.02, 0.029),
    ],
)
def test_a_plan_is_told_what_small_searches_measured(
    plan: Plan, accuracy: float, spread: float, measured: float
) -> None:
    told = detectable_effect(plan, assumed_spread(accuracy, head_spread=spread))
    assert 0.8 < told / measured < 1.4


def test_luck_that_no_head_was_seen_twice_of_is_known_badly() -> None:
    spread = Spread(image=0.0, noise=0.0, head=0.01)
    once = detectable_effect(Plan(1000, 1, 1), spread)
    assert once == pytest.approx((4.303 + 0.842) * 0.01, rel=1e-3)  # t of 2
    seen = detectable_effect(Plan(1000, 1, 1, search_seeds=11), spread)
    assert seen == pytest.approx((2.179 + 0.842) * 0.01, rel=1e-3)  # t of 12
    # that it is known badly widens all intervals together: not a t of 0.05 / 20
    many = detectable_effect(Plan(1000, 1, 1, 20), spread)
    assert many == pytest.approx((3.023 * 4.303 / 1.960 + 0.842) * 0.01, rel=1e-3)


def test_noise_of_images_is_no_doubt_where_no_head_is_seen_twice() -> None:
    noise = Spread(image=0.0, noise=0.1, head=0.0)
    assert detectable_effect(Plan(10_000, 1, 1), noise) == pytest.approx(0.0028016, rel=1e-3)
