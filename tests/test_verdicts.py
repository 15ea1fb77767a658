"""Holm's correction, the three verdicts, and the choice of a policy."""

import pytest

from search.evidence.findings import Confirmed
from search.evidence.verdicts import choose, holm, verdict
from search.experiment.trial import Effect


def effect(delta: float, half: float = 0.005, p_value: float = 0.001) -> Effect:
    return Effect(delta=delta, ci_low=delta - half, ci_high=delta + half, p_value=p_value)


def confirmed(trial: int, delta: float, p_holm: float = 0.001, half: float = 0.005) -> Confirmed:
    return Confirmed(
        trial=trial, source_trial=0, label=str(trial), effect=effect(delta, half), p_holm=p_holm
    )


def test_holm_as_worked_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1: 0.03, 0.04, 0.04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx((0.04, 0.03, 0.04))


def test_holm_counts_what_was_searched_and_not_confirmed() -> None:
    # the smallest of 20, then of 19; a trial not confirmed counts as p = 1
    assert holm([0.001, 0.002], num_searched=20) == pytest.approx((0.02, 0.038))


def test_fewer_searched_than_compared_changes_nothing() -> None:
    assert holm([0.01, 0.04], num_searched=1) == holm([0.01, 0.04])


def test_nothing_to_correct() -> None:
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("delta", "p_holm", "name"),
    [
        (0.01, 0.05, "HELPS"),
        (-0.01, 0.05, "HURTS"),
        (0.01, 0.051, "NO EVIDENCE"),
        (-0.01, 0.051, "NO EVIDENCE"),
        (0.004, 0.01, "NO EVIDENCE"),
        (0.0, 1.0, "NO EVIDENCE"),
    ],
)
def test_a_verdict_needs_a_clear_interval_and_a_small_corrected_p(
    delta: float, p_holm: float, name: str
) -> None:
    answer = verdict(effect(delta), p_holm, "alone")
    assert answer.verdict == name
    assert answer.effect == delta
    assert answer.ci == (delta - 0.005, delta + 0.005)
    assert (answer.p_holm, answer.basis) == (p_holm, "alone")


def test_an_unknown_basis_is_refused() -> None:
    with pytest.raises(ValueError, match="basis"):
        verdict(effect(0.01), 0.01, "hearsay")


def test_the_largest_effect_that_helps_is_chosen() -> None:
    chosen = choose(
        [confirmed(1, 0.01), confirmed(2, 0.02), confirmed(3, 0.05, p_holm=0.2), confirmed(4, -0.1)]
    )
    assert chosen is not None
    assert chosen.trial == 2


def test_no_augmentation_is_recommended_where_nothing_helps() -> None:
    assert (
        choose([confirmed(1, 0.01, p_holm=0.06), confirmed(2, 0.004), confirmed(3, -0.02)]) is None
    )
    assert choose([]) is None
