"""`summary.json`: what a search found, for programs. From the view alone, under names that
stay."""

from typing import Any

from search.evidence.claim_table import AugmentationClaims, CurvePoint
from search.evidence.findings import Score
from search.experiment.trial import Effect, TrialRecord
from search.report.answer_text import answer, beside_answer
from search.report.judged import Judged, WholeSetting, effect_json
from search.report.trial_facts import best_epoch, counted_cut
from search.report.view import SearchView


def summarize(view: SearchView) -> dict[str, Any]:
    """The JSON object of `summary.json`. Differences are in the objective's units (0.01 is a
    point).

    Every key is there from the start, null or empty while it is not known: a script may look
    without asking.
    """
    evidence = view.evidence
    return {
        **_identity(view),
        "answer": answer(view),
        "answer_kind": view.answer.kind if view.answer else None,
        "beside": dict(view.beside),
        "remarks": beside_answer(view),
        "best": _best(view),
        "controls": _controls(view),
        "confirmed": [_whole(whole, view) for whole in view.wholes],
        "augmentations": {each.name: _augmentation(each) for each in view.augmentations},
        "detectable": view.answer.detectable if view.answer else None,
        "shortfall": _shortfall(view),
        "verdicts": {judged.name: judged.as_json for judged in view.augmentations},
        "policy": _policy(view),
        "by_class": {name: _effect(effect) for name, effect in evidence.by_class.items()},
        "by_class_trial": evidence.by_class_trial,
        "null_floor": evidence.null_floor,
        "null_floor_mean": evidence.null_floor_mean,
        "optimism": evidence.optimism,
        "looks": _looks(view),
        "rung_correlations": [rung.model_dump() for rung in evidence.rung_correlations],
        "test": _test(view),
        "training": _training(view),
        "timing": _timing(view),
    }


def _identity(view: SearchView) -> dict[str, Any]:
    opened = view.opened
    return {
        "name": opened.name if opened else None,
        "search_id": opened.search_id if opened else None,
        "config_hash": opened.config_hash if opened else None,
        "dataset_digest": opened.dataset.digest if opened else None,
        "objective": view.objective if view.records else None,
        "status": view.status,
        "stopped": view.stopped,
    }


def _controls(view: SearchView) -> dict[str, Any]:
    """By name. With rungs there is one of each name at every budget, and the one with all of it is
    meant."""
    controls, baseline = view.of_kind("control"), view.baseline()
    full = {r.label: r for r in sorted(controls, key=lambda r: (r is baseline, r.rung or 0))}
    return {r.label: _trial(full[r.label], view) for r in controls}


def _effect(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {
        "effect": effect.delta,
        "ci": [effect.ci_low, effect.ci_high],
        "p_value": effect.p_value,
    }


def _trial(record: TrialRecord, view: SearchView) -> dict[str, Any]:
    accuracy, effect = view.accuracy(record), record.effect
    return {
        "trial": record.trial,
        "label": view.label_text(record),
        "status": view.status_of(record),
        "settings": record.settings,
        "score": record.result.score if record.result else None,
        "accuracy_ci": list(accuracy[1]) if accuracy else None,
        "delta": effect.delta if effect else None,
        "ci": [effect.ci_low, effect.ci_high] if effect else None,
        "best_epoch": best_epoch(record),
    }


def _best(view: SearchView) -> dict[str, Any] | None:
    if view.best is None:
        return None
    return {**_trial(view.best, view), "below_null_floor": view.evidence.best_is_below_floor}


def _whole(whole: WholeSetting, view: SearchView) -> dict[str, Any]:
    return {
        "trial": whole.record.trial if whole.record else None,
        "source_trial": whole.source.trial if whole.source else None,
        "label": view.label(whole.label),
        "settings": dict(whole.settings),
        "verdict": whole.verdict,
        **effect_json(whole.measured),
        "is_confirmed": whole.is_confirmed,
        "remarks": list(whole.doubts),
    }


def _augmentation(judged: Judged) -> dict[str, Any]:
    claims = judged.claims
    return {
        **judged.as_json,
        "strength": claims.strength if claims else None,
        "strengths": _strengths(claims),
        "curve": [_point(point) for point in claims.curve] if claims else [],
        "with_recommended": effect_json(judged.within) if judged.within else None,
        "remarks": list(judged.doubts),
    }


def _strengths(claims: AugmentationClaims | None) -> dict[str, Any] | None:
    found = claims.strengths if claims else None
    if found is None:
        return None
    return {"from": found.first, "to": found.last, "at_edge": found.at_edge}


def _point(point: CurvePoint) -> dict[str, Any]:
    return {"value": point.value, **effect_json(point.measured)}


def _looks(view: SearchView) -> list[dict[str, Any]]:
    """Those that were planned, where any were; the last one is at the end."""
    return [
        {
            "after": look.after,
            "level": look.level,
            "taken": look.is_taken,
            "settled": sorted(look.settled.names | set(map(view.label, look.settled.labels))),
            "ended_search": look.ended_search,
            "spared": list(map(view.label, look.spared)),
        }
        for look in view.evidence.looks
    ]


def _shortfall(view: SearchView) -> dict[str, Any] | None:
    """What would have shown an effect, where the answer is that it cannot be told."""
    missed = view.answer.shortfall if view.answer else None
    return missed.model_dump(mode="json") if missed else None


def _policy(view: SearchView) -> dict[str, Any]:
    """What is recommended, and how much it gains: `settings` are empty where that is no
    augmentation, which gains nothing; null while nothing is."""
    gains = view.used_gain
    return {
        "trial": view.chosen.trial if view.chosen else None,
        "label": view.recommended,
        "settings": None if view.used is None else dict(view.used),
        **(gains.as_json if gains else dict.fromkeys(("verdict", "effect", "ci"))),
    }


def winner_of(view: SearchView) -> dict[str, Any] | None:
    """`winner.json`: the recommended settings, once they are known: no augmentation is a
    recommendation too."""
    if view.used_settings is None:
        return None
    return {
        "label": view.recommended,
        "trial": view.chosen.trial if view.chosen else None,
        **view.used_settings.model_dump(mode="json"),
    }


def _score(score: Score | None, view: SearchView) -> dict[str, Any] | None:
    if score is None:
        return None
    return {
        "label": view.label(score.label),
        **score.metrics,
        "accuracy_ci": list(score.accuracy_ci),
    }


def _test(view: SearchView) -> dict[str, Any] | None:
    test = view.test
    if test is None:
        return None
    return {
        "looks": test.looks,
        "num_images": test.num_images,
        "none": _score(test.none, view),
        "chosen": _score(test.chosen, view),
        "effect": _effect(test.effect),
        "confusion": [list(row) for row in test.confusion],
    }


def _training(view: SearchView) -> dict[str, int]:
    """Of all trainings but the test's: the heads, those of them that patience was to end, those
    that max_epochs ended instead, and those that did not train."""
    trained = [record.trained for record in view.in_tables if record.trained]
    cut, may_be_cut = counted_cut(view.in_tables)
    return {
        "heads": sum(result.num_heads for result in trained),
        "may_be_cut": may_be_cut,
        "cut": cut,
        "lost": sum(len(result.lost) for result in trained),
    }


def _timing(view: SearchView) -> dict[str, Any]:
    cost = view.cost
    return {
        "wall_seconds": view.wall_seconds,
        "phase_seconds": view.phase_seconds,
        "features_seconds": cost.features_seconds,
        "heads_seconds": cost.heads_seconds,
        "trials_seconds": cost.total_seconds,
        "images_extracted": cost.images,
        "num_records": len(view.records),
        "num_failed": view.num_failed,
    }
