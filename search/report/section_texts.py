"""What the sections of the report page say beside their figures and tables: the floor, rungs, when
training stopped, the test, the data, the cost. MLflow says some of it too. Made from the view
alone.
"""

import math

from data.messages import plural
from search.experiment.controls import CONTROLS
from search.experiment.kinds import KINDS
from search.report.sentences import looks_text, numbers_text, untested_text
from search.report.trial_facts import budget, cutter_text, heads_cut, share_cut_text
from search.report.view import SearchView
from search.report.wording import effect_text, label_text, number_text, seconds_text, size_text
from search.training.lost_networks import lost_text


def sheet_text(view: SearchView) -> str:
    best = view.chosen or view.best
    settings = view.settings_of(best) if best else "the search"
    who = "recommended setting" if view.chosen else "best trial, not a recommendation"
    return f"Images of the data: clean on the left, then samples of the {who}: {settings}."


def controls_text(view: SearchView) -> str | None:
    """What the settings are that nobody asked for; None where there are none."""
    tried = {record.label for record in view.of_kind("control")}
    shown = (each for each in CONTROLS.values() if each.about and each.label in tried)
    about = [f'"{each.label}" is {each.about}' for each in shown]
    if not about:
        return None
    return f"To compare with: {'; '.join(about)}. evaluation.controls: [] runs without."


def floor_sentence(view: SearchView) -> str:
    floor, unit, best = view.evidence.null_floor, view.unit, view.best
    if floor is None and best is not None:
        return (
            f"There is no null floor: the best trial, {number_text(best.trial)}, had other values "
            "beside its augmentation than the controls, so that its gain is not augmentation's "
            "alone."
        )
    if floor is None:
        return "The null floor is measured when the search phase has ended."
    height = size_text(floor, unit)
    text = (
        f"{_if_none_differed(view)} would still show up to {height} in 95 of 100 searches: that is "
        "the null floor."
    )
    if best is None:
        return text
    where = "below" if view.evidence.best_is_below_floor else "above"
    shows = effect_text(best.effect, view.unit)
    return f"{text} The best trial, {number_text(best.trial)}, shows {shows} and stands {where} it."


def _if_none_differed(view: SearchView) -> str:
    """Of the settings that the floor is of: those that had as much of the budget as the best."""
    count = view.evidence.null_floor_settings
    has_rungs = any(record.rung is not None for record in view.of_kind("trial"))
    which = f"that got all of the {view.budget_unit}" if has_rungs else "tried"
    if count == 1:
        return f"If the one setting {which} did not differ from no augmentation, it"
    return (
        f"If none of the {count:,} settings {which} differed from no augmentation, the best of them"
    )


def no_strengths(view: SearchView) -> str:
    """Where there is no figure of strengths."""
    if view.is_final or view.is_finished:
        return "No effect by strength can be told: every augmentation is NOT TRIED."
    return "Effects by strength are known when the trials of the search have been measured."


def no_classes(view: SearchView) -> str:
    """Where there is no figure of classes."""
    if not view.confirmation_is_on:
        return "There are no effects by class: nothing is confirmed (evaluation.confirm: null)."
    if view.is_final or view.is_finished:
        return "There are no effects by class: no setting was confirmed."
    return "Effects by class are measured when a setting has been confirmed."


def hollow_text(view: SearchView) -> str:
    """What hollow marks are, where a figure has some: an end to its caption's first sentence."""
    trials = (r for r in view.of_kind("trial") if r.spec.settings.augmentation)
    if len({budget(record) for record in trials if record.effect is not None}) < 2:
        return ""
    return (
        f"; hollow ones were trained on fewer {view.budget_unit}, and are not ranked with the "
        "others"
    )


def rungs_sentence(view: SearchView) -> str | None:
    """How trials were judged, and what can be said of judging them on less; None where all were
    judged on as much, or there are no rungs. Trials without augmentation have no views."""
    unit = view.budget_unit
    judged = (r for r in view.completed_trials if r.spec.settings.augmentation)
    budgets = sorted({budget(record) for record in judged if record.rung is not None})
    if len(budgets) < 2:
        return None
    if view.evidence.rung_correlations:
        few = "few augmented views per image" if unit == "views" else "fewer epochs of training"
        return (
            f"Trials are first judged on {few}. This is how well that order agrees with the order "
            f"on more {unit} (1: the same order, 0: unrelated)."
        )
    *less, most = map(_budget, budgets)
    return (
        f"Trials were judged on {', '.join(less)} and {most} {unit}. Too few settings were judged "
        "on two of these (three are needed, with scores that differ) to say how well the orders "
        "agree."
    )


