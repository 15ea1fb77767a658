"""Figures of single trials, each by its own training: against the null floor, and how rungs agree.
As in `figures_effects`, beside each stands its text for ears.
"""

import math
from typing import TYPE_CHECKING

from search.evidence.claim_table import NORMAL_95
from search.evidence.findings import RungCorrelation
from search.experiment.trial import TrialRecord, fullest
from search.report.figure_style import (
    BLUE,
    INK,
    ORANGE,
    Row,
    draw_rows,
    is_narrow,
    new_figure,
    thinned,
)
from search.report.figures_effects import label_effects, scaled
from search.report.trial_facts import budget, given_text, most_budget
from search.report.view import SearchView
from search.report.wording import effect_text, number_text, shortened, size_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTROL_MARK = "D"
MOST_LABELS, MOST_ROWS = 60, 300


def draw_floor(view: SearchView, width: float) -> "Figure | None":
    """Measured trials and controls, best first, against zero and the null floor; of very many,
    some."""
    unit, every = view.unit, floor_rows(view, 16 if is_narrow(width) else 52)
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
        title = f"null floor {size_text(floor, unit)}"
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
        text += f" The null floor is {size_text(floor, unit)}; {above} of {among} stand above it."
    best = max(full, key=lambda r: r.effect.delta if r.effect else -math.inf, default=None)
    if best is None or best.effect is None:
        return text
    # the best trial may have none: that is of scores, whatever it had beside augmentation
    return f"{text} Largest effect: {number_text(best.trial)}, {effect_text(best.effect, unit)}."


def floor_rows(view: SearchView, limit: int) -> list[Row]:
    """Trials and controls as rows, best first; those that had less than the highest rung gives,
    hollow, below the others."""
    top = most_budget(view.measured)
    records = sorted(
        view.measured, key=lambda r: (budget(r) < top, -(r.effect.delta if r.effect else 0))
    )
    return [
        Row(
            label=_trial_label(view, record, limit, budget(record) < top),
            value=record.effect.delta,
            low=record.effect.ci_low,
            high=record.effect.ci_high,
            color=ORANGE if record.kind == "control" else BLUE,
            marker=CONTROL_MARK if record.kind == "control" else "o",
            hollow=budget(record) < top,
        )
        for record in records
        if record.effect
    ]


def _trial_label(view: SearchView, record: TrialRecord, limit: int, is_hollow: bool) -> str:
    number, is_control = number_text(record.trial), record.kind == "control"
    if limit < 20:
        return shortened(record.label, limit) if is_control else number
    name = view.name_text(record, limit)
    return f"{name}, {given_text(record)}" if is_hollow else name


def _legend(axes: "Axes", rows: list[Row], unit: str) -> None:
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


def draw_rungs(view: SearchView, width: float) -> "Figure | None":
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
    half = NORMAL_95 * math.sqrt((1 + rho**2 / 2) / (rung.num_trials - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _rung_label(rung: RungCorrelation) -> str:
    return f"{rung.from_views} and {rung.to_views} {rung.unit}"
