"""Hyperband's rounds, before any trial: brackets of successive halving, each begun with more of the
budget than the one before (Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar 2018). KerasTuner's
oracle proposes them; sizes and budgets here are its own.
"""

import math
from functools import lru_cache
from typing import Any

from search.driver.halving import Round


def plan_hyperband(num_trials: int, most: int, reduction: int) -> tuple[Round, ...]:
    """The rounds that `num_trials` pay for, in order. The first bracket is the most aggressive one
    that they pay for in full, so that some setting always gets all of the budget.
    """
    paid: list[Round] = []
    for bracket in range(first_bracket(num_trials, most, reduction), -1, -1):
        for one in _bracket(bracket, most, reduction):
            left = num_trials - sum(each.size for each in paid)
            if left > 0:
                paid.append(Round(one.budget, one.below, min(one.size, left)))
    return tuple(paid)


def first_bracket(num_trials: int, most: int, reduction: int) -> int:
    """The number of the bracket to begin with: how often its settings are halved."""
    brackets = range(_num_brackets(most, reduction) - 1, 0, -1)
    sizes = {
        bracket: sum(each.size for each in _bracket(bracket, most, reduction))
        for bracket in brackets
    }
    return next((bracket for bracket in brackets if sizes[bracket] <= num_trials), 0)


def _bracket(bracket: int, most: int, reduction: int) -> list[Round]:
    last_size = math.ceil(1 + math.log(most, reduction)) / (bracket + 1)
    budgets = [math.ceil(most / reduction ** (bracket - number)) for number in range(bracket + 1)]
    sizes = [
        math.ceil(last_size * reduction ** (bracket - number)) for number in range(bracket + 1)
    ]
    return [Round(*each) for each in zip(budgets, [0, *budgets], sizes, strict=False)]


def _num_brackets(most: int, reduction: int) -> int:
    brackets, budget = 0, float(most)
    while budget >= 1:
        budget, brackets = budget / reduction, brackets + 1
    return brackets


@lru_cache(maxsize=1)
def hyperband_oracle_class() -> Any:
    from keras_tuner.oracles import HyperbandOracle

    class FromBracket(HyperbandOracle):
        """KerasTuner's oracle, begun at a bracket that its trials pay for in full."""

        def __init__(self, bracket: int, **options: Any) -> None:
            super().__init__(**options)
            self._brackets: list[Any] = []
            self._current_bracket = bracket
            self._start_new_bracket()

    return FromBracket
