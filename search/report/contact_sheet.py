"""Contact sheets: a grid of pictures with headings, drawn with Pillow. Knows neither augmentations
nor data sets; which pictures stand beside each other is `preview`'s choice.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BadImage
from search.experiment.trial import TrialRecord
from search.report.wording import shortened

GAP, MARGIN, NAME_WIDTH, TEXT_SIZE, LINE = 6, 12, 104, 13, 17
INK, SOFT = (31, 41, 51), (82, 96, 109)
MOST_HEADING_LINES = 5
MOST_SHEET_FILE_BYTES, MOST_SHEET_PIXELS = 1 << 24, 20_000_000  # of one from elsewhere
MARKED_AS = "Software"  # a keyword that the PNG specification registers
WINNER_SHEET = Path("previews") / "winner.png"  # in a run directory; the report shows it


def check_sheet(content: bytes) -> None:
    """Raises BadImage for what is not a whole PNG of a sheet's size: Pillow opens other formats
    too, one of them with another program."""
    from data.decode import decode_image, quiet_pillow

    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise BadImage("not a PNG")
    from PIL import Image

    with quiet_pillow():
        decode_image(content, size=8, max_pixels=MOST_SHEET_PIXELS)
        try:
            with Image.open(io.BytesIO(content)) as sheet:  # with its notes, as readers open it
                sheet.load()
        except (OSError, ValueError, SyntaxError) as error:
            raise BadImage(f"not a contact sheet: {error}") from error


def says_it_is_of(mark: str, start: bytes) -> bool:
    """Whether a file that begins with `start` is a PNG whose first note names that program."""
    return start.startswith(b"\x89PNG\r\n\x1a\n") and f"{MARKED_AS}\0{mark}".encode() in start


def trial_sheet_name(record: TrialRecord) -> Path:
    """Of the contact sheet of one trial, in a run directory; trackers show it with the trial."""
    return WINNER_SHEET.parent / f"{record.trial}.png"


@dataclass(frozen=True)
class SheetColumn:
    """One column: a heading in bold, a label in the unit of the experiment file, uint8 pictures
    [rows, s, s, 3].
    """

    heading: str
    label: str
    pictures: np.ndarray


def draw_sheet(
    bands: Sequence[Sequence[SheetColumn]],
    row_names: Sequence[str],
    footers: Sequence[str] = (),
    tile: int = 128,
    mark: str | None = None,
) -> bytes:
    """A PNG of bands below each other, each a grid of `row_names` by its columns; `footers` are
    lines at the bottom.

    tile: pixels a side at which each picture is shown, whatever its own size. mark: the program
    that the PNG says it is of, before its pixels (`says_it_is_of`).
    """
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    widest = max(len(band) for band in bands)
    width = 2 * MARGIN + NAME_WIDTH + widest * (tile + GAP)
    feet = [
        line
        for text in footers
        for line in _wrapped(shortened(text, 1000), width - 2 * MARGIN, bold=False)
    ]
    heights = [_heading_height(band, tile) + len(row_names) * (tile + GAP) + LINE for band in bands]
    sheet = Image.new("RGB", (width, 2 * MARGIN + sum(heights) + LINE * len(feet)), "white")
    pen = ImageDraw.Draw(sheet)
    top = MARGIN
    for band, height in zip(bands, heights, strict=True):
        _draw_band(sheet, pen, band, row_names, top, tile)
        top += height
    for line in feet:
        pen.text((MARGIN, top), line, fill=SOFT, font=_font(bold=False))
        top += LINE
    buffer = io.BytesIO()
    notes = PngInfo()
    if mark is not None:
        notes.add_text(MARKED_AS, mark)
    sheet.save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def _draw_band(
    sheet: Any, pen: Any, band: Sequence[SheetColumn], names: Sequence[str], top: int, tile: int
) -> None:
    below = top + _heading_height(band, tile)
    for row, name in enumerate(names):
        for number, line in enumerate(
            _wrapped(shortened(name, 40), NAME_WIDTH - GAP, bold=False)[:4]
        ):
            down = below + row * (tile + GAP) + tile // 2 - LINE + number * LINE
            pen.text((MARGIN, down), line, fill=INK, font=_font(bold=False))
    for number, column in enumerate(band):
        left = MARGIN + NAME_WIDTH + number * (tile + GAP)
        lines = _heading_lines(column, tile)
        for place, (line, bold) in enumerate(lines):
            above = below - GAP - (len(lines) - place) * LINE
            pen.text((left, above), line, fill=INK if bold else SOFT, font=_font(bold))
        for row, picture in enumerate(column.pictures):
            sheet.paste(_scaled(picture, tile), (left, below + row * (tile + GAP)))


def _scaled(picture: np.ndarray, tile: int) -> Any:
    """Small pictures are enlarged in whole pixels, so that what is seen is what the model sees."""
    from PIL import Image

    small = picture.shape[0] < tile
    return Image.fromarray(picture).resize(
        (tile, tile), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    )


def _heading_height(band: Sequence[SheetColumn], tile: int) -> int:
    return max(len(_heading_lines(column, tile)) for column in band) * LINE + 2 * GAP


def _heading_lines(column: SheetColumn, tile: int) -> list[tuple[str, bool]]:
    heading = [(line, True) for line in _wrapped(shortened(column.heading, 60), tile, bold=True)]
    label = [(line, False) for line in _wrapped(shortened(column.label, 90), tile, bold=False)]
    return (heading + label)[:MOST_HEADING_LINES]


def _wrapped(text: str, width: int, *, bold: bool) -> list[str]:
    """The text in lines of at most `width` pixels, broken at spaces and underscores, within a word
    only if it must.
    """
    font, lines, line = _font(bold), [], ""
    for piece in text.replace(" ", " \n").replace("_", "_\n").split("\n"):
        if line and font.getlength((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
        while font.getlength(line.rstrip()) > width and len(line) > 1:
            fits = max(1, int(len(line) * width / font.getlength(line)))
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line.rstrip()] if line.strip() else lines


@lru_cache(maxsize=2)
def _font(bold: bool) -> Any:
    """Matplotlib's own DejaVu Sans: the same letters on every machine."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), TEXT_SIZE)
