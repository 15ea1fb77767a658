"""Confirmation and ablation, one batch on fresh folds, seeds and views: no augmentation, the
setting recommended, the best trials and the controls; each augmentation alone, and the setting
recommended without it. What else is searched has one set of values in all of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data.augmentations import active
from search.driver.claiming import Look, chosen_beside, whole_settings
from search.driver.looking import look_is_due, spare_settled, take_look
from search.driver.phases import (
    BASELINE_FAILED,
    Confirmation,
    Context,
    Knowledge,
    SearchFailed,
    failure_of,
    may_pass,
)
from search.driver.specs import RECOMMENDED
from search.evidence.claim_table import alone_label
from search.evidence.findings import Evidence
from search.experiment.beside import with_beside
from search.experiment.controls import NONE
from search.experiment.kinds import Kind
from search.experiment.settings import Settings
from search.experiment.trial import TrialSpec


def run_confirmation(context: Context, known: Knowledge) -> Knowledge:
    """All asked at once, then told; where a look comes between, those after it once it is taken."""
    beside = chosen_beside(known)
    look = Look(context, beside)
    recommended = look.recommended()
    sources = whole_settings(context, known, recommended, beside)
    told = {label: context.ledger.record(n).spec.settings for label, n in sources.items()}
    wholes = {label: with_beside(settings, beside) for label, settings in told.items()}
    if recommended is not None:
        wholes = {RECOMMENDED: recommended, **wholes}
    alone = look.alone()
    apart = taken_apart(alone, recommended) if context.prepared.is_ablated else {}
    less = apart.keys() - set(map(alone_label, alone))
    evidence, left = spare_settled(known.evidence, {**wholes, **apart}, less)
    known = replace(known, evidence=evidence)
    if not left:
        none = Confirmation(known.controls.full[NONE], {}, sources)
        return replace(known, confirmation=none)
    baseline = context.ask(_baseline(context, beside))
    found = Confirmation(baseline, {}, sources)
    so_far = replace(known, confirmation=found)
    while True:
        asked, left = _ask_until_look(context, so_far.evidence, left, wholes)
        trained = {**so_far.confirmation.trained, **asked}
        so_far = replace(so_far, confirmation=replace(found, trained=trained))
        is_told = _tell_baseline(context, baseline)
        for number in asked.values():
            context.tell(number, baseline)
        if not is_told:
            none = Confirmation(known.controls.full[NONE], {}, sources, failed=True)
            return replace(so_far, confirmation=none)
        if not left:
            return so_far
        so_far = take_look(context, so_far, is_searching=False)
        evidence, left = spare_settled(so_far.evidence, left, less)
        so_far = replace(so_far, evidence=evidence)


def _tell_baseline(context: Context, number: int) -> bool:
    """Whether there is something to compare with: where it would fail the same way again, the
    search phase has the last word. Raises SearchFailed where it may not."""
    record = context.tell(number, number)
    if record.status == "completed" or not may_pass(record):
        return record.status == "completed"
    raise SearchFailed(f"{BASELINE_FAILED} failed: {failure_of(record)}", may_pass=True)


def _baseline(context: Context, beside: Mapping[str, Any]) -> TrialSpec:
    return context.specs.confirm("confirm", NONE, context.specs.control({}, beside))


def _ask_until_look(
    context: Context,
    evidence: Evidence,
    planned: Mapping[str, Settings],
    wholes: Mapping[str, Settings],
) -> tuple[dict[str, int], dict[str, Settings]]:
    """Numbers of what is asked for, by label, and what is left."""
    asked: dict[str, int] = {}
    left = dict(planned)
    for label, settings in planned.items():
        if asked and look_is_due(context, evidence):
            break
        kind: Kind = "confirm" if label in wholes else "ablation"
        asked[label] = context.ask(context.specs.confirm(kind, label, settings))
        del left[label]
    return asked, left


def taken_apart(alone: Mapping[str, Settings], recommended: Settings | None) -> dict[str, Settings]:
    """Each augmentation by itself, then the setting recommended without each of its own."""
    apart = {alone_label(name): settings for name, settings in alone.items()}
    own = recommended.augmentation if recommended is not None else {}
    for name in alone:
        if recommended is not None and name in own:
            rest = active({key: value for key, value in own.items() if key != name})
            apart[f"without {name}"] = recommended.model_copy(update={"augmentation": rest})
    return apart
