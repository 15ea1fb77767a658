"""Successive halving over views, as a KerasTuner oracle: many settings at few views, the best of
them at more.

A promoted setting keeps its views, so a promotion costs only the views it adds (Jamieson and
Talwalkar 2016, with views of each image in the place of epochs). Few views are biased against
augmentation, so scores are compared within a rung only. When a setting is promoted is a rule: once
its rung is told (`synchronous`), or as soon as enough of it is (`asynchronous`, Li et al. 2020).
"""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

VIEWS_KEY = "tuner/views"
SOURCE_KEY = "tuner/trial_id"


@dataclass(frozen=True)
class Round:
    """Trials that an algorithm asks for at one budget (views, or epochs). below: what of it their
    settings have had; 0: new ones."""

    budget: int
    below: int
    size: int


@dataclass(frozen=True)
class HalvingPlan:
    """views and sizes: for each rung, lowest first, the views an image and how many settings get
    there. reduction: of how many settings one is promoted.
    """

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


Decision = int | Literal["wait", "stop"]  # the rung that the next trial belongs to
Rule = Callable[[HalvingPlan, Sequence[Rung]], Decision]


def plan_halving(num_settings: int, most_views: int, min_views: int, reduction: int) -> HalvingPlan:
    """Rungs from min_views to most_views, each about `reduction` times the one below it and with
    1/reduction of its settings. Where min_views is less than half such a step away from most_views,
    there is one rung.
    """
    span = most_views / min_views
    steps = max(0, round(math.log(span, reduction)))
    views = [round(min_views * span ** (rung / steps)) for rung in range(steps)] + [most_views]
    sizes = [max(1, num_settings // reduction**rung) for rung in range(len(views))]
    return HalvingPlan(tuple(views), tuple(sizes), reduction)


def synchronous(plan: HalvingPlan, rungs: Sequence[Rung]) -> Decision:
    """The lowest rung with room; none before all of the rung below it is told."""
    for number, (rung, size) in enumerate(zip(rungs, plan.sizes, strict=True)):
        if rung.asked >= size:
            continue
        if number == 0 or (rungs[number - 1].waiting and not rungs[number - 1].running):
            return number
        if rungs[number - 1].running:
            return "wait"
    return "stop"


def asynchronous(plan: HalvingPlan, rungs: Sequence[Rung]) -> Decision:
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


@dataclass
class _Standing:
    """How far a rung is, kept up to date trial by trial. waiting: (score, less being better;
    trial), the best first."""

    asked: int = 0
    running: int = 0
    waiting: list[tuple[float, str]] = field(default_factory=list)

    @property
    def rung(self) -> Rung:
        return Rung(self.asked, self.running, len(self.waiting))


@lru_cache(maxsize=1)
def halving_oracle_class() -> Any:
    import keras_tuner

    class HalvingOracle(keras_tuner.Oracle):
        """Proposes random settings for the lowest rung and the best of each rung for the next, as
        its rule says."""

        def __init__(self, plan: HalvingPlan, rule: Rule = synchronous, **options: Any) -> None:
            super().__init__(**options)
            self.plan, self.rule = plan, rule
            self.standings = [_Standing() for _ in plan.views]
            self._rung_of: dict[str, int] = {}

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            """The next proposal; IDLE while the rule waits for answers."""
            rung = self.rule(self.plan, [standing.rung for standing in self.standings])
            if not isinstance(rung, int):
                return {"status": "IDLE" if rung == "wait" else "STOPPED"}
            source = self.trials[self.standings[rung - 1].waiting[0][1]] if rung else None
            values = dict(source.hyperparameters.values) if source else self._random_values()
            if values is None:  # nothing new is left to draw
                self.standings[0].asked = self.plan.sizes[0]
                return self.populate_space(trial_id)
            if source:
                self.standings[rung - 1].waiting.pop(0)
            self._rung_of[trial_id] = rung
            self.standings[rung].asked += 1
            self.standings[rung].running += 1
            budget = {
                VIEWS_KEY: self.plan.views[rung],
                SOURCE_KEY: source.trial_id if source else None,
            }
            return {"status": "RUNNING", "values": {**values, **budget}}

        def end_trial(self, trial: Any) -> None:
            super().end_trial(trial)
            standing = self.standings[self._rung_of[trial.trial_id]]
            standing.running -= 1
            ended = self.trials[trial.trial_id]
            if ended.status == "COMPLETED":
                sign = -1 if self.objective.direction == "max" else 1
                bisect.insort(standing.waiting, (sign * ended.score, trial.trial_id))

    return HalvingOracle
