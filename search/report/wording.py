"""How values are said in words: amounts with intervals, settings, names of trials, durations. The
page, the terminal and MLflow speak through it. Knows no search and no format (HTML, Markdown).
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from data.augmentations import AUGMENTATIONS, visible_settings
from data.messages import escaped, plural
from data.value_forms import is_number
from search.evidence.claim_table import Estimate
from search.experiment.controls import NONE
from search.experiment.kinds import KINDS
from search.experiment.objectives import Unit
from search.experiment.settings import MIXING
from search.experiment.trial import Effect, TrialRecord

_ROUNDING = 1e-6  # of a step: what sums leave behind the last digit
_UNPRINTABLE = ("Cc", "Cs", "Cn", "Co")
NAME_WIDTH = 80  # signs of a trial's name where nothing is said of room
EXACT = 6  # decimals of a setting beyond what shows: so many are all that it has
MORE_DIGITS = 2  # at the most, so that what is not 0 is not told as 0
# Labels that say what an algorithm did, and no number of a trial: such a setting goes by what it
# sets.
EXPECTED = "expected best"  # of what is trained whole for the first time, read off a curve
UNNAMED = re.compile(rf"setting \d+|{EXPECTED}")


def amount_text(value: float, unit: Unit, *, signed: bool = True, digits: int | None = None) -> str:
    """A difference in its unit, without the unit's name: "+1.2", "−0.4", "0.0"."""
    digits = unit.digits if digits is None else digits
    amount = round(value * unit.factor, digits)
    sign = "−" if amount < 0 else "+" if amount > 0 and signed else ""
    return f"{sign}{abs(amount):.{digits}f}"


def digits_of(unit: Unit, *values: float) -> int:
    """The decimals of values that are told together: more than usual where one that is not 0 would
    be told as 0."""
    usual, most = unit.digits, unit.digits + MORE_DIGITS
    shown = (
        digits
        for digits in range(usual, most)
        if all(round(value * unit.factor, digits) for value in values if value)
    )
    return next(shown, most)


def size_text(value: float, unit: Unit) -> str:
    """An amount without a sign, with its unit: "1.2 points", "0.04 points"."""
    return f"{amount_text(value, unit, signed=False, digits=digits_of(unit, value))} {unit.name}"


def bound_text(value: float, unit: Unit) -> str:
    """What an amount is not above, as `size_text`: rounded up, so that it stays so."""
    digits = digits_of(unit, value)
    step = 10.0**-digits / unit.factor
    return size_text(step * math.ceil(value / step - _ROUNDING), unit)


def interval_text(delta: float, low: float, high: float, unit: Unit, *, named: bool = True) -> str:
    """A difference and its 95 % interval, "+1.2 points (0.4 to 2.0)"; with more decimals where one
    of the three would round to 0, or it reaches beyond what is negligible and would not seem to."""
    digits = _digits_within(unit, low, high, digits_of(unit, delta, low, high))
    middle = f" {unit.name}" if named else ""
    amount = amount_text(delta, unit, digits=digits)
    return f"{amount}{middle} ({_ends(low, high, unit, digits)})"


def ends_text(low: float, high: float, unit: Unit) -> str:
    """An interval alone, "0.4 to 2.0"; with more decimals as `interval_text` has them."""
    return _ends(low, high, unit, _digits_within(unit, low, high, digits_of(unit, low, high)))


def _digits_within(unit: Unit, low: float, high: float, least: int) -> int:
    """Decimals by which an interval around zero is seen to reach beyond what is negligible."""
    widest = max(-low, high)
    if not unit.negligible or not low <= 0 <= high or widest <= unit.negligible:
        return least
    most, band = unit.digits + MORE_DIGITS, unit.negligible * unit.factor
    shown = (n for n in range(least, most) if round(widest * unit.factor, n) > band + _ROUNDING)
    return next(shown, most)


def _ends(low: float, high: float, unit: Unit, digits: int) -> str:
    return " to ".join(amount_text(end, unit, signed=False, digits=digits) for end in (low, high))


def effect_text(effect: Effect | None, unit: Unit, *, named: bool = True) -> str:
    if effect is None:
        return "not measured"
    return interval_text(effect.delta, effect.ci_low, effect.ci_high, unit, named=named)


def estimate_text(measured: Estimate | None, unit: Unit, *, named: bool = True) -> str:
    if measured is None:
        return "not tried"
    return interval_text(measured.effect, *measured.ci, unit, named=named)


def percent_text(value: float, interval: tuple[float, float]) -> str:
    """A share with its interval, "95.0 % (93.7 to 96.1)"."""
    return f"{100 * value:.1f} % ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


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


def strength_text(name: str, value: Any) -> str:
    """A strength of an augmentation for people: numbers and pairs as `value_text` has them, "on",
    and "off" for what is no number and changes nothing."""
    record = AUGMENTATIONS[name]
    if not is_number(value) and record.parse(value) == record.identity:
        return "off"
    return "on" if value is True else value_text(value)


