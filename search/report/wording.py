"""How a search is said in words: amounts with intervals, settings, the answer in one sentence. The
page, the terminal and the trackers speak through it. Draws nothing and knows no format (HTML,
Markdown).
"""

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from data.rounding import visible_settings
from search.evidence.findings import Confirmed, Evidence, Verdict
from search.experiment.objectives import OBJECTIVES, Unit
from search.experiment.trial import Effect, TrialRecord
from search.journal.state import SearchState

_UNPRINTABLE = ("Cc", "Cs", "Cn", "Co")


def unit_of(state: SearchState) -> Unit:
    """The unit of the search's objective; a state without records is taken by its experiment
    file."""
    if state.records:
        return OBJECTIVES[state.records[0].spec.protocol.objective].unit
    config = state.opened.config if state.opened else {}
    return OBJECTIVES[(config.get("evaluation") or {}).get("objective", "accuracy")].unit


def amount_text(value: float, unit: Unit, *, signed: bool = True, digits: int | None = None) -> str:
    """A difference in its unit, without the unit's name: "+1.2", "−0.4", "0.0"."""
    digits = unit.digits if digits is None else digits
    shown = round(value * unit.factor, digits)
    sign = "−" if shown < 0 else "+" if shown > 0 and signed else ""
    return f"{sign}{abs(shown):.{digits}f}"


def interval_text(delta: float, low: float, high: float, unit: Unit, *, named: bool = True) -> str:
    """A difference and its 95 % interval, "+1.2 points (0.4 to 2.0)"; a decimal more if one rounds
    to 0."""
    bounds_vanish = any(
        bound and not round(bound * unit.factor, unit.digits) for bound in (low, high)
    )
    digits = unit.digits + bounds_vanish
    middle = f" {unit.name}" if named else ""
    ends = (amount_text(bound, unit, signed=False, digits=digits) for bound in (low, high))
    return f"{amount_text(delta, unit, digits=digits)}{middle} ({' to '.join(ends)})"


def effect_text(effect: Effect | None, unit: Unit, *, named: bool = True) -> str:
    if effect is None:
        return "not measured"
    return interval_text(effect.delta, effect.ci_low, effect.ci_high, unit, named=named)


def verdict_text(verdict: Verdict, unit: Unit, *, named: bool = True) -> str:
    return interval_text(verdict.effect, *verdict.ci, unit, named=named)


def percent_text(value: float, interval: tuple[float, float]) -> str:
    """A share with its interval, "95.0 % (93.7 to 96.1)"."""
    return f"{100 * value:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def value_text(value: Any) -> str:
    """One setting's value as an experiment file writes it, pairs as "0.8 to 1.2"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and not any(isinstance(v, str | list) for v in value)
    ):
        return " to ".join(value_text(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value)


def settings_text(augmentation: Mapping[str, Any], size: int) -> str:
    """An augmentation as a list for people: "rotation_range 15, zoom_range 0.1, horizontal_flip".

    Values are rounded to what shows in pictures of `size` pixels a side; those that show nothing
    are left out.
    """
    return ", ".join(_setting_texts(visible_settings(augmentation, size))) or _nothing(
        augmentation, size
    )


def short_settings_text(
    augmentation: Mapping[str, Any], size: int, limit: int | None = None
) -> str:
    """The same for labels, without the ending "_range": "rotation 15, zoom 0.1, horizontal_flip".

    limit: the most signs; settings that go beyond it are counted, whole: "rotation 15 and 2 more".
    """
    texts = _setting_texts(
        {
            name.removesuffix("_range"): value
            for name, value in visible_settings(augmentation, size).items()
        }
    )
    whole = ", ".join(texts) or _nothing(augmentation, size)
    if limit is None or len(whole) <= limit:
        return whole
    shortened = (
        f"{', '.join(texts[:n])} and {len(texts) - n} more" for n in range(len(texts) - 1, 0, -1)
    )
    return next((text for text in shortened if len(text) <= limit), f"{len(texts)} settings")


def settings_of(record: TrialRecord) -> str:
    """`settings_text` of a trial's augmentation, at the size of its images."""
    return settings_text(record.spec.settings.augmentation, record.spec.dataset.image_size)


def short_settings_of(record: TrialRecord, limit: int | None = None) -> str:
    """`short_settings_text` of a trial's augmentation, at the size of its images."""
    return short_settings_text(
        record.spec.settings.augmentation, record.spec.dataset.image_size, limit
    )


def _setting_texts(shown: Mapping[str, Any]) -> list[str]:
    return [
        name if value is True else f"{name} {value_text(value)}" for name, value in shown.items()
    ]


def _nothing(augmentation: Mapping[str, Any], size: int) -> str:
    return f"nothing that shows at {size} px" if augmentation else "no augmentation"


