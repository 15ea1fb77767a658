"""Measurements, simultaneous intervals, curves and designs, on numbers small enough to work out,
and against a world whose truth is known."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from benchmarks.world import Images, World
from search.evidence.answer import answer_of
from search.evidence.choosing import propose, strengths
from search.evidence.claim_table import Claims
from search.evidence.claims import Declared, claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import fit
from search.evidence.intervals import Contrasts, simultaneous
from search.evidence.looks import plan_looks
from search.evidence.luck import PRIOR_DF, Luck
from search.evidence.measurements import Measurements, Training, measure
from search.evidence.screening import screening_points
from search.experiment.answers import Predictions


def trainings(
    num_images: int = 300, folds: int = 1, seeds: int = 3, count: int = 3, seed: int = 0
) -> tuple[list[Training], np.ndarray]:
    rng = np.random.default_rng(seed)
    images = Images.draw(World(num_images=num_images), rng)
    stage = images.stage(folds, seeds, rng)
    done = [
        Training(str(number), "search", stage.predictions(images.setting(rng), rng))
        for number in range(count)
    ]
    return done, images.labels


def measured_scores(scores: list[float], error: float, stages: str = "") -> Measurements:
    """Trainings whose scores err independently by `error`, which is known."""
    count = len(scores)
    nothing = np.zeros(count)
    return Measurements(
        names=tuple(map(str, range(count))),
        stages=tuple(stages or "a" * count),
        scores=np.array(scores),
        image_cov=error**2 * np.eye(count),
        image_df=1e6,
        luck=Luck(nothing, nothing, nothing, nothing, nothing, 0.0),
        single=nothing,
        bounds=(-1.0, 1.0),
    )


def test_scores_and_their_covariance_over_images() -> None:
    fold = np.zeros(6, np.int16)
    right = np.array([[0, 0, 1, 1, 1, 0]]), np.array([[0, 0, 1, 0, 1, 1]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    done = [
        Training(str(i), "a", Predictions(np.arange(6), p.astype(np.int16), np.zeros((1, 6)), fold))
        for i, p in enumerate(right)
    ]
    measured = measure(done, labels, "accuracy")
    assert measured.scores == pytest.approx([4 / 6, 4 / 6])
    # three images per class share one stratum (fewer than five): variance 6/5 x 1/6 (2/3 1/3) / ...
    assert measured.image_cov[0, 0] == pytest.approx((4 / 6 * 2 / 6) * 6 / 5 / 6)


def test_images_of_one_group_are_drawn_together() -> None:
    done, labels = trainings(num_images=400)
    twice = [
        Training(
            t.name,
            t.stage,
            Predictions(
                np.arange(800),
                np.repeat(t.predictions.predicted, 2, axis=1),
                np.repeat(t.predictions.log_prob, 2, axis=1),
                np.repeat(t.predictions.fold, 2),
            ),
        )
        for t in done
    ]
    doubled, groups = np.repeat(labels, 2), np.repeat(np.arange(400), 2)
    once = measure(done, labels, "accuracy")
    naive = measure(twice, doubled, "accuracy")
    grouped = measure(twice, doubled, "accuracy", groups)
    assert grouped.image_cov == pytest.approx(once.image_cov)
    assert naive.image_cov[0, 0] == pytest.approx(once.image_cov[0, 0] / 2, rel=0.02)


def test_only_trainings_on_the_same_images_are_measured_together() -> None:
    done, labels = trainings()
    fewer = Predictions(
        done[1].predictions.images[1:],
        done[1].predictions.predicted[:, 1:],
        done[1].predictions.log_prob[:, 1:],
        done[1].predictions.fold[1:],
    )
    with pytest.raises(ValueError, match="other images"):
        measure([done[0], Training("1", "search", fewer)], labels, "accuracy")


def test_only_trainings_of_one_stage_make_a_contrast() -> None:
    measured = measured_scores([0.5, 0.6], 0.01, "ab")
    with pytest.raises(ValueError, match="two stages"):
        measured.contrast("1", "0")


def test_luck_is_pooled_over_trainings() -> None:
    done, labels = trainings(num_images=341, seeds=2, count=13)
    few, many = measure(done[:2], labels, "accuracy"), measure(done, labels, "accuracy")
    assert few.luck.pooled_df == pytest.approx(1 + PRIOR_DF, rel=0.05)
    assert many.luck.pooled_df == pytest.approx(12 + PRIOR_DF, rel=0.05)


def test_trainings_that_are_right_everywhere_have_no_luck() -> None:
    fold, labels = np.zeros(6, np.int16), np.arange(6, dtype=np.int32) % 3
    found = Predictions(np.arange(6), np.stack([labels] * 2), np.zeros((2, 6)), fold)
    measured = measure([Training(name, "search", found) for name in "abc"], labels, "accuracy")
    assert not measured.luck.variance.any()
    interval = simultaneous(measured, Contrasts(measured.contrast("b", "a")[None]), 1)
    assert interval.low[0] < 0 < interval.high[0]


def test_few_heads_leave_luck_as_unsure_as_they_are() -> None:
    done, labels = trainings(num_images=341, seeds=2, count=13)
    rng = np.random.default_rng(1)
    few = measure(done[:2], labels, "accuracy").luck.draws(4000, rng)[:, 0]
    many = measure(done, labels, "accuracy").luck.draws(4000, rng)[:, 0]
    assert np.quantile(few, 0.95) > 3 * np.quantile(many, 0.95)


def test_a_training_that_some_heads_fail_in_does_not_blur_the_others() -> None:
    done, labels = trainings(num_images=341, seeds=4, count=8)
    answers = done[7].predictions.predicted.copy()
    answers[0] = (labels + 1) % 10
    found = done[7].predictions
    failed = Predictions(found.images, answers, found.log_prob, found.fold)
    ruined = measure([*done[:7], Training("7", "search", failed)], labels, "accuracy")
    without = measure(done[:7], labels, "accuracy")
    assert ruined.luck.variance[:7] == pytest.approx(without.luck.variance, rel=0.2)
    assert ruined.luck.variance[7] > 100 * without.luck.variance.max()


@pytest.mark.parametrize(("setting", "is_blurred"), [("0", True), ("", False)])
def test_luck_is_told_by_setting_over_rounds_unless_a_training_is_of_none(
    setting: str, is_blurred: bool
) -> None:
    done, labels = trainings(num_images=341, seeds=4, count=8)
    again, _ = trainings(num_images=341, seeds=4, count=8)
    first = done[0].predictions
    answers = first.predicted.copy()
    answers[0] = (labels + 1) % 10  # one network did not train
    spoilt = Training("spoilt", "search", replace(first, predicted=answers), setting)
    rest = [replace(each, setting=each.name) for each in done[1:]]
    anew = [Training(f"again {t.name}", "confirm", t.predictions, t.name) for t in again]
    luck = measure([spoilt, *rest, *anew], labels, "accuracy").luck
    assert (luck.variance[8] > 10 * luck.variance[9]) == is_blurred


def test_one_contrast_has_the_normal_interval_and_many_the_one_of_their_largest() -> None:
    measured = measured_scores([0.0] + [0.01] * 20, 0.01)
    one = simultaneous(measured, Contrasts(measured.contrast("1", "0")[None]), 1)
    assert one.critical == pytest.approx(1.96, abs=0.04)
    assert one.errors[0] == pytest.approx(0.01 * sqrt(2))
    rows = np.stack([measured.contrast(str(i), "0") for i in range(1, 21)])
    family = simultaneous(measured, Contrasts(rows), 1)
    assert family.critical == pytest.approx(2.86, abs=0.05)  # Dunnett 1955, 20 against a control
    again = simultaneous(measured, Contrasts(np.vstack([rows] * 3)), 1)
    assert again.critical == pytest.approx(family.critical, abs=0.05)  # nothing new was asked


def test_intervals_of_few_seeds_hold_the_truth_and_are_no_wider_than_need_be() -> None:
    hits, widths, found = 0, [], []
    for number in range(300):
        done, labels = trainings(num_images=341, seeds=2, count=13, seed=number)
        measured = measure(done, labels, "accuracy")
        asked = Contrasts(measured.contrast("1", "0")[None])
        interval = simultaneous(measured, asked, number, num_draws=1000)
        hits += interval.low[0] <= 0 <= interval.high[0]
        widths.append(interval.high[0] - interval.low[0])
        found.append(interval.effects[0])
    # 94 to 97 %: below 272 of 300 at 94 % has a probability of 0.007, above 299 at 97 % of 0.0001
    assert 272 <= hits <= 299
    assert np.mean(widths) < 1.15 * 2 * 1.96 * np.std(found) * 1.1  # spread known to 4 %


PLACES = (0.25, 0.5, 0.75, 1.0)


def _space(
    effect: dict[str, float], error: float, seed: int
) -> tuple[Measurements, list[Axis], list[Combination]]:
    """Twenty settings of four augmentations, straight lines, measured with `error`."""
    names = ("a", "b", "c", "flip")
    axes = [Axis.of_numbers(name, PLACES) for name in names[:3]] + [Axis("flip", (False, True))]
    laid = screening_points(20, (None, None, None, 2), seed)
    points = [NOTHING]
    for row in laid:
        values: dict[str, object] = {n: float(v) for n, v in zip(names[:3], row, strict=False) if v}
        points.append(Combination.of({**values, **({"flip": True} if row[3] > 0 else {})}))
    rng = np.random.default_rng(seed)
    scores = [
        sum(effect.get(name, 0.0) * float(value) for name, value in point.values)
        + error * rng.normal()
        for point in points
    ]
    return measured_scores(scores, error), axes, points


def test_main_effects_are_read_from_all_trainings() -> None:
    measured, axes, points = _space({"a": 0.03, "flip": -0.02}, 1e-5, 3)
    model = fit(measured, axes, points)
    alone = [Combination.of({"a": 1.0}), Combination.of({"flip": True}), Combination.of({"b": 0.5})]
    assert model.effects(alone, measured.scores) == pytest.approx([0.03, -0.02, 0.0], abs=1e-3)
    assert propose(measured, model) == Combination.of({"a": 1.0})


@pytest.mark.parametrize("harm", [0.0, -0.03])
def test_helpers_that_overlap_are_read_neither_too_low_nor_too_high(harm: float) -> None:
    # measured without luck: 0.08 points and 0.6 errors off at most over eight layouts, 0.15 to 0.23
    # and 1.2 to 1.9 where overlaps are in proportion to strengths. Harm only adds up.
    effect = {"a": 0.02, "b": 0.02, "c": harm or 0.02, "flip": 0.02}
    _, axes, points = _space({}, 1.0, 4)
    alone = [Combination.of({name: 0.5}) for name in "abc"] + [Combination.of({"flip": True})]
    points += alone

    def gain(point: Combination) -> float:
        parts = [effect[name] * float(value) for name, value in point.values]
        helped = sum(part for part in parts if part > 0)
        return 0.025 * -float(np.expm1(-helped / 0.025)) + sum(p for p in parts if p < 0)

    measured = measured_scores([gain(point) for point in points], 0.002)
    asked = fit(measured, axes, points).contrasts([(point, NOTHING) for point in alone])
    found = simultaneous(measured, asked, 1, num_draws=200)
    off = np.abs(found.effects - [gain(point) for point in alone])
    assert off.max() < 0.0011
    assert (off / found.errors).max() < 0.75


def test_one_augmentation_is_known_twice_as_well_as_from_a_pair_of_trainings() -> None:
    measured, axes, points = _space({}, 0.004, 5)
    model = fit(measured, axes, points)
    pairs = [(Combination.of({name: 0.5}), NOTHING) for name in "abc"]
    errors = simultaneous(measured, model.contrasts(pairs), 1, num_draws=200).errors
    assert errors.mean() <= 0.5 * 0.004 * sqrt(2)


def test_the_weights_of_a_contrast_sum_to_nothing_within_each_stage() -> None:
    measured, axes, points = _space({"a": 0.02}, 0.004, 1)
    stages = "a" * 11 + "b" * 10
    two = measured_scores(measured.scores.tolist(), 0.004, stages)
    weights = fit(two, axes, points).contrasts([(Combination.of({"a": 1.0}), NOTHING)]).weights[0]
    assert weights[:11].sum() == pytest.approx(0, abs=1e-9)
    assert weights[11:].sum() == pytest.approx(0, abs=1e-9)


def test_the_range_of_strengths_holds_the_best_and_the_smallest_sensible_one_is_given() -> None:
    measured, axes, points = _space({"a": 0.04, "b": -0.04}, 0.002, 2)
    model = fit(measured, axes, points)
    rising = strengths(measured, model, axes[0], NOTHING, 1)
    assert (rising.best, rising.last) == (4, 4)
    assert rising.first >= 2
    falling = strengths(measured, model, axes[1], NOTHING, 1)
    assert (falling.best, falling.sensible, falling.first) == (0, 0, 0)
    assert falling.last <= 2


def test_changing_nothing_is_a_fair_choice_unless_some_strength_helps() -> None:
    seen = set()
    for seed in range(10):
        measured, axes, points = _space({"a": 0.013, "flip": -0.013}, 0.004, seed)
        claims = claim(measured, points, Declared(tuple(axes), {}, None), seed=1, num_draws=300)
        model = fit(measured, axes, points)
        for each, axis in zip(claims.augmentations, axes, strict=True):
            assert each.strengths is not None
            helps = any(point.measured.ci[0] > 0 for point in each.curve)
            assert (each.strengths.first != axis.values[0]) == helps
            shown = strengths(measured, model, axis, NOTHING, 1).first > 0  # for itself alone
            seen.add((shown, helps))
            hurting = {point.value for point in each.curve if point.measured.ci[1] < 0}
            assert not hurting & {each.strengths.first, each.strengths.last}
            if max(point.measured.effect for point in each.curve) <= 0:
                fair = [point.value for point in each.curve if point.value not in hurting]
                assert each.strengths.last == fair[-1]
    assert seen == {(False, False), (True, False), (True, True)}


def _step(place: float) -> float:
    """Helps at once, and hurts in the last fifth alone."""
    return 0.03 if 0 < place <= 0.8 else -0.03 * (place > 0.8)


def test_a_strength_that_is_judged_is_of_the_range_and_was_trained_where_any_was() -> None:
    helped = 0
    for seed in range(8):
        measured, axes, points = _space({"c": -0.03, "flip": 0.01}, 0.003, seed)
        own = [float(dict(each.values).get("a", 0.0)) for each in points]  # type: ignore[arg-type]
        alone = Combination.of({"a": 0.5})
        scores = [s + _step(place) for s, place in zip(measured.scores, own, strict=True)]
        measured = measured_scores([*scores, _step(0.5)], 0.003)
        points = [*points, alone]
        claims = claim(measured, points, Declared(tuple(axes), {}, None), seed=1, num_draws=300)
        for each in claims.augmentations:
            assert each.strengths is not None
            tried = [point.value for point in each.curve]
            first, last = (tried.index(v) for v in (each.strengths.first, each.strengths.last))
            within = each.curve[first : last + 1]
            assert all(point.measured.ci[1] >= 0 for point in within), "none of a range HURTS"
            if each.alone is not None and each.alone.ci[0] > 0:
                assert each.strength in [point.value for point in within]
        found = claims.augmentations[0]
        at = next(point.measured for point in found.curve if point.value == 0.5)
        if at.ci[0] > 0:
            helped += 1
            assert (found.strength, found.is_trained) == (0.5, True)
    assert helped >= 4


@pytest.mark.parametrize(("effect", "word"), [(0.0, "NO EVIDENCE"), (-0.1, "HURTS")])
def test_a_strength_that_was_trained_alone_is_judged_before_one_read_off(
    effect: float, word: str
) -> None:
    for seed in range(4):
        measured, axes, points = _space({"a": effect}, 0.01, seed)
        alone = [*points, Combination.of({"a": 0.5})]
        again = measured_scores([*measured.scores, effect / 2], 0.01)
        declared = Declared(tuple(axes), {}, None)
        claims = claim(again, alone, declared, seed=1, num_draws=300)
        assert claims.verdicts()["a"] == word
        found = {each.name: each for each in claims.augmentations}
        assert (found["a"].strength, found["a"].is_trained) == (0.5, True)
        assert not found["b"].is_trained


def _fixed(*apart: dict[str, float]) -> Claims:
    """Of a setting of two augmentations that nothing is searched in, and of what was trained
    beside it."""
    axes = tuple(Axis(name, (0.0, 1.0), (0.0, 1.0), is_fixed=True) for name in ("a", "b"))
    whole = Combination.of({"a": 1.0, "b": 1.0})
    points = [NOTHING, whole, Combination(outside="course"), *map(Combination.of, apart)]
    measured = measured_scores([0.5, 0.52, 0.4, *(0.51 for _ in apart)], 0.01)
    declared = Declared(axes, {"whole": whole, "course": points[2]}, "whole")
    return claim(measured, points, declared, seed=1, num_draws=500)


def test_what_was_never_apart_from_the_rest_is_not_tried_alone() -> None:
    claims = _fixed()
    assert claims.verdicts() == {"a": "NOT TRIED", "b": "NOT TRIED"}
    assert all(each.with_recommended is None for each in claims.augmentations)
    answer, whole = answer_of(claims), claims.wholes[0].measured
    assert whole is not None
    assert (answer.kind, answer.detectable) == ("cannot_tell", whole.detectable)
    assert whole.detectable < 0.06


def test_one_training_takes_two_apart() -> None:
    assert _fixed({"a": 1.0}).verdicts() == {"a": "NO EVIDENCE", "b": "NO EVIDENCE"}


def test_a_level_that_nothing_was_trained_for_is_not_of_the_curve() -> None:
    axis = Axis("brightness_range", ((1.0, 1.0), (0.8, 1.2), (0.5, 1.5)))
    points = [NOTHING, Combination.of({axis.name: (0.5, 1.5)})]
    declared = Declared((axis,), {}, None)
    claims = claim(measured_scores([0.5, 0.5], 0.01), points, declared, seed=1, num_draws=500)
    (found,) = claims.augmentations
    assert [point.value for point in found.curve] == [(1.0, 1.0), (0.5, 1.5)]
    assert (found.strength, found.is_trained) == ((0.5, 1.5), True)


def test_a_control_that_is_outside_says_what_it_sets() -> None:
    measured, axes, points = _space({}, 0.002, 4)
    course = Combination(outside="course")
    sets = {"course": ("a", "shear_range")}
    declared = Declared(tuple(axes), {"course": course}, None, sets=sets)
    again = measured_scores([*measured.scores, 0.0], 0.002)
    claims = claim(again, [*points, course], declared, seed=1, num_draws=300)
    assert [(each.settings, each.sets) for each in claims.wholes] == [({}, sets["course"])]


def test_levels_are_effects_of_their_own() -> None:
    axis = Axis("brightness_range", ((1.0, 1.0), (0.8, 1.2), (0.5, 1.5)))
    most, none = (Combination.of({axis.name: value}) for value in ((0.5, 1.5), (1.0, 1.0)))
    assert axis.terms([most, none]).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_a_number_may_lie_on_either_side_of_changing_nothing() -> None:
    axis = Axis.of_numbers("learning_rate", (0.5, 2.0), identity=1.0)
    assert axis.values == (1.0, 0.5, 2.0)
    assert axis.places == (0.0, -0.5, 1.0)


@pytest.mark.parametrize("count", [8, 20, 36])
def test_a_screening_design_is_seeded_balanced_and_never_idle(count: int) -> None:
    levels = (None, None, 3, 2, 2)
    points = screening_points(count, levels, 7)
    assert (points == screening_points(count, levels, 7)).all()
    assert (points != screening_points(count, levels, 8)).any()
    assert ((points >= 0) & (points < 1)).all()
    assert points.any(axis=1).all()
    on = (points > 0).sum(axis=0)
    assert on[3:] == pytest.approx(count / 2, abs=2)
    assert on[:2] == pytest.approx(0.6 * count, abs=2)
    assert abs(np.corrcoef(points.T) - np.eye(5)).max() < (0.7 if count == 8 else 0.4)


def test_looks_spend_five_percent_together() -> None:
    looks = plan_looks([0.5, 1.0])
    assert looks[0].level == pytest.approx(1 - 0.00557, abs=1e-4)  # 2 - 2 Phi(1.96 / sqrt(0.5))
    assert sum(1 - look.level for look in looks) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="end with 1"):
        plan_looks([0.5, 0.9])


def test_a_search_claims_every_augmentation_and_says_which_was_not_tried() -> None:
    measured, axes, points = _space({"a": 0.05, "flip": -0.05}, 0.002, 4)
    points += [Combination.of({"a": 1.0}), Combination.of({"flip": True})]
    measured = measured_scores([*measured.scores, 0.049, -0.051], 0.002)
    whole = {"recommended": Combination.of({"a": 0.75, "b": 0.25})}
    declared = Declared((*axes, Axis.of_numbers("d", PLACES)), whole, "recommended")
    claims = claim(measured, points, declared, seed=1, num_draws=1000)
    assert claims.verdicts() | {"b": "", "c": ""} == {
        "a": "HELPS",
        "b": "",
        "c": "",
        "flip": "HURTS",
        "d": "NOT TRIED",
    }
    first = claims.augmentations[0]
    assert first.strengths is not None
    assert first.strengths.at_edge
    assert [point.value for point in first.curve] == [0.0, *PLACES]
    beside = {point.value: point.measured for point in first.curve_beside}
    assert first.strength != 0.75  # which it has in the recommended setting
    assert first.with_recommended == beside[0.75]
    answer = answer_of(claims)
    assert (answer.kind, answer.label) == ("use", "a alone")


def test_without_a_recommended_setting_nothing_is_claimed_beside_one() -> None:
    measured, axes, points = _space({}, 0.002, 4)
    claims = claim(measured, points, Declared(tuple(axes), {}, None), seed=1, num_draws=500)
    assert all(each.with_recommended is None for each in claims.augmentations)
    assert all(not each.curve_beside for each in claims.augmentations)


def test_another_setting_that_was_searched_has_its_effect_and_no_claim() -> None:
    measured, axes, points = _space({"a": 0.03}, 1e-4, 6)
    rate = Axis.of_numbers("learning_rate", (-1.0, 1.0))
    moved = [
        Combination.of({**dict(point.values), "learning_rate": float((-1) ** row)})
        if row
        else point
        for row, point in enumerate(points)
    ]
    shifts = np.array([0.02 * (-1) ** row if row else 0.0 for row in range(len(points))])
    shifted = measured_scores((measured.scores + shifts).tolist(), 1e-4)
    claims = claim(shifted, moved, Declared(tuple(axes), {}, None, (rate,)), 1, num_draws=500)
    assert [each.name for each in claims.augmentations] == ["a", "b", "c", "flip"]
    found = claims.augmentations[0].curve[-1].measured
    assert found.effect == pytest.approx(0.03, abs=0.002)


def test_two_trainings_are_enough_for_a_claim_and_one_is_not() -> None:
    done, labels = trainings(num_images=60, seeds=1, count=2)
    measured = measure(done, labels, "accuracy")
    declared = Declared((Axis("flip", (False, True)),), {}, None)
    points = [NOTHING, Combination.of({"flip": True})]
    claims = claim(measured, points, declared, seed=1, num_draws=200)
    assert claims.verdicts() == {"flip": "NO EVIDENCE"}
    with pytest.raises(ValueError, match="nothing to claim"):
        claim(measure(done[:1], labels, "accuracy"), points[:1], declared, seed=1)


def test_trainings_that_answer_alike_are_no_certainty() -> None:
    done, labels = trainings(num_images=60, seeds=2, count=1)
    twins = [done[0], Training("1", "search", done[0].predictions)]
    measured = measure(twins, labels, "accuracy")
    asked = Contrasts(measured.contrast("1", "0")[None])
    assert simultaneous(measured, asked, 1, num_draws=500).high[0] > 0
