"""Sentences about a search as a whole, for the report page and MLflow: the facts on top, what is
missing and why, how the verdicts are read. Made from the view alone and knowing no HTML. What
stands beside figures and tables is in `section_texts`, the answer itself in `answer_text`.
"""

from collections.abc import Iterable, Mapping, Sequence

from data.messages import first_of, plural
from data.secrets import redacted
from search.evidence.claim_table import Estimate
from search.evidence.rested import failed_to_confirm
from search.experiment.beside import beside_of
from search.experiment.precisions import Part, Precision
from search.experiment.trial import TrialRecord
from search.journal.events import WayOn
from search.journal.journal_file import FRESH
from search.report.view import EXPECTED_BEST, SearchView
from search.report.wording import (
    beside_text,
    effect_text,
    estimate_text,
    label_text,
    number_text,
    percent_text,
    seconds_text,
    size_text,
)

PART_NAMES: dict[Part, str] = {"search": "searched", "confirm": "confirmed", "test": "tested"}


def facts(view: SearchView) -> list[tuple[str, str]]:
    """The few figures under the answer, each with its interval where it is a measurement."""
    found = []
    baseline = view.bare
    without = f"without augmentation{_which(view, baseline)}"
    if view.figure_name and (figure := view.figure(baseline)) is not None:
        found.append((f"{view.figure_name} {without}", f"{figure:.3f}"))
    if accuracy := view.accuracy(baseline):
        found.append((f"accuracy {without}", percent_text(*accuracy)))
    if view.test and view.test.effect:
        found.append(("on the sealed test set", effect_text(view.test.effect, view.unit)))
    found.append(("settings tried", f"{view.num_settings:,}"))
    if view.opened:
        dataset = view.opened.dataset
        images = sum(map(sum, dataset.counts.values()))
        found.append(("images, classes", f"{images:,}, {len(dataset.class_names)}"))
    found.append(("time", seconds_text(view.wall_seconds)))
    return found


def _which(view: SearchView, baseline: TrialRecord | None) -> str:
    """Of several trainings without augmentation, which one, and with what of all that is searched
    beside it."""
    if baseline is None or view.opened is None:
        return ""
    phase = "confirmation" if baseline.kind == "confirm" else "search"
    beside = beside_of(view.opened.experiment.space, baseline.spec.settings)
    return f" ({number_text(baseline.trial)}, {phase}{beside_text(beside)})"


WAYS_ON: dict[WayOn, str] = {
    "mend": "mend that, and run it again to go on",
    "change": "change what it fails of in the section execution (trial_timeout_minutes, workers, "
    "threads, retries, ...), and run it again to go on",
    "anew": "run again it would fail the same way: change the experiment, and run it in another "
    f"--run-dir or with {FRESH}; a search that goes on may change only execution, tracking, "
    "search.max_hours and, with --code-changed, code of your own",
}


def stop_text(view: SearchView) -> str:
    """What became of a search that was stopped, or could not go on."""
    return f"{'could not go on' if view.status == 'failed' else 'was stopped'} ({view.stopped})"


def way_on_text(view: SearchView) -> str:
    """What is to be done with a search that was stopped, or could not go on."""
    failed = view.status == "failed"
    return WAYS_ON[view.state.way_on] if failed else "run it again to go on"


def notices(view: SearchView) -> list[str]:
    """What a reader must know before trusting the page: what failed, what was stopped, what is not
    there."""
    return [*_unfinished(view), *_untrusted(view)]


def _unfinished(view: SearchView) -> list[str]:
    said = []
    if view.status in ("stopped", "failed"):
        resumed = " and can be resumed" if view.state.way_on != "anew" else ""
        said.append(f"This search {stop_text(view)}{resumed}; the page shows what it knew then.")
    elif not view.is_finished:
        said.append("This search has not ended; the page shows what it knows so far.")
    if view.cut_after is not None:
        said.append(
            f"The time ran out (search.max_hours) when {plural(view.cut_after, 'trial')} had been "
            "begun."
        )
    failed = any(map(failed_to_confirm, view.records))  # that is said below the answer
    if not view.is_confirmed and not (view.is_final and failed):
        off = "it was switched off (evaluation.confirm: null)"
        so_far = "it has not ended" if view.of_kind("confirm") else "no trial got so far"
        why = so_far if view.confirmation_is_on else off
        if view.is_final and view.is_stopped_early:
            why = "all that it would have trained was known before"
        said.append(f"Nothing here is confirmed on {fresh_text(view)}: {why}.")
    return said


def looks_text(looks: int) -> str:
    return "opened once" if looks == 1 else f"opened {looks} times"


