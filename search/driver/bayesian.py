"""KerasTuner's Bayesian oracle with a bound on what one proposal costs, however long the search.

KerasTuner refits its Gaussian process on every trial there is, which grows with the third power of
their number. Here it is fitted on at most MOST_FITTED of them: what still runs, the best, and the
latest.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MOST_FITTED = 100


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
