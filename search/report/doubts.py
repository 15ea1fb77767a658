"""What speaks against an answer, or against a verdict of its table: said where the answer is. Made
from the view alone."""

from collections.abc import Iterator

from search.evidence.claim_table import VerdictWord
from search.evidence.rested import failed_to_confirm, is_luck_assumed
from search.experiment.trial import TrialRecord
from search.report.judged import Judged, WholeSetting
from search.report.trial_facts import WITHOUT, given_text, lost_among
from search.report.view import SearchView
from search.report.wording import effect_text, estimate_text

WHY_IN_DOUBT: dict[VerdictWord, str] = {
    "HELPS": "Where all of them train, the gain may be less.",
    "HURTS": "That may count against augmentation: where it is mended, the harm may be less.",
    "NEGLIGIBLE": "Where all of them train, the effect may be larger.",
}


def doubt_lines(view: SearchView) -> list[str]:
    if view.answer is None:
        rows = [*_of_rows(view)]
        return [*rows, *_of_best(view, bare_is_said=bool(rows))]
    said = (_of_rows, _leaning, _unconfirmed, _disagreeing, _assumed, _on_test)
    return [line for tell in said for line in tell(view)]


def _of_best(view: SearchView, bare_is_said: bool) -> Iterator[str]:
    """Of a search without an answer, which shows its best trial."""
    if view.best is None:
        return
    controls = (r for r in view.of_kind("control") if not r.spec.settings.augmentation)
    beside = [record for record in controls if record.rung == view.best.rung]
    bare = () if bare_is_said else lost_among(beside[:1], WITHOUT)
    if doubts := (*view.little_training([view.best]), *bare):
        yield f"What the best trial shows is in doubt: {' and '.join(doubts)}."


def _rows(view: SearchView) -> tuple[Judged | WholeSetting, ...]:
    return (*view.augmentations, *view.wholes)


def _of_rows(view: SearchView) -> Iterator[str]:
    rows = [(judged.name, judged.verdict, judged.doubts) for judged in view.augmentations]
    rows += [(_whole_name(each, view), each.verdict, each.doubts) for each in view.wholes]
    by_doubt: dict[tuple[VerdictWord, str], list[str]] = {}
    for name, word, doubts in rows:
        if doubts:
            by_doubt.setdefault((word, " and ".join(doubts)), []).append(name)
    for (word, doubt), names in by_doubt.items():
        each = ", each of them" if len(names) > 1 else ""
        yield f"{word} of {'; '.join(names)} is in doubt{each}: {doubt}. {WHY_IN_DOUBT[word]}"


def _leaning(view: SearchView) -> Iterator[str]:
    """What counts against augmentation, where the answer uses none, and no row that HURTS says
    so."""
    is_said = any(each.verdict == "HURTS" and each.doubts for each in _rows(view))
    if view.answer is None or view.answer.kind == "use" or is_said:
        return
    if against := view.little_training(view.augmented, "heads with augmentation"):
        yield f"This counts against augmentation: {' and '.join(against)}."


def _unconfirmed(view: SearchView) -> Iterator[str]:
    """Where the search went on without what all is compared with in the confirmation."""
    failed = next(filter(failed_to_confirm, view.records), None)
    if view.is_final and failed is not None and failed.result is not None:
        yield (
            "Nothing here is confirmed on fresh seeds, and all that is told rests on the search "
            "alone: no augmentation, which all is compared with, failed there "
            f"({failed.result.error})."
        )


def _disagreeing(view: SearchView) -> Iterator[str]:
    """Settings of which two rounds say unlike things, though one figure is told of both."""
    for whole in view.wholes:
        if whole.rounds_disagree:
            told = (_on(record, view) for record in whole.rounds)
            yield (
                f"Search and confirmation disagree on {_whole_name(whole, view)} by more than "
                f"chance: {' and '.join(told)}. What is told rests on both: count on none of it."
            )


def _on(record: TrialRecord, view: SearchView) -> str:
    given = given_text(record)
    return f"{effect_text(record.effect, view.unit)}{f' on {given}' if given else ''}"


def _assumed(view: SearchView) -> Iterator[str]:
    """Of one head a training, whose luck nothing tells."""
    if view.rested_on and is_luck_assumed(view.rested_on):
        yield (
            "Each training is of one network: what chance does from one to the next was assumed, "
            "not measured, and intervals are as wide as that is unsure; evaluation.seeds: 2 "
            "measures it."
        )


def _whole_name(whole: WholeSetting, view: SearchView) -> str:
    """Not to be taken for the augmentation that it consists of."""
    name = view.in_words(whole)
    return name if view.named(whole.label) else f"the whole setting {name}"


def _on_test(view: SearchView) -> Iterator[str]:
    if view.test_disagrees and view.answer:
        yield (
            f"The test set says otherwise: {estimate_text(view.on_test, view.unit)} there, beside "
            f"{estimate_text(view.answer.gain, view.unit)}. One search in 20 comes to that by "
            "chance; else it is unlike the images searched on, or its images are too like one "
            "another: do not count on the gain."
        )
