"""The search algorithms: one record each, building a KerasTuner oracle that is asked and told from
one thread.

An oracle here keeps nothing on disk: an interrupted search replays the journal into a fresh one.
How trials are run and told is `loop`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from search.driver.bayesian import bayesian_oracle_class
from search.driver.halving import (
    HalvingPlan,
    Round,
    Rule,
    asynchronous,
    halving_oracle_class,
    plan_halving,
    synchronous,
)
from search.driver.hyperband import first_bracket, hyperband_oracle_class, plan_hyperband
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.space import Space, require_steps
from search.features.devices import import_tensorflow_quietly
from search.training.modes import mode_of

if TYPE_CHECKING:
    import keras_tuner

    from search.experiment.config import ExperimentConfig

VIEWS_KEY = "tuner/views"


@dataclass(frozen=True)
class Algorithm:
    """build: the oracle. budget_key: where a proposal carries the budget that it wants; every
    algorithm that has one says its rounds, so that each budget is a rung with controls of its own.
    None where every trial gets all of it. count: the most trials it asks for, where it has no
    rounds."""

    name: str
    build: Callable[["ExperimentConfig", Space, Any], "keras_tuner.Oracle"]
    budget_key: str | None = None
    rounds: Callable[["ExperimentConfig"], tuple[Round, ...]] | None = None
    count: Callable[["ExperimentConfig", Space], int] = lambda config, space: config.search.trials


def build_oracle(config: "ExperimentConfig", space: Space) -> "keras_tuner.Oracle":
    """A fresh oracle for the experiment. Raises UserError where the algorithm does not fit the
    space or the training."""
    import_tensorflow_quietly()
    import keras_tuner

    direction = OBJECTIVES[config.evaluation.objective].direction
    oracle = ALGORITHMS[config.search.algorithm].build(
        config, space, keras_tuner.Objective("score", direction)
    )
    oracle.verbose = 0
    return oracle


def views_ladder(config: "ExperimentConfig") -> tuple[int, ...]:
    """The budgets (views or epochs) at which trials of this experiment are compared, lowest first;
    empty where there is but one."""
    return tuple(sorted({each.budget for each in rounds_of(config)}))


def rounds_of(config: "ExperimentConfig") -> tuple[Round, ...]:
    """What an algorithm asks for at each budget, in order; empty where there is but one budget."""
    rounds = ALGORITHMS[config.search.algorithm].rounds
    return rounds(config) if rounds else ()


def num_trials(config: "ExperimentConfig", space: Space) -> int:
    """The most trials the search phase can ask for, promotions included."""
    rounds = rounds_of(config)
    return (
        sum(r.size for r in rounds)
        if rounds
        else ALGORITHMS[config.search.algorithm].count(config, space)
    )


@lru_cache(maxsize=8)
def _in_memory(oracle_class: type) -> type:
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
    options = _common(config, space, objective)
    trials, most, reduction = options.pop("max_trials"), _most(config), config.search.reduction
    bracket = first_bracket(trials, most, reduction)
    oracle = _in_memory(hyperband_oracle_class())(
        bracket, max_epochs=most, factor=reduction, **options
    )
    oracle.max_trials = trials
    return oracle


def _hyperband_rounds(config: "ExperimentConfig") -> tuple[Round, ...]:
    return plan_hyperband(config.search.trials, _most(config), config.search.reduction)


def _grid_count(config: "ExperimentConfig", space: Space) -> int:
    combinations = space.num_combinations
    return config.search.trials if combinations is None else min(config.search.trials, combinations)


def _halving(rule: Rule, config: "ExperimentConfig", space: Space, objective: Any) -> Any:
    plan = _halving_plan(config)
    options = _common(config, space, objective) | {"max_trials": sum(plan.sizes)}
    return _in_memory(halving_oracle_class())(plan=plan, rule=rule, **options)


def _halving_plan(config: "ExperimentConfig") -> HalvingPlan:
    return plan_halving(
        config.search.trials, _most(config), config.search.min_views, config.search.reduction
    )


def _most(config: "ExperimentConfig") -> int:
    """All of the budget: views, or epochs where the training mode shares out those."""
    first, last = (settings.training for settings in config.space.corners())
    mode = mode_of(first)
    most, other = mode.most(first), mode.most(last)
    if most != other:
        what = "training.views" if mode.budget == "views" else "the number of epochs"
        raise UserError(
            f"{what} is searched; search.algorithm {config.search.algorithm} shares it out and "
            "needs one number"
        )
    if not isinstance(most, int):
        raise UserError(
            f"training.views is {most!r}; search.algorithm {config.search.algorithm} shares out "
            "views and needs a number"
        )
    return most


ALGORITHMS: dict[str, Algorithm] = {
    record.name: record
    for record in (
        Algorithm("random", _random),
        Algorithm("grid", _grid, count=_grid_count),
        Algorithm("bayesian", _bayesian),
        Algorithm("hyperband", _hyperband, "tuner/epochs", _hyperband_rounds),
        *(
            Algorithm(
                name,
                partial(_halving, rule),
                VIEWS_KEY,
                lambda config: _halving_plan(config).rounds,
            )
            for name, rule in (("halving", synchronous), ("asynchronous_halving", asynchronous))
        ),
    )
}
