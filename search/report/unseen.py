"""What a search could not see, for its answer: whose gain, up to which size, and what would show
it. Made from the view alone."""

from data.messages import listed, plural
from search.evidence.answer import Answer, Size, least_known
from search.evidence.claim_table import Estimate, WholeClaim
from search.report.claim_view import has_trained
from search.report.judged import Judged
from search.report.view import SearchView
from search.report.wording import bound_text, size_text, strength_text

KNOWN_LEAST = "known least of what may still help"


def unknown_lines(view: SearchView) -> list[str]:
    """What no training tells anything of, alone."""
    names = [each.name for each in view.augmentations if each.verdict == "NOT TRIED"]
    strengths = [
        view.settings_text({each.name: value})
        for each in view.augmentations
        for value in each.untold_strengths
    ]
    unknown = [*names, *strengths]
    return [f"Nothing is known of {listed(unknown)} alone."] if unknown else []


def unseen_lines(view: SearchView) -> list[str]:
    """Where the answer uses a setting; any other says it itself."""
    negligible = view.claims.negligible if view.claims else 0.0
    others = [
        found.measured
        for each in view.augmentations
        if each.verdict != "HELPS" and (found := _may_gain(each, negligible)) and found.measured
    ]
    unknown = unknown_lines(view)
    least = least_known(view.claims) if view.claims else None
    if least and least.measured and any(found.ci[1] > negligible for found in others):
        missed = _size(least.measured, least.measured.detectable, view)
        return [
            f"What could not be seen: of {_name(view, least)}, {KNOWN_LEAST}, a gain "
            f"{missed} would have been found less than 4 times in 5.",
            *unknown,
        ]
    if not others:
        return unknown
    most = bound_text(max(0.0, *(found.ci[1] for found in others)), view.unit)
    return [f"Alone, what is not shown to help gains no more than {most}.", *unknown]


def _may_gain(judged: Judged, negligible: float) -> WholeClaim | None:
    """As it is judged or, where it may gain nothing that matters so, at the strength that may gain
    most."""
    if judged.claims is None:
        return None
    if judged.measured and judged.measured.ci[1] > negligible:
        settings = {judged.name: judged.claims.strength}
        return WholeClaim(label=judged.name, settings=settings, measured=judged.measured)
    return judged.claims.most_open


def invisible_text(view: SearchView, detectable: float) -> str:
    """Whose gain, of an answer that cannot tell: of what is known least."""
    least = least_known(view.claims) if view.claims else None
    of = f"of {_name(view, least)}, {KNOWN_LEAST}, " if least else ""
    measured = least.measured if least else None
    return f"{of}a gain {_size(measured, detectable, view)} was invisible here"


def _name(view: SearchView, claim: WholeClaim) -> str:
    """At the strength that is meant, which may be another than its row's."""
    if len(claim.settings) == 1:
        ((name, value),) = claim.settings.items()
        text = view.settings_text(claim.settings)  # which of what does not show says so, unnamed
        return text if name in text else f"{name} {strength_text(name, value)}"
    name = view.named(claim.label) or view.settings_text(claim.settings)
    return name if name.startswith("setting") else f"the whole setting {name}"


def _size(measured: Estimate | None, size: float, view: SearchView) -> str:
    """Which gain would have been missed, of those that its interval does not rule out."""
    if size < view.most_gain:
        return f"below {size_text(size, view.unit)}"
    if measured and measured.ci[1] < view.most_gain:
        return f"of up to {bound_text(measured.ci[1], view.unit)}"
    return "of any size"


def ways_text(view: SearchView, found: Answer) -> str:
    """The cheapest way first."""
    missed = found.shortfall
    if missed is None or not missed.ways:
        return f"{_anything_more(view)} show {_what_more(view, found)}."
    ways = [_way(view, size, missed.now) for size in missed.ways]
    order = "" if len(ways) == 1 else ", the cheapest way first"
    return (
        f"What finds an effect of {size_text(missed.target, view.unit)} 4 times in 5{order}: "
        f"{'; or '.join(ways)}."
    )


def _what_more(view: SearchView, found: Answer) -> str:
    is_any = found.detectable is not None and found.detectable >= view.most_gain
    return "what gain there is" if is_any else "smaller ones"


def _anything_more(view: SearchView) -> str:
    """What was not done of what may help. Each augmentation alone is trained by the confirmation,
    at one strength."""
    least = least_known(view.claims) if view.claims else None
    done = view.confirmation_is_on and view.evaluation.ablation
    if not done:
        key = "evaluation.ablation" if view.confirmation_is_on else "evaluation.confirm"
        return f"More seeds, more images, and each augmentation trained alone ({key})"
    if least is None or len(least.settings) != 1:
        return "More seeds and more images"
    failed = (record for record in view.in_tables if record.status == "failed")
    tried = (*view.rested_on, *failed)
    if any(has_trained(each, least.settings, view.beside) for each in tried):
        return "More seeds and more images"
    return f"More seeds, more images, and trainings of {_name(view, least)} alone"


def _way(view: SearchView, size: Size, now: Size) -> str:
    key = "evaluation.confirm.seeds" if view.confirmation_is_on else "evaluation.seeds"
    changes = []
    if size.folds != now.folds:
        changes.append(f"{size.folds} folds instead of {now.folds} (evaluation.folds)")
    if size.seeds != now.seeds:
        changes.append(f"{plural(size.seeds, 'seed')} instead of {now.seeds} ({key})")
    if size.images != now.images and size.folds == now.folds:
        changes.append(f"about {size.images:,} scored images instead of {now.images:,}")
    return " and ".join(changes)