def printable(text: str) -> str:
    """The text with control and unassigned signs, which neither XML nor a terminal should see,
    replaced."""
    return "".join(
        sign if sign in "\n\t" or unicodedata.category(sign) not in _UNPRINTABLE else "�"
        for sign in text
    )


def shown(text: str, limit: int = 28) -> str:
    """A name as a label of one line: printable, and shortened in its middle where it is long."""
    line = printable(text.replace("\n", " ").replace("\t", " "))
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 3
    return f"{line[: limit - 1 - tail]}…{line[-tail:]}"


def seconds_text(seconds: float) -> str:
    """A duration for people: "42 s", "3 min 5 s", "2 h 10 min". Below ten seconds with one
    decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = math.floor(seconds / 60 + 0.5)
    return f"{minutes // 60} h {minutes % 60} min"


def record_of(state: SearchState, trial: int | None) -> TrialRecord | None:
    return next((record for record in state.records if record.trial == trial), None)


def whole_name(state: SearchState) -> str:
    """Of the setting whose effect stands above the single augmentations': the recommended one, else
    the best confirmed."""
    evidence = state.evidence
    if evidence is None or evidence.chosen_trial is not None or not evidence.confirmed:
        return "policy as a whole"
    name = _best_confirmed(evidence, state)[1]
    return f"{name}, whole" if name else "best searched, whole"


def _best_confirmed(evidence: Evidence, state: SearchState) -> tuple[Confirmed, str]:
    """The confirmed setting with the largest effect, and its name if it is a control."""
    best = max(evidence.confirmed, key=lambda confirmed: confirmed.effect.delta)
    source = record_of(state, best.source_trial)
    return best, best.label if source is not None and source.kind == "control" else ""


def within_name(state: SearchState) -> str:
    """Where an augmentation was taken out to see what it adds: the recommended policy, else the
    best confirmed of the search."""
    recommended = state.evidence is not None and state.evidence.chosen_trial is not None
    return "in the policy" if recommended else "in the best searched"


def chosen_record(state: SearchState) -> TrialRecord | None:
    """The record of the recommended setting; None where no augmentation is recommended, or nothing
    yet."""
    return record_of(state, state.evidence.chosen_trial) if state.evidence else None


def confirmation_asked(state: SearchState) -> bool:
    config = state.opened.config if state.opened else {}
    return (config.get("evaluation") or {}).get("confirm", True) is not None


def answer(state: SearchState) -> str:
    """The search's answer in one sentence, plainly, with the interval of every figure in it."""
    evidence, unit = state.evidence, unit_of(state)
    if evidence is None or evidence.best_trial is None:
        return _no_answer_yet(state)
    if not evidence.confirmed:
        return _unconfirmed(state)
    chosen = chosen_record(state)
    if chosen is None:
        best, name = _best_confirmed(evidence, state)
        return (
            "No augmentation is the recommendation: nothing tried was shown to help; "
            f"the best confirmed setting{f' ({name})' if name else ''} shows "
            f"{effect_text(best.effect, unit)}."
        )
    confirmed = next(c for c in evidence.confirmed if c.trial == chosen.trial)
    used = settings_of(chosen)
    gain = f"{effect_text(confirmed.effect, unit)} of {unit.of}"
    return f"Use {used}: {gain} over no augmentation, confirmed on fresh seeds."


def _no_answer_yet(state: SearchState) -> str:
    completed = [r for r in state.of_kind("trial") if r.status == "completed"]
    if state.finished_at is not None:
        if not completed:
            return "No answer: the search ended and no trial was completed."
        return (
            f"No answer: the search ended, and none of its {_trials(len(completed))} changed a "
            "picture; try more of them."
        )
    if state.stopped:
        done = _trials(len(completed))
        go_on = (
            "mend that, and run it again to go on" if state.has_failed else "run it again to go on"
        )
        return f"No answer yet: {_stop_text(state)} after {done}; {go_on}."
    return f"No answer yet: the search is under way, with {_trials(len(completed))} completed."


def _stop_text(state: SearchState) -> str:
    return (
        f"the search {'could not go on' if state.has_failed else 'was stopped'} ({state.stopped})"
    )


def _unconfirmed(state: SearchState) -> str:
    evidence, best = (
        state.evidence,
        record_of(state, state.evidence.best_trial if state.evidence else None),
    )
    assert evidence is not None
    shown = effect_text(best.effect if best else None, unit_of(state))
    if not confirmation_asked(state):
        place = "below" if evidence.best_is_below_floor else "above"
        return (
            f"No recommendation: confirmation was switched off; the best trial showed {shown}, "
            f"{place} the "
            "null floor, and the best of many looks better than it is."
        )
    if state.finished_at is not None:
        return "No augmentation is the recommendation: no trial could be confirmed."
    reason = _stop_text(state) if state.stopped else "the search goes on"
    return f"No answer yet: {reason} before the best trial, {shown}, was confirmed on fresh seeds."


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"
