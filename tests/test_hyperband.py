"""Hyperband's rounds: those of KerasTuner's oracle, begun where the trials pay for a whole
bracket."""

import keras_tuner
import pytest

from search.driver.rounds import Round, Span, first_bracket, plan_hyperband


def test_twenty_trials_pay_for_the_most_aggressive_bracket_and_a_part_of_the_next() -> None:
    rounds = plan_hyperband(20, Span(1, 16, 16), 3)
    assert rounds == (Round(2, 0, 12), Round(6, 2, 4), Round(16, 6, 2), Round(6, 0, 2))


@pytest.mark.parametrize("trials", [1, 2, 6, 20, 100])
@pytest.mark.parametrize(
    ("most", "reduction"), [(1, 3), (2, 2), (16, 3), (24, 4), (60, 3), (81, 3)]
)
def test_some_setting_always_gets_all_of_the_budget(trials: int, most: int, reduction: int) -> None:
    rounds = plan_hyperband(trials, Span(1, most, most), reduction)
    assert 1 <= sum(each.size for each in rounds) <= trials
    assert most in {each.budget for each in rounds}


@pytest.mark.parametrize(
    ("most", "reduction"), [(1, 3), (2, 2), (16, 3), (24, 4), (60, 3), (81, 3)]
)
def test_sizes_and_budgets_are_those_of_the_oracle(most: int, reduction: int) -> None:
    oracle = keras_tuner.oracles.HyperbandOracle(
        keras_tuner.Objective("score", "max"), max_epochs=most, factor=reduction
    )
    brackets = range(oracle._get_num_brackets() - 1, -1, -1)
    expected = [
        (oracle._get_epochs(b, r), oracle._get_size(b, r))
        for b in brackets
        for r in range(oracle._get_num_rounds(b))
    ]
    span = Span(1, most, most)
    rounds = plan_hyperband(10_000, span, reduction)
    assert [(each.budget, each.size) for each in rounds] == expected
    assert first_bracket(10_000, span, reduction) == brackets[0]


def test_brackets_begin_no_lower_than_the_least_and_end_with_all() -> None:
    rounds = plan_hyperband(10_000, Span(30, 150, 500), 2)
    assert rounds == (
        *(Round(38, 0, 6), Round(75, 38, 3), Round(500, 75, 2)),
        *(Round(75, 0, 4), Round(500, 75, 2)),
        Round(500, 0, 4),
    )
