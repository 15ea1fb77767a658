"""Figures of effects with their intervals: the forest plot, trials against the null floor, classes,
rungs. Each takes a state and a width in inches and gives a Matplotlib figure, or None where there
is nothing to draw; beside each stands its text for ears.
"""

import math
from typing import Any

from search.evidence.findings import RungCorrelation
from search.experiment.objectives import Unit
from search.experiment.trial import TrialRecord
from search.journal.state import fullest
from search.report.figure_style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Row,
    draw_rows,
    is_narrow,
    new_figure,
    thinned,
)
from search.report.measures import budget, most_budget
from search.report.view import SearchView
from search.report.wording import (
    amount_text,
    effect_text,
    estimate_text,
    interval_text,
    number_text,
    short_settings_of,
    shortened,
)

VERDICT_MARKS = {
    "HELPS": (BLUE, "^"),
    "HURTS": (RED, "v"),
    "NEGLIGIBLE": (GREY, "D"),
    "NO EVIDENCE": (GREY, "o"),
}
KIND_COLORS = {"control": ORANGE, "trial": BLUE, "confirm": GREEN, "ablation": PURPLE, "test": INK}
CONTROL_MARK = "D"
MOST_LABELS, MOST_ROWS, MOST_CLASS_ROWS = 60, 300, 40


def draw_forest(view: SearchView, width: float) -> Any | None:
    """One row an augmentation, the policy as a whole on top; the figures stand beside (wide) or
    below (narrow) the names.
    """
    unit, rows = view.unit, _forest_rows(view)
    if not rows:
        return None
    narrow = is_narrow(width)
    figure = new_figure(width, 0.75 + (0.46 if narrow else 0.34) * len(rows))
    axes = figure.add_subplot()
    texts = [_row_text(row, unit) for row in rows]
    if narrow:
        rows = [
            Row(**{**vars(row), "label": f"{row.label}\n{text}"})
            for row, text in zip(rows, texts, strict=True)
        ]
    draw_rows(axes, [scaled(row, unit) for row in rows])
    low, high = (end * unit.factor for end in _forest_scale(rows))
    axes.set_xlim(max(low, axes.get_xlim()[0]), min(high, axes.get_xlim()[1]))
    if not narrow:
        for place, text in enumerate(texts):
            axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center")
    label_effects(axes, unit, narrow)
    return figure


def _forest_scale(rows: list[Row]) -> tuple[float, float]:
    """The most that is drawn: what an augmentation adds may be known so badly that its interval
    would flatten all others."""
    own = [end for row in rows if not row.hollow for end in (row.low, row.high)]
    shown = [0.0, *own, *(row.value for row in rows)]
    reach = max(shown) - min(shown)
    return min(shown) - reach, max(shown) + reach


def forest_text(view: SearchView) -> str:
    unit = view.unit
    parts = [
        f"{judged.name}: {judged.verdict}, {estimate_text(judged.measured, unit)}"
        for judged in view.judged
    ]
    parts += [
        f"{judged.name} {view.within_name}: {estimate_text(judged.within, unit)}"
        for judged in view.augmentations
        if judged.within
    ]
    return f"Forest plot of effects with 95 % intervals. {'; '.join(parts)}." if parts else ""


def _forest_rows(view: SearchView) -> list[Row]:
    rows = []
    for judged in view.judged:
        if judged.measured is None:
            continue
        whole = judged is view.policy
        name = judged.name if whole else shortened(judged.name, 24)
        marks = VERDICT_MARKS[judged.verdict]
        rows.append(Row(name, judged.measured.effect, *judged.measured.ci, *marks, bold=whole))
        if (within := judged.within) is not None:
            rows.append(Row(view.within_name, within.effect, *within.ci, GREY, "s", hollow=True))
    return rows


def _row_text(row: Row, unit: Unit) -> str:
    return interval_text(row.value, row.low, row.high, unit, named=False)


