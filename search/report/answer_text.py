"""The search's answer in its first lines, which open the page, the terminal's last lines, MLflow's
descriptions and `summary.json`. Told from the claims' answer alone: use this, use none, or cannot
tell; then what must be known with it.
"""

from collections.abc import Iterator

from data.messages import plural
from search.evidence.answer import Answer
from search.evidence.claim_table import VerdictWord
from search.report.doubts import doubt_lines
from search.report.judged import is_outdone, is_within, range_text
from search.report.sentences import stop_text, untested_text, way_on_text
from search.report.trial_facts import are_mostly_cut, cutter_text
from search.report.unseen import invisible_text, unknown_lines, unseen_lines, ways_text
from search.report.view import SearchView
from search.report.wording import beside_text, bound_text, effect_text, estimate_text, strength_text

# of what HELPS alone and is left out, by the verdict on what it adds to what is used
WHY_LEFT_OUT: dict[VerdictWord, str] = {
    "NEGLIGIBLE": "it adds nothing shown beside it",
    "NO EVIDENCE": "it adds nothing shown beside it",
    "HURTS": "it hurts beside it",
    "HELPS": "it helps beside it too, and was not part of what was tried whole",
    "NOT TRIED": "what it adds to what is used is not told",
}


def answer(view: SearchView) -> str:
    """Plainly, with the interval of every figure in it. `with_answer` stands below it."""
    if view.answer is not None:
        return _settled(view, view.answer)
    if view.best is None:
        return _no_answer_yet(view)
    return _unconfirmed(view)


def with_answer(view: SearchView) -> list[str]:
    """What belongs to an answer: where it uses a setting, which other strengths would do, and what
    could not be seen; of any, what nothing is known of."""
    if view.answer is None:
        return []
    if view.answer.kind != "use":
        return [] if view.answer.detectable is None else unknown_lines(view)
    return [*_strengths(view), *unseen_lines(view)]


def _strengths(view: SearchView) -> Iterator[str]:
    """Of what is used; nothing of a control, which has strengths of its own."""
    if view.used is None or view.answer is None or not view.answer.settings:
        return
    used = [(each, view.used[each.name]) for each in view.augmentations if each.name in view.used]
    told = [(each, value) for each, value in used if range_text(each)]
    alike = [f"{each.name} {range_text(each)}" for each, value in told if is_within(each, value)]
    if alike:
        yield f"Strengths not shown to be worse than the best, each alone: {'; '.join(alike)}."
    for each, value in told:
        if not is_within(each, value) and is_outdone(each, value):
            yield (
                f"Alone, {each.name} {range_text(each)} gains more than the "
                f"{strength_text(each.name, value)} used here."
            )


def below_answer(view: SearchView) -> list[str]:
    """All that stands below it."""
    return [*with_answer(view), *beside_answer(view)]


def beside_answer(view: SearchView) -> list[str]:
    """What must be known with the answer: what helps and is left out, what speaks against it, what
    was stopped early."""
    said = (_beside, _left_out, _passed_over, doubt_lines, _untested, _stopped_early)
    return [line for tell in said for line in tell(view)]


def _beside(view: SearchView) -> Iterator[str]:
    """What else was searched, and what is not claimed of it."""
    if view.answer and view.beside:
        yield (
            f"Searched beside augmentation: train{beside_text(view.beside)}. Every gain told is "
            "over no augmentation with the same values; what these gain by themselves is not told."
        )


def _settled(view: SearchView, found: Answer) -> str:
    if found.kind == "use":
        gain = f"{estimate_text(found.gain, view.unit)} of {view.unit.of}"
        same = " with the same" if view.beside else ""
        return f"Use {view.recommended}: {gain} over no augmentation{same}{_on_fresh_seeds(view)}."
    if found.kind == "none":
        return (
            f"Use {view.recommended}: what was tried is shown to gain "
            f"{_less_than(view, found.at_most or 0.0)}, each augmentation alone and each whole "
            f"setting told of{_as_far_as_trained(view)}."
        )
    if found.detectable is None and view.beside:
        return (
            f"It cannot be told whether augmentation helps{beside_text(view.beside)}: no two "
            "trainings with and without it had these values; evaluation.confirm trains such."
        )
    if found.detectable is None:
        return "It cannot be told whether augmentation helps: nothing was compared."
    if view.most_gain <= 0:
        return (
            f"It cannot be told whether augmentation helps{beside_text(view.beside)}: "
            f"{view.unit.of} without any is as good as it can be, on the images scored; more or "
            "harder images would leave room to gain."
        )
    return (
        f"It cannot be told whether augmentation helps{beside_text(view.beside)}: "
        f"{invisible_text(view, found.detectable)}. {ways_text(view, found)}"
    )


