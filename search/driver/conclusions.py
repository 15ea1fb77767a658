"""From trials to evidence: which effects, which floor, which verdicts, and what is recommended. One
value a phase, for the journal. The statistics are `evaluation`, `floor` and `verdicts`; here the
right trials are put into them.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from search.driver.phases import Context, Knowledge, best_trials, policy_to_ablate
from search.driver.specs import NONE
from search.evidence.evaluation import effects_by_class
from search.evidence.findings import (
    Confirmed,
    Evidence,
    RungCorrelation,
    Score,
    TestResult,
    Verdict,
)
from search.evidence.floor import NullFloor, null_floor
from search.evidence.scores import confusion_matrix, wilson_interval
from search.evidence.verdicts import choose, holm, verdict
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.trial import Effect, TrialRecord, setting_key
from search.training.modes import budget_of, mode_of

FEWEST = 3  # settings below which a rank correlation says nothing


def after_search(context: Context, known: Knowledge) -> Evidence:
    """The best trial, and what the best would show if none differed from no augmentation."""
    record = context.ledger.record
    completed = [n for n in known.trials if record(n).status == "completed"]
    best = best_trials(context, known.trials, 1)
    updates: dict = {
        "rung_correlations": rank_correlations(map(record, completed)),
        "optimism": _optimism(context, [*known.controls.full.values(), *completed]),
    }
    if best:
        floor, effect = _floor(context, known, completed), record(best[0]).effect
        updates |= {
            "null_floor": floor.p95,
            "null_floor_mean": floor.mean,
            "best_trial": best[0],
            "best_is_below_floor": effect is None or effect.delta <= floor.p95,
        }
    return known.evidence.model_copy(update=updates)


def _floor(context: Context, known: Knowledge, completed: list[int]) -> NullFloor:
    """Of each setting once, at the most of the budget that it had, against no augmentation at as
    much."""
    ledger, controls = context.ledger, known.controls
    records = sorted(map(ledger.record, completed), key=lambda record: record.rung or 0)
    tried = list({setting_key(record.spec.settings): record for record in records}.values())
    return null_floor(
        # one at a time: all are too many
        (ledger.predictions(record.trial) for record in tried),
        ledger.predictions(controls.full[NONE]),
        _labels(context),
        context.config.evaluation.objective,
        derive_seed(context.config.seed, "floor"),
        baselines=(ledger.predictions(controls.beside(record.spec)) for record in tried),
    )


def after_confirmation(context: Context, known: Knowledge) -> Evidence:
    """The effects on fresh folds, seeds and views, and the policy they recommend, if any."""
    record, candidates = context.ledger.record, known.confirmation.candidates
    effects = {n: effect for n in candidates if (effect := record(n).effect) is not None}
    corrected = holm([effect.p_value for effect in effects.values()], _num_searched(context))
    confirmed = tuple(
        Confirmed(
            trial=number,
            source_trial=candidates[number],
            label=record(number).label,
            effect=effect,
            p_holm=p_value,
        )
        for (number, effect), p_value in zip(effects.items(), corrected, strict=True)
    )
    chosen = choose(confirmed)
    shown = chosen or max(confirmed, key=lambda c: c.effect.delta, default=None)
    by_class = _by_class(context, shown.trial, known.confirmation.baseline) if shown else {}
    return known.evidence.model_copy(
        update={
            "confirmed": confirmed,
            "chosen_trial": chosen.trial if chosen else None,
            "chosen_label": chosen.label if chosen else NONE,
            "policy": verdict(shown.effect, shown.p_holm, "policy") if shown else None,
            "by_class": by_class,
        }
    )


def _num_searched(context: Context) -> int:
    """Different settings that the confirmed ones were picked from, controls included: picking must
    be paid for."""
    records = [
        r
        for r in context.ledger.records
        if r.kind in ("control", "trial") and r.spec.settings.augmentation
    ]
    return len({setting_key(r.spec.settings) for r in records if r.status == "completed"})


def after_ablation(context: Context, known: Knowledge) -> Evidence:
    """One verdict an augmentation, corrected for all that was compared at this stage."""
    ledger, ablation = context.ledger, known.ablation
    alone = {
        name: effect
        for name, number in ablation.alone.items()
        if (effect := ledger.record(number).effect) is not None
    }
    settings, candidates = policy_to_ablate(context, known), known.confirmation.candidates
    same = (n for n in candidates if ledger.record(n).spec.settings == settings)
    policy = next(same, None)
    removed = {
        name: ledger.effect(policy, number)
        for name, number in ablation.removed.items()
        if policy is not None and ledger.record(number).status == "completed"
    }
    return known.evidence.model_copy(
        update={"verdicts": _verdicts(alone, "alone"), "removed": _verdicts(removed, "removed")}
    )


def after_test(context: Context, known: Knowledge) -> TestResult:
    """The sealed test set's answer, on as many models as there are seeds."""
    ledger, finals = context.ledger, known.finals
    chosen = next((label for label in finals if label != NONE), None)
    predictions = ledger.predictions(finals[chosen or NONE])
    num_classes = len(context.prepared.dataset.class_names)
    return TestResult(
        looks=context.earlier_looks + 1,
        num_images=len(predictions.images),
        none=_score(context, NONE, finals[NONE]),
        chosen=_score(context, chosen, finals[chosen]) if chosen else None,
        effect=ledger.effect(finals[chosen], finals[NONE]) if chosen else None,
        confusion=confusion_matrix(predictions, _labels(context), num_classes),
    )


