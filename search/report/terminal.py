"""What a person sees in a terminal while a search runs, and at its end. All of it goes to stderr:
bars where there is a terminal, plain lines where there is none or NO_COLOR is set. Reads records
and states, and decides nothing.
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
from search.journal.state import SearchState
from search.report.contact_sheet import WINNER_SHEET
from search.report.live_bars import live_bars
from search.report.tables import verdict_rows
from search.report.time_left import TimeLeft
from search.report.wording import (
    answer,
    effect_text,
    percent_text,
    printable,
    seconds_text,
    short_settings_of,
    shown,
    unit_of,
)
from search.training.progress import EpochReport

if TYPE_CHECKING:
    from rich.console import Console

    from search.driver.session import SearchResult

VERDICT_STYLES = {"HELPS": "bold blue", "HURTS": "bold red", "NO EVIDENCE": "dim"}
LABEL_WIDTH = 52
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
        self._bars = None if is_plain(self._console) else live_bars(self._console)
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
        the present phase.

        plan: the work of each phase, in order. work: what one trial counts, in the plan's unit (see
        `workload`). workers: trials at a time.
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
            self._say(f"{name}: {total_trials} trials" if total_trials else name)
        else:
            self._bars.begin(name, self._total)

    def trial_started(self, record: TrialRecord) -> None:
        """A trial was handed over. One that has its answer (an earlier sitting's, another trial's)
        costs nothing."""
        if record.result is not None or record.duplicate_of is not None:
            self._left.skip(self._work(record))
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
            self._say(f"{self._phase}  {_label(record)}: {text}{self._suffix()}")

    def trial_told(self, record: TrialRecord) -> None:
        self._told += 1
        trained = self._running.pop(record.trial, None)
        if trained is not None:
            timing = record.result.timing if record.result else None
            self._left.finish(self._work(record), timing.total_seconds if timing else None)
        if trained is not None or record.duplicate_of is not None:
            count = f"{self._told}/{self._total}" if self._total else str(self._told)
            self._say(f"{self._phase} {count}  {_outcome(record)}{self._suffix()}")
        if self._bars is not None:
            self._bars.told(self._told, self._time_left())
            self._show_running()

    def _show_running(self) -> None:
        if self._bars is not None and self._running:
            due = next(iter(self._running.values()))
            more = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
            self._bars.trial(_label(due) + more)

    def message(self, text: str) -> None:
        self._say(text)

    def close(self) -> None:
        """Takes the bars away; lines stay. May be called twice."""
        if self._bars is not None:
            self._bars.end()

    def _time_left(self) -> str:
        seconds = self._left.seconds()
        return f"{seconds_text(seconds)} left" if seconds else ""

    def _suffix(self) -> str:
        left = self._time_left() if self._bars is None else ""
        return f"  ({left})" if left else ""

    def _say(self, text: str) -> None:
        self._spoke = self._clock()
        say(self._console, text)


def say(console: "Console", text: str) -> None:
    """One line, as it is: no markup, no wrapping, and only signs that every terminal has."""
    plain = printable(text).replace("−", "-").replace("…", "...")
    console.print(plain, markup=False, highlight=False, soft_wrap=True)


def print_closing(result: "SearchResult", console: "Console | None" = None) -> None:
    """The answer, a row a verdict, and where to look next."""
    console = console or stderr_console()
    say(console, "")
    if result.outcome == "already finished":
        say(console, "This search was finished before; nothing was trained.")
        say(console, f"To run it anew: another --run-dir, or {FRESH}.")
    text = answer(result.state)
    say(console, text)
    if result.outcome in ("stopped", "failed") and "run it again" not in text:
        what = "was stopped" if result.outcome == "stopped" else "could not go on"
        say(console, f"The search {what} ({result.reason}); run it again to go on.")
    _print_verdicts(result.state, console)
    _print_leak(result.state, console)
    places = _places(result)
    width = max((len(name) for name, _ in places), default=0)
    for name, place in places:
        say(console, f"{name:<{width}}  {place}")


def _print_verdicts(state: SearchState, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    rows = verdict_rows(state)
    if not rows:
        return
    effect = f"effect, {unit_of(state).name}"
    table = Table("", "verdict", effect, box=None, padding=(0, 2, 0, 0), header_style="")
    for row in rows:
        style = "" if is_plain(console) else VERDICT_STYLES[row.verdict]
        table.add_row(
            Text(row.name), Text(row.verdict, style=style), Text(row.effect.replace("−", "-"))
        )
    say(console, "")
    console.print(table)
    say(console, "")


def _print_leak(state: SearchState, console: "Console") -> None:
    if state.leak is None:
        return
    from rich.table import Table
    from rich.text import Text

    say(console, "The same settings scored on clean images, and by mistake on augmented ones:")
    table = Table("", "clean", "augmented", box=None, padding=(0, 2, 0, 0), header_style="")
    for row in state.leak.scores:
        clean, leaked = (
            percent_text(row.clean, row.clean_ci),
            percent_text(row.leaked, row.leaked_ci),
        )
        table.add_row(Text(shown(row.label, LABEL_WIDTH)), clean, leaked)
    console.print(table)
    if state.leak.rho is not None:
        say(console, f"Rank correlation of the two columns: {state.leak.rho:.2f}")
    say(console, "")


def _places(result: "SearchResult") -> list[tuple[str, str]]:
    """Where to look next: only what is there."""
    files = {
        "page": "report.html",
        "trials": "trials.csv",
        "pictures": str(WINNER_SHEET),
        "model": "model",
    }
    found = [
        (name, str(result.run_dir / file))
        for name, file in files.items()
        if (result.run_dir / file).exists()
    ]
    if result.tracking:
        found.append(("MLflow", redacted(result.tracking)))
    opened = result.state.opened
    uri = (opened.config.get("tracking") or {}).get("uri") if opened else None
    if uri and uri.startswith("sqlite:"):
        command = f"mlflow ui --backend-store-uri {shlex.quote(redacted(mlflow_uri(uri)))}"
        found.append(("" if result.tracking else "MLflow", command))
    return found


def _label(record: TrialRecord) -> str:
    told = record.kind in ("trial", "confirm")  # their labels are numbers
    label = short_settings_of(record, LABEL_WIDTH) if told else shown(record.label, LABEL_WIDTH)
    return f"#{record.trial} {label}"


def _outcome(record: TrialRecord) -> str:
    result = record.result
    if result is None:
        return f"{_label(record)}: no result"
    if result.status == "failed":
        return f"{_label(record)}: failed: {result.error}"
    timing = record.trained.timing if record.trained else None
    took = f", {seconds_text(timing.total_seconds)}" if timing else ""
    unit = OBJECTIVES[record.spec.protocol.objective].unit
    measured = effect_text(record.effect, unit) if record.effect else "trained"
    return f"{_label(record)}: {measured}{took}"
