"""What trials were given to be judged on, views or epochs, and what may be said of trials that were
given unlike amounts."""

import math

from data.messages import plural
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.training.modes import budget_of, mode_of


def most_budget(records: list[TrialRecord]) -> float:
    """The views, or epochs, of the highest rung; a new view every epoch counts as endless."""
    return max((budget(record) for record in records), default=math.inf)


def budget(record: TrialRecord) -> float:
    given = budget_of(record.spec)
    return math.inf if given == "fresh" else float(given)


def budget_unit(state: SearchState) -> str:
    """What trials of this search have more or less of."""
    return mode_of(state.records[0].spec.settings.training).budget if state.records else "views"


def hollow_text(state: SearchState) -> str:
    """What hollow marks are, where a figure has some: an end to its caption's first sentence."""
    measured = [
        r for r in state.of_kind("trial") if r.spec.settings.augmentation and r.effect is not None
    ]
    lesser = len({budget(record) for record in measured}) > 1
    return (
        f"; hollow ones were trained on fewer {budget_unit(state)}, and are not ranked with the "
        "others"
        if lesser
        else ""
    )


def heads_cut(record: TrialRecord) -> int:
    """How many heads `max_epochs` stopped while they still improved; none where a rung was to end
    there, improving or not."""
    paused = record.spec.protocol.max_epochs is not None
    return record.result.heads_cut_by_max_epochs if record.result and not paused else 0


def rungs_text(state: SearchState) -> str:
    """How trials were judged, and what can be said of judging them on less. Trials without
    augmentation have no views."""
    trials = [
        r
        for r in state.of_kind("trial")
        if r.spec.settings.augmentation and r.status == "completed"
    ]
    unit, budgets = budget_unit(state), sorted({budget(record) for record in trials})
    if not budgets:
        return "No trial with augmentation has been completed, so there is nothing to compare."
    if state.evidence and state.evidence.rung_correlations:
        few = "few augmented views an image" if unit == "views" else "few epochs of training"
        return (
            f"Trials are first judged on {few}. This is how well that order agrees with the order "
            f"on more {unit} "
            "(1: the same order, 0: unrelated)."
        )
    if len(budgets) == 1:
        one = (
            "a new view in every epoch"
            if budgets[0] == math.inf
            else plural(round(budgets[0]), unit.removesuffix("s"))
        )
        return f"Every trial was judged on {one}, so there are no rungs to compare."
    *less, most = ("a new view in every epoch" if b == math.inf else f"{b:.0f}" for b in budgets)
    named = f"{', '.join(less)} and {most} {unit}"
    if all(record.rung is None for record in trials):
        return (
            f"Trials were judged on {named}, which differ like any other setting: there are no "
            "rungs to compare."
        )
    return (
        f"Trials were judged on {named}. Too few settings were judged on two of these (three are "
        "needed, with scores "
        "that differ) to say how well the orders agree."
    )
