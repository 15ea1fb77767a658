"""KerasTuner's oracles as this search has them: screening, halving, its Bayesian one with a bound
on what a proposal costs, Hyperband from the bracket that is paid for, random ones that draw nothing
twice, and none of them with files.

Each class is made on first use, since its base imports TensorFlow. Which algorithm takes which is
`algorithms`; how a budget is shared out, `rounds`.
"""

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from search.driver.rounds import (
    HalvingPlan,
    Rule,
    Rung,
    Span,
    bracket_rounds,
    first_bracket,
    synchronous,
)

VIEWS_KEY = "tuner/views"
EPOCHS_KEY = "tuner/epochs"  # KerasTuner's own
SOURCE_KEY = "tuner/trial_id"
# Trials that a Gaussian process is fitted on at most. KerasTuner refits it on every trial there is,
# which grows with the third power of their number.
MOST_FITTED = 100


@lru_cache(maxsize=8)
def in_memory(oracle_class: type) -> type:
    """The oracle without its own files: they are not written atomically, and the journal is the
    truth."""

    class InMemory(oracle_class):
        def save(self) -> None:
            return None

        def _save_trial(self, trial: Any) -> None:
            return None

        def _check_consecutive_failures(self) -> None:
            """Counted by the search itself, which can say the cause; here it would go through every
            trial at each end."""

    InMemory.__name__ = InMemory.__qualname__ = oracle_class.__name__
    return InMemory


def _drawing_new(oracle_class: Any) -> Any:
    class DrawingNew(oracle_class):
        """Draws again what was asked before, whatever its budget, and what is no augmentation: that
        is a control already. setting: names what values come to; empty for no augmentation."""

        def __init__(
            self, setting: Callable[[dict[str, Any]], str], max_trials: int, **options: Any
        ) -> None:
            super().__init__(**options)
            self.max_trials, self._setting = max_trials, setting
            self._tried_so_far.add("")
            # Enough to find the last setting of a space of so many.
            self._max_collisions *= max_trials

        def _compute_values_hash(self, values: dict[str, Any]) -> str:
            return self._setting(values)

    return DrawingNew


@lru_cache(maxsize=1)
def random_oracle_class() -> Any:
    from keras_tuner.oracles import RandomSearchOracle

    return _drawing_new(RandomSearchOracle)


@lru_cache(maxsize=1)
def screening_oracle_class() -> Any:
    import keras_tuner

    class ScreeningOracle(keras_tuner.Oracle):
        """Proposes a list of settings in its order, whatever comes of them."""

        def __init__(self, listed: Sequence[dict[str, Any]], **options: Any) -> None:
            super().__init__(**options)
            self._left = iter(listed)

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            values = next(self._left, None)
            return {"status": "STOPPED" if values is None else "RUNNING", "values": values}

    return ScreeningOracle


def grid_oracle_class() -> Any:
    from keras_tuner.oracles import GridSearchOracle

    return GridSearchOracle


def most_telling(
    trials: Mapping[str, Any], ongoing: set[str], sign: int, most: int
) -> dict[str, Any]:
    """About `most` of the trials, in their order: all that run, the best half of the rest by `sign`
    x score, the latest half."""
    told = [trial for trial in trials.values() if trial.trial_id not in ongoing]
    if len(told) <= most:
        return dict(trials)
    scored = [trial for trial in told if trial.status == "COMPLETED"]
    best = sorted(scored, key=lambda trial: -sign * trial.score)[: most // 2]
    kept = {trial.trial_id for trial in (*best, *told[-(most - most // 2) :])} | ongoing
    return {trial_id: trial for trial_id, trial in trials.items() if trial_id in kept}


@lru_cache(maxsize=1)
def bayesian_oracle_class() -> Any:
    from keras_tuner.oracles import BayesianOptimizationOracle

    class BoundedBayesianOracle(BayesianOptimizationOracle):
        """Proposes as KerasTuner's does until there are more than MOST_FITTED trials."""

        trials: dict[str, Any]

        def _vectorize_trials(self) -> Any:
            everything = self.trials
            ongoing = {trial.trial_id for trial in self.ongoing_trials.values()}
            sign = 1 if self.objective.direction == "max" else -1
            self.trials = most_telling(everything, ongoing, sign, MOST_FITTED)
            try:
                return super()._vectorize_trials()
            finally:
                self.trials = everything

    return BoundedBayesianOracle


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

    class HalvingOracle(_drawing_new(keras_tuner.Oracle)):  # type: ignore[misc]
        """Proposes new random settings for the lowest rung, which ends early where there are no
        more, and the best of each rung for the next, as its rule says."""

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
                sizes = (self.standings[0].asked, *self.plan.sizes[1:])
                self.plan = replace(self.plan, sizes=sizes)
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


@lru_cache(maxsize=1)
def hyperband_oracle_class() -> Any:
    from keras_tuner.oracles import HyperbandOracle

    class FromBracket(_drawing_new(HyperbandOracle)):  # type: ignore[misc]
        """KerasTuner's oracle, begun at a bracket that its trials pay for in full, with rounds of
        our own span. A bracket goes on with what it has where nothing new is left to draw:
        KerasTuner's would end the search."""

        def __init__(self, trials: int, span: Span, **options: Any) -> None:
            self._drawn: dict[int, int] = {}  # bracket -> new settings, where it ran out of them
            self._span = span
            super().__init__(max_epochs=span.whole, **options)
            self._brackets: list[Any] = []
            self._current_bracket = first_bracket(trials, span, self.factor)
            self._start_new_bracket()

        def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
            proposal = super()._random_trial(trial_id, bracket)
            if proposal["status"] == "RUNNING":
                return proposal
            self._drawn[bracket["bracket_num"]] = len(bracket["rounds"][0])
            return self.populate_space(trial_id)

        def _get_size(self, bracket_num: int, round_num: int) -> int:
            size = bracket_rounds(bracket_num, self._span, self.factor)[round_num].size
            return min(size, self._drawn.get(bracket_num, size))

        def _get_epochs(self, bracket_num: int, round_num: int) -> int:
            return bracket_rounds(bracket_num, self._span, self.factor)[round_num].budget

    return FromBracket
