"""Figures of one set of predictions, worked by hand."""

import numpy as np
import pytest
from states import make_state

from search.evidence.scores import accuracy_of, confusion_matrix, wilson_interval
from search.experiment.answers import Predictions
from search.experiment.trial import TrialResult
from search.report.figures import FIGURES
from search.report.view import SearchView

LABELS = np.array([0, 0, 0, 1, 1])


def two_seeds() -> Predictions:
    predicted = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]], np.int16)
    images, log_prob = np.arange(5), np.zeros((2, 5), np.float32)
    return Predictions(images, predicted, log_prob, np.zeros(5, np.int16))


def test_a_confusion_matrix_counts_every_image_once_by_the_model_that_is_kept() -> None:
    assert confusion_matrix(two_seeds(), LABELS, 2, kept=0) == ((2, 1), (0, 2))
    assert confusion_matrix(two_seeds(), LABELS, 2, kept=1) == ((0, 3), (2, 0))


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
@pytest.mark.parametrize("num_images", [1, 2, 27, 100, 10_000])
def test_an_interval_of_an_accuracy_stays_between_nothing_and_all(
    accuracy: float, num_images: int
) -> None:
    low, high = wilson_interval(accuracy, num_images)
    assert 0 <= low <= accuracy <= high <= 1
    assert f"{100 * low:.1f}" != "-0.0"


def test_an_accuracy_is_as_sure_as_its_images_that_have_nothing_in_common() -> None:
    result = TrialResult(
        status="completed", metrics={"accuracy": 0.8}, optimistic_metrics={"accuracy": 0.9}
    )
    grouped = result.model_copy(update={"num_independent": 20.0})
    assert accuracy_of(result, 100) == (0.8, wilson_interval(0.8, 100))
    assert accuracy_of(grouped, 100) == (0.8, wilson_interval(0.8, 20))
    assert accuracy_of(result, 100, optimistic=True) == (0.9, wilson_interval(0.9, 100))
    assert accuracy_of(TrialResult(status="failed", error="no memory"), 100) is None
    assert accuracy_of(None, 100) is None


def test_the_confusion_is_described_by_what_it_counts() -> None:
    state = make_state()
    text = FIGURES["confusion"].describe(SearchView(state))
    assert (
        "Confusion matrix of the model that is kept, the first that trained: 270 test images. 260 "
        "are right." in text
    )
    assert state.test is not None
    doubled = tuple(tuple(2 * count for count in row) for row in state.test.confusion)
    earlier = state.model_copy(
        update={"test": state.test.model_copy(update={"confusion": doubled})}
    )
    assert "every model that was trained: 540 answers on 270 test images" in FIGURES[
        "confusion"
    ].describe(SearchView(earlier))
