"""The sentences of the report page, MLflow and the figures: the facts on top, what is missing and
why, what stands beside the figures. Made from the view alone and knowing no HTML. Tables are in
`tables`, the answer itself is the view's.
"""

import math
from collections.abc import Iterable

from data.messages import plural
from search.experiment.trial import TrialRecord
from search.report.measures import budget, heads_cut
from search.report.view import SearchView
from search.report.wording import (
    amount_text,
    effect_text,
    number_text,
    percent_text,
    seconds_text,
    settings_of,
)
from search.training.lost import lost_text

MOST_NAMED = 10
PHASE_NAMES = {"control": "controls", "trial": "trials", "confirm": "confirmation"}


def facts(view: SearchView) -> list[tuple[str, str]]:
    """The few figures under the answer, each with its interval where it is a measurement."""
    found = []
    baseline = view.baseline("confirm") or view.baseline()
    if accuracy := view.accuracy(baseline):
        found.append(("accuracy without augmentation", percent_text(*accuracy)))
    if view.test and view.test.effect:
        found.append(("on the sealed test set", effect_text(view.test.effect, view.unit)))
    found.append(("settings tried", f"{view.num_settings:,}"))
    if view.opened:
        dataset = view.opened.dataset
        images = sum(map(sum, dataset.counts.values()))
        found.append(("images, classes", f"{images:,}, {len(dataset.class_names)}"))
    found.append(("time", seconds_text(view.wall_seconds)))
    return found


def notices(view: SearchView) -> list[str]:
    """What a reader must know before trusting the page: what failed, what was stopped, what is not
    there."""
    return [*_unfinished(view), *_untrusted(view)]


def _unfinished(view: SearchView) -> list[str]:
    said = []
    if view.status in ("stopped", "failed"):
        what = "could not go on" if view.status == "failed" else "was stopped"
        said.append(
            f"This search {what} ({view.stopped}) and can be resumed; the page shows what it knew "
            "then."
        )
    elif not view.is_finished:
        said.append("This search has not ended; the page shows what it knows so far.")
    if view.cut_after is not None:
        said.append(
            f"The time ran out (search.max_hours) when {plural(view.cut_after, 'trial')} had been "
            "begun."
        )
    if not view.is_confirmed:
        off = "it was switched off (evaluation.confirm: null)"
        why = "no trial got so far" if view.confirmation_is_on else off
        said.append(f"Nothing here is confirmed on {fresh_text(view)}: {why}.")
    return said


def _untrusted(view: SearchView) -> list[str]:
    said = []
    best, test = view.best, view.test
    if view.is_confirmed and view.evidence.best_is_below_floor:
        gains = best is not None and best.effect is not None and best.effect.delta > 0
        said.append(
            "The best trial of the search phase stands below the null floor: luck alone often "
            "shows as much."
            if gains
            else "No trial of the search phase was better than no augmentation."
        )
    if view.num_failed:
        said.append(
            f"{plural(view.num_failed, 'trial')} failed and count in no figure; the reasons stand "
            "below the trials."
        )
    if touched := [record for record in view.records if _is_touched(record)]:
        said.append(
            f"The validation images changed during trials {_numbers(touched)}: do not trust their "
            "scores."
        )
    if test and test.looks > 1:
        said.append(
            f"The test set was opened {test.looks} times; only the first look was unbiased."
        )
    return said


def _is_touched(record: TrialRecord) -> bool:
    hashes = record.result.validation_hash if record.result else None
    return hashes is not None and hashes[0] != hashes[1]


def how_to_read(view: SearchView) -> str:
    unit = view.unit
    return (
        f"Effects are paired differences of {unit.of} against no augmentation, image by image, "
        f"in {unit.name} ({unit.meaning}); the range in brackets is the 95 % interval."
    )


def how_to_read_verdicts(view: SearchView) -> str:
    """Under the table of verdicts."""
    half = amount_text(view.claims.negligible if view.claims else 0.0, view.unit, signed=False)
    return (
        "Intervals are simultaneous: in 95 of 100 searches all of them hold. HELPS and HURTS are "
        f"intervals that clear zero; NEGLIGIBLE is one that holds zero and lies within {half} "
        f"{view.unit.name} either way; NO EVIDENCE is neither, and says which effect would have "
        "been found 4 times in 5. An augmentation is judged at the strength shown; the range holds "
        f'the strengths not shown to be worse than the best. "{view.within_name}" is what it adds '
        "there."
    )


def no_verdicts(view: SearchView) -> str | None:
    if not view.augmentations:
        return "There are no verdicts: they need a search whose trials have been measured."
    if not view.is_final:
        return (
            "These verdicts are not final: they rest on the search alone, and will be joined by "
            f"trainings on {fresh_text(view)}."
        )
    return None


def sheet_text(view: SearchView) -> str:
    best = view.chosen or view.best
    settings = settings_of(best) if best else "the search"
    who = "recommended setting" if view.chosen else "best trial, not a recommendation"
    return f"Images of the data: clean on the left, then samples of the {who}: {settings}."


def floor_sentence(view: SearchView) -> str:
    floor, unit, best = view.evidence.null_floor, view.unit, view.best
    if floor is None:
        return "The null floor is measured when the search phase has ended."
    height = f"{amount_text(floor, unit, signed=False)} {unit.name}"
    text = (
        f"If none of the {view.num_settings:,} settings tried differed from no augmentation, the "
        f"best of them would still show up to {height} in 95 of 100 searches: that is the null "
        "floor."
    )
    if best is None:
        return text
    where = "below" if view.evidence.best_is_below_floor else "above"
    shows = effect_text(best.effect, view.unit)
    return f"{text} The best trial, {number_text(best.trial)}, shows {shows} and stands {where} it."


