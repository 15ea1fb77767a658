"""Metrics, paired effects and their intervals, on predictions small enough to work out by hand."""

import time
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.evidence.evaluation import (
    effects_by_class,
    metric_values,
    paired_difference,
    paired_effect,
    per_image,
)
from search.evidence.resampling import image_deviations, image_variance, strata
from search.evidence.spread import head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import Objective

LABELS = np.array([0, 0, 0, 1], np.int32)


def predictions(
    predicted: list[list[int]], fold: list[int] | None = None, probability: float = 0.5
) -> Predictions:
    given_classes = np.array(predicted, np.int16)
    num_images = given_classes.shape[1]
    return Predictions(
        np.arange(num_images),
        given_classes,
        np.full(given_classes.shape, log(probability), np.float32),
        np.array(fold or [0] * num_images, np.int16),
    )


def random_pair(
    num_images: int, seeds: int, folds: int, disagreement: float = 0.1
) -> tuple[Predictions, Predictions]:
    """Two-class predictions where either is wrong about an image at random; all labels are class
    0."""
    rng = np.random.default_rng(7)
    fold = np.arange(num_images, dtype=np.int16) % folds
    pair = []
    for _ in range(2):
        wrong = (rng.random((seeds, num_images)) < disagreement).astype(np.int16)
        log_prob = rng.normal(-1, 0.5, (seeds, num_images)).astype(np.float32)
        pair.append(Predictions(np.arange(num_images), wrong, log_prob, fold))
    return pair[0], pair[1]


def test_metrics_are_means_over_images_and_seeds() -> None:
    # seed 0 is right about 0, 1, 3; seed 1 about 0 alone. Recalls: class 0 2/3 and 1/3, class 1 1
    # and 0
    values = metric_values(predictions([[0, 0, 1, 1], [0, 1, 1, 0]], probability=0.25), LABELS, 2)
    assert values["accuracy"] == pytest.approx(4 / 8)
    assert values["balanced_accuracy"] == pytest.approx(((2 / 3 + 1) / 2 + (1 / 3 + 0) / 2) / 2)
    assert values["log_loss"] == pytest.approx(log(4), rel=1e-6)


def test_balanced_accuracy_leaves_out_classes_without_images() -> None:
    assert metric_values(predictions([[0, 0, 0, 1]]), LABELS, 5)[
        "balanced_accuracy"
    ] == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 40), st.integers(2, 5))
def test_each_objective_is_the_mean_of_its_values(
    seed: int, seeds: int, num_images: int, num_classes: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_images).astype(np.int32)
    given_classes = rng.integers(num_classes, size=(seeds, num_images))
    trial = predictions(given_classes.tolist())
    recalls = [
        (given_classes[s][labels == k] == k).mean() for s in range(seeds) for k in np.unique(labels)
    ]
    assert per_image(trial, labels, "accuracy").mean() == pytest.approx(
        (given_classes == labels).mean()
    )
    assert per_image(trial, labels, "balanced_accuracy").mean() == pytest.approx(np.mean(recalls))
    assert per_image(trial, labels, "log_loss").mean() == pytest.approx(log(0.5), rel=1e-6)


def test_predictions_are_looked_up_among_the_labels_of_the_whole_dataset() -> None:
    trial = Predictions(np.array([3]), np.array([[1]]), np.array([[-1.0]]), np.array([0]))
    assert metric_values(trial, LABELS, 2)["accuracy"] == 1
    with pytest.raises(ValueError, match="image 3 but 2 labels"):
        metric_values(trial, LABELS[:2], 2)


def test_a_label_outside_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="label 1 where there are 1 classes"):
        metric_values(predictions([[0, 0, 0, 0]]), LABELS, 1)


def test_a_probability_that_underflowed_leaves_the_log_loss_finite() -> None:
    trial = predictions([[0, 0, 0, 1]])
    trial.log_prob[0, 0] = -np.inf
    assert 20 < metric_values(trial, LABELS, 2)["log_loss"] < 30


