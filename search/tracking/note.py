"""A search's description in Markdown, which the MLflow dashboard shows as the run's page: the
answer first, then the tables it rests on. Words come from `wording`; the figures and the long
tables are on `report.html`.
"""

import html
import re
from collections.abc import Iterable, Sequence

from search.evidence.verdicts import verdict_of
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState, fullest
from search.report.wording import (
    amount_text,
    answer,
    effect_text,
    interval_text,
    p_text,
    percent_text,
    seconds_text,
    settings_of,
    unit_of,
    verdict_text,
    whole_name,
)

MAX_CHARACTERS = 5000  # a tag of MLflow holds 8000, one of older servers 5000
MAX_ROWS = 10
BASES = {"removed": "policy without it", "alone": "alone, against none", "policy": "against none"}


def describe(state: SearchState) -> str:
    """The page. Sections that would make it longer than a tag may be are left out, the last ones
    first."""
    sections = [f"**{_escaped(answer(state))}**"]
    for section in (_verdicts, _floor, _confirmed, _trials, _test, _cost, _by_class, _data):
        text = section(state)
        if text and sum(len(s) + 2 for s in sections) + len(text) < MAX_CHARACTERS - 100:
            sections.append(text)
    sections.append("The figures and every trial are in the artifact `report.html`.")
    return "\n\n".join(sections)[:MAX_CHARACTERS]


def describe_winner(state: SearchState, class_names: Sequence[str]) -> str:
    """What a registered model's page says: the answer, what goes in and what comes out."""
    classes = ", ".join(map(_escaped, class_names))
    if len(classes) > MAX_CHARACTERS // 2:
        classes = f"{len(class_names)} classes, listed in the model's metadata"
    return (
        f"**{_escaped(answer(state))}**\n\n"
        "Takes raw uint8 images `[n, height, width, 3]` of any size; gives the probabilities `[n, "
        f"{len(class_names)}]` of: {classes}."
    )


def _verdicts(state: SearchState) -> str:
    if state.evidence is None or not state.evidence.verdicts:
        return ""
    unit = unit_of(state)
    named = {f"`{name}`": verdict for name, verdict in state.evidence.verdicts.items()}
    policy = {whole_name(state): state.evidence.policy} if state.evidence.policy else {}
    rows = [
        (name, f"**{v.verdict}**", verdict_text(v, unit), p_text(v.p_holm), BASES[v.basis])
        for name, v in (policy | named).items()
    ]
    columns = ("augmentation", "verdict", "effect (95 % interval)", "p (Holm)", "compared")
    return "### Which augmentations help\n" + _table(columns, rows)


def _floor(state: SearchState) -> str:
    evidence, unit = state.evidence, unit_of(state)
    if evidence is None or evidence.null_floor is None:
        return ""
    floor = amount_text(evidence.null_floor, unit, signed=False)
    side = "below" if evidence.best_is_below_floor else "above"
    return (
        "**Null floor:** if no trial differed from no augmentation, the best of them would still "
        "show up to "
        f"{floor} {unit.name}. The best trial is {side} it."
    )


def _confirmed(state: SearchState) -> str:
    if state.evidence is None or not state.evidence.confirmed:
        return ""
    unit, records = unit_of(state), {record.trial: record for record in state.records}
    rows = [
        (
            _escaped(c.label),
            f"**{verdict_of(c).verdict}**",
            effect_text(c.effect, unit),
            p_text(c.p_holm),
            _settings(records.get(c.trial)),
        )
        for c in state.evidence.confirmed
    ]
    columns = ("setting", "verdict", "effect (95 % interval)", "p (Holm)", "augmentation")
    return "### Confirmed on fresh seeds\n" + _table(columns, rows)


def _trials(state: SearchState) -> str:
    trials = fullest(state.of_kind("trial"))
    done = [r for r in (*fullest(state.of_kind("control")), *trials) if r.effect is not None]
    done = sorted(done, key=lambda r: r.effect.delta if r.effect else 0.0, reverse=True)[:MAX_ROWS]
    if not done:
        return ""
    unit = unit_of(state)
    rows = [
        (str(r.trial), _escaped(r.label), effect_text(r.effect, unit), _settings(r)) for r in done
    ]
    columns = ("trial", "label", "effect (95 % interval)", "augmentation")
    less = len(state.of_kind("trial")) > len(trials)
    what = "Trials of the fullest rung" if less else "Trials of the search"
    return f"### {what}, the best first\n" + _table(columns, rows)


def _test(state: SearchState) -> str:
    test = state.test
    if test is None:
        return ""
    scores = [score for score in (test.none, test.chosen) if score is not None]
    rows = [
        (
            _escaped(s.label),
            percent_text(s.metrics["accuracy"], s.accuracy_ci) if "accuracy" in s.metrics else "",
        )
        for s in scores
    ]
    looks = "opened once" if test.looks == 1 else f"opened {test.looks} times"
    text = f"### Test set ({test.num_images} images, {looks})\n" + _table(
        ("trained with", "accuracy"), rows
    )
    return text + (
        f"\n\nDifference: {effect_text(test.effect, unit_of(state))}." if test.effect else ""
    )


def _cost(state: SearchState) -> str:
    phases = ", ".join(f"{name} {seconds_text(s)}" for name, s in state.phase_seconds.items())
    where = f" ({phases})" if phases else ""
    return (
        f"**Cost:** {seconds_text(state.wall_seconds)}{where}; {state.cost.images} images through "
        "the backbone."
    )


def _by_class(state: SearchState) -> str:
    if state.evidence is None or not state.evidence.by_class:
        return ""
    unit = unit_of(state)
    effects = sorted(state.evidence.by_class.items(), key=lambda item: -abs(item[1].delta))
    rows = [
        (_escaped(name), interval_text(e.delta, e.ci_low, e.ci_high, unit))
        for name, e in effects[:MAX_ROWS]
    ]
    return "### Effect by class, the largest first\n" + _table(
        ("class", "effect (95 % interval)"), rows
    )


def _data(state: SearchState) -> str:
    if state.opened is None:
        return ""
    data = state.opened.dataset
    sizes = ", ".join(f"{split} {sum(counts)}" for split, counts in data.counts.items())
    size = f"{data.image_size} x {data.image_size}"
    return (
        f"**Data:** {sizes} images of {size} pixels, {len(data.class_names)} classes, digest "
        f"`{data.digest}`."
    )


def _settings(record: TrialRecord | None) -> str:
    return _escaped(settings_of(record)) if record else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: no tags, no emphasis, no table borders, one line."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~]|(?<=\W)_|_(?=\W))", r"\\\1", plain)