def _budget(given: float) -> str:
    return "a new view in every epoch" if given == math.inf else f"{given:.0f}"


def stopping_lines(view: SearchView) -> list[str]:
    lines = []
    if view.evidence.optimism is not None:
        much = size_text(view.evidence.optimism, view.unit)
        lines.append(
            "Each head's epoch is chosen on other images than those it is scored on. Chosen on the "
            f"same images, as scripts do, the scores would have looked {much} better "
            "on average."
        )
    if cut := [r for r in view.in_tables if r.trained is not None and heads_cut(r)]:
        lines += [
            f"Heads of {plural(len(cut), 'trial')} were ended by {cutter_text(cut)}, not by "
            f"patience: {numbers_text(cut)}.",
            f"That is {share_cut_text(view.in_tables)}.",
        ]
    scored = [r for r in view.in_tables if r.status == "completed"]
    lost = [(r.trial, r.trained) for r in scored if r.trained and r.trained.lost]
    return lines + [
        f"Of the {plural(result.num_heads, 'network')} of trial #{trial} "
        f"{lost_text(result.lost)}: they are scored with the others."
        for trial, result in lost
    ]


def test_lines(view: SearchView) -> list[str]:
    test = view.test
    if test is None:
        if not view.evaluation.test:
            return ["The test set stayed sealed: it was switched off (evaluation.test: false)."]
        if untested_text(view):
            return ["The test gave no figure: why stands below the answer."]
        if view.state.looks:
            return [f"The test set was {looks_text(view.state.looks)}; there is no figure yet."]
        sizes = view.opened.dataset.counts.get("test", ()) if view.opened else ()
        return [
            "The test set has not been opened." if sum(sizes) else "The data has no test images."
        ]
    effect = (
        f"Effect of the recommended setting: {effect_text(test.effect, view.unit)}, with the 95 % "
        "interval of this one effect: nothing was chosen by it, so it is not among the "
        "simultaneous ones above."
    )
    unknown = view.answer is not None and view.answer.kind == "cannot_tell"
    why = "It cannot be told whether augmentation helps" if unknown else "To use none is advised"
    nothing = (
        f"{why}: these models were trained without, and there is nothing to compare them with."
    )
    return [
        f"{test.num_images:,} images, {looks_text(test.looks)}, by models trained on training and "
        "validation images.",
        effect if test.effect else nothing,
        *_lost_of_finals(view),
    ]


def _lost_of_finals(view: SearchView) -> list[str]:
    """The test figure is of all final models, so one that did not train lowers it."""
    return [
        f"Of the {plural(record.trained.num_heads, 'network')} of final model "
        f"{number_text(record.trial)} ({label_text(record)}) {lost_text(record.trained.lost)}: the "
        "figure of the test counts them."
        for record in view.of_kind("test")
        if record.trained is not None and record.trained.lost
    ]


def confusion_note(view: SearchView) -> str:
    """What the confusion matrix counts."""
    if view.test is None:
        return ""
    images = f"{view.test.num_images:,} test images"
    answers = sum(map(sum, view.test.confusion))
    if answers == view.test.num_images:
        return f"Confusion matrix of the model that is kept, the first that trained: {images}."
    return f"Confusion matrix of every model that was trained: {answers:,} answers on {images}."


def data_lines(view: SearchView) -> list[str]:
    if view.opened is None:
        return []
    size = view.opened.dataset.image_size
    said = [f"{line}." for line in view.opened.dataset.notes.lines()]
    return [
        f"Images are seen by the model at {size} x {size} pixels.",
        *(said or ["Nothing was converted or left out."]),
    ]


def cost_text(view: SearchView) -> str:
    cost = view.cost
    trained = (r.kind for r in view.records if r.trained is not None)
    kinds = dict.fromkeys(KINDS[kind].several for kind in trained)
    what = f" ({', '.join(kinds)})" if kinds else ""
    repeats = sum(record.duplicate_of is not None for record in view.records)
    again = f" {plural(repeats, 'trial')} repeated another and cost nothing." if repeats else ""
    images = f"{cost.images:,} images went through the backbone, and " if cost.images else ""
    return (
        f"{seconds_text(view.wall_seconds)} for "
        f"{plural(cost.trainings, 'training')}{what}.{again} "
        f"{images}{cost.heads:,} heads were trained."
    )
