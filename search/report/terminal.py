"""What a person sees in a terminal while a search runs, and at its end. All of it goes to stderr:
bars where there is a terminal, plain lines where there is none or NO_COLOR is set. Reads records
and the view, and decides nothing.
"""

import os
import shlex
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from search.experiment.objectives import OBJECTIVES
from search.experiment.tracking_uri import mlflow_uri, redacted
from search.experiment.trial import TrialRecord
from search.journal.journal_file import FRESH
from search.report.answer import answer, beside_answer
from search.report.contact_sheet import WINNER_SHEET
from search.report.measures import trained_seconds
from search.report.table_model import Table
from search.report.tables import leak_table, verdict_table
from search.report.time_left import TimeLeft
from search.report.view import SearchView
from search.report.wording import (
    NAME_WIDTH,
    effect_text,
    name_text,
    printable,
    seconds_text,
    shortened,
)
from search.training.lost import lost_text
from search.training.progress import EpochReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    from search.driver.session import SearchResult

VERDICT_STYLES = {
    "HELPS": "bold blue",
    "HURTS": "bold red",
    "NEGLIGIBLE": "dim",
    "NO EVIDENCE": "dim",
    "NOT TRIED": "dim",
}
VERDICT_COLUMNS = 5  # of the page's table; the others are on the page
QUIET_SECONDS = 300.0  # of a log, at the most, while a trial goes through its epochs


def stderr_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def is_plain(console: "Console") -> bool:
    """Whether to write plain lines: no terminal, or NO_COLOR set to anything but an empty string
    (no-color.org).
    """
    return not console.is_terminal or bool(os.environ.get("NO_COLOR"))


