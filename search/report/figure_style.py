"""How every figure looks: colours that colour-blind people tell apart (Okabe and Ito 2008), sizes
at which text is readable where the figure is shown, rows of intervals, and the way from a
Matplotlib figure to SVG or PNG. Knows nothing of searches.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREY, INK, PALE = "#0072B2", "#C44E00", "#5F6B76", "#1F2933", "#D9DEE3"
ORANGE, GREEN, PURPLE = "#E69F00", "#00805C", "#A3527D"
# inches; at 96 to the inch a column on a desk (792 pixels), a telephone's (346)
WIDE, NARROW = (8.25, 3.6)
DOTS_PER_INCH = 144  # of a PNG
BODY = 9.5  # points, 12.7 pixels at the size shown

STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": BODY,
    "axes.titlesize": BODY + 0.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": BODY,
    "xtick.labelsize": BODY - 0.5,
    "ytick.labelsize": BODY - 0.5,
    "legend.fontsize": BODY - 0.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5"
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    # text stays text: sharp, and a sign our font lacks is taken from another
    "svg.fonttype": "none",
    "svg.hashsalt": "augsearch",  # the same figure gives the same bytes
}


@dataclass(frozen=True)
class Row:
    """One line of an interval plot. `bold` rows are drawn larger; `hollow` ones are measured with
    less and count less.
    """

    label: str
    value: float
    low: float
    high: float
    color: str
    marker: str = "o"
    hollow: bool = False
    bold: bool = False


@contextmanager
def styled() -> Iterator[None]:
    """The house style, for drawing and for saving alike, and Matplotlib's own again afterwards.

    A sign our font lacks is no reason to warn: a browser takes another font for it.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> "Figure":
    """A figure of so many inches on Agg, outside pyplot and its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settled(figure: "Figure") -> "Figure":
    """The figure with its layout worked out and fixed, so that saving it twice does not work it out
    four times.
    """
    with styled():
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
    figure.set_layout_engine(None)
    return figure


def to_svg(figure: "Figure") -> bytes:
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def to_png(figure: "Figure") -> bytes:
    return _saved(figure, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def _saved(figure: "Figure", **options: Any) -> bytes:
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, facecolor="white", **options)
    return buffer.getvalue()


def thinned(items: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= limit:
        return list(items)
    return [items[round(place * (len(items) - 1) / (limit - 1))] for place in range(limit)]


def draw_rows(axes: "Axes", rows: Sequence[Row], *, labels: bool = True) -> None:
    """Values with their intervals, the first row on top, and a line at zero."""
    axes.axvline(0, color=GREY, linewidth=1.0, zorder=1)
    for place, row in enumerate(rows):
        size = 8 if row.bold else 6 if len(rows) <= 40 else 3.5 if len(rows) <= 60 else 2
        line = 2.2 if row.bold else 1.5 if len(rows) <= 60 else 0.7
        axes.plot([row.low, row.high], [place, place], color=row.color, linewidth=line, zorder=2)
        face = "white" if row.hollow else row.color
        axes.plot(
            row.value,
            place,
            row.marker,
            color=row.color,
            markerfacecolor=face,
            markersize=size,
            zorder=3,
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(
        range(len(rows)) if labels else [], [row.label for row in rows] if labels else []
    )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def is_narrow(width: float) -> bool:
    return width < (WIDE + NARROW) / 2
