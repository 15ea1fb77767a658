"""How tables and lines find room in a terminal, whatever things are called. A table's cells are
broken into lines where they may be, and its last columns left out where that is not enough; other
lines are broken between words."""

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from itertools import product

LONGEST = 18  # signs of a name that are kept together
FEWEST_COLUMNS = 3
LEAST_COLUMN, BELOW = 30, 6  # signs of a line's second column; where it begins without room
# Where a cell may be broken: names behind their signs too, figures only before their interval,
# words anywhere but in "0 to 40".
IN_NAMES = re.compile(r"(?<=\s)|(?<=[_/:])(?=\w)")
IN_FIGURES = re.compile(r"(?<=\s)(?=\()")
IN_WORDS = re.compile(r"(?<=\s)(?<!\bto\s)(?!to\b)")
NEVER = re.compile(r"(?!)")

Layout = list[list[str]]  # the lines of each cell of a column


def fitted(
    rows: Sequence[Sequence[str]], breaks: Sequence[re.Pattern[str]], room: int, gap: int
) -> list[list[str]]:
    """The cells, with line breaks in them, of the columns that find room, in the fewest lines; the
    headings are broken rather than what stands below them.

    rows: the headings first. breaks: where the cells of each column may be broken. room: signs.
    gap: signs behind each column.
    """
    columns = [
        _layouts([_pieces(heading, IN_WORDS), *(_pieces(text, where) for text in texts)])
        for (heading, *texts), where in zip(zip(*rows, strict=True), breaks, strict=True)
    ]
    for count in range(len(columns), 0, -1):
        fits = [
            layouts
            for layouts in product(*columns[:count])
            if sum(map(_width, layouts)) + gap * count <= room
        ]
        if fits or count <= FEWEST_COLUMNS:
            narrowest = tuple(layouts[-1] for layouts in columns[:count])
            chosen = min(fits, key=_height, default=narrowest)
            return [["\n".join(cell) for cell in row] for row in zip(*chosen, strict=True)]
    return []


def _layouts(cells: Sequence[Sequence[str]]) -> list[Layout]:
    """From the widest to the narrowest; of those with as many lines in each cell, the narrowest.
    cells: each in its pieces."""
    least = max(_length(piece) for pieces in cells for piece in pieces)
    found: dict[tuple[int, ...], Layout] = {}
    for width in range(max(_length("".join(pieces)) for pieces in cells), least - 1, -1):
        layout = [_lines(pieces, width) for pieces in cells]
        found[tuple(map(len, layout))] = layout
    return list(found.values())


def _pieces(text: str, where: re.Pattern[str]) -> list[str]:
    from rich.cells import chop_cells

    pieces = where.split(text)
    if where is not IN_NAMES:
        return pieces
    return [part for piece in pieces for part in chop_cells(piece, LONGEST) or [""]]


def _lines(pieces: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and _length(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _length(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text.rstrip())


def _width(layout: Layout) -> int:
    return max(_length(line) for cell in layout for line in cell)


def _height(layouts: Sequence[Layout]) -> tuple[int, int]:
    """Of all, then of the rows below the headings."""
    headings, *rows = (max(map(len, row)) for row in zip(*layouts, strict=True))
    return headings + sum(rows), sum(rows)


def between_words(text: str) -> str:
    """A text for standard output: where that is a terminal, lines are broken between words, and
    what stands in a second column goes on there, or below where there is no room."""
    if not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    first, rest = _columns(line)
    wrap = partial(textwrap.fill, width=width, break_long_words=False, break_on_hyphens=False)
    if width - len(first) >= LEAST_COLUMN:
        return wrap(rest, initial_indent=first, subsequent_indent=" " * len(first))
    below = " " * BELOW
    return f"{first.rstrip()}\n{wrap(rest, initial_indent=below, subsequent_indent=below)}"


def _columns(line: str) -> tuple[str, str]:
    found = re.match(r"\s*\S.*?\s{2,}(?=\S)", line) or re.match(r"\s*", line)
    at = found.end() if found else 0
    return line[:at], line[at:]