def untested_text(view: SearchView) -> str:
    """Why the test of a finished search gave no figure; empty where it did, or was not due."""
    if view.test is not None or not view.is_finished:
        return ""
    ended = ((record, record.result) for record in view.of_kind("test"))
    failed = [(record, result) for record, result in ended if result and result.error]
    if not failed:
        return ""
    record, result = failed[0]
    scored = any(r.status == "completed" for r in view.of_kind("test"))
    looked = f" It was {looks_text(view.state.looks)} all the same." if scored else ""
    rests = " The answer rests on the search without it." if view.answer else ""
    return (
        f"The test gave no figure: the final model {number_text(record.trial)} "
        f"({label_text(record)}) failed ({redacted(str(result.error))}).{looked}{rests}"
    )


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
        is_or_are = "is" if view.num_failed == 1 else "are"
        said.append(
            f"{plural(view.num_failed, 'trial')} failed and {is_or_are} in no figure; the reasons "
            "stand below the trials."
        )
    if touched := [record for record in view.records if _is_touched(record)]:
        said.append(
            f"The validation images changed during trials {numbers_text(touched)}: do not trust "
            "their scores."
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
    same = " with the same model and training" if view.beside else ""
    return (
        f"Effects are paired differences of {unit.of} against no augmentation{same}, image by "
        "image, "
        f"in {unit.name} ({unit.meaning}); the range in brackets is the 95 % interval."
    )


def precision_text(view: SearchView) -> str | None:
    """In which numbers the backbone computed, part by part; None where all of it was float32."""
    used = {part: in_it for part in PART_NAMES if (in_it := view.precisions(part))}
    if set().union(*used.values()) <= {"float32"}:
        return None
    said = ", ".join(f"{PART_NAMES[part]} in {' and '.join(used[part])}" for part in used)
    return (
        f"{_capital(said)}: the numbers that the backbone computed in. A setting and no "
        f"augmentation are always compared in the same.{_rests_on(used)}"
    )


def _rests_on(used: Mapping[Part, Sequence[Precision]]) -> str:
    """What verdicts are told from, where the search and its confirmation do not compute alike."""
    searched, confirmed = (" and ".join(used.get(part, ())) for part in ("search", "confirm"))
    if not confirmed:
        return f" Nothing is confirmed: what is said rests on {searched}."
    if searched == confirmed:
        return ""
    return f" Verdicts and curves are told from all trainings, in {searched} and in {confirmed}."


def how_to_read_verdicts(view: SearchView) -> str:
    """Under the table of verdicts."""
    half = size_text(view.claims.negligible if view.claims else 0.0, view.unit)
    has_within = any(judged.within for judged in view.augmentations)
    within = f' "{_capital(view.within_name)}": what it adds there{_expected(view)}.'
    within = within if has_within else ""
    return (
        "Intervals are simultaneous: in 95 of 100 searches all of them hold. HELPS and HURTS are "
        f"intervals that clear zero; NEGLIGIBLE is one that holds zero and lies within {half} "
        "either way; NO EVIDENCE is neither, and says which effect would have been found 4 times "
        "in 5. An augmentation is judged at the strength shown; the range holds the strengths not "
        f"shown to be worse than the best.{within}"
    )


def _expected(view: SearchView) -> str:
    if EXPECTED_BEST not in view.within_name:
        return ""
    return " (that setting is the one that all trials together let expect most of)"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def what_goes_with_what(view: SearchView) -> str | None:
    """What each of those that help alone adds beside the recommended setting; None where none does,
    or that setting is one augmentation and no other helps."""
    told = [
        f"{judged.name} {_adds(judged.within, view)}"
        for judged in view.augmentations
        if judged.verdict == "HELPS"
        and judged.within is not None
        and judged.name not in view.only_one_recommended
    ]
    if not told:
        return None
    beside = view.within_name.removeprefix("beside ")
    return (
        f"Of those that help alone, beside {beside}: {'; '.join(told)}. Augmentations overlap: two "
        "together mostly gain less than the sum of both."
    )


def _adds(within: Estimate, view: SearchView) -> str:
    text = estimate_text(within, view.unit)
    low, high = within.ci
    if low > 0:
        return f"adds {text}"
    return f"hurts, {text}" if high < 0 else f"adds nothing shown, {text}"


def no_verdicts(view: SearchView) -> str | None:
    if not view.augmentations:
        return "There are no verdicts: they need a search whose trials have been measured."
    if not view.is_final:
        return (
            "These verdicts are not final: they rest on the search alone, and will be joined by "
            f"trainings on {fresh_text(view)}."
        )
    return None


def fresh_text(view: SearchView) -> str:
    """What confirmation draws anew: with one fold the images scored are always the validation
    split's."""
    return "fresh seeds and views" if view.evaluation.folds == 1 else "fresh seeds, folds and views"


def numbers_text(records: Iterable[TrialRecord]) -> str:
    return first_of([number_text(record.trial) for record in records])
