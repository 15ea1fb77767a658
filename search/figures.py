"""The table of figures, and their way to bytes: SVG for the page, PNG for trackers. How each is drawn stands
in `figures_effects`, `figures_strength` and `figures_training`, how all look in `figure_style`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search.figure_style import NARROW, WIDE, styled, to_png, to_svg
from search.figures_effects import (
    classes_text,
    draw_classes,
    draw_floor,
    draw_forest,
    draw_rungs,
    floor_text,
    forest_text,
    rungs_text,
)
from search.figures_strength import draw_strength, strength_text
from search.figures_training import (
    confusion_text,
    curves_text,
    draw_confusion,
    draw_curves,
    draw_time,
    time_text,
)
from search.state import SearchState


@dataclass(frozen=True)
class FigureKind:
    """draw(state, width in inches) gives a Matplotlib figure, or None where there is nothing to draw yet.

    describe(state): what the figure shows, in words and numbers, for people who do not see it.
    """

    draw: Callable[[SearchState, float], Any | None]
    describe: Callable[[SearchState], str]


FIGURES: dict[str, FigureKind] = {
    "forest": FigureKind(draw_forest, forest_text),
    "floor": FigureKind(draw_floor, floor_text),
    "strength": FigureKind(draw_strength, strength_text),
    "curves": FigureKind(draw_curves, curves_text),
    "classes": FigureKind(draw_classes, classes_text),
    "confusion": FigureKind(draw_confusion, confusion_text),
    "rungs": FigureKind(draw_rungs, rungs_text),
    "time": FigureKind(draw_time, time_text),
}


@dataclass(frozen=True)
class Picture:
    """One figure for a page: drawn twice, for a wide and a narrow column, so that its text is readable in
    both.
    """

    name: str
    wide_svg: bytes
    narrow_svg: bytes
    text: str


def page_pictures(state: SearchState) -> dict[str, Picture]:
    """Every figure that has something to show, by name."""
    drawn = {}
    for name, kind in FIGURES.items():
        wide, narrow = _svg(kind, state, WIDE), _svg(kind, state, NARROW)
        if wide is not None and narrow is not None:
            drawn[name] = Picture(name, wide, narrow, kind.describe(state))
    return drawn


def figure_png(name: str, state: SearchState, width: float = WIDE) -> bytes | None:
    """A figure of the table as PNG at 144 dots an inch; None where there is nothing to draw yet."""
    with styled():
        figure = FIGURES[name].draw(state, width)
    return None if figure is None else to_png(figure)


def _svg(kind: FigureKind, state: SearchState, width: float) -> bytes | None:
    with styled():
        figure = kind.draw(state, width)
    return None if figure is None else to_svg(figure)