def test_probabilities_that_are_not_numbers_are_refused() -> None:
    trial = predictions([[0, 0, 0, 1]])
    trial.log_prob[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        per_image(trial, LABELS, "log_loss")


@pytest.mark.parametrize("other", [[[0, 0, 0, 1]], [[0, 0, 0, 1], [0, 0, 0, 1]]])
def test_only_like_trials_are_paired(other: list[list[int]]) -> None:
    fold = [0, 1, 0, 1] if len(other) == 1 else None
    with pytest.raises(ValueError, match="same images, folds and seeds"):
        paired_difference(predictions([[0, 0, 0, 1]]), predictions(other, fold), LABELS, "accuracy")


def test_the_effect_is_the_mean_difference_and_lies_in_its_interval() -> None:
    trial, baseline = random_pair(400, 3, 5)
    effect = paired_effect(trial, baseline, np.zeros(400, int), "accuracy", 1)
    assert effect.delta == pytest.approx(
        (trial.predicted == 0).mean() - (baseline.predicted == 0).mean()
    )
    assert effect.ci_low < effect.delta < effect.ci_high


def test_more_is_better_for_log_loss_too() -> None:
    sure, unsure = (
        predictions([[0, 0, 0, 1]], probability=0.8),
        predictions([[0, 0, 0, 1]], probability=0.4),
    )
    assert paired_effect(sure, unsure, LABELS, "log_loss", 0).delta == pytest.approx(
        log(2), rel=1e-6
    )


def test_identical_predictions_differ_by_nothing_but_are_not_certain() -> None:
    trial, _ = random_pair(100, 4, 5)
    effect = paired_effect(trial, trial, np.zeros(100, int), "accuracy", 0)
    assert (effect.delta, effect.p_value) == (0, 1)
    assert effect.ci_high == pytest.approx(1.96 / (100 * sqrt(4)), rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    pair = random_pair(200, 2, 3)
    first, again, other = (
        paired_effect(*pair, np.zeros(200, int), "accuracy", seed) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_more_luck_assumed_of_single_heads_gives_a_wider_interval() -> None:
    pair = random_pair(200, 1, 1)
    usual, high = (
        paired_effect(*pair, np.zeros(200, int), "accuracy", 5, spread) for spread in (0.02, 0.06)
    )
    assert high.ci_low < usual.ci_low < usual.ci_high < high.ci_high


@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy", "log_loss"])
def test_the_p_value_is_small_exactly_where_the_interval_is_clear_of_zero(
    objective: Objective,
) -> None:
    labels = np.arange(1000) % 4
    for size in (0.0, 0.003, 0.01, 0.03):
        trial, baseline = random_pair(1000, 3, 5)
        rng = np.random.default_rng(0)
        answers = [
            np.where(p.predicted == 0, labels, (labels + 1) % 4).astype(np.int16)
            for p in (trial, baseline)
        ]
        answers[0] = np.where(rng.random(answers[0].shape) < 10 * size, labels, answers[0])
        better = Predictions(trial.images, answers[0], trial.log_prob + 5 * size, trial.fold)
        usual = Predictions(trial.images, answers[1], baseline.log_prob, trial.fold)
        effect = paired_effect(better, usual, labels, objective, 0)
        if not 0.03 < effect.p_value < 0.08:  # nearer than that, percentiles and tails may disagree
            assert (effect.p_value < 0.05) == (effect.ci_low > 0 or effect.ci_high < 0)


def test_heads_that_differ_by_luck_widen_the_interval_however_many_images_there_are() -> None:
    # Without heads' errors 200,000 images would give +-0.13 points. Three heads that lie 1 point
    # apart must say more.
    num_images = 200_000
    _, baseline = random_pair(num_images, 3, 1)
    rng = np.random.default_rng(0)
    rate = np.array([[0.09], [0.10], [0.11]])
    wrong = (rng.random((3, num_images)) < rate).astype(np.int16)
    trial = Predictions(baseline.images, wrong, baseline.log_prob, baseline.fold)
    effect = paired_effect(trial, baseline, np.zeros(num_images, int), "accuracy", 0)
    # t with two degrees of freedom: 4.3 standard errors of 1 / sqrt(3) points
    assert effect.ci_high - effect.ci_low == pytest.approx(2 * 4.3 * 0.01 / sqrt(3), rel=0.15)


def test_one_head_is_not_trusted_however_many_images_there_are() -> None:
    trial, baseline = random_pair(100_000, 1, 1)
    effect = paired_effect(trial, baseline, np.zeros(100_000, int), "accuracy", 0)
    assumed = 0.02 * sqrt(0.1 * 0.9)  # of accuracy's standard deviation over images
    assert effect.ci_high - effect.ci_low > 2 * 1.9 * assumed


def test_one_image_has_an_effect_of_which_nothing_is_known() -> None:
    effect = paired_effect(predictions([[0]]), predictions([[1]]), np.array([0]), "accuracy", 0)
    assert effect.delta == 1
    assert effect.ci_low < 0
    assert effect.ci_high == 1


def test_effects_by_class_say_who_gains_and_who_loses() -> None:
    labels = np.repeat([0, 1], 100)
    trial = predictions([[0] * 100 + [0] * 60 + [1] * 40])
    baseline = predictions([[1] * 60 + [0] * 40 + [1] * 100])
    effects = effects_by_class(
        trial, baseline, labels, ("shirt", "hat", "never seen"), "accuracy", 0
    )
    assert list(effects) == ["shirt", "hat"]
    assert effects["shirt"].delta == pytest.approx(0.6)
    assert effects["hat"].delta == pytest.approx(-0.6)
    assert effects["shirt"].ci_low > 0 > effects["hat"].ci_high


def test_a_million_images_take_seconds() -> None:
    trial, baseline = random_pair(1_000_000, 2, 5)
    labels = np.arange(1_000_000) % 10
    start = time.perf_counter()
    effect = paired_effect(trial, baseline, labels, "log_loss", 0)
    assert time.perf_counter() - start < 30  # about 2 on an idle machine
    assert effect.ci_high - effect.ci_low < 0.01


def test_a_head_error_is_told_from_image_noise() -> None:
    # 40 folds x 5 seeds; images vary by 1, heads by 0.5: the mean's variance from heads is 0.25 /
    # 200
    rng = np.random.default_rng(1)
    fold = np.arange(8000) % 40
    values = (
        rng.normal(0, 1, (5, 8000))
        + 0.5 * rng.normal(size=(5, 40))[:, fold]
        + rng.normal(0, 3, 8000)
    )
    heads = head_errors(values, fold)
    assert heads.df == 160
    # a variance on 160 degrees of freedom has a relative error of 0.11; false-failure rate below 1
    # in 1000
    assert heads.variance == pytest.approx(0.25 / 200, rel=0.4)
    assert heads.image_noise == pytest.approx(1 / 40_000, rel=0.1)


def test_with_one_seed_the_folds_tell_the_heads_errors() -> None:
    rng = np.random.default_rng(1)
    fold = np.arange(20_000) % 100
    values = rng.normal(0, 1, (1, 20_000)) + 0.5 * rng.normal(size=(1, 100))[:, fold]
    heads = head_errors(values, fold)
    assert heads.df == 99
    assert heads.variance == pytest.approx(0.25 / 100, rel=0.5)


def test_nothing_is_taken_for_a_head_error_where_heads_only_share_images() -> None:
    values = np.tile(np.random.default_rng(0).normal(size=1000), (3, 1))
    assert head_errors(values, np.arange(1000) % 5).variance == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("num_images", "levels"),
    [(300, 3), (300, None), (9000, None)],
    ids=["counted", "drawn", "rounded"],
)
def test_the_bootstrap_varies_as_the_formula_says(num_images: int, levels: int | None) -> None:
    rng = np.random.default_rng(2)
    values = (
        rng.normal(size=num_images)
        if levels is None
        else rng.integers(levels, size=num_images).astype(float)
    )
    parts = strata(values, np.arange(num_images) % 3)
    moved = image_deviations(parts, 4000, rng)
    expected = sqrt(image_variance(parts))
    # 4000 replicates: standard errors of 1.6 % (mean, of the spread) and 1.1 % (spread); 4 of them
    assert abs(moved.mean()) < 0.064 * expected
    assert moved.std() == pytest.approx(expected, rel=0.045)


def test_rare_classes_are_resampled_together() -> None:
    classes = np.array([0] * 50 + [1] * 2 + [2] * 1 + [3] * 20)
    sizes = sorted(len(part) for part in strata(np.arange(73.0), classes))
    assert sizes == [23, 50]  # two and one are too few together, so the next smallest joins them


def test_resampling_never_mixes_classes() -> None:
    values = np.repeat([0.0, 1.0], 30)
    assert not image_deviations(
        strata(values, np.repeat([0, 1], 30)), 100, np.random.default_rng(0)
    ).any()
