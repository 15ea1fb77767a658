"""A csv file as its cells: one way of reading, and what is said of a file that is no csv in UTF-8.

What the columns mean is `tables`.
"""

import csv
import io
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.listing import KINDS, reason_of
from data.messages import shown

ZERO_OR_ONE = frozenset({"0", "1", "0.0", "1.0", "true", "false"})
AS_UTF8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"


@dataclass(frozen=True)
class Csv:
    """A csv's cells as they stand: the names in its first line, and each later line with its
    number."""

    header: tuple[str, ...]
    lines: tuple[tuple[int, tuple[str, ...]], ...]

    def one_hot(self) -> list[str]:
        """The columns that hold only 0 and 1, where in every row exactly one of them is 1."""
        places = [
            place
            for place in range(len(self.header))
            if self.lines
            and all(cell_of(cells, place).lower() in ZERO_OR_ONE for _, cells in self.lines)
        ]
        ones = (
            sum(cell_of(cells, place).lower() in ("1", "1.0", "true") for place in places)
            for _, cells in self.lines
        )
        return (
            [self.header[place] for place in places] if len(places) > 1 and set(ones) == {1} else []
        )


def read_csv(path: Path) -> Csv:
    """Every cell. Raises UserError for what cannot be read, is not UTF-8 or leaves a quote open."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = tuple(name.strip() for name in next(reader, []))
        lines = tuple((reader.line_num, tuple(cells)) for cells in reader if cells)
    except csv.Error as error:
        what = f"dataset.path: {shown(str(path))} is not a csv in UTF-8: {reason_of(error)}"
        raise UserError(
            f"{what} (up to line {reader.line_num}); close every quote, and {AS_UTF8}"
        ) from error
    return Csv(header, lines)


def _text(path: Path) -> str:
    where = f"dataset.path: {shown(str(path))}"
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UserError(f"{where} is {KINDS.get(stat.S_IFMT(mode), 'not a file')}; give a .csv")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where} cannot be read: {reason_of(error)}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{where} is not a csv in UTF-8: it is UTF-16; {AS_UTF8}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{where} is not a csv in UTF-8: line {line} has the byte 0x{data[error.start]:02X}, "
            "as in Windows' or another "
            f"code; {AS_UTF8}"
        ) from error


def cell_of(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""
