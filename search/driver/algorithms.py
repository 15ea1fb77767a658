"""The search algorithms: one record each, which names its KerasTuner oracle, what that is built
with and how it shares out a budget. A contract over the table tests a record once it exists.

An oracle is asked and told from one thread and keeps nothing on disk: an interrupted search replays
its journal into a fresh one. The oracles are `oracles`; who asks them is `search_phase`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.driver.oracles import (
    EPOCHS_KEY,
    VIEWS_KEY,
    bayesian_oracle_class,
    grid_oracle_class,
    halving_oracle_class,
    hyperband_oracle_class,
    in_memory,
    random_oracle_class,
    screening_oracle_class,
)
from search.driver.rounds import (
    HalvingPlan,
    Round,
    Rule,
    asynchronous,
    plan_halving,
    plan_hyperband,
    synchronous,
)
from search.driver.rungs import span_of
from search.evidence.screening import screening_points
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.settings import setting_key
from search.experiment.space import Space, require_steps
from search.features.devices import import_tensorflow_quietly

if TYPE_CHECKING:
    import keras_tuner


@dataclass(frozen=True)
class Algorithm:
    """One way to choose what is tried next."""

    name: str
    summary: str  # what it does, for the table of settings
    oracle: Callable[[], type]  # its class, made on first use
    # What the oracle is built with beside what every one has (`build_oracle`); raises UserError
    # where the space or the training does not fit.
    options: Callable[[ExperimentConfig, Space], dict[str, Any]] = lambda config, space: {}
    # Where a proposal carries the budget that it wants; None: every trial gets all of it.
    budget_key: str | None = None
    # What is asked for at each budget, in order, so that each is a rung with controls of its own;
    # none where there is but one budget.
    rounds: Callable[[ExperimentConfig], tuple[Round, ...]] = lambda config: ()
    # How many trials it asks for at most, where there are no rounds.
    most_trials: Callable[[ExperimentConfig, Space], int] = lambda config, _: config.search.trials


def algorithm_of(config: ExperimentConfig) -> Algorithm:
    return ALGORITHMS[config.search.algorithm]


def build_oracle(config: ExperimentConfig, space: Space) -> "keras_tuner.Oracle":
    """A fresh oracle for the experiment. Raises UserError where the algorithm does not fit the
    space or the training."""
    import_tensorflow_quietly()
    import keras_tuner

    algorithm = algorithm_of(config)
    direction = OBJECTIVES[config.evaluation.objective].direction
    options = {
        "objective": keras_tuner.Objective("score", direction),
        "max_trials": num_trials(config, space),
        "hyperparameters": space.hyperparameters(),
        "seed": derive_seed(config.seed, "oracle", algorithm.name),
    }
    oracle = in_memory(algorithm.oracle())(**options | algorithm.options(config, space))
    oracle.verbose = 0
    return oracle


def num_trials(config: ExperimentConfig, space: Space) -> int:
    """The most trials the search phase can ask for, promotions included."""
    rounds = rounds_of(config)
    if rounds:
        return sum(each.size for each in rounds)
    return algorithm_of(config).most_trials(config, space)


def num_settings(config: ExperimentConfig, space: Space) -> int:
    """How many settings those trials are of at most: one that is promoted is trained again."""
    begun = [each.size for each in rounds_of(config) if each.below == 0]
    if begun:
        return _at_most(sum(begun), space.num_augmented)
    return _at_most(num_trials(config, space), space.num_combinations)


def rounds_of(config: ExperimentConfig) -> tuple[Round, ...]:
    """What an algorithm asks for at each budget, in order; empty where there is but one budget."""
    return algorithm_of(config).rounds(config)


def budget_ladder(config: ExperimentConfig) -> tuple[int, ...]:
    """The budgets (views or epochs) at which trials of this experiment are compared, lowest first;
    empty where there is but one."""
    return tuple(sorted({each.budget for each in rounds_of(config)}))


def _at_most(asked: int, there_are: int | None) -> int:
    return asked if there_are is None else min(asked, there_are)


def _new_settings(config: ExperimentConfig, space: Space) -> int:
    """How many there are to draw: no augmentation is a control already."""
    return _at_most(config.search.trials, space.num_augmented)


def _new(config: ExperimentConfig, space: Space) -> dict[str, Any]:
    """What every oracle needs that draws nothing twice."""

    def setting(values: dict[str, Any]) -> str:
        settings = space.settings(values)
        return setting_key(settings) if settings.augmentation else ""

    return {"setting": setting}


def _screening_options(config: ExperimentConfig, space: Space) -> dict[str, Any]:
    return {"listed": _screened(config, space)}


def _screening_trials(config: ExperimentConfig, space: Space) -> int:
    return len(_screened(config, space))


def _screened(config: ExperimentConfig, space: Space) -> list[dict[str, Any]]:
    """What screening proposes: points of a design, of those that come to the same the first."""
    axes = space.screened()
    points = screening_points(
        _new_settings(config, space),
        tuple(axis.num_levels for axis in axes.values()),
        derive_seed(config.seed, "oracle", config.search.algorithm),
        options=tuple(number for number, name in enumerate(axes) if space.is_option(name)),
    )
    found: dict[str, dict[str, Any]] = {}
    for point in points.tolist():
        placed = zip(axes.items(), point, strict=True)
        values = {name: axis.proposal(place) for (name, axis), place in placed}
        found.setdefault(setting_key(space.settings(values)), values)
    found.pop(setting_key(space.with_augmentation({})), None)
    return list(found.values())


def _grid_options(config: ExperimentConfig, space: Space) -> dict[str, Any]:
    require_steps(space)
    return {}


def _grid_trials(config: ExperimentConfig, space: Space) -> int:
    return _at_most(config.search.trials, space.num_combinations)


def _hyperband_options(config: ExperimentConfig, space: Space) -> dict[str, Any]:
    return {
        "trials": config.search.trials,
        "span": span_of(config, least=1),
        "factor": config.search.reduction,
        **_new(config, space),
    }


def _hyperband_rounds(config: ExperimentConfig) -> tuple[Round, ...]:
    span = span_of(config, least=1)
    return plan_hyperband(config.search.trials, span, config.search.reduction)


def _halving(name: str, rule: Rule, summary: str) -> Algorithm:
    def options(config: ExperimentConfig, space: Space) -> dict[str, Any]:
        return {"plan": _halving_plan(config), "rule": rule, **_new(config, space)}

    def rounds(config: ExperimentConfig) -> tuple[Round, ...]:
        return _halving_plan(config).rounds

    return Algorithm(name, summary, halving_oracle_class, options, VIEWS_KEY, rounds)


def _halving_plan(config: ExperimentConfig) -> HalvingPlan:
    search, settings = config.search, _new_settings(config, config.space)
    return plan_halving(settings, span_of(config, search.min_views), search.reduction)


ALGORITHMS: dict[str, Algorithm] = {
    record.name: record
    for record in (
        Algorithm(
            name="random",
            summary="draws each setting at random",
            oracle=random_oracle_class,
            options=_new,
            most_trials=_new_settings,
        ),
        Algorithm(
            name="grid",
            summary="goes through every combination; ranges need a `step`",
            oracle=grid_oracle_class,
            options=_grid_options,
            most_trials=_grid_trials,
        ),
        Algorithm(
            name="bayesian",
            summary="models the scores so far (a Gaussian process) and tries where a better one is "
            "likely",
            oracle=bayesian_oracle_class,
        ),
        Algorithm(
            name="hyperband",
            summary="many settings with few views (fewer epochs where networks train), the best "
            "again with more; several brackets, as many as `search.trials` pay for",
            oracle=hyperband_oracle_class,
            options=_hyperband_options,
            budget_key=EPOCHS_KEY,
            rounds=_hyperband_rounds,
        ),
        _halving(
            "halving",
            synchronous,
            "many settings with few views (fewer epochs where networks train), the best of them "
            "again with more",
        ),
        _halving(
            "asynchronous_halving",
            asynchronous,
            "the same, promoting a setting as soon as it has earned it: for many workers",
        ),
        Algorithm(
            name="screening",
            summary="lays all settings out before the first: each augmentation is on in about half "
            "of them, apart from the others",
            oracle=screening_oracle_class,
            options=_screening_options,
            most_trials=_screening_trials,
        ),
    )
}
