"""The table of figures, and their way to bytes: SVG for the page, PNG for trackers. How each is
drawn stands in `figures_effects`, `figures_strengths`, `figures_training` and `figures_trials`, how
all look in `figure_style`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.report.figure_style import NARROW, WIDE, settled, styled, to_png, to_svg
from search.report.figures_effects import classes_text, draw_classes, draw_forest, forest_text
from search.report.figures_strengths import draw_strengths, strengths_text
from search.report.figures_training import (
    confusion_text,
    curves_text,
    draw_confusion,
    draw_curves,
    draw_time,
    time_text,
)
from search.report.figures_trials import (
    draw_floor,
    draw_rungs,
    floor_description,
    rungs_description,
)
from search.report.view import SearchView

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureKind:
    """draw(view, width in inches) gives a Matplotlib figure, or None where there is nothing to
    draw yet.

    describe(view): what the figure shows, in words and numbers, for people who do not see it.
    """

    draw: Callable[[SearchView, float], "Figure | None"]
    describe: Callable[[SearchView], str]


FIGURES: dict[str, FigureKind] = {
    "forest": FigureKind(draw_forest, forest_text),
    "floor": FigureKind(draw_floor, floor_description),
    "strength": FigureKind(draw_strengths, strengths_text),
    "curves": FigureKind(draw_curves, curves_text),
    "classes": FigureKind(draw_classes, classes_text),
    "confusion": FigureKind(draw_confusion, confusion_text),
    "rungs": FigureKind(draw_rungs, rungs_description),
    "time": FigureKind(draw_time, time_text),
}


@dataclass(frozen=True)
class PagePicture:
    """One figure of a page, drawn twice so that its text is readable in a wide and a narrow column.

    png: the wide one at 144 dots an inch, for trackers. text: what it shows, in words.
    """

    name: str
    wide_svg: bytes
    narrow_svg: bytes
    png: bytes
    text: str


def page_pictures(view: SearchView) -> dict[str, PagePicture]:
    """Every figure that has something to show, by name."""
    drawn = {}
    for name, kind in FIGURES.items():
        with styled():
            wide, narrow = kind.draw(view, WIDE), kind.draw(view, NARROW)
        if wide is not None and narrow is not None:
            wide, narrow = settled(wide), settled(narrow)
            drawn[name] = PagePicture(
                name, to_svg(wide), to_svg(narrow), to_png(wide), kind.describe(view)
            )
    return drawn