def settings_text(
    augmentation: Mapping[str, Any],
    size: int,
    limit: int | None = None,
    others: Mapping[str, Any] = MappingProxyType({}),
    more: int = 0,
) -> str:
    """An augmentation as a list for people: "rotation_range 15, zoom_range 0.1, horizontal_flip".

    Values are rounded to what shows in pictures of `size` pixels a side; those that show nothing
    are left out. limit: the most signs; settings that go beyond it are counted, whole:
    "rotation_range 15 and 2 more". others: what of model and training was searched with it. more:
    decimals beyond what shows, EXACT for all of them.
    """
    shown = _setting_texts(augmentation, size, more)
    texts = [f"{name}{text}" for name, text in shown.items()] or [_nothing(augmentation, size)]
    texts += [f"{name} {value_text(value)}" for name, value in others.items()]
    whole = ", ".join(texts)
    if limit is None or len(whole) <= limit:
        return whole
    cut = (
        f"{', '.join(texts[:n])} and {len(texts) - n} more" for n in range(len(texts) - 1, 0, -1)
    )
    return next((text for text in cut if len(text) <= limit), f"{len(texts)} augmentations")


def other_part(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a setting, what of model and training was searched with the augmentation; views and what
    mixes batches are told anyway."""
    told = {*MIXING, "views"}
    return {
        name: value
        for name, value in settings.items()
        if name not in told and name not in AUGMENTATIONS
    }


def beside_text(values: Mapping[str, Any]) -> str:
    """What is used beside an augmentation: " with model.learning_rate 0.01 and model.dropout 0.2";
    empty where nothing else was searched."""
    said = [escaped(f"{name} {value_text(value)}") for name, value in values.items()]
    return f" with {' and '.join(said)}" if said else ""


def settings_of(record: TrialRecord, limit: int | None = None, more: int = 0) -> str:
    """`settings_text` of a trial's augmentation, at the size of its images, with what else it was
    searched with, and what mixes its batches."""
    augmentation, training = record.spec.settings.augmentation, record.spec.settings.training
    others = {} if has_name(record) else other_part(record.settings)
    text = settings_text(augmentation, record.spec.dataset.image_size, limit, others, more)
    mixed = [f"{name} {share:g}" for name in MIXING if (share := getattr(training, name))]
    return ", ".join([text, *mixed] if augmentation or not mixed else mixed)


def tried_text(num_trials: int, num_settings: int) -> str:
    """How much was tried: "4 trials", "8 trials of 6 settings" where one was trained more than
    once."""
    trials = plural(num_trials, "trial")
    same = num_trials == num_settings
    return trials if same else f"{trials} of {plural(num_settings, 'setting')}"


def number_text(trial: int) -> str:
    """A trial's number, "#9": the one in the journal, in trials.csv and for `--trial`."""
    return f"#{trial}"


def has_name(record: TrialRecord) -> bool:
    """Whether a trial goes by a name of its own, as controls and ablations do, and not by its
    settings."""
    return record.kind != "trial" and UNNAMED.fullmatch(record.label) is None


def label_text(record: TrialRecord, limit: int | None = None, more: int = 0) -> str:
    """What a trial is called beside its number: its name if it has one, else what it sets."""
    if not has_name(record):
        return settings_of(record, limit, more)
    return record.label if limit is None else shortened(record.label, limit)


def name_text(record: TrialRecord, limit: int = NAME_WIDTH, more: int = 0) -> str:
    """A trial's name wherever it is spoken of: its number and what it is, "#9 rotation_range 15",
    "#1 course settings"; "#10 again: zoom_range 0.1" where a setting of the search is
    confirmed."""
    again = "" if record.label == EXPECTED else KINDS[record.kind].again
    what = f"{again}{label_text(record, limit, more)}"
    return f"{number_text(record.trial)} {what}"


def what_text(record: TrialRecord, more: int = 0) -> str:
    """What a trial was, in full: its settings, before them its name if it has one."""
    settings = settings_of(record, more=more)
    named = has_name(record) and record.label != settings
    return f"{record.label}: {settings}" if named else settings


def _setting_texts(augmentation: Mapping[str, Any], size: int, more: int) -> dict[str, str]:
    """By name, in one order whichever they came in (a journal sorts them, an algorithm does not):
    strengths, what is on or off, words; each in the order of the table of augmentations."""
    seen = augmentation if more == EXACT else visible_settings(augmentation, size, more)
    places = AUGMENTATIONS.ordered(augmentation)

    def rank(name: str) -> tuple[bool, bool, int, str]:
        place = places.index(name) if name in places else len(places)
        return isinstance(seen[name], str), seen[name] is True, place, name

    ordered = sorted(seen, key=rank)
    text = json.dumps if more == EXACT else value_text
    return {name: "" if seen[name] is True else f" {text(seen[name])}" for name in ordered}


def _nothing(augmentation: Mapping[str, Any], size: int) -> str:
    return f"nothing that shows at {size} px" if augmentation else NONE


def printable(text: str) -> str:
    """The text with control and unassigned signs, which neither XML nor a terminal should see,
    replaced."""
    return "".join(
        sign if sign in "\n\t" or unicodedata.category(sign) not in _UNPRINTABLE else "�"
        for sign in text
    )


def shortened(text: str, limit: int = 28) -> str:
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
