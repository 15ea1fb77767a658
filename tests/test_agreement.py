"""Whether answers go with the classes, beyond luck."""

import numpy as np
import pytest

from search.training.head_scores import is_beyond_luck


def uneven(rare: int, count: int) -> np.ndarray:
    return (np.arange(count) < rare).astype(np.int32)


def true_class(share: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Its log-probability, of what is given to class 1."""
    return np.log(np.where(labels == 1, share, 1 - share)).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("rare", "count"), [(20, 400), (30, 300), (50, 100)])
def test_an_order_of_two_classes_is_learnt_whatever_it_is_calibrated_to(
    rare: int, count: int, smoothing: float
) -> None:
    labels = uneven(rare, count)
    ease = np.random.default_rng(1).normal(2.0 * labels, 1.0)
    odds = np.exp(2.0 * ease - 2.0) * rare / (count - rare)
    given = (1 - smoothing) * odds / (1 + odds) + smoothing / 2
    predicted = np.zeros(count, np.int32)
    assert is_beyond_luck(predicted, true_class(given, labels), labels)


@pytest.mark.parametrize("share", [0.05, 0.123455, 0.5])
def test_one_answer_to_all_is_none(share: float) -> None:
    labels = uneven(20, 400)
    same = true_class(np.full(400, share), labels)
    assert not is_beyond_luck(np.zeros(400, np.int32), same, labels)


def test_answers_at_chance_are_no_order_in_a_hundred_epochs() -> None:
    labels, rng = uneven(20, 400), np.random.default_rng(2)
    for _ in range(100):
        given = 1 / (1 + np.exp(3.0 + rng.normal(0.0, 1.0, 400)))
        predicted = np.zeros(400, np.int32)
        assert not is_beyond_luck(predicted, true_class(given, labels), labels)
