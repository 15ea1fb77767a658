"""The figure of effect against each searched setting's strength: points with intervals, and a
fitted band. Fits nothing that is used elsewhere; the other settings vary along with the one drawn,
which is why the page calls the band a guide.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from search.experiment.objectives import Unit
from search.experiment.trial import TrialRecord
from search.journal.state import fullest
from search.report.figure_style import BLUE, GREY, PALE, is_narrow, new_figure, thinned
from search.report.measures import budget, most_budget
from search.report.view import SearchView
from search.report.wording import amount_text, shortened, value_text

FEWEST_FOR_BAND, FEWEST_FOR_CURVE, FEWEST_PLACES, MOST_POINTS = 4, 8, 3, 150


def searched_settings(view: SearchView) -> list[str]:
    """Searched settings of which at least two values were measured."""
    space = view.opened.space if view.opened else {}
    trials = _trials(view)
    return [
        name
        for name in space
        if len({value_text(r.settings[name]) for r in trials if name in r.settings}) > 1
    ]


def _trials(view: SearchView) -> list[TrialRecord]:
    return [record for record in view.measured if record.kind == "trial"]


def draw_strength(view: SearchView, width: float) -> Any | None:
    """A small panel a searched setting, all on one scale of effects."""
    names, trials = searched_settings(view), _trials(view)
    if not names:
        return None
    columns = min(len(names), 2 if is_narrow(width) or len(names) == 4 else 3)
    rows = -(-len(names) // columns)
    figure = new_figure(width, 2.0 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    unit, top = view.unit, most_budget(trials)
    space = view.opened.space if view.opened else {}
    for axes, name in zip(grid.ravel(), names, strict=False):
        _draw_panel(axes, name, [r for r in trials if name in r.settings], unit, top)
        # By how it is searched, not by what happened to be drawn: a range from 0 has small values
        # too.
        if space[name].get("sampling") == "log":
            axes.set_xscale("log")
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    figure.supylabel(f"effect, {unit.name}", fontsize="medium")
    return figure


def _draw_panel(axes: Any, name: str, trials: list[TrialRecord], unit: Unit, top: float) -> None:
    values = [record.settings[name] for record in trials]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    numeric = (
        numbers and len(set(values)) >= FEWEST_PLACES
    )  # no line goes through two places: they are choices
    choices = [] if numeric else list(dict.fromkeys(map(value_text, sorted(values, key=_order))))
    places = (
        [float(v) for v in values]
        if numeric
        else [float(choices.index(value_text(v))) for v in values]
    )
    full = [budget(record) == top for record in trials]
    axes.axhline(0, color=GREY, linewidth=1.0)
    _draw_points(axes, places, trials, full, unit)
    counted = full if sum(full) >= FEWEST_FOR_BAND else [True] * len(full)
    deltas = [r.effect.delta * unit.factor for r in trials if r.effect]
    xs = np.array([p for p, c in zip(places, counted, strict=True) if c])
    ys = np.array([d for d, c in zip(deltas, counted, strict=True) if c])
    if numeric:
        _draw_band(axes, xs, ys)
        axes.locator_params(axis="x", nbins=5)
    else:
        _draw_means(axes, xs, ys, choices)
    axes.set_title(shortened(name, 20), fontsize="medium")
    axes.grid(axis="y", color=PALE, linewidth=0.6)


def _order(value: Any) -> tuple[float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (float(value), "") if number else (0.0, value_text(value))


def _draw_points(
    axes: Any, places: Sequence[float], trials: list[TrialRecord], full: list[bool], unit: Unit
) -> None:
    points = list(zip(places, trials, full, strict=True))
    for place, record, filled in thinned(points, MOST_POINTS):
        effect = record.effect
        if effect is None:
            continue
        ends = [effect.ci_low * unit.factor, effect.ci_high * unit.factor]
        axes.plot([place, place], ends, color=BLUE, linewidth=0.9, alpha=0.55)
        face = BLUE if filled else "white"
        axes.plot(
            place, effect.delta * unit.factor, "o", color=BLUE, markerfacecolor=face, markersize=4.5
        )


def fit_band(
    xs: np.ndarray, ys: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Least squares through the points and the pointwise 95 % band of its mean: places, middle,
    low, high, each [80].

    A straight line, from 8 points and 4 places on a parabola. None where fewer than 4 points or 3
    places leave no spread to judge by. The band is t times the standard error of a regression's
    mean (any textbook's formula).
    """
    from scipy import stats

    places = len(set(xs.tolist()))
    if len(xs) < FEWEST_FOR_BAND or places < FEWEST_PLACES:
        return None
    degree = 2 if len(xs) >= FEWEST_FOR_CURVE and places >= 4 else 1
    middle, half_range = (xs.max() + xs.min()) / 2, (xs.max() - xs.min()) / 2
    design = np.vander((xs - middle) / half_range, degree + 1)
    coefficients, *_ = np.linalg.lstsq(design, ys, rcond=None)
    freedom = len(xs) - degree - 1
    variance = float(np.sum((ys - design @ coefficients) ** 2)) / freedom
    grid = np.linspace(xs.min(), xs.max(), 80)
    rows = np.vander((grid - middle) / half_range, degree + 1)
    errors = np.sqrt(
        variance * np.einsum("ij,jk,ik->i", rows, np.linalg.inv(design.T @ design), rows)
    )
    reach = stats.t.ppf(0.975, freedom) * errors
    fitted = rows @ coefficients
    return grid, fitted, fitted - reach, fitted + reach


