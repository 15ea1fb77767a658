"""What a person sees in a terminal at the end of a search, on stderr: the answer, the verdicts, and
where to look next. From the view alone.
"""

import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING

from data.secrets import redacted
from search.experiment.tracking_uri import mlflow_uri
from search.journal.journal_file import FRESH
from search.journal.state import SearchResult
from search.report.answer_text import answer, below_answer
from search.report.contact_sheet import WINNER_SHEET
from search.report.dashboard import read_dashboard
from search.report.sentences import way_on_text
from search.report.table_model import Table
from search.report.tables import guest_sections, verdict_table
from search.report.terminal import is_plain, print_line
from search.report.terminal_width import IN_FIGURES, IN_NAMES, IN_WORDS, NEVER, fitted
from search.report.view import SearchView
from search.report.wording import NAME_WIDTH, shortened

if TYPE_CHECKING:
    from rich.console import Console

VERDICT_STYLES = {
    "HELPS": "bold blue",
    "HURTS": "bold red",
    "NEGLIGIBLE": "dim",
    "NO EVIDENCE": "dim",
    "NOT TRIED": "dim",
}
DOUBTFUL = "*"  # behind a verdict
COLUMN_GAP = 2  # signs between columns
VERDICT_COLUMNS = 5  # of the page's table; the others are on the page


def print_closing(result: SearchResult, console: "Console") -> None:
    """The answer, the verdicts, and where to look next."""
    view = SearchView(result.state)
    print_line(console, "")
    if result.outcome == "already finished":
        print_line(console, "This search was finished before; nothing was trained.")
        print_line(console, f"To run it anew: another --run-dir, or {FRESH}.")
    text = answer(view)
    print_line(console, text)
    for line in below_answer(view):
        print_line(console, line)
    if result.outcome in ("stopped", "failed") and (way := way_on_text(view)) not in text:
        what = "was stopped" if result.outcome == "stopped" else "could not go on"
        print_line(console, f"The search {what} ({result.reason}); {way}.")
    if view.judged:
        print_line(console, "")
        doubtful = {judged.name for judged in view.judged if judged.doubts}
        print_table(verdict_table(view).first(VERDICT_COLUMNS), console, doubtful)
        if doubtful:
            print_line(console, f"{DOUBTFUL} in doubt, as said above")
        print_line(console, "")
    for shown, table in guest_sections(view):
        print_line(console, shown.before)
        print_table(table, console)
        if shown.after is not None:
            print_line(console, shown.after)
        print_line(console, "")
    places = _places(result, view)
    width = max((len(name) for name, _ in places), default=0)
    for name, place in places:
        print_line(console, f"{name:<{width}}  {place}", is_copied=True)


def print_table(table: Table, console: "Console", doubtful: Collection[str] = frozenset()) -> None:
    """Without rules and lines, as wide as the terminal at the most; a verdict in its colour where
    there are colours. doubtful: rows, by their first cell, whose verdict is marked."""
    from rich.table import Table as RichTable
    from rich.text import Text

    verdicts = [column.kind == "verdict" for column in table.columns]
    texts = [
        [
            cell.text + DOUBTFUL * (is_verdict and row[0].text in doubtful)
            for cell, is_verdict in zip(row, verdicts, strict=True)
        ]
        for row in table.rows
    ]
    for named in texts:  # a name, which could be of any length; what is said is kept whole
        named[0] = shortened(named[0], NAME_WIDTH)
    breaks = [NEVER if is_verdict else IN_FIGURES for is_verdict in verdicts]
    breaks[-1], breaks[0] = IN_WORDS, IN_NAMES
    headings, *rows = fitted([["", *table.headings[1:]], *texts], breaks, console.width, COLUMN_GAP)
    drawn = RichTable(box=None, padding=(0, COLUMN_GAP, 0, 0), header_style="")
    for heading in headings:
        drawn.add_column(heading, no_wrap=True)
    styles = {} if is_plain(console) else VERDICT_STYLES
    for row in rows:
        styled = zip(row, verdicts, strict=False)
        cells = ((cell.replace("−", "-"), is_verdict) for cell, is_verdict in styled)
        drawn.add_row(
            *(
                Text(cell, styles.get(cell.rstrip(DOUBTFUL), "") if is_verdict else "")
                for cell, is_verdict in cells
            )
        )
    console.print(drawn)


def _places(result: SearchResult, view: SearchView) -> list[tuple[str, str]]:
    """Where to look next: only what is there."""
    files = {
        "page": "report.html",
        "trials": "trials.csv",
        "pictures": str(WINNER_SHEET),
        "model": "model",
    }
    paths = {name: result.run_dir / file for name, file in files.items()}
    found = [(name, str(path)) for name, path in paths.items() if path.exists()]
    if result.tracking:
        found.append(("MLflow", redacted(result.tracking)))
    uri = (view.opened.experiment.tracking.uri if view.opened else None) or ""
    if uri.startswith("sqlite:"):
        command = f"mlflow ui --backend-store-uri {shlex.quote(redacted(mlflow_uri(uri)))}"
        found.append(("" if result.tracking else "MLflow", command))
    if place := read_dashboard(result.run_dir):
        found.append(("", f"then {place.link}" if uri.startswith("sqlite:") else place.link))
    return found
