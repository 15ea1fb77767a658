"""Confirmation and ablation, one batch on fresh folds, seeds and views: no augmentation, the
setting recommended, the best trials and the controls; each augmentation alone, and the setting
recommended without it.
"""

from collections.abc import Mapping
from dataclasses import replace

from data.augmentations import active
from search.driver.claiming import Look
from search.driver.phases import (
    BASELINE_FAILED,
    Confirmation,
    Context,
    Knowledge,
    best_trials,
)
from search.driver.specs import NONE
from search.evidence.answer import alone_label
from search.experiment.settings import Settings, setting_key
from search.experiment.trial import Kind

RECOMMENDED = "expected best"  # its label: whether it is recommended, the claims decide


def run_confirmation(context: Context, known: Knowledge) -> Knowledge:
    """All asked at once, then told."""
    look = Look(context)
    recommended = look.recommended()
    sources = whole_settings(context, known, recommended)
    wholes = {label: context.ledger.record(n).spec.settings for label, n in sources.items()}
    if recommended is not None:
        wholes = {RECOMMENDED: recommended, **wholes}
    baseline = _ask(context, "confirm", NONE, context.specs.control({}))
    trained = {
        label: _ask(context, "confirm", label, settings) for label, settings in wholes.items()
    }
    if context.prepared.is_ablated:
        trained |= {
            label: _ask(context, "ablation", label, settings)
            for label, settings in taken_apart(look.alone(), recommended).items()
        }
    context.tell_needed(baseline, baseline, BASELINE_FAILED)
    for number in trained.values():
        context.tell(number, baseline)
    return replace(known, confirmation=Confirmation(baseline, trained, sources))


def _ask(context: Context, kind: Kind, label: str, settings: Settings) -> int:
    return context.ask(context.specs.confirm(kind, label, settings))


def whole_settings(
    context: Context, known: Knowledge, recommended: Settings | None = None
) -> dict[str, int]:
    """Trials and controls of the search phase that are claimed as whole settings, by label. A trial
    that is the setting recommended goes by that name, one that is a control by the control's."""
    confirm, record = context.config.evaluation.confirm, context.ledger.record
    controls = {label: n for label, n in known.controls.full.items() if label != NONE}
    best = best_trials(context, known.trials, confirm.top if confirm else 1)
    names = {setting_key(record(n).spec.settings): label for label, n in controls.items()}
    if recommended is not None:
        names[setting_key(recommended)] = RECOMMENDED
    found: dict[str, int] = {}
    for number in best:
        key = setting_key(record(number).spec.settings)
        found.setdefault(names.get(key, record(number).label), number)
    return {label: n for label, n in found.items() if label not in controls} | controls


def taken_apart(alone: Mapping[str, Settings], recommended: Settings | None) -> dict[str, Settings]:
    """Each augmentation by itself, then the setting recommended without each of its own."""
    apart = {alone_label(name): settings for name, settings in alone.items()}
    own = recommended.augmentation if recommended is not None else {}
    for name in alone:
        if recommended is not None and name in own:
            rest = active({key: value for key, value in own.items() if key != name})
            apart[f"without {name}"] = recommended.model_copy(update={"augmentation": rest})
    return apart