class Progress:
    """Bars over the trials of a phase and within a trial, the time left, and a line for every trial
    that ended."""

    def __init__(
        self, console: "Console | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or stderr_console()
        self._clock = clock
        self._bars = None if is_plain(self._console) else _LiveBars(self._console)
        self._work: Callable[[TrialRecord], float] = lambda record: 1.0
        self._left = TimeLeft({}, clock)
        self._phase, self._total, self._told = "", 0, 0
        self._running: dict[int, TrialRecord] = {}
        self._spoke = clock()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def expect(
        self, plan: Mapping[str, float], work: Callable[[TrialRecord], float], workers: int = 1
    ) -> None:
        """What is to come, so that the time left is that of the whole search; without it, that of
        the present phase. As `time_left.ExpectedWork` has it.
        """
        self._work = work
        self._left = TimeLeft(plan, self._clock, workers)

    def phase(self, name: str, total_trials: int | None) -> None:
        """A phase begins. `total_trials` is None where all of its trials are started before the
        first is told."""
        self._phase, self._total, self._told = name, total_trials or 0, 0
        self._running.clear()
        self._left.enter(name, total_trials)
        if self._bars is None:
            self.message(f"{name}: {total_trials} trials" if total_trials else name)
        else:
            self._bars.begin(name, self._total)

    def trial_started(self, record: TrialRecord) -> None:
        """A trial was handed over. One that has its answer (an earlier sitting's, another trial's)
        costs nothing more."""
        if record.result is not None or record.duplicate_of is not None:
            self._left.skip(self._work(record), trained_seconds(record))
            return
        self._left.begin(self._work(record))
        self._running[record.trial] = record
        self._show_running()

    def trial_progress(self, fraction: float, text: str) -> None:
        """Within the trial that is due next: `fraction` of it is done (0 to 1), and what it is
        doing."""
        due = next(iter(self._running.values()), None)
        self._left.within(fraction * self._work(due) if due else 0.0)
        if self._bars is not None:
            self._bars.within(fraction, text, self._time_left())

    def trial_epoch(self, record: TrialRecord, report: EpochReport) -> None:
        """A running trial has finished an epoch; the bar shows the trial that is due next. A log
        hears of a long one now and then."""
        if record.trial != next(iter(self._running), None):
            return
        text = f"epoch {report.epoch}/{report.max_epochs}"
        self.trial_progress(report.epoch / report.max_epochs, text)
        if self._bars is None and self._clock() - self._spoke >= QUIET_SECONDS:
            self.message(f"{self._phase}  {name_text(record)}: {text}{self._suffix()}")

    def trial_told(self, record: TrialRecord) -> None:
        self._told += 1
        trained = self._running.pop(record.trial, None)
        if trained is not None:
            timing = record.result.timing if record.result else None
            self._left.finish(self._work(record), timing.total_seconds if timing else None)
        if trained is not None or record.duplicate_of is not None:
            count = f"{self._told}/{self._total}" if self._total else str(self._told)
            self.message(f"{self._phase} {count}  {_outcome(record)}{self._suffix()}")
        if self._bars is not None:
            self._bars.told(self._told, self._time_left())
            self._show_running()

    def message(self, text: str) -> None:
        self._spoke = self._clock()
        print_line(self._console, text)

    def close(self) -> None:
        """Takes the bars away; lines stay. May be called twice."""
        if self._bars is not None:
            self._bars.end()

    def _show_running(self) -> None:
        if self._bars is not None and self._running:
            due = next(iter(self._running.values()))
            more = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
            self._bars.trial(name_text(due) + more)

    def _time_left(self) -> str:
        seconds = self._left.seconds()
        return f"{seconds_text(seconds)} left" if seconds else ""

    def _suffix(self) -> str:
        left = self._time_left() if self._bars is None else ""
        return f"  ({left})" if left else ""


class _LiveBars:
    """Rich's live display: one bar over the phase's trials, one within the present trial."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        texts = [
            TextColumn(f"{{task.{field}}}", markup=False)
            for field in ("description", "fields[done]", "fields[left]")
        ]
        columns = (texts[0], BarColumn(bar_width=24), *texts[1:])
        self._live: RichProgress = Progress(*columns, console=console, transient=True)
        self._phase = self._live.add_task("", total=1, visible=False, done="", left="")
        self._trial = self._live.add_task("", total=1.0, visible=False, done="", left="")
        self._total = ""

    def begin(self, name: str, total: int) -> None:
        self._live.start()
        self._total = f"/{total}" if total else ""
        done = f"0{self._total}" if total else ""
        self._live.reset(
            self._phase, description=name, total=total or None, visible=True, done=done, left=""
        )
        self._live.update(self._trial, visible=False)

    def trial(self, name: str) -> None:
        self._live.reset(
            self._trial, description=f"  {name}", total=None, visible=True, done="", left=""
        )

    def within(self, fraction: float, text: str, left: str) -> None:
        done = f"{100 * fraction:.0f} %"
        self._live.update(
            self._trial, visible=True, total=1.0, completed=fraction, done=done, left=text
        )
        self._live.update(self._phase, left=left)

    def told(self, told: int, left: str) -> None:
        self._live.update(self._phase, completed=told, done=f"{told}{self._total}", left=left)
        self._live.update(self._trial, visible=False)

    def end(self) -> None:
        self._live.stop()


def _outcome(record: TrialRecord) -> str:
    result, name = record.result, name_text(record)
    if result is None:
        return f"{name}: no result"
    if result.status == "failed":
        return f"{name}: failed: {result.error}"
    seconds = trained_seconds(record)
    took = "" if seconds is None else f", {seconds_text(seconds)}"
    if result.lost:
        took += f"; of {result.num_heads} networks {lost_text(result.lost)}"
    unit = OBJECTIVES[record.spec.protocol.objective].unit
    return f"{name}: {effect_text(record.effect, unit) if record.effect else 'trained'}{took}"


def print_line(console: "Console", text: str) -> None:
    """One line, as it is: no markup, no wrapping, and only signs that every terminal has."""
    plain = printable(text).replace("−", "-").replace("…", "...")
    console.print(plain, markup=False, highlight=False, soft_wrap=True)


def print_closing(result: "SearchResult", console: "Console | None" = None) -> None:
    """The answer, the verdicts, and where to look next."""
    console = console or stderr_console()
    view = SearchView(result.state)
    print_line(console, "")
    if result.outcome == "already finished":
        print_line(console, "This search was finished before; nothing was trained.")
        print_line(console, f"To run it anew: another --run-dir, or {FRESH}.")
    text = answer(view)
    print_line(console, text)
    for line in beside_answer(view):
        print_line(console, line)
    if result.outcome in ("stopped", "failed") and "run it again" not in text:
        what = "was stopped" if result.outcome == "stopped" else "could not go on"
        print_line(console, f"The search {what} ({result.reason}); run it again to go on.")
    if view.judged:
        print_line(console, "")
        _print_table(verdict_table(view).first(VERDICT_COLUMNS), console)
        print_line(console, "")
    _print_leak(view, console)
    places = _places(result, view)
    width = max((len(name) for name, _ in places), default=0)
    for name, place in places:
        print_line(console, f"{name:<{width}}  {place}")


def _print_leak(view: SearchView, console: "Console") -> None:
    if view.leak is None:
        return
    print_line(
        console, "The same settings scored on clean images, and by mistake on augmented ones:"
    )
    _print_table(leak_table(view), console)
    if view.leak.rho is not None:
        print_line(console, f"Rank correlation of the two columns: {view.leak.rho:.2f}")
    print_line(console, "")


def _print_table(table: Table, console: "Console") -> None:
    """Without rules and lines; a verdict in its colour where there are colours."""
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable("", *table.headings[1:], box=None, padding=(0, 2, 0, 0), header_style="")
    styles = {} if is_plain(console) else VERDICT_STYLES
    for row in table.rows:
        cells = []
        for cell, column in zip(row, table.columns, strict=True):
            style = styles.get(cell.text, "") if column.kind == "verdict" else ""
            cells.append(Text(shortened(cell.text, NAME_WIDTH).replace("−", "-"), style=style))
        drawn.add_row(*cells)
    console.print(drawn)


def _places(result: "SearchResult", view: SearchView) -> list[tuple[str, str]]:
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
    uri = view.section("tracking").get("uri")
    if uri and uri.startswith("sqlite:"):
        command = f"mlflow ui --backend-store-uri {shlex.quote(redacted(mlflow_uri(uri)))}"
        found.append(("" if result.tracking else "MLflow", command))
    return found
