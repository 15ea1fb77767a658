"""What every objective of the table promises; a new one is tested as soon as it is there."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_records import KAPPA
from pydantic import TypeAdapter, ValidationError
from sklearn.metrics import f1_score, roc_auc_score

from search.evidence.resampling import image_variance, strata
from search.experiment.influence import auc_parts, f1_parts, macro_auc, macro_f1
from search.experiment.objectives import OBJECTIVES, ImageAnswers, Objective, ObjectiveRecord

CLASSES, IMAGES = 3, 90

every_objective = pytest.mark.parametrize(
    "objective", [*OBJECTIVES.values(), KAPPA], ids=lambda objective: objective.name
)


def _truth() -> np.ndarray:
    return np.repeat(np.arange(CLASSES), (50, 30, 10))


def _answers(share_right: float, seed: int = 0) -> ImageAnswers:
    """Two seeds' answers, so many of them right and the more probable for it."""
    rng, true = np.random.default_rng(seed), _truth()
    right = rng.random((2, IMAGES)) < share_right
    predicted = np.where(right, true, (true + 1) % CLASSES).astype(np.int16)
    probs = np.where(np.arange(CLASSES) == predicted[..., None], 0.8, 0.1)
    log_probs = np.log(probs).astype(np.float32)
    log_prob = np.log(np.where(right, 0.8, 0.1)).astype(np.float32)
    return ImageAnswers(predicted, log_prob, true, log_probs)


def _row(answers: ImageAnswers, row: int = 0) -> ImageAnswers:
    assert answers.log_probs is not None
    one = answers.log_probs[row]
    return ImageAnswers(answers.predicted[row], answers.log_prob[row], answers.true, one)


def test_an_experiment_may_name_those_of_the_table_and_no_others() -> None:
    kind = TypeAdapter(Objective)
    assert kind.json_schema()["enum"] == list(OBJECTIVES)
    assert [kind.validate_python(name) for name in OBJECTIVES] == list(OBJECTIVES)
    with pytest.raises(ValidationError, match=r"allowed: accuracy, .*did you mean 'accuracy'"):
        kind.validate_python("acuracy")


def test_nobody_else_tells_objectives_apart_by_name() -> None:
    root = Path(__file__).parent.parent
    compared = re.compile(
        rf"""[!=]= ["']({"|".join(OBJECTIVES)})["']|["']({"|".join(OBJECTIVES)})["'] [!=]="""
    )
    files = [path for folder in ("search", "benchmarks") for path in (root / folder).rglob("*.py")]
    assert not [path.name for path in files if compared.search(path.read_text())]


@every_objective
def test_better_answers_have_a_larger_score(objective: ObjectiveRecord) -> None:
    everywhere = np.ones(IMAGES, bool)
    scores = [
        objective.score(_row(_answers(share)), everywhere) for share in (0.0, 0.3, 0.6, 0.9, 1.0)
    ]
    assert scores == sorted(set(scores))


@every_objective
def test_an_image_each_and_their_mean_is_the_score(objective: ObjectiveRecord) -> None:
    answers, everywhere = _answers(0.7), np.ones(IMAGES, bool)
    parts = objective.parts(answers)
    assert parts.shape == (2, IMAGES)
    assert parts.dtype == np.float64
    for row in range(2):
        assert parts[row].mean() == pytest.approx(objective.score(_row(answers, row), everywhere))


@every_objective
def test_the_score_of_some_images_does_not_see_the_others(objective: ObjectiveRecord) -> None:
    chosen = np.arange(IMAGES) % 2 == 0
    first, second = _row(_answers(0.7, seed=1)), _row(_answers(0.2, seed=2))
    mixed = ImageAnswers(
        np.where(chosen, first.predicted, second.predicted),
        np.where(chosen, first.log_prob, second.log_prob),
        first.true,
        np.where(chosen[:, None], first.of_all_classes, second.of_all_classes),
    )
    assert objective.score(mixed, chosen) == objective.score(first, chosen)


@every_objective
def test_a_flip_is_what_one_answer_changes_its_image_s_part_by(objective: ObjectiveRecord) -> None:
    answers, flips = _row(_answers(1.0)), objective.flip(_truth())
    assert flips.shape == (IMAGES,)
    if not flips.any():  # every answer moves a little, and none of them by a step
        return
    for image in (0, 60, 85):
        wrong = answers.predicted.copy()
        wrong[image] = (wrong[image] + 1) % CLASSES
        changed = objective.parts(ImageAnswers(wrong, answers.log_prob, answers.true))
        moved = objective.parts(answers) - changed
        if np.flatnonzero(moved).tolist() == [image]:
            assert moved[image] == pytest.approx(flips[image])
        else:  # no mean: the others' parts move too, and the flip depends on the class given
            assert 0.5 < moved[image] / flips[image] < 2


@every_objective
def test_no_difference_of_two_sets_of_answers_is_beyond_the_bounds(
    objective: ObjectiveRecord,
) -> None:
    best, worst = (objective.parts(_answers(share)).mean() for share in (1.0, 0.0))
    least, most = objective.bounds
    assert least <= worst - best < best - worst <= most


@every_objective
def test_a_reported_figure_turned_by_the_sign_is_better_when_larger(
    objective: ObjectiveRecord,
) -> None:
    assert objective.sign == {"max": 1, "min": -1}[objective.direction]
    best, worst = (objective.sign * objective.parts(_answers(share)).mean() for share in (1.0, 0.0))
    assert (best > worst) == (objective.direction == "max")


