"""The learning rate's warm-up and its cosine."""

import numpy as np
import pytest

from search.training.optimizer import warm_cosine


def _rates(max_epochs: int, warmup: float, steps: int = 10) -> np.ndarray:
    return np.array(
        [warm_cosine(step, steps, max_epochs, warmup, 1.0) for step in range(max_epochs * steps)]
    )


def test_it_rises_in_a_line_to_the_peak_and_falls_to_nothing() -> None:
    rates = _rates(5, 1)
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert (np.diff(rates[10:]) <= 0).all()
    assert rates[-1] < 0.005


def test_half_way_down_is_half_the_peak() -> None:
    assert warm_cosine(60, 10, 11, 1, 2.0) == pytest.approx(1.0)


def test_without_a_warm_up_it_begins_at_the_peak() -> None:
    assert _rates(3, 0)[0] == 1.0


def test_a_warm_up_longer_than_the_training_never_falls() -> None:
    assert (np.diff(_rates(2, 5)) > 0).all()


def test_it_stays_at_nothing_after_its_end() -> None:
    assert warm_cosine(1000, 10, 5, 1, 1.0) == pytest.approx(0.0)
