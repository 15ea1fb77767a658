"""`summary.json`: what a search found, for programs. From the state alone, under names that
stay."""

from typing import Any

from search.evidence.findings import Confirmed, Evidence, Score, TestResult, Verdict
from search.evidence.verdicts import verdict_of
from search.experiment.trial import Effect, TrialRecord
from search.journal.state import SearchState
from search.report.leaderboard import accuracy_interval, best_epoch
from search.report.wording import answer, chosen_record, record_of


def summarize(state: SearchState) -> dict[str, Any]:
    """The JSON object of `summary.json`. Differences are in the objective's units (0.01 is a
    point).

    Every key is there from the start, null or empty while it is not known: a script may look
    without asking.
    """
    evidence = state.evidence or Evidence()
    return {
        **_identity(state),
        "answer": answer(state),
        "best": _best(state, evidence),
        "controls": _controls(state),
        "confirmed": [_confirmed(state, c) for c in evidence.confirmed],
        "verdicts": {name: _verdict(verdict) for name, verdict in evidence.verdicts.items()},
        "policy": _policy(state, evidence),
        "by_class": {name: _effect(effect) for name, effect in evidence.by_class.items()},
        "null_floor": evidence.null_floor,
        "null_floor_mean": evidence.null_floor_mean,
        "optimism": evidence.optimism,
        "rung_correlations": [rung.model_dump() for rung in evidence.rung_correlations],
        "test": _test(state.test),
        "timing": _timing(state),
    }


def _identity(state: SearchState) -> dict[str, Any]:
    opened = state.opened
    return {
        "name": opened.name if opened else None,
        "search_id": opened.search_id if opened else None,
        "config_hash": opened.config_hash if opened else None,
        "dataset_digest": opened.dataset.digest if opened else None,
        "objective": state.records[0].spec.protocol.objective if state.records else None,
        "status": _status(state),
        "stopped": state.stopped,
    }


def _controls(state: SearchState) -> dict[str, Any]:
    """By name. With rungs there is one of each name at every budget, and the one with all of it is
    meant."""
    controls, baseline = state.of_kind("control"), state.baseline()
    full = {r.label: r for r in sorted(controls, key=lambda r: (r is baseline, r.rung or 0))}
    return {r.label: _trial(full[r.label], state) for r in controls}


def _status(state: SearchState) -> str:
    if state.finished_at is not None:
        return "finished"
    return "unfinished" if not state.stopped else "failed" if state.has_failed else "stopped"


def _effect(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {
        "effect": effect.delta,
        "ci": [effect.ci_low, effect.ci_high],
        "p_value": effect.p_value,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.verdict,
        "effect": verdict.effect,
        "ci": list(verdict.ci),
        "p_holm": verdict.p_holm,
        "basis": verdict.basis,
    }


def _trial(record: TrialRecord, state: SearchState) -> dict[str, Any]:
    interval = accuracy_interval(record, state.opened.dataset) if state.opened else None
    effect = record.effect
    return {
        "trial": record.trial,
        "label": record.label,
        "status": record.status,
        "settings": record.settings,
        "score": record.result.score if record.result else None,
        "accuracy_ci": list(interval) if interval else None,
        "delta": effect.delta if effect else None,
        "ci": [effect.ci_low, effect.ci_high] if effect else None,
        "best_epoch": best_epoch(record),
    }


def _best(state: SearchState, evidence: Evidence) -> dict[str, Any] | None:
    record = record_of(state, evidence.best_trial)
    return (
        None
        if record is None
        else {**_trial(record, state), "below_null_floor": evidence.best_is_below_floor}
    )


def _confirmed(state: SearchState, confirmed: Confirmed) -> dict[str, Any]:
    record = record_of(state, confirmed.trial)
    settings = record.spec.settings.augmentation if record else None
    return {
        "trial": confirmed.trial,
        "source_trial": confirmed.source_trial,
        "label": confirmed.label,
        "settings": settings,
        "verdict": verdict_of(confirmed).verdict,
        **(_effect(confirmed.effect) or {}),
        "p_holm": confirmed.p_holm,
    }


def _policy(state: SearchState, evidence: Evidence) -> dict[str, Any]:
    """What is recommended: `settings` are empty where that is no augmentation, null while nothing
    is."""
    chosen = chosen_record(state)
    settled = bool(evidence.confirmed) or (
        state.finished_at is not None and evidence.best_trial is not None
    )
    verdict = (
        _verdict(evidence.policy)
        if evidence.policy
        else dict.fromkeys(("verdict", "effect", "ci", "p_holm", "basis"))
    )
    return {
        "trial": evidence.chosen_trial,
        "label": evidence.chosen_label,
        "settings": chosen.spec.settings.augmentation if chosen else {} if settled else None,
        **verdict,
    }


def _score(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {"label": score.label, **score.metrics, "accuracy_ci": list(score.accuracy_ci)}


def _test(test: TestResult | None) -> dict[str, Any] | None:
    if test is None:
        return None
    return {
        "looks": test.looks,
        "num_images": test.num_images,
        "none": _score(test.none),
        "chosen": _score(test.chosen),
        "effect": _effect(test.effect),
        "confusion": [list(row) for row in test.confusion],
    }


def _timing(state: SearchState) -> dict[str, Any]:
    cost = state.cost
    return {
        "wall_seconds": state.wall_seconds,
        "phase_seconds": state.phase_seconds,
        "features_seconds": cost.features_seconds,
        "heads_seconds": cost.heads_seconds,
        "trials_seconds": cost.total_seconds,
        "images_extracted": cost.images,
        "num_records": len(state.records),
        "num_failed": sum(record.status == "failed" for record in state.records),
    }
