"""The figure "How strongly": one panel an augmentation, its effect against its strength as claimed,
with the simultaneous band, alone and beside the recommended setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from search.evidence.claim_table import AugmentationClaims, CurvePoint
from search.experiment.objectives import Unit
from search.report.figure_style import BLUE, GREEN, GREY, INK, PALE, is_narrow, new_figure
from search.report.view import SearchView
from search.report.wording import estimate_text, shortened, strength_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LineStyle = str | tuple[int, tuple[int, int]]  # as Matplotlib has it

FEWEST_FOR_A_LINE = 3  # no line goes through two strengths: they are choices
APART = 0.16  # what intervals of one choice stand apart
LONGEST_TICK = 14


def drawn_claims(view: SearchView) -> list[AugmentationClaims]:
    """Of the augmentations that were tried."""
    claims = view.claims.augmentations if view.claims else ()
    return [each for each in claims if each.curve]


def draw_strengths(view: SearchView, width: float) -> "Figure | None":
    """All panels on one scale of effects."""
    every, unit = drawn_claims(view), view.unit
    if not every:
        return None
    columns = min(len(every), 2 if is_narrow(width) or len(every) == 4 else 3)
    rows = -(-len(every) // columns)
    figure = new_figure(width, 2.0 * rows + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, claims in zip(grid.ravel(), every, strict=False):
        _draw_panel(axes, claims, unit)
        _mark_used(axes, claims, (view.used or {}).get(claims.name))
    for axes in grid.ravel()[len(every) :]:
        axes.set_visible(False)
    low, high = _scale(every)
    grid[0, 0].set_ylim(low * unit.factor, high * unit.factor)
    figure.supylabel(f"effect, {unit.name}", fontsize="medium")
    return figure


def _scale(every: Sequence[AugmentationClaims]) -> tuple[float, float]:
    """What the panels reach from and to: all effects, and the intervals of those that are judged. A
    band where little was seen is wider and must not flatten them."""
    shown = [0.0]
    for claims in every:
        shown += [point.measured.effect for point in (*claims.curve, *claims.curve_beside)]
        shown += claims.alone.ci if claims.alone else ()
    margin = 0.08 * (max(shown) - min(shown)) or 0.01
    return min(shown) - margin, max(shown) + margin


def strengths_text(view: SearchView) -> str:
    """What the figure shows, in words and numbers."""
    unit = view.unit
    parts = [
        f"{claims.name}: "
        + ", ".join(
            f"at {strength_text(claims.name, point.value)} {estimate_text(point.measured, unit)}"
            for point in claims.curve[1:]
        )
        for claims in drawn_claims(view)
    ]
    opening = "Effect against strength with simultaneous 95 % intervals, a panel per augmentation."
    return f"{opening} {'; '.join(parts)}."


def _draw_panel(axes: "Axes", claims: AugmentationClaims, unit: Unit) -> None:
    is_line = is_numeric(claims.curve)
    axes.axhline(0, color=GREY, linewidth=1.0)
    _shade(axes, claims, is_line)
    if is_line:
        _draw_line(axes, claims.curve, unit, BLUE, "-")
        _draw_line(axes, claims.curve_beside, unit, GREEN, (0, (4, 2)))
        axes.locator_params(axis="x", nbins=5)
    else:
        apart = APART if claims.curve_beside else 0.0
        _draw_choices(axes, claims.curve, unit, BLUE, -apart)
        _draw_choices(axes, claims.curve_beside, unit, GREEN, apart)
        values = [strength_text(claims.name, point.value) for point in claims.curve]
        axes.set_xticks(range(len(values)), [_tick(value) for value in values])
        axes.set_xlim(-0.6, len(values) - 0.4)
    _mark_strength(axes, claims, unit, is_line)
    axes.set_title(shortened(claims.name, 20), fontsize="medium")
    axes.grid(axis="y", color=PALE, linewidth=0.6)


def is_numeric(curve: Sequence[CurvePoint]) -> bool:
    """Whether strengths are numbers, and enough of them for a line."""
    values = [point.value for point in curve]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return numbers and len(values) >= FEWEST_FOR_A_LINE


def _shade(axes: "Axes", claims: AugmentationClaims, is_line: bool) -> None:
    """The strengths not shown to be worse than the best."""
    if claims.strengths is None:
        return
    values = [point.value for point in claims.curve]
    first, last = values.index(claims.strengths.first), values.index(claims.strengths.last)
    within = range(min(first, last), max(first, last) + 1)
    if is_line:
        places = [values[index] for index in within]
        reach = (max(values) - min(values)) / 60  # a single strength is seen too
        axes.axvspan(
            min(places) - reach, max(places) + reach, color=PALE, alpha=0.5, linewidth=0, zorder=0
        )
    else:
        axes.axvspan(
            min(within) - 0.4, max(within) + 0.4, color=PALE, alpha=0.5, linewidth=0, zorder=0
        )


def _draw_line(
    axes: "Axes", curve: Sequence[CurvePoint], unit: Unit, color: str, line: LineStyle
) -> None:
    points = sorted(curve, key=lambda point: point.value)
    if not points:
        return
    xs = [point.value for point in points]
    low, high = ([p.measured.ci[end] * unit.factor for p in points] for end in (0, 1))
    axes.fill_between(xs, low, high, color=color, alpha=0.16, linewidth=0)
    effects = [point.measured.effect * unit.factor for point in points]
    axes.plot(xs, effects, color=color, linewidth=1.5, linestyle=line)


def _draw_choices(
    axes: "Axes", curve: Sequence[CurvePoint], unit: Unit, color: str, shift: float
) -> None:
    for place, point in enumerate(curve):
        ends = [end * unit.factor for end in point.measured.ci]
        axes.plot([place + shift] * 2, ends, color=color, linewidth=1.5)
        effect = point.measured.effect * unit.factor
        face = color if shift <= 0 else "white"
        axes.plot(place + shift, effect, "o", color=color, markerfacecolor=face, markersize=5)


def _mark_strength(axes: "Axes", claims: AugmentationClaims, unit: Unit, is_line: bool) -> None:
    """Where the augmentation is judged."""
    if claims.alone is None:
        return
    apart = APART if claims.curve_beside else 0.0
    values = [point.value for point in claims.curve]
    place = claims.strength if is_line else values.index(claims.strength) - apart
    axes.plot(place, claims.alone.effect * unit.factor, "D", color=INK, markersize=5.5, zorder=4)


def _mark_used(axes: "Axes", claims: AugmentationClaims, used: Any) -> None:
    """Where the recommended setting has it."""
    values = [value_text(point.value) for point in claims.curve]
    if used is None:
        return
    if is_numeric(claims.curve) and isinstance(used, int | float):
        axes.axvline(used, color=INK, linewidth=1.2, linestyle=":")
    elif value_text(used) in values:
        axes.axvline(values.index(value_text(used)), color=INK, linewidth=1.2, linestyle=":")


def _tick(value: str) -> str:
    """A choice below its axis: a pair on two lines, for its numbers are never cut."""
    return value.replace(" to ", " to\n") if " to " in value else shortened(value, LONGEST_TICK)