def _on_fresh_seeds(view: SearchView) -> str:
    """Of what is used: that they bear it out, else what they show by themselves."""
    anew = view.used_anew
    if anew is None:
        return ""
    if view.is_use_confirmed:
        return ", confirmed on fresh seeds"
    alone = effect_text(anew.effect, view.unit)
    return f"; trained again on fresh seeds, which by themselves show {alone}"


def _as_far_as_trained(view: SearchView) -> str:
    """Of what is shown to gain nothing, where most of it was not trained to its end."""
    if not are_mostly_cut(view.augmented):
        return ""
    return f", as far as {cutter_text(view.augmented)} let them train"


def _less_than(view: SearchView, value: float) -> str:
    unit = view.unit
    if value <= 0:
        return "nothing"
    return f"less than {bound_text(value, unit)} of {unit.of}"


def _left_out(view: SearchView) -> Iterator[str]:
    alone = {judged.name: judged.measured for judged in view.augmentations}
    for name, word in (view.answer.left_out if view.answer else {}).items():
        yield (
            f"{name} HELPS alone, {estimate_text(alone.get(name), view.unit)}, and is left out: "
            f"{_why_left_out(view, name, word)}."
        )


def _why_left_out(view: SearchView, name: str, word: VerdictWord) -> str:
    used = view.answer.settings if view.answer else {}
    both = (each for each in view.wholes if each.settings.keys() == {*used, name})
    if word == "HELPS" and (whole := next(both, None)):
        shown = estimate_text(whole.measured, view.unit)
        return f"it helps beside it too, but both together are not shown to gain more, {shown}"
    return WHY_LEFT_OUT[word]


def _passed_over(view: SearchView) -> Iterator[str]:
    """What shows a larger gain than what is used, of what is not told of as left out."""
    found = view.answer
    if found is None or found.gain is None:
        return
    helping = [
        (view.named(each.label) or view.settings_text(each.settings), each.measured, False)
        for each in view.wholes
        if each.verdict == "HELPS"
    ]
    helping += [
        (f"{each.name} alone", each.measured, each.is_read_off)
        for each in view.augmentations
        if each.verdict == "HELPS" and each.name not in found.left_out
    ]
    for name, measured, is_read_off in helping:
        if measured is not None and measured.effect > found.gain.effect:
            why = "read off a curve" if is_read_off else "known less well"
            yield f"More is shown of {name}, {estimate_text(measured, view.unit)}, but {why}."


def _untested(view: SearchView) -> Iterator[str]:
    if why := untested_text(view):
        yield why


def _stopped_early(view: SearchView) -> Iterator[str]:
    looks = view.evidence.looks
    for number, look in enumerate(looks, start=1):
        at = f"Stopped at look {number} of {len(looks)}, after {plural(look.after, 'training')}: "
        if look.ended_search:
            yield f"{at}the search phase, since every augmentation was known well enough."
        if look.spared:
            what = "; ".join(map(view.label, look.spared))
            yield f"{at}{what}: known well enough, or unable to gain what matters."


def _no_answer_yet(view: SearchView) -> str:
    if view.is_finished:
        return f"No answer: the search ended, and {_why_none(view)}."
    done = plural(sum(r.status == "completed" for r in view.records), "training")
    if view.stopped:
        return f"No answer yet: the search {stop_text(view)} after {done}; {way_on_text(view)}."
    return f"No answer yet: the search is under way, with {done} completed."


def _why_none(view: SearchView) -> str:
    done, asked = len(view.completed_trials), len(view.of_kind("trial"))
    if done:
        return f"none of its {plural(done, 'trial')} changed a picture; try more of them"
    return f"no trial completed, of {asked} begun; the page says why those failed"


def _unconfirmed(view: SearchView) -> str:
    if view.is_finished:
        return "No augmentation is the recommendation: no trial could be confirmed."
    shows = effect_text(view.best.effect if view.best else None, view.unit)
    why = f"the search {stop_text(view)}" if view.stopped else "the search goes on"
    return f"No answer yet: {why} before the best trial, {shows}, was confirmed on fresh seeds."
