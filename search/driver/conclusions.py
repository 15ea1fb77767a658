"""From trials to evidence: which effects, which floor, which claims, and the answer. One value a
phase, for the journal. The statistics are `evaluation`, `floor` and `claims`; here the right trials
are put into them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from search.driver.claiming import Look, chosen_beside, whole_settings
from search.driver.looking import last_level, settled_so_far, with_last_look
from search.driver.phases import Context, Knowledge, best_trials
from search.driver.specs import RECOMMENDED
from search.evidence.claim_table import Claims
from search.evidence.evaluation import effects_by_class
from search.evidence.findings import Evidence, RungCorrelation, Score, TestResult
from search.evidence.floor import Flips, NullFloor, null_floor
from search.evidence.looks import with_settled
from search.evidence.scores import accuracy_of, confusion_matrix, rank_agreement
from search.experiment.beside import beside_of
from search.experiment.controls import NONE
from search.experiment.objectives import OBJECTIVES
from search.experiment.seeds import derive_seed
from search.experiment.settings import setting_key
from search.experiment.trial import Effect, TrialRecord, first_trained, fullest
from search.training.modes import MODES, budget_of, mode_of


def after_search(context: Context, known: Knowledge) -> Evidence:
    """The best trial, what the best would show if none differed from no augmentation, and what can
    be claimed so far."""
    record = context.ledger.record
    completed = [n for n in known.trials if record(n).status == "completed"]
    best = best_trials(context, known.trials, 1)
    look = Look(context, Look(context).best_beside, is_exact=True)
    sources = whole_settings(context, replace(known, trials=_alike(context, known, look.beside)))
    wholes = {label: record(n) for label, n in sources.items()}
    claims = _claims(look, known, wholes)
    is_final = not context.prepared.is_confirmed
    updates: dict = {
        "claims": claims,
        "answer": look.answer(claims, known.evidence) if is_final else None,
        "is_final": is_final,
        "looks": with_last_look(known.evidence) if is_final else known.evidence.looks,
        "sources": sources,
        "rung_correlations": rank_correlations(map(record, completed)),
        "optimism": _optimism(context, [*known.controls.full.values(), *completed]),
    }
    if best:
        updates["best_trial"] = best[0]
    paired = [n for n in completed if context.are_alike(n, known.controls.full[NONE])]
    if best and best[0] in paired:
        floor, effect = _floor(context, known, paired), record(best[0]).effect
        updates |= {
            "null_floor": floor.p95,
            "null_floor_mean": floor.mean,
            "null_floor_settings": floor.num_trials,
            "best_is_below_floor": effect is None or effect.delta <= floor.p95,
        }
    return known.evidence.model_copy(update=updates)


def _alike(context: Context, known: Knowledge, beside: Mapping[str, Any]) -> tuple[int, ...]:
    """The trials with these values beside their augmentation."""
    settings = {number: context.ledger.record(number).spec.settings for number in known.trials}
    return tuple(n for n in known.trials if beside_of(context.space, settings[n]) == beside)


def _floor(context: Context, known: Knowledge, completed: list[int]) -> NullFloor:
    """Of each setting once that had as much of the budget as the best, against no augmentation at
    as much."""
    ledger, objective = context.ledger, context.config.evaluation.objective
    compared = [r for r in map(ledger.record, completed) if r.spec.settings.augmentation]
    tried = list({setting_key(r.spec.settings): r for r in fullest(compared)}.values())
    baseline = ledger.predictions(known.controls.beside(tried[0]))
    return null_floor(
        # one at a time: all are too many
        ((ledger.predictions(record.trial), baseline) for record in tried),
        baseline,
        _labels(context),
        objective,
        Flips(derive_seed(context.config.seed, "floor")),
        MODES[context.space.mode].usual_spread,
    )


def after_confirmation(context: Context, known: Knowledge) -> Evidence:
    """The claims of all trainings, and the one answer they give."""
    record, found = context.ledger.record, known.confirmation
    numbers = found.sources if found.failed else found.trained
    wholes = {
        label: record(number)
        for label, number in numbers.items()
        if found.failed or record(number).kind == "confirm"
    }
    look = Look(context, chosen_beside(known), is_exact=True)
    labels = {*found.sources, *found.trained}
    claims = _claims(look, known, wholes, labels)
    answer = look.answer(claims, known.evidence)
    used = answer.label if answer.kind == "use" else _best_whole(claims)
    shown = found.trained.get(used) if used is not None else None
    shown = shown if shown is not None and record(shown).status == "completed" else None
    return known.evidence.model_copy(
        update={
            "claims": claims,
            "answer": answer,
            "is_final": True,
            "looks": with_last_look(known.evidence),
            "trained": found.trained,
            "sources": found.sources,
            "by_class": _by_class(context, shown, found.baseline) if shown is not None else {},
            "by_class_trial": shown,
        }
    )


def _claims(
    look: Look, known: Knowledge, wholes: Mapping[str, TrialRecord], labels: Iterable[str] = ()
) -> Claims:
    """Of all trainings so far, with what earlier looks settled as it stood then. labels: of whole
    settings that are claimed although no training of the last round was theirs."""
    claims = look.claims(wholes, RECOMMENDED, last_level(known.evidence))
    return with_settled(claims, settled_so_far(known.evidence).among({*wholes, *labels}))


def _best_whole(claims: Claims) -> str | None:
    """The label of the whole setting that gained most, whether that is sure or not."""
    effects = {whole.label: whole.measured.effect for whole in claims.wholes if whole.measured}
    return max(effects, key=lambda label: effects[label], default=None)


def after_test(context: Context, known: Knowledge) -> TestResult | None:
    """The sealed test set's answer, on as many models as there are seeds; None where a final model
    failed."""
    ledger, finals = context.ledger, known.finals
    if not finals:
        return None
    chosen = next((label for label in finals if label != NONE), None)
    shown = finals[chosen or NONE]
    predictions, result = ledger.predictions(shown), ledger.record(shown).result
    num_classes = len(context.prepared.dataset.class_names)
    kept = first_trained(result.lost, result.num_heads) if result else 0
    return TestResult(
        looks=context.earlier_looks + 1,
        num_images=len(predictions.images),
        none=_score(context, NONE, finals[NONE]),
        chosen=_score(context, chosen, finals[chosen]) if chosen else None,
        effect=ledger.effect(finals[chosen], finals[NONE]) if chosen else None,
        confusion=confusion_matrix(predictions, _labels(context), num_classes, kept),
    )


def _score(context: Context, label: str, number: int) -> Score:
    result = context.ledger.record(number).result
    assert result is not None, "it completed"
    found = accuracy_of(result, len(context.ledger.predictions(number).images))
    assert found is not None, "a completed trial has an accuracy"
    return Score(label=label, metrics=result.metrics, accuracy_ci=found[1])


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
