"""What a table is, and how it is written as Markdown and as csv. The page's HTML is the template's
business, the terminal's table `terminal`'s; which tables there are stands in `tables`.
"""

import csv
import html
import io
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from search.report.glossary import meaning_of

_Item = TypeVar("_Item")
# What begins a formula (in full width too), at the start of a cell or of what becomes one where the
# separator is another sign, or a quote has been passed over.
_FORMULA = re.compile(r"(^|[,;|\t\n\"'])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[+-]?([0-9.]+(e[+-]?[0-9]+)?)?")
MARKDOWN = {"verdict": "**{}**", "strong": "**{}**", "code": "`{}`"}


@dataclass(frozen=True)
class Cell:
    """key: what the column is sorted by where the text alone does not tell."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class Column(Generic[_Item]):
    """One column: its heading, and what it says of an item. kind: how it is set (number, verdict,
    strong, code, setting, long); numbers stand to the right."""

    header: str
    value: Callable[[_Item], Cell | str]
    unit: str = ""
    kind: str = ""

    @property
    def heading(self) -> str:
        return f"{self.header}, {self.unit}" if self.unit else self.header

    def cell(self, item: _Item) -> Cell:
        value = self.value(item)
        return value if isinstance(value, Cell) else Cell(value)


@dataclass(frozen=True)
class Heading:
    """about: what the glossary says of it."""

    text: str
    kind: str
    about: str = ""


@dataclass(frozen=True)
class Table:
    """name: for those who hear it. left_out: rows that were too many."""

    name: str
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0

    @classmethod
    def of(
        cls, name: str, columns: Sequence[Column[_Item]], items: Iterable[_Item], left_out: int = 0
    ) -> "Table":
        headings = tuple(
            Heading(column.heading, column.kind, meaning_of(column.header)) for column in columns
        )
        rows = tuple(tuple(column.cell(item) for column in columns) for item in items)
        return cls(name, headings, rows, left_out)

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(column.text for column in self.columns)

    def less(self, empty: Collection[str] = ("",)) -> "Table":
        """The table, if it has rows, without the columns of which every cell is empty."""
        places = range(len(self.columns))
        kept = (n for n in places if not all(row[n].text in empty for row in self.rows))
        return self._with(kept) if self.rows else self

    def first(self, count: int) -> "Table":
        """The table with its first columns alone."""
        return self._with(range(min(count, len(self.columns))))

    def _with(self, places: Iterable[int]) -> "Table":
        kept = tuple(places)
        rows = tuple(tuple(row[n] for n in kept) for row in self.rows)
        return replace(self, columns=tuple(self.columns[n] for n in kept), rows=rows)


def as_markdown(table: Table) -> str:
    kinds = [column.kind for column in table.columns]
    rows = (
        [_marked(cell.text, kind) for cell, kind in zip(row, kinds, strict=True)]
        for row in table.rows
    )
    lines = [table.headings, ["---"] * len(kinds), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _marked(text: str, kind: str) -> str:
    if kind == "number":
        return text
    is_marked = kind in MARKDOWN and text and not (kind == "code" and " " in text)
    return MARKDOWN[kind].format(text) if is_marked else escaped_markdown(text)


def escaped_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no tags, no emphasis, no table borders, one line."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~]|(?<=\W)_|_(?=\W))", r"\\\1", plain)


def as_csv(table: Table) -> str:
    """No cell of it is a formula to a spreadsheet, whoever named things."""
    to = io.StringIO()
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(map(inert, table.headings))
    writer.writerows([inert(cell.text) for cell in row] for row in table.rows)
    return to.getvalue()


def inert(text: str) -> str:
    """As OWASP's "CSV Injection" has it: a quote before whatever could begin a formula; a number
    stays."""
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)
