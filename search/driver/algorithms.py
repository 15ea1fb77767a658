"""The search algorithms: one record each, building a KerasTuner oracle that is asked and told from one thread.

An oracle here keeps nothing on disk: an interrupted search replays the journal into a fresh one. How trials are run and told
is `loop`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from search.driver.bayesian import bayesian_oracle_class
from search.driver.halving import (
    HalvingPlan,
    Rule,
    asynchronous,
    halving_oracle_class,
    plan_halving,
    synchronous,
)
from search.evidence.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.space import Space, require_steps
from search.features.greetings import import_tensorflow_quietly
from search.training.modes import mode_of

if TYPE_CHECKING:
    import keras_tuner

    from search.experiment.config import ExperimentConfig

VIEWS_KEY = "tuner/views"


@dataclass(frozen=True)
class Algorithm:
    """build: the oracle. budget_key: where a proposal carries the number of views it wants, if it says so. rungs: the views of
    each rung, lowest first; None where every trial gets the full number. count: the most trials it asks for."""

    name: str
    build: Callable[["ExperimentConfig", Space, Any], "keras_tuner.Oracle"]
    budget_key: str | None = None
    rungs: Callable[["ExperimentConfig"], tuple[int, ...]] | None = None
    count: Callable[["ExperimentConfig", Space], int] = lambda config, space: config.search.trials


def build_oracle(config: "ExperimentConfig", space: Space) -> "keras_tuner.Oracle":
    """A fresh oracle for the experiment. Raises UserError where the algorithm does not fit the space or the training."""
    import_tensorflow_quietly()
    import keras_tuner

    direction = OBJECTIVES[config.evaluation.objective].direction
    oracle = ALGORITHMS[config.search.algorithm].build(
        config, space, keras_tuner.Objective("score", direction)
    )
    oracle.verbose = 0
    return oracle


def views_ladder(config: "ExperimentConfig") -> tuple[int, ...]:
    """The budgets (views or epochs) at which trials of this experiment are compared, lowest first; empty where there is but one."""
    rungs = ALGORITHMS[config.search.algorithm].rungs
    return rungs(config) if rungs else ()


def num_trials(config: "ExperimentConfig", space: Space) -> int:
    """The most trials the search phase can ask for, promotions included."""
    return ALGORITHMS[config.search.algorithm].count(config, space)


@lru_cache(maxsize=8)
def _in_memory(oracle_class: type) -> type:
    """The oracle without its own files: they are not written atomically, and the journal is the truth."""

    class InMemory(oracle_class):
        def save(self) -> None:
            return None

        def _save_trial(self, trial: Any) -> None:
            return None

        def _check_consecutive_failures(self) -> None:
            """Counted by the search itself, which can say the cause; here it would go through every trial at each end."""

    InMemory.__name__ = InMemory.__qualname__ = oracle_class.__name__
    return InMemory


def _common(config: "ExperimentConfig", space: Space, objective: Any) -> dict[str, Any]:
    return {
        "objective": objective,
        "max_trials": config.search.trials,
        "hyperparameters": space.hyperparameters(),
        "seed": derive_seed(config.seed, "oracle", config.search.algorithm),
    }


def _random(config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    from keras_tuner.oracles import RandomSearchOracle

    return _in_memory(RandomSearchOracle)(**_common(config, space, objective))


def _grid(config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    from keras_tuner.oracles import GridSearchOracle

    require_steps(space)
    return _in_memory(GridSearchOracle)(**_common(config, space, objective))


def _bayesian(config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    return _in_memory(bayesian_oracle_class())(**_common(config, space, objective))


def _hyperband(config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    from keras_tuner.oracles import HyperbandOracle

    options = _common(config, space, objective)
    options.pop("max_trials")
    oracle = _in_memory(HyperbandOracle)(max_epochs=_most(config), factor=config.search.reduction, **options)
    oracle.max_trials = config.search.trials
    return oracle


def _grid_count(config: "ExperimentConfig", space: Space) -> int:
    combinations = space.num_combinations
    return config.search.trials if combinations is None else min(config.search.trials, combinations)


def _halving(rule: Rule, config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    plan = _halving_plan(config)
    options = _common(config, space, objective) | {"max_trials": sum(plan.sizes)}
    return _in_memory(halving_oracle_class())(plan=plan, rule=rule, **options)


def _halving_count(config: "ExperimentConfig", space: Space) -> int:
    return sum(_halving_plan(config).sizes)


def _halving_views(config: "ExperimentConfig") -> tuple[int, ...]:
    return _halving_plan(config).views


def _halving_plan(config: "ExperimentConfig") -> HalvingPlan:
    return plan_halving(config.search.trials, _most(config), config.search.min_views, config.search.reduction)


def _most(config: "ExperimentConfig") -> int:
    """All of the budget: views, or epochs where the training mode shares out those."""
    first, last = (settings.training for settings in Space.of(config).corners())
    mode = mode_of(first)
    most, other = mode.most(first), mode.most(last)
    if most != other:
        what = "training.views" if mode.budget == "views" else "the number of epochs"
        raise UserError(
            f"{what} is searched; search.algorithm {config.search.algorithm} shares it out and needs one number"
        )
    if not isinstance(most, int):
        raise UserError(
            f"training.views is {most!r}; search.algorithm {config.search.algorithm} shares out views and needs a number"
        )
    return most


ALGORITHMS: dict[str, Algorithm] = {
    record.name: record
    for record in (
        Algorithm("random", _random),
        Algorithm("grid", _grid, count=_grid_count),
        Algorithm("bayesian", _bayesian),
        Algorithm("hyperband", _hyperband, budget_key="tuner/epochs"),
        Algorithm("halving", partial(_halving, synchronous), VIEWS_KEY, _halving_views, _halving_count),
        Algorithm(
            "asynchronous_halving", partial(_halving, asynchronous), VIEWS_KEY, _halving_views, _halving_count
        ),
    )
}
