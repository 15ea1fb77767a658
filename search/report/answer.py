"""The search's answer in one sentence, which opens the page, the terminal's last lines, MLflow's
descriptions and `summary.json`."""

from data.messages import plural
from search.report.view import SearchView, control_name
from search.report.wording import effect_text


def answer(view: SearchView) -> str:
    """Plainly, with the interval of every figure in it."""
    if view.best is None:
        return _no_answer_yet(view)
    best = view.best_confirmed
    if best is None:
        return _unconfirmed(view)
    if view.chosen is None:
        name = control_name(best)
        return (
            "No augmentation is the recommendation: nothing tried was shown to help; "
            f"the best confirmed setting{f' ({name})' if name else ''} shows "
            f"{effect_text(best.effect, view.unit)}."
        )
    chosen = next(confirmed for confirmed in view.confirmed if confirmed.is_recommended)
    gain = f"{effect_text(chosen.effect, view.unit)} of {view.unit.of}"
    return f"Use {view.recommended}: {gain} over no augmentation, confirmed on fresh seeds."


def _no_answer_yet(view: SearchView) -> str:
    done = plural(len(view.completed_trials), "trial")
    if view.is_finished:
        if not view.completed_trials:
            return "No answer: the search ended and no trial was completed."
        return (
            f"No answer: the search ended, and none of its {done} changed a picture; try more of "
            "them."
        )
    if view.stopped:
        mended = "mend that, and " if view.status == "failed" else ""
        return f"No answer yet: {_stop_text(view)} after {done}; {mended}run it again to go on."
    return f"No answer yet: the search is under way, with {done} completed."


def _unconfirmed(view: SearchView) -> str:
    shows = effect_text(view.best.effect if view.best else None, view.unit)
    if not view.confirmation_is_on:
        place = "below" if view.evidence.best_is_below_floor else "above"
        return (
            f"No recommendation: confirmation was switched off; the best trial showed {shows}, "
            f"{place} the null floor, and the best of many looks better than it is."
        )
    if view.is_finished:
        return "No augmentation is the recommendation: no trial could be confirmed."
    why = _stop_text(view) if view.stopped else "the search goes on"
    return f"No answer yet: {why} before the best trial, {shows}, was confirmed on fresh seeds."


def _stop_text(view: SearchView) -> str:
    what = "could not go on" if view.status == "failed" else "was stopped"
    return f"the search {what} ({view.stopped})"
