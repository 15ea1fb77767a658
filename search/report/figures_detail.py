"""Figures of what lies under the answer: the effect on each class, and how well rungs agree. As in
`figures_effects`, each takes a state and a width in inches and gives a Matplotlib figure, or None;
beside each stands its text for ears.
"""

import math
from typing import Any

from search.evidence.findings import RungCorrelation
from search.journal.state import SearchState
from search.report.figure_style import BLUE, Row, draw_rows, is_narrow, new_figure
from search.report.figures_effects import VERDICT_MARKS, label_effects, scaled
from search.report.wording import effect_text, shown, unit_of

MOST_CLASSES = 40


def draw_classes(state: SearchState, width: float) -> Any | None:
    """The recommended (or best) policy's effect on each class, those who gain on top."""
    effects, unit = (state.evidence.by_class if state.evidence else {}), unit_of(state)
    if not effects:
        return None
    ordered = sorted(effects.items(), key=lambda item: -item[1].delta)
    if len(ordered) > MOST_CLASSES:
        ordered = ordered[: MOST_CLASSES // 2] + ordered[-MOST_CLASSES // 2 :]
    rows = [
        Row(
            shown(name, 18 if is_narrow(width) else 36),
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


def classes_text(state: SearchState) -> str:
    effects, unit = (state.evidence.by_class if state.evidence else {}), unit_of(state)
    ordered = sorted(effects.items(), key=lambda item: -item[1].delta)
    ends = [*ordered[:3], *ordered[max(3, len(ordered) - 3) :]]
    parts = "; ".join(f"{name} {effect_text(effect, unit)}" for name, effect in ends)
    cut = f"the {MOST_CLASSES // 2} most and least of " if len(ordered) > MOST_CLASSES else ""
    return (
        f"Effect on each class with 95 % intervals, {cut}{len(ordered)} classes. Most and least: "
        f"{parts}."
    )


def draw_rungs(state: SearchState, width: float) -> Any | None:
    """Rank correlation of the same settings between numbers of views, with its interval."""
    rungs = state.evidence.rung_correlations if state.evidence else ()
    if not rungs:
        return None
    rows = [Row(_rung_label(rung), rung.rho, *rho_interval(rung), BLUE, "o") for rung in rungs]
    figure = new_figure(width, 0.8 + 0.34 * len(rows))
    axes = figure.add_subplot()
    draw_rows(axes, rows)
    axes.set_xlim(-1.03, 1.03)
    axes.set_xlabel("rank correlation (95 % interval)")
    return figure


def rungs_text(state: SearchState) -> str:
    rungs = state.evidence.rung_correlations if state.evidence else ()
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