def scaled(row: Row, unit: Unit) -> Row:
    values = {name: getattr(row, name) * unit.factor for name in ("value", "low", "high")}
    return Row(**{**vars(row), **values})


def label_effects(axes: Any, unit: Unit, narrow: bool) -> None:
    axes.set_xlabel(
        f"{unit.name} of {unit.of}"
        if narrow
        else f"effect, {unit.name} of {unit.of} (95 % interval)"
    )


def draw_floor(view: SearchView, width: float) -> Any | None:
    """Measured trials and controls, best first, against zero and the null floor; of very many,
    some."""
    unit, every = view.unit, floor_rows(view, 14 if is_narrow(width) else 44)
    if not every:
        return None
    few = {id(row) for row in thinned(every, MOST_ROWS)}
    rows = [row for row in every if id(row) in few or row.marker == CONTROL_MARK]
    labels = len(rows) <= MOST_LABELS
    figure = new_figure(width, 1.15 + (0.23 if labels else 8.0 / len(rows)) * len(rows))
    axes = figure.add_subplot()
    draw_rows(axes, [scaled(row, unit) for row in rows], labels=labels)
    floor = view.evidence.null_floor
    if floor is not None:
        axes.axvspan(0, floor * unit.factor, color=ORANGE, alpha=0.16, linewidth=0, zorder=0)
        axes.axvline(floor * unit.factor, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), zorder=1)
        title = f"null floor {amount_text(floor, unit, signed=False)} {unit.name}"
        axes.set_title(title, fontsize="medium", loc="center")
    if not labels:
        drawn = "" if len(rows) == len(every) else f", {len(rows)} of {len(every):,} drawn"
        axes.set_ylabel(f"best first{drawn}")
    _legend(axes, rows, view.budget_unit)
    label_effects(axes, unit, is_narrow(width))
    return figure


def floor_description(view: SearchView) -> str:
    unit, measured = view.unit, view.measured
    trials = [record for record in measured if record.kind == "trial"]
    full = fullest(trials)  # of rungs below it the scores are not to be compared with these
    floor = view.evidence.null_floor
    text = (
        f"Effects of {len(trials)} trials and {len(measured) - len(trials)} controls with 95 % "
        "intervals."
    )
    if floor is not None and trials:
        above = sum(r.effect is not None and r.effect.delta > floor for r in full)
        among = (
            "the trials"
            if len(full) == len(trials)
            else f"the {len(full)} trials of the fullest rung"
        )
        height = f"{amount_text(floor, unit, signed=False)} {unit.name}"
        text += f" The null floor is {height}; {above} of {among} stand above it."
    best = max(full, key=lambda r: r.effect.delta if r.effect else -math.inf, default=None)
    return text + (f" Best: trial {best.trial}, {effect_text(best.effect, unit)}." if best else "")


def floor_rows(view: SearchView, limit: int) -> list[Row]:
    """Trials and controls as rows, best first; those that had less than the highest rung gives,
    hollow, below the others."""
    top = most_budget(view.measured)
    records = sorted(
        view.measured, key=lambda r: (budget(r) < top, -(r.effect.delta if r.effect else 0))
    )
    return [
        Row(
            label=_trial_label(record, limit),
            value=record.effect.delta,
            low=record.effect.ci_low,
            high=record.effect.ci_high,
            color=KIND_COLORS[record.kind],
            marker=CONTROL_MARK if record.kind == "control" else "o",
            hollow=budget(record) < top,
        )
        for record in records
        if record.effect
    ]


def _trial_label(record: TrialRecord, limit: int) -> str:
    if record.kind == "control":
        return shortened(record.label, limit)
    number = number_text(record.trial)
    return number if limit < 20 else f"{short_settings_of(record, limit)}  {number}"


