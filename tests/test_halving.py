"""Halving over views: rungs, promotions, and waiting for answers."""

from typing import Any

import keras_tuner
import pytest

from search.driver.oracles import halving_oracle_class
from search.driver.rounds import HalvingPlan, Rule, Span, asynchronous, plan_halving, synchronous


def _oracle(plan: HalvingPlan, rule: Rule = synchronous, step: float | None = None) -> Any:
    class Kept(halving_oracle_class()):  # type: ignore[misc]
        def save(self) -> None: ...

        def _save_trial(self, trial: Any) -> None: ...

    parameters = keras_tuner.HyperParameters()
    parameters.Float("x", 0.0, 1.0, step=step)
    oracle = Kept(
        plan,
        rule,
        setting=lambda values: str(values["x"]),
        objective=keras_tuner.Objective("score", "max"),
        hyperparameters=parameters,
        seed=7,
        max_trials=99,
    )
    oracle.verbose = 0
    return oracle


def _tell(oracle: Any, trial: Any, score: float | None) -> None:
    if score is None:
        trial.status = "FAILED"
    else:
        oracle.update_trial(trial.trial_id, {"score": score})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def _run(oracle: Any, score: Any) -> list[tuple[int, float]]:
    asked: list[tuple[int, float]] = []
    while (trial := oracle.create_trial(f"t{len(asked)}")).status == "RUNNING":
        values = trial.hyperparameters.values
        asked.append((values["tuner/views"], values["x"]))
        _tell(oracle, trial, score(values))
    return asked


@pytest.mark.parametrize(
    ("arguments", "views", "sizes"),
    [
        ((9, Span(2, 18, 18), 3), (2, 6, 18), (9, 3, 1)),
        ((4, Span(16, 16, 16), 3), (16,), (4,)),
        ((2, Span(1, 16, 16), 4), (1, 4, 16), (2, 1, 1)),
        ((20, Span(2, 16, 16), 3), (2, 6, 16), (20, 6, 2)),
        ((9, Span(12, 16, 16), 3), (16,), (9,)),
        ((12, Span(30, 150, 500), 2), (30, 67, 500), (12, 6, 3)),
    ],
)
def test_the_plan_keeps_one_in_reduction_at_each_rung(
    arguments: Any, views: Any, sizes: Any
) -> None:
    assert plan_halving(*arguments) == HalvingPlan(views, sizes, arguments[2])


def test_the_best_are_promoted_with_their_settings() -> None:
    asked = _run(_oracle(plan_halving(9, Span(2, 18, 18), 3)), lambda values: values["x"])
    lowest = sorted((x for views, x in asked if views == 2), reverse=True)
    assert [x for views, x in asked if views == 6] == lowest[:3]
    assert [x for views, x in asked if views == 18] == lowest[:1]


def test_a_rung_waits_for_the_one_below() -> None:
    oracle = _oracle(HalvingPlan((2, 4), (2, 1)))
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    assert oracle.create_trial("c").status == "IDLE"
    _tell(oracle, first, 0.1)
    assert oracle.create_trial("c").status == "IDLE"
    _tell(oracle, second, 0.2)
    assert (
        oracle.create_trial("c").hyperparameters.values["x"] == second.hyperparameters.values["x"]
    )


def test_failed_trials_are_not_promoted() -> None:
    oracle = _oracle(HalvingPlan((2, 4), (2, 2)))
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    _tell(oracle, first, None)
    _tell(oracle, second, 0.2)
    assert (
        oracle.create_trial("c").hyperparameters.values["x"] == second.hyperparameters.values["x"]
    )
    assert oracle.create_trial("d").status == "STOPPED"


def test_the_same_seed_asks_the_same() -> None:
    plan = plan_halving(9, Span(2, 18, 18), 3)
    assert _run(_oracle(plan), lambda v: v["x"]) == _run(_oracle(plan), lambda v: v["x"])


def test_asynchronous_halving_promotes_while_its_rung_still_runs() -> None:
    oracle = _oracle(plan_halving(9, Span(2, 18, 18), 3), asynchronous)
    trials = [oracle.create_trial(f"t{number}") for number in range(5)]
    for trial, score in zip(trials[:3], (0.3, 0.9, 0.1), strict=True):
        _tell(oracle, trial, score)
    promoted = oracle.create_trial("t5").hyperparameters.values
    assert (promoted["tuner/views"], promoted["tuner/trial_id"]) == (6, trials[1].trial_id)
    assert oracle.create_trial("t6").hyperparameters.values["tuner/views"] == 2


def test_asynchronous_halving_fills_every_rung_as_planned() -> None:
    plan = plan_halving(13, Span(2, 18, 18), 3)
    asked = _run(_oracle(plan, asynchronous), lambda values: values["x"])
    assert [sum(views == wanted for views, _ in asked) for wanted in plan.views] == list(plan.sizes)


def test_asynchronous_halving_never_promotes_a_setting_twice() -> None:
    asked = _run(
        _oracle(plan_halving(27, Span(2, 18, 18), 3), asynchronous), lambda values: values["x"]
    )
    assert len(set(asked)) == len(asked)


def test_asynchronous_halving_waits_only_where_nothing_new_is_left() -> None:
    oracle = _oracle(HalvingPlan((2, 4), (2, 1)), asynchronous)
    first, second = oracle.create_trial("a"), oracle.create_trial("b")
    assert oracle.create_trial("c").status == "IDLE"
    _tell(oracle, first, None)
    _tell(oracle, second, 0.2)
    assert (
        oracle.create_trial("c").hyperparameters.values["x"] == second.hyperparameters.values["x"]
    )


@pytest.mark.parametrize("rule", [synchronous, asynchronous])
def test_the_lowest_rung_ends_where_no_setting_is_left_and_the_best_go_on(rule: Rule) -> None:
    asked = _run(_oracle(HalvingPlan((2, 6, 18), (9, 3, 1)), rule, step=0.25), lambda v: v["x"])
    assert sorted(x for views, x in asked if views == 2) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert sorted(x for views, x in asked if views == 6) == [0.5, 0.75, 1.0]
    assert [x for views, x in asked if views == 18] == [1.0]


@pytest.mark.parametrize("rule", [synchronous, asynchronous])
def test_a_rung_without_more_settings_waits_for_its_answers(rule: Rule) -> None:
    oracle = _oracle(HalvingPlan((2, 4), (9, 2)), rule, step=0.5)
    trials = [oracle.create_trial(f"t{number}") for number in range(3)]
    _tell(oracle, trials[0], 0.1)
    assert oracle.create_trial("t3").status == "IDLE"  # one of three is not told to be the best
    _tell(oracle, trials[1], None)
    _tell(oracle, trials[2], 0.2)
    promoted = [oracle.create_trial(f"t{number}") for number in (3, 4)]
    sources = [trial.hyperparameters.values["tuner/trial_id"] for trial in promoted]
    assert sources == [trials[2].trial_id, trials[0].trial_id]
    for trial in promoted:
        _tell(oracle, trial, 0.3)
    assert oracle.create_trial("t5").status == "STOPPED"