@every_objective
def test_nothing_is_better_than_the_best(objective: ObjectiveRecord) -> None:
    true = _truth()
    sure = np.where(np.arange(CLASSES) == true[:, None], 0.0, -50.0)
    perfect = ImageAnswers(true[None], np.zeros((1, IMAGES)), true, sure[None])
    assert objective.sign * objective.parts(perfect).mean() == pytest.approx(objective.best)
    for share in (0.0, 0.5, 1.0):
        assert objective.parts(_answers(share)).mean() <= objective.sign * objective.best


@every_objective
def test_differences_are_said_in_a_unit_with_a_name(objective: ObjectiveRecord) -> None:
    unit = objective.unit
    assert unit.name
    assert unit.of
    assert objective.words
    assert unit.factor > 0
    assert unit.digits >= 0


def test_balanced_accuracy_is_the_mean_recall_of_the_classes() -> None:
    true, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    answers = ImageAnswers(predicted, np.zeros(4), true)
    assert OBJECTIVES["balanced_accuracy"].parts(answers).mean() == pytest.approx((2 / 3 + 1) / 2)


def test_a_probability_that_is_no_number_has_no_log_loss() -> None:
    answers = ImageAnswers(np.zeros(2), np.array([0.0, np.nan]), np.zeros(2, int))
    with pytest.raises(ValueError, match="NaN"):
        OBJECTIVES["log_loss"].parts(answers)


def _probabilities(seed: int, images: int = 120, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities float32 [n, classes] that know a little, with ties; and labels, uneven."""
    rng = np.random.default_rng(seed)
    true = np.sort(rng.integers(0, classes, images) * rng.integers(0, 2, images))
    logits = np.round(rng.normal(size=(images, classes)), 1)
    logits[np.arange(images), true] += 1
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32), true


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_scikit_learns_one_against_rest(seed: int) -> None:
    log_probs, true = _probabilities(seed)
    probs = np.exp(log_probs.astype(np.float64))
    probs /= probs.sum(axis=1, keepdims=True)
    exact = roc_auc_score(true, probs, multi_class="ovr", average="macro")
    assert macro_auc(log_probs, true) == pytest.approx(exact, abs=1e-4)  # ties of float32 alone
    assert auc_parts(log_probs, true).mean() == pytest.approx(macro_auc(log_probs, true))
    exact_ties = roc_auc_score(true == 1, log_probs[:, 1])
    two = np.stack([-log_probs[:, 1], log_probs[:, 1]], axis=1)
    assert macro_auc(two, (true == 1).astype(int)) == pytest.approx(exact_ties)


@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_is_scikit_learns(seed: int) -> None:
    log_probs, true = _probabilities(seed)
    predicted = log_probs.argmax(axis=1)
    exact = f1_score(true, predicted, average="macro")
    assert macro_f1(predicted, true) == pytest.approx(exact)
    assert f1_parts(predicted, true).mean() == pytest.approx(exact)


@pytest.mark.parametrize(
    ("figure", "parts"),
    [
        (lambda p, t: macro_auc(p, t), auc_parts),
        (lambda p, t: macro_f1(p.argmax(axis=1), t), lambda p, t: f1_parts(p.argmax(axis=1), t)),
    ],
    ids=["auc", "macro_f1"],
)
def test_parts_vary_as_the_figure_does_where_images_are_drawn_again(
    figure: Callable[..., float], parts: Callable[..., np.ndarray]
) -> None:
    log_probs, true = _probabilities(1, images=600)
    rng, moved = np.random.default_rng(3), []
    for _ in range(300):
        picks = np.concatenate(
            [rng.choice(np.flatnonzero(true == k), (true == k).sum()) for k in range(4)]
        )
        moved.append(figure(log_probs[picks], true[picks]))
    deviation = np.sqrt(image_variance(strata(parts(log_probs, true), true)))
    assert deviation == pytest.approx(np.std(moved), rel=0.12)


def test_classes_that_are_not_there_count_for_nothing() -> None:
    log_probs, true = _probabilities(2)
    some = true != 2
    assert 0.5 < macro_auc(log_probs[some], true[some]) < 1
    assert macro_auc(log_probs[true == 0], true[true == 0]) == 0.5
    assert macro_f1(np.array([0, 0, 1]), np.array([0, 0, 0])) == pytest.approx(0.8)
    assert macro_f1(np.zeros(0, int), np.zeros(0, int)) == 0.0
    assert auc_parts(log_probs[None, true == 0], true[true == 0]).tolist() == [
        [0.5] * int((true == 0).sum())
    ]


def test_equal_scores_are_half_a_win() -> None:
    assert macro_auc(np.zeros((10, 2)), np.arange(10) % 2) == 0.5


def test_auc_needs_the_probabilities_of_all_classes() -> None:
    answers = ImageAnswers(np.zeros((1, 2), int), np.zeros((1, 2)), np.array([0, 1]))
    with pytest.raises(ValueError, match="the probability of the true class alone"):
        OBJECTIVES["auc"].parts(answers)
    nan = replace(answers, log_probs=np.full((1, 2, 2), np.nan))
    with pytest.raises(ValueError, match="NaN"):
        OBJECTIVES["auc"].parts(nan)


def test_what_is_shown_anyway_is_read_by_its_name_in_the_table() -> None:
    by_word = re.compile(r"""metrics(\.get\(|\[)"accuracy"|"accuracy" (not )?in """)
    modules = (Path(__file__).parent.parent / "search").rglob("*.py")
    assert [path.name for path in modules if by_word.search(path.read_text())] == []