def _score(context: Context, label: str, number: int) -> Score:
    result = context.ledger.record(number).result
    metrics = result.metrics if result else {}
    num_images = len(context.ledger.predictions(number).images)
    interval = wilson_interval(metrics["accuracy"], num_images)
    return Score(label=label, metrics=metrics, accuracy_ci=interval)


def _by_class(context: Context, number: int, baseline: int) -> dict[str, Effect]:
    config, ledger = context.config, context.ledger
    pair = ledger.predictions(number), ledger.predictions(baseline)
    seed = derive_seed(config.seed, "bootstrap", "classes")
    names = context.prepared.dataset.class_names
    return effects_by_class(*pair, _labels(context), names, config.evaluation.objective, seed)


def _labels(context: Context) -> np.ndarray:
    return np.asarray(context.prepared.dataset.labels)


def _optimism(context: Context, numbers: list[int]) -> float | None:
    objective = context.config.evaluation.objective
    sign = OBJECTIVES[objective].sign
    results = [context.ledger.record(n).result for n in numbers]
    gaps = [
        sign * (r.optimistic_metrics[objective] - r.metrics[objective])
        for r in results
        if r and r.metrics
    ]
    return float(np.mean(gaps)) if gaps else None


def _verdicts(effects: dict[str, Effect], basis: str) -> dict[str, Verdict]:
    corrected = holm([effect.p_value for effect in effects.values()])
    return {
        name: verdict(effect, p_value, basis)
        for (name, effect), p_value in zip(effects.items(), corrected, strict=True)
    }


def rank_correlations(records: Iterable[TrialRecord]) -> tuple[RungCorrelation, ...]:
    """Spearman's correlation of scores between each rung and the next, over the settings that both
    have.

    Left out where fewer than three settings were promoted or all scores tie.
    """
    by_views: dict[int, dict[str, float]] = {}
    units: set[Literal["views", "epochs"]] = set()
    for record in records:
        views = budget_of(record.spec)
        if (
            record.rung is not None
            and record.result
            and record.result.score is not None
            and isinstance(views, int)
        ):
            by_views.setdefault(views, {})[setting_key(record.spec.settings)] = record.result.score
            units.add(mode_of(record.spec.settings.training).budget)
    found = [_correlation(low, high, by_views) for low, high in pairwise(sorted(by_views))]
    unit = units.pop() if units else "views"
    return tuple(each.model_copy(update={"unit": unit}) for each in found if each is not None)


def _correlation(
    low: int, high: int, by_views: dict[int, dict[str, float]]
) -> RungCorrelation | None:
    both = sorted(by_views[low].keys() & by_views[high].keys())
    rho = rank_agreement(*([by_views[views][setting] for setting in both] for views in (low, high)))
    if rho is None:
        return None
    return RungCorrelation(from_views=low, to_views=high, rho=rho, num_trials=len(both))


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs, or where all scores on a side
    tie."""
    from scipy.stats import spearmanr

    if len(first) < FEWEST or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(spearmanr(first, second).statistic)
