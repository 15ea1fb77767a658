"""Honest searches share nothing that proves a copy, whatever they are of; copies do.

Simulated where the truth is known; `benchmarks/alike.py` runs the same at length, for
docs/grading.md.
"""

from dataclasses import replace

import numpy as np
import pytest
from states import make_state

from benchmarks.alike import KINDS, Class, Kind, searches, strongest
from search.experiment.answers import Predictions
from search.verification.answer_prints import Reference, row_prints
from search.verification.fingerprints import (
    Fingerprint,
    Mark,
    marks_of_answers,
    marks_of_curves,
    training_of,
)
from search.verification.likeness import LEAST_BITS, Index
from search.verification.submission import Submission, find_copies


def submission(student: str, prints: list[Fingerprint]) -> tuple[str, Submission]:
    words = dict.fromkeys(("experiment", "question", "verdict", "best", "delta", "answer"), "x")
    names = {"student": student, "search_id": student, "journal": student}
    numbers = {"seed": 1, "num_trials": len(prints), "num_failed": 0, "cut": False}
    return f"{student}.zip", Submission(**words, **names, **numbers, prints=tuple(prints))


def timed(student: int, trials: int, seconds: float) -> list[Fingerprint]:
    """Nothing but a second of so many bits in each trial."""
    return [
        Fingerprint(n, f"{student} {n}", f"{student}", {("seconds", n): seconds})
        for n in range(trials)
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_honest_searches_prove_nothing(kind: Kind) -> None:
    assert max(strongest(kind, Class(6, 4), seed=0), default=0.0) < LEAST_BITS


def test_a_copy_of_a_weak_search_is_found_where_its_numbers_are_the_same() -> None:
    anna, ben = list(searches(KINDS[0], Class(2, 4), seed=0))
    stolen = [
        replace(a, training=b.training, draws=b.draws) for a, b in zip(anna, ben, strict=True)
    ]
    (copy,) = find_copies([submission("anna", anna), submission("ben", stolen)])
    assert (copy.num_shared, copy.certain) == (4, True)


def test_one_second_of_two_quick_trials_is_chance_and_many_are_a_copy() -> None:
    one = find_copies([submission("a", timed(1, 1, 20.0)), submission("b", timed(2, 1, 20.0))])
    assert one == ()
    (all_of_them,) = find_copies(
        [submission("a", timed(1, 4, 20.0)), submission("b", timed(2, 4, 20.0))]
    )
    assert all_of_them.certain


def test_a_curve_of_accuracies_proves_nothing_and_one_of_losses_by_how_far_it_moves() -> None:
    assert not next(iter(marks_of_curves({"accuracy": [0.31, 0.33, 0.36]})))[1]
    still = dict(marks_of_curves({"loss": [1.0986123, 1.0986122, 1.0986122]}))
    assert max(still.values()) < 1.0
    moving = dict(marks_of_curves({"loss": [1.9 * 0.9**n for n in range(10)]}))
    assert max(moving.values()) > 60.0


def test_a_network_that_sees_nothing_has_no_mark() -> None:
    """It answers every image of a class in a fold alike, whatever its seed."""
    labels, fold = np.arange(90) % 3, (np.arange(90) // 3 % 2).astype(np.int16)
    log_prob = (-1.0986 - 0.001 * labels - 0.0001 * fold).astype(np.float32)[None]
    given = Predictions(np.arange(90), np.zeros((1, 90), np.int16), log_prob, fold)
    other = Reference(given.images, given.predicted[0] + 1, log_prob[0] * np.float32(1.5))
    (row,) = row_prints(given, [other], labels.astype(np.int16), 3)
    assert not list(marks_of_answers([row]))
    assert not row.near_bits.any()
    assert not row.class_bits.any()


def test_views_in_which_nothing_is_drawn_are_one_training() -> None:
    """Two plans of one seed, with other views, train the same without augmentation."""
    record = make_state().records[0]
    spec = record.spec
    protocol = spec.protocol.model_copy(update={"views": 7, "view_seed": 1})
    other = record.model_copy(update={"spec": spec.model_copy(update={"protocol": protocol})})
    assert not spec.settings.augmentation
    assert training_of(record) == training_of(other)


def test_what_two_settings_of_one_search_share_is_no_proof_under_one_seed() -> None:
    """The holder of the same training is named, though another was there first."""
    mark: Mark = ("curve", "loss", 5, "x")
    first = Fingerprint(0, "none", "seed", {mark: 60.0}, frozenset({mark}))
    second = replace(first, trial=1, training="rotation")
    index = Index()
    index.add("anna.zip", [first, second])
    other, honest = index.holders(second)["anna.zip"]
    assert other is None
    assert honest is not None
    assert honest.honest