def _legend(axes: Any, rows: list[Row], unit: str) -> None:
    """Names only the marks that are there."""
    from matplotlib.lines import Line2D

    marks = {
        "trial": any(r.marker == "o" and not r.hollow for r in rows) and ("o", BLUE, BLUE),
        f"trial, fewer {unit}": any(r.marker == "o" and r.hollow for r in rows)
        and ("o", BLUE, "white"),
        "control": any(r.marker == CONTROL_MARK for r in rows) and (CONTROL_MARK, ORANGE, ORANGE),
    }
    handles = [
        Line2D(
            [], [], linestyle="", marker=mark[0], color=mark[1], markerfacecolor=mark[2], label=name
        )
        for name, mark in marks.items()
        if mark
    ]
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        handletextpad=0.1,
        columnspacing=1.0,
    )


def draw_classes(view: SearchView, width: float) -> Any | None:
    """The recommended (or best) policy's effect on each class, those who gain on top."""
    effects, unit = view.evidence.by_class, view.class_unit
    if not effects:
        return None
    ordered = sorted(effects.items(), key=lambda item: -item[1].delta)
    if len(ordered) > MOST_CLASS_ROWS:
        ordered = ordered[: MOST_CLASS_ROWS // 2] + ordered[-MOST_CLASS_ROWS // 2 :]
    rows = [
        Row(
            shortened(name, 18 if is_narrow(width) else 36),
            e.delta,
            e.ci_low,
            e.ci_high,
            *_sure(e.ci_low, e.ci_high),
        )
        for name, e in ordered
    ]
    figure = new_figure(width, 0.7 + 0.26 * len(rows))
    axes = figure.add_subplot()
    draw_rows(axes, [scaled(row, unit) for row in rows])
    if len(effects) > len(rows):
        text = f"most and least of {len(effects)} classes"
        axes.set_title(text, fontsize="medium")
    label_effects(axes, unit, is_narrow(width))
    return figure


def _sure(low: float, high: float) -> tuple[str, str]:
    return VERDICT_MARKS["HELPS" if low > 0 else "HURTS" if high < 0 else "NO EVIDENCE"]


def classes_text(view: SearchView) -> str:
    effects, unit = view.evidence.by_class, view.class_unit
    ordered = sorted(effects.items(), key=lambda item: -item[1].delta)
    ends = [*ordered[:3], *ordered[max(3, len(ordered) - 3) :]]
    parts = "; ".join(f"{name} {effect_text(effect, unit)}" for name, effect in ends)
    cut = f"the {MOST_CLASS_ROWS // 2} most and least of " if len(ordered) > MOST_CLASS_ROWS else ""
    return (
        f"Effect on each class with 95 % intervals, {cut}{len(ordered)} classes. Most and least: "
        f"{parts}."
    )


def draw_rungs(view: SearchView, width: float) -> Any | None:
    """Rank correlation of the same settings between numbers of views, with its interval."""
    rungs = view.evidence.rung_correlations
    if not rungs:
        return None
    rows = [Row(_rung_label(rung), rung.rho, *rho_interval(rung), BLUE, "o") for rung in rungs]
    figure = new_figure(width, 0.8 + 0.34 * len(rows))
    axes = figure.add_subplot()
    draw_rows(axes, rows)
    axes.set_xlim(-1.03, 1.03)
    axes.set_xlabel("rank correlation (95 % interval)")
    return figure


def rungs_description(view: SearchView) -> str:
    rungs = view.evidence.rung_correlations
    parts = [f"{_rung_label(r)}: {r.rho:.2f} over {r.num_trials} settings" for r in rungs]
    return f"Rank correlation between rungs. {'; '.join(parts)}."


def rho_interval(rung: RungCorrelation) -> tuple[float, float]:
    """A 95 % interval of Spearman's rho by Fisher's z with the standard error of Bonett and Wright
    (2000).

    From three settings or fewer nothing is known: -1 to 1.
    """
    if rung.num_trials <= 3:
        return -1.0, 1.0
    rho = min(max(rung.rho, -0.9999), 0.9999)
    half = 1.959964 * math.sqrt((1 + rho**2 / 2) / (rung.num_trials - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _rung_label(rung: RungCorrelation) -> str:
    return f"{rung.from_views} and {rung.to_views} {rung.unit}"
