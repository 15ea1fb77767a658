"""Figures of effects with their intervals: the forest plot, trials against the null floor, classes,
rungs. Each takes a state and a width in inches and gives a Matplotlib figure, or None where there
is nothing to draw; beside each stands its text for ears.
"""

import math
from typing import Any

from search.experiment.trial import TrialRecord
from search.journal.state import SearchState, fullest
from search.report.budgets import budget, budget_unit, most_budget
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
from search.report.wording import (
    Unit,
    amount_text,
    effect_text,
    interval_text,
    short_settings_of,
    shown,
    unit_of,
    verdict_text,
    whole_name,
    within_name,
)

VERDICT_MARKS = {"HELPS": (BLUE, "^"), "HURTS": (RED, "v"), "NO EVIDENCE": (GREY, "o")}
KIND_COLORS = {"control": ORANGE, "trial": BLUE, "confirm": GREEN, "ablation": PURPLE, "test": INK}
CONTROL_MARK = "D"
MOST_LABELS, MOST_ROWS = 60, 300


def draw_forest(state: SearchState, width: float) -> Any | None:
    """One row an augmentation, the policy as a whole on top; the figures stand beside (wide) or
    below (narrow) the names.
    """
    unit, rows = unit_of(state), _forest_rows(state)
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
    if not narrow:
        for place, text in enumerate(texts):
            axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center")
    label_effects(axes, unit, narrow)
    return figure


def forest_text(state: SearchState) -> str:
    evidence, unit = state.evidence, unit_of(state)
    if evidence is None:
        return ""
    parts = [
        f"{name}: {v.verdict}, {verdict_text(v, unit)}" for name, v in evidence.verdicts.items()
    ]
    parts += [
        f"{name} {within_name(state)}: {verdict_text(v, unit)}"
        for name, v in evidence.removed.items()
    ]
    if evidence.policy:
        parts.insert(
            0,
            f"{whole_name(state)}: {evidence.policy.verdict}, "
            f"{verdict_text(evidence.policy, unit)}",
        )
    return f"Forest plot of effects with 95 % intervals. {'; '.join(parts)}."


def _forest_rows(state: SearchState) -> list[Row]:
    evidence = state.evidence
    if evidence is None:
        return []
    rows = []
    if (whole := evidence.policy) is not None:
        rows.append(
            Row(
                whole_name(state), whole.effect, *whole.ci, *VERDICT_MARKS[whole.verdict], bold=True
            )
        )
    for name, alone in sorted(evidence.verdicts.items(), key=lambda item: -item[1].effect):
        rows.append(Row(shown(name, 24), alone.effect, *alone.ci, *VERDICT_MARKS[alone.verdict]))
        if (within := evidence.removed.get(name)) is not None:
            rows.append(Row(within_name(state), within.effect, *within.ci, GREY, "s", hollow=True))
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


def draw_floor(state: SearchState, width: float) -> Any | None:
    """Measured trials and controls, best first, against zero and the null floor; of very many,
    some."""
    unit, every = unit_of(state), floor_rows(state, 14 if is_narrow(width) else 44)
    if not every:
        return None
    few = {id(row) for row in thinned(every, MOST_ROWS)}
    rows = [row for row in every if id(row) in few or row.marker == CONTROL_MARK]
    labels = len(rows) <= MOST_LABELS
    figure = new_figure(width, 1.15 + (0.23 if labels else 8.0 / len(rows)) * len(rows))
    axes = figure.add_subplot()
    draw_rows(axes, [scaled(row, unit) for row in rows], labels=labels)
    floor = state.evidence.null_floor if state.evidence else None
    if floor is not None:
        axes.axvspan(0, floor * unit.factor, color=ORANGE, alpha=0.16, linewidth=0, zorder=0)
        axes.axvline(floor * unit.factor, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), zorder=1)
        title = f"null floor {amount_text(floor, unit, signed=False)} {unit.name}"
        axes.set_title(title, fontsize="medium", loc="center")
    if not labels:
        drawn = "" if len(rows) == len(every) else f", {len(rows)} of {len(every):,} drawn"
        axes.set_ylabel(f"best first{drawn}")
    _legend(axes, rows, budget_unit(state))
    label_effects(axes, unit, is_narrow(width))
    return figure


def floor_text(state: SearchState) -> str:
    unit, measured = unit_of(state), measured_trials(state)
    trials = [record for record in measured if record.kind == "trial"]
    full = fullest(trials)  # of rungs below it the scores are not to be compared with these
    floor = state.evidence.null_floor if state.evidence else None
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


def measured_trials(state: SearchState) -> list[TrialRecord]:
    """Trials and controls with an effect of their own: no augmentation and repeated settings are
    left out."""
    records = [r for r in state.of_kind("control", "trial") if r.spec.settings.augmentation]
    return [r for r in records if r.effect is not None and r.duplicate_of is None]


def floor_rows(state: SearchState, limit: int) -> list[Row]:
    """Trials and controls as rows, best first; those that had less than the highest rung gives,
    hollow, below the others."""
    records = measured_trials(state)
    top = most_budget(records)
    records.sort(key=lambda r: (budget(r) < top, -(r.effect.delta if r.effect else 0)))
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
        return shown(record.label, limit)
    number = f"#{record.trial}"
    if limit < 20:
        return number
    return f"{short_settings_of(record, limit)}  {number}"


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
