"""How trials of an algorithm share out a budget (views of each image, or epochs), told before any
of them: successive halving and Hyperband. Pure; the oracles that go by it are `oracles`.

Halving over views: many settings at few views, the best of them at more. A promoted setting keeps
its views, so a promotion costs only the views it adds (Jamieson and Talwalkar 2016, with views of
each image in the place of epochs). Few views are biased against augmentation, so scores are
compared within a rung only. Where networks train it is epochs that are shared out, and a promoted
one goes on where it paused. When a setting is promoted is a rule: once its rung is told
(`synchronous`), or as soon as enough of it is (`asynchronous`, Li et al. 2020).

Hyperband: brackets of successive halving, each begun with more of the budget than the one before
(Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar 2018). KerasTuner's oracle proposes them; sizes
and budgets here are its own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Span:
    """What rungs share out. least: of the lowest rung. whole: a training that is complete; rungs
    are shares of it. most: of the top one, which is whole at the latest there."""

    least: int
    whole: int
    most: int


@dataclass(frozen=True)
class Round:
    """Trials that an algorithm asks for at one budget (views, or epochs). below: what of it their
    settings have had; 0: new ones."""

    budget: int
    below: int
    size: int


@dataclass(frozen=True)
class HalvingPlan:
    """views and sizes: for each rung, lowest first, the views per image and how many settings get
    there. reduction: of how many settings one is promoted."""

    views: tuple[int, ...]
    sizes: tuple[int, ...]
    reduction: int = 3

    @property
    def rounds(self) -> tuple[Round, ...]:
        return tuple(map(Round, self.views, (0, *self.views), self.sizes))


@dataclass(frozen=True)
class Rung:
    """How far a rung is: trials asked for, how many of them still run, and how many completed ones
    wait to be promoted."""

    asked: int = 0
    running: int = 0
    waiting: int = 0


NextRung = int | Literal["wait", "stop"]  # the rung that the next trial belongs to
Rule = Callable[[HalvingPlan, Sequence[Rung]], NextRung]


def plan_halving(num_settings: int, span: Span, reduction: int) -> HalvingPlan:
    """Rungs from the least to a whole training, each about `reduction` times the one below it and
    with 1/reduction of its settings. Where the least is less than half such a step away from a
    whole training, there is one rung."""
    times = span.whole / span.least
    steps = max(0, round(math.log(times, reduction)))
    views = [round(span.least * times ** (rung / steps)) for rung in range(steps)] + [span.most]
    sizes = [max(1, num_settings // reduction**rung) for rung in range(len(views))]
    return HalvingPlan(tuple(views), tuple(sizes), reduction)


def synchronous(plan: HalvingPlan, rungs: Sequence[Rung]) -> NextRung:
    """The lowest rung with room; none before all of the rung below it is told."""
    for number, (rung, size) in enumerate(zip(rungs, plan.sizes, strict=True)):
        if rung.asked >= size:
            continue
        if number == 0 or (rungs[number - 1].waiting and not rungs[number - 1].running):
            return number
        if rungs[number - 1].running:
            return "wait"
    return "stop"


def asynchronous(plan: HalvingPlan, rungs: Sequence[Rung]) -> NextRung:
    """The highest rung that one in `reduction` told below it has earned, else a new setting: nobody
    waits for a rung to fill.

    What a rung has room for beyond that is promoted once the rung below it can grow no more.
    """
    for number in range(len(rungs) - 1, 0, -1):
        below = rungs[number - 1]
        told = below.asked - below.running
        earned = (
            plan.sizes[number] if _is_closed(plan, rungs, number - 1) else told // plan.reduction
        )
        if below.waiting and rungs[number].asked < min(plan.sizes[number], earned):
            return number
    if rungs[0].asked < plan.sizes[0]:
        return 0
    return "wait" if any(rung.running for rung in rungs) else "stop"


def _is_closed(plan: HalvingPlan, rungs: Sequence[Rung], number: int) -> bool:
    """Whether a rung is all told and will get no more."""
    if rungs[number].running:
        return False
    if rungs[number].asked >= plan.sizes[number]:
        return True
    return number > 0 and not rungs[number - 1].waiting and _is_closed(plan, rungs, number - 1)


def plan_hyperband(num_trials: int, span: Span, reduction: int) -> tuple[Round, ...]:
    """The rounds that `num_trials` pay for, in order. The first bracket is the most aggressive one
    that they pay for in full, so that some setting always gets all of the budget."""
    paid: list[Round] = []
    for bracket in range(first_bracket(num_trials, span, reduction), -1, -1):
        for one in bracket_rounds(bracket, span, reduction):
            left = num_trials - sum(each.size for each in paid)
            if left > 0:
                paid.append(Round(one.budget, one.below, min(one.size, left)))
    return tuple(paid)


def first_bracket(num_trials: int, span: Span, reduction: int) -> int:
    """The number of the bracket to begin with: how often its settings are halved."""
    brackets = range(_num_brackets(span, reduction) - 1, 0, -1)
    sizes = {
        bracket: sum(each.size for each in bracket_rounds(bracket, span, reduction))
        for bracket in brackets
    }
    return next((bracket for bracket in brackets if sizes[bracket] <= num_trials), 0)


def bracket_rounds(bracket: int, span: Span, reduction: int) -> list[Round]:
    """As KerasTuner's oracle has them, which counts in the least."""
    times = span.whole / span.least
    last_size = math.ceil(1 + math.log(times, reduction)) / (bracket + 1)
    lower = [math.ceil(span.whole / reduction ** (bracket - number)) for number in range(bracket)]
    budgets = [*lower, span.most]
    sizes = [
        math.ceil(last_size * reduction ** (bracket - number)) for number in range(bracket + 1)
    ]
    return [Round(*each) for each in zip(budgets, [0, *budgets], sizes, strict=False)]


def _num_brackets(span: Span, reduction: int) -> int:
    brackets, budget = 0, float(span.whole)
    while budget >= span.least:
        budget, brackets = budget / reduction, brackets + 1
    return brackets
