"""Figures of effects with their intervals: the forest plot of what is claimed, and classes. Each
takes the view and a width in inches and gives a Matplotlib figure, or None where there is nothing
to draw; beside each stands its text for ears.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from search.experiment.objectives import Unit
from search.report.figure_style import BLUE, GREY, RED, Row, draw_rows, is_narrow, new_figure
from search.report.view import SearchView
from search.report.wording import effect_text, estimate_text, interval_text, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERDICT_MARKS = {
    "HELPS": (BLUE, "^"),
    "HURTS": (RED, "v"),
    "NEGLIGIBLE": (GREY, "D"),
    "NO EVIDENCE": (GREY, "o"),
}
MOST_CLASS_ROWS = 40


def draw_forest(view: SearchView, width: float) -> "Figure | None":
    """One row per augmentation, on top the whole setting where it is another; the figures stand
    beside (wide) or below (narrow) the names.
    """
    unit, rows = view.unit, _forest_rows(view)
    if not rows:
        return None
    narrow = is_narrow(width)
    figure = new_figure(width, 0.75 + (0.46 if narrow else 0.34) * len(rows))
    axes = figure.add_subplot()
    texts = [_row_text(row, unit) for row in rows]
    if narrow:
        named = zip(rows, texts, strict=True)
        rows = [replace(row, label=f"{row.label}\n{text}".strip()) for row, text in named]
    draw_rows(axes, [scaled(row, unit) for row in rows])
    low, high = (end * unit.factor for end in _forest_scale(rows))
    axes.set_xlim(max(low, axes.get_xlim()[0]), min(high, axes.get_xlim()[1]))
    if not narrow:
        for place, text in enumerate(texts):
            axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center")
    label_effects(axes, unit, narrow)
    if any(row.hollow for row in rows):
        _explain_hollow(figure, view.within_name)
    return figure


def _explain_hollow(figure: "Figure", words: str) -> None:
    """Once, since each hollow mark stands below the augmentation that it is of."""
    from matplotlib.lines import Line2D

    mark = Line2D([], [], linestyle="", marker="s", color=GREY, markerfacecolor="white")
    figure.legend([mark], [words], loc="outside lower center", handletextpad=0.2)


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
        name = shortened(judged.name, 30 if whole else 28)
        marks = VERDICT_MARKS[judged.verdict]
        rows.append(Row(name, judged.measured.effect, *judged.measured.ci, *marks, bold=whole))
        if (within := judged.within) is not None:
            rows.append(Row("", within.effect, *within.ci, GREY, "s", hollow=True))
    return rows


def _row_text(row: Row, unit: Unit) -> str:
    return interval_text(row.value, row.low, row.high, unit, named=False)


def scaled(row: Row, unit: Unit) -> Row:
    value, low, high = (each * unit.factor for each in (row.value, row.low, row.high))
    return replace(row, value=value, low=low, high=high)


def label_effects(axes: "Axes", unit: Unit, narrow: bool) -> None:
    axes.set_xlabel(
        f"{unit.name} of {unit.of}"
        if narrow
        else f"effect, {unit.name} of {unit.of} (95 % interval)"
    )


def draw_classes(view: SearchView, width: float) -> "Figure | None":
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