def _draw_band(axes: Any, xs: np.ndarray, ys: np.ndarray) -> None:
    band = fit_band(xs, ys)
    if band is None:
        return
    limits = axes.get_ylim()
    axes.fill_between(band[0], band[2], band[3], color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(band[0], band[1], color=BLUE, linewidth=1.4)
    axes.set_ylim(limits)  # a wide band from few points must not flatten the points


def _draw_means(axes: Any, xs: np.ndarray, ys: np.ndarray, choices: list[str]) -> None:
    """The mean of each choice, with the 95 % interval of Student's t where there are points
    enough."""
    from scipy import stats

    limits = axes.get_ylim()
    for place in range(len(choices)):
        chosen = ys[xs == place]
        if not len(chosen):
            continue
        axes.plot([place - 0.28, place + 0.28], [chosen.mean()] * 2, color=BLUE, linewidth=2.2)
        if len(chosen) >= FEWEST_FOR_BAND:
            reach = stats.t.ppf(0.975, len(chosen) - 1) * chosen.std(ddof=1) / np.sqrt(len(chosen))
            box = [chosen.mean() - reach, chosen.mean() + reach]
            axes.fill_between(
                [place - 0.28, place + 0.28], *box, color=BLUE, alpha=0.15, linewidth=0
            )
    axes.set_xticks(range(len(choices)), [_tick(choice) for choice in choices])
    axes.set_xlim(-0.6, len(choices) - 0.4)
    axes.set_ylim(limits)


def _tick(choice: str) -> str:
    """A choice below its axis: a pair on two lines, for its numbers are never cut."""
    return choice.replace(" to ", " to\n") if " to " in choice else shortened(choice, 12)


def strength_text(view: SearchView) -> str:
    unit, trials = view.unit, _trials(view)
    parts = []
    for name in searched_settings(view):
        full = fullest(r for r in trials if r.effect and name in r.settings)
        points = [(r.effect.delta, r.settings[name]) for r in full if r.effect]
        best = max(points, key=lambda point: point[0])
        parts.append(
            f"{name} best at {value_text(best[1])} ({amount_text(best[0], unit)} {unit.name})"
        )
    opening = (
        f"Effect against strength, a panel a setting, {len(trials)} trials with 95 % intervals."
    )
    return f"{opening} {'; '.join(parts)}."
