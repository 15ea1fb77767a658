"""Hyperband's rounds: those of KerasTuner's oracle, begun where the trials pay for a whole
bracket."""

import keras_tuner
import pytest

from search.driver.rounds import Round, first_bracket, plan_hyperband


def test_twenty_trials_pay_for_the_most_aggressive_bracket_and_a_part_of_the_next() -> None:
    rounds = plan_hyperband(20, 16, 3)
    assert rounds == (Round(2, 0, 12), Round(6, 2, 4), Round(16, 6, 2), Round(6, 0, 2))


@pytest.mark.parametrize("trials", [1, 2, 6, 20, 100])
@pytest.mark.parametrize(
    ("most", "reduction"), [(1, 3), (2, 2), (16, 3), (24, 4), (60, 3), (81, 3)]
)
def test_some_setting_always_gets_all_of_the_budget(trials: int, most: int, reduction: int) -> None:
    rounds = plan_hyperband(trials, most, reduction)
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
    assert [
        (each.budget, each.size) for each in plan_hyperband(10_000, most, reduction)
    ] == expected
    assert first_bracket(10_000, most, reduction) == brackets[0]
