"""What the phases ask for, over a ledger that only writes it down."""

from typing import Any, cast

import pytest
from states import make_record

from data.dataset import Dataset
from search.driver.claiming import Look
from search.driver.confirmation import taken_apart
from search.driver.experiment_file import parse_config
from search.driver.phases import Context, Controls, Knowledge, best_trials, run_controls
from search.driver.prepare import Prepared
from search.driver.specs import SpecFactory
from search.experiment.config import ExperimentConfig
from search.experiment.trial import TrialRecord, TrialSpec
from search.features.precision_choice import PrecisionChoice

OPTIONS = {"fill_mode": "constant", "cval": 200, "policy_ops": 3, "policy_magnitude": 25}
AUGMENTATION = {
    "rotation_range": {"min": 0, "max": 30},
    "horizontal_flip": [False, True],
    "policy": {"choices": ["none", "rand_augment"]},
    **OPTIONS,
}


class Ledger:
    """Every trial asked for completes at once."""

    def __init__(self, records: list[TrialRecord]) -> None:
        self.records = records

    def ask(self, spec: TrialSpec, settings: Any, rung: int | None = None) -> int:
        made = make_record(
            len(self.records), spec.kind, spec.label, spec.settings.augmentation, 0.0, rung=rung
        )
        self.records.append(made.model_copy(update={"spec": spec}))
        return len(self.records) - 1

    def tell(self, number: int, baseline: int | None = None) -> TrialRecord:
        return self.records[number]

    def record(self, number: int) -> TrialRecord:
        return self.records[number]


def context_of(records: list[TrialRecord], **sections: Any) -> Context:
    data = {
        "name": "phases",
        "dataset": {"source": "digits", "image_size": 8},
        "augmentation": AUGMENTATION,
    }
    config: ExperimentConfig = parse_config({**data, **sections}, "test")
    space = config.space
    ledger: Any = Ledger(records)
    specs, unread = SpecFactory(config, space, "float32"), cast("Dataset", None)
    prepared = Prepared(config, space, specs, unread, PrecisionChoice("float32"))
    return Context(prepared, ledger, lambda asked: False)


def asked_by_ablation(policy: dict[str, Any], **sections: Any) -> dict[str, dict[str, Any]]:
    """Label -> augmentation of what is trained to take `policy` apart, after a search that trained
    nothing."""
    context = context_of([], **sections)
    recommended = context.specs.control(policy)
    apart = taken_apart(Look(context).alone(), recommended)
    return {label: settings.augmentation for label, settings in apart.items()}


def test_an_augmentation_is_trained_alone_with_its_options_at_its_strongest() -> None:
    asked = asked_by_ablation({"rotation_range": 20.0, "policy": "rand_augment", **OPTIONS})
    of_policy = {name: OPTIONS[name] for name in ("policy_ops", "policy_magnitude")}
    of_rotation = {name: OPTIONS[name] for name in ("fill_mode", "cval")}
    assert asked["policy alone"] == {"policy": "rand_augment", **of_policy}
    assert asked["rotation_range alone"] == {"rotation_range": 30.0, **of_rotation}
    assert asked["horizontal_flip alone"] == {"horizontal_flip": True}
    assert asked["without rotation_range"] == {"policy": "rand_augment", **of_policy}
    assert asked["without policy"] == {"rotation_range": 20.0, **of_rotation}
    assert "without horizontal_flip" not in asked


def test_one_that_is_always_on_is_taken_out_too() -> None:
    augmentation = {"rotation_range": {"min": 0, "max": 30}, "vertical_flip": True}
    policy = {"rotation_range": 20.0, "vertical_flip": True}
    asked = asked_by_ablation(policy, augmentation=augmentation)
    assert asked["vertical_flip alone"] == {"vertical_flip": True}
    assert asked["without vertical_flip"] == {"rotation_range": 20.0}


def test_an_ablation_asks_in_one_order_whatever_the_order_of_the_policy() -> None:
    """A search that was resumed has its policy from the journal, which sorts names."""
    policy = {"rotation_range": 20.0, "horizontal_flip": True, "policy": "rand_augment"}
    again = dict(sorted(policy.items()))
    assert list(again) != list(policy)
    assert list(asked_by_ablation(again)) == list(asked_by_ablation(policy))


def test_the_baseline_tries_every_augmentation_with_the_experiments_options() -> None:
    probes = context_of([]).specs.baseline().probes
    assert probes == {
        "rotation_range": 30,
        "horizontal_flip": True,
        "policy": "rand_augment",
        **OPTIONS,
    }


@pytest.mark.parametrize("algorithm", ["hyperband", "halving", "asynchronous_halving"])
def test_where_epochs_are_shared_out_every_rung_has_a_baseline_of_its_own(algorithm: str) -> None:
    training = {"mode": "scratch", "max_epochs": 9}
    context = context_of(
        [],
        search={"algorithm": algorithm, "trials": 30, "min_views": 1},
        training=training,
        model={"backbone": "small-cnn", "weights": "random"},
    )
    controls = run_controls(context, Knowledge()).controls
    assert list(controls.bare) == [1, 3, 9]
    for budget, number in controls.bare.items():
        record = context.ledger.record(number)
        assert record.label == "no augmentation"
        assert (record.spec.protocol.max_epochs or 9) == budget
        assert controls.beside(record) == number


def test_controls_are_trained_with_all_of_the_budget_alone() -> None:
    context, controls = of_views(folds=5)
    others = [r for r in context.ledger.records if r.spec.settings.augmentation]
    assert [record.label for record in others] == ["course settings", "TrivialAugment"]
    assert {(record.spec.protocol.views, record.rung) for record in others} == {(16, 2)}
    assert {controls.beside(record) for record in others} == {controls.full["no augmentation"]}


def of_views(folds: int) -> tuple[Context, Controls]:
    context = context_of(
        [],
        search={"algorithm": "halving", "trials": 20, "min_views": 2},
        training={"views": 16},
        evaluation={"folds": folds, "seeds": 3},
    )
    return context, run_controls(context, Knowledge()).controls


def test_trials_that_only_rank_have_one_seed_a_fold_and_a_baseline_of_theirs() -> None:
    context, controls = of_views(folds=5)
    seeds = {
        budget: len(context.ledger.record(number).spec.protocol.head_seeds)
        for budget, number in controls.bare.items()
    }
    assert seeds == {2: 1, 6: 1, 16: 3}
    assert controls.baseline(2) == controls.baseline(6) != controls.baseline(16) == 0
    full, ranking = (context.ledger.record(controls.baseline(budget)).spec for budget in (16, 2))
    assert ranking.protocol.head_seeds == full.protocol.head_seeds[:1]


def test_a_single_fold_keeps_all_its_seeds_on_every_rung() -> None:
    context, controls = of_views(folds=1)
    kept = {len(record.spec.protocol.head_seeds) for record in context.ledger.records}
    assert kept == {3}
    assert {controls.baseline(budget) for budget in (2, 6, 16)} == {0}


def test_scores_are_ranked_within_a_rung_and_higher_rungs_come_first() -> None:
    rows = [(0, 0.04), (0, 0.03), (1, -0.02), (1, -0.01), (0, 0.05)]
    trials = [
        make_record(n, "trial", str(n), {"rotation_range": float(n + 1)}, delta, rung=rung)
        for n, (rung, delta) in enumerate(rows)
    ]
    assert best_trials(context_of(trials), list(range(5)), 3) == [3, 2, 4]