def fresh_text(view: SearchView) -> str:
    """What confirmation draws anew: with one fold the images scored are always the validation
    split's."""
    one_fold = view.section("evaluation").get("folds") == 1
    return "fresh seeds and views" if one_fold else "fresh seeds, folds and views"


def hollow_text(view: SearchView) -> str:
    """What hollow marks are, where a figure has some: an end to its caption's first sentence."""
    trials = (r for r in view.of_kind("trial") if r.spec.settings.augmentation)
    if len({budget(record) for record in trials if record.effect is not None}) < 2:
        return ""
    return (
        f"; hollow ones were trained on fewer {view.budget_unit}, and are not ranked with the "
        "others"
    )


def rungs_sentence(view: SearchView) -> str:
    """How trials were judged, and what can be said of judging them on less. Trials without
    augmentation have no views."""
    unit, budgets = view.budget_unit, view.budgets
    if not budgets:
        return "No trial with augmentation has been completed, so there is nothing to compare."
    if view.evidence.rung_correlations:
        few = "few augmented views an image" if unit == "views" else "few epochs of training"
        return (
            f"Trials are first judged on {few}. This is how well that order agrees with the order "
            f"on more {unit} (1: the same order, 0: unrelated)."
        )
    if len(budgets) == 1:
        one = plural(round(budgets[0]), unit[:-1]) if budgets[0] < math.inf else _budget(budgets[0])
        return f"Every trial was judged on {one}, so there are no rungs to compare."
    *less, most = map(_budget, budgets)
    named = f"{', '.join(less)} and {most} {unit}"
    if all(
        record.rung is None for record in view.completed_trials if record.spec.settings.augmentation
    ):
        return (
            f"Trials were judged on {named}, which differ like any other setting: there are no "
            "rungs to compare."
        )
    return (
        f"Trials were judged on {named}. Too few settings were judged on two of these (three are "
        "needed, with scores that differ) to say how well the orders agree."
    )


def _budget(given: float) -> str:
    return "a new view in every epoch" if given == math.inf else f"{given:.0f}"


def stopping_lines(view: SearchView) -> list[str]:
    lines = []
    if view.evidence.optimism is not None:
        much = amount_text(view.evidence.optimism, view.unit, signed=False)
        lines.append(
            "Each head's epoch is chosen on other images than those it is scored on. Chosen on the "
            f"same images, as scripts do, the scores would have looked {much} {view.unit.name} "
            "better on average."
        )
    if cut := [r for r in view.in_tables if r.trained is not None and heads_cut(r)]:
        heads = sum(r.trained.num_heads for r in view.in_tables if r.trained)
        count = sum(map(heads_cut, cut))
        lines += [
            f"Heads of {plural(len(cut), 'trial')} were still improving at max_epochs: "
            f"{_numbers(cut)}.",
            f"It cut {count} of {heads} heads in all ({100 * count / heads:.0f} %).",
        ]
    for record in view.in_tables:
        if record.trained is not None and record.trained.lost:
            lines.append(
                f"Of the {plural(record.trained.num_heads, 'network')} of trial #{record.trial} "
                f"{lost_text(record.trained.lost)}: they widen its interval, and the trial says "
                "little of its setting."
            )
    return lines


def looks_text(looks: int) -> str:
    return "opened once" if looks == 1 else f"opened {looks} times"


def test_lines(view: SearchView) -> list[str]:
    test = view.test
    if test is None:
        if view.section("evaluation").get("test") is False:
            return ["The test set stayed sealed: it was switched off (evaluation.test: false)."]
        sizes = view.opened.dataset.counts.get("test", ()) if view.opened else ()
        return [
            "The test set has not been opened." if sum(sizes) else "The data has no test images."
        ]
    effect = f"Effect of the recommended setting: {effect_text(test.effect, view.unit)}."
    nothing = "No augmentation is recommended, so there is nothing to compare it with."
    return [
        f"{test.num_images:,} images, {looks_text(test.looks)}, by models trained on training and "
        "validation images.",
        effect if test.effect else nothing,
    ]


def confusion_note(view: SearchView) -> str:
    """What the confusion matrix counts."""
    if view.test is None:
        return ""
    images = f"{view.test.num_images:,} test images"
    answers = sum(map(sum, view.test.confusion))
    if answers == view.test.num_images:
        return f"Confusion matrix of the model that is kept, one of those trained: {images}."
    return f"Confusion matrix of every model that was trained: {answers:,} answers on {images}."


def leak_text(view: SearchView) -> str | None:
    """What the demonstration of `--demo-leak` showed, where it was run."""
    leak = view.leak
    if leak is None:
        return None
    rho = "" if leak.rho is None else f" The rank correlation of the two is {leak.rho:.2f}."
    return (
        "The same settings, scored as they should be, on clean images, and by the mistake of many "
        "scripts, on validation images that are augmented too. The second column is shown on "
        f"purpose and used nowhere.{rho}"
    )


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
    kinds = dict.fromkeys(PHASE_NAMES.get(kind, kind) for kind in trained)
    what = f" ({', '.join(kinds)})" if kinds else ""
    repeats = sum(record.duplicate_of is not None for record in view.records)
    again = f" {plural(repeats, 'trial')} repeated another and cost nothing." if repeats else ""
    return (
        f"{seconds_text(view.wall_seconds)} for "
        f"{plural(cost.trainings, 'training')}{what}.{again} "
        f"{cost.images:,} images went through the backbone, and {cost.heads:,} heads were trained."
    )


def _numbers(records: Iterable[TrialRecord]) -> str:
    named = [number_text(record.trial) for record in records]
    rest = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + rest
