"""What a person sees in a terminal while a search runs, and at its end. All of it goes to stderr: bars where
there is a terminal, plain lines where there is none or NO_COLOR is set. Reads records and states, and
decides nothing.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from search.report_tables import verdict_rows
from search.state import SearchState
from search.time_left import TimeLeft
from search.trial import TrialRecord
from search.wording import UNITS, answer, effect_text, seconds_text, unit_of

if TYPE_CHECKING:
    from rich.console import Console

VERDICT_STYLES = {"HELPS": "bold blue", "HURTS": "bold red", "NO EVIDENCE": "dim"}
LABEL_WIDTH = 48


def stderr_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def is_plain(console: "Console") -> bool:
    """Whether to write plain lines: no terminal, or NO_COLOR set to anything but an empty string
    (no-color.org).
    """
    return not console.is_terminal or bool(os.environ.get("NO_COLOR"))


def _one(record: TrialRecord) -> float:
    return 1.0


class Progress:
    """Bars over the trials of a phase and within a trial, the time left, and a line for every trial that
    ended.

    plan: the work of each coming phase of this sitting, in order, as `TimeLeft` takes it; left out, the time
    left is that of the present phase. work: what a trial counts in the plan's unit; left out, each trial
    counts the same.
    """

    def __init__(
        self,
        plan: Mapping[str, float] | None = None,
        work: Callable[[TrialRecord], float] | None = None,
        console: "Console | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or stderr_console()
        self._plan = dict(plan or {})
        self._work = work or _one
        self._counts_work = work is not None
        self._left = TimeLeft(self._plan, clock)
        self._bars = None if is_plain(self._console) else _make_bars(self._console)
        self._phase, self._total, self._told = "", 0, 0
        self._work_done, self._running_work = 0.0, 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def phase(self, name: str, total_trials: int) -> None:
        """A phase begins; `total_trials` are those still to be trained in it."""
        self._phase, self._total, self._told = name, total_trials, 0
        self._work_done, self._running_work = 0.0, 0.0
        self._left.enter(name)
        if self._bars is None:
            self._say(
                f"{name}: {total_trials} {'trial' if total_trials == 1 else 'trials'}"
                if total_trials
                else name
            )
        else:
            self._bars.begin(name, total_trials)

    def trial_started(self, record: TrialRecord) -> None:
        self._running_work = self._work(record)
        if self._bars is not None:
            self._bars.trial(_label(record))

    def trial_progress(self, fraction: float, text: str) -> None:
        """Within the trial started last: `fraction` of it is done (0 to 1), and what it is doing."""
        self._advance(self._work_done + fraction * self._running_work)
        if self._bars is not None:
            self._bars.within(fraction, text, self._time_left())

    def trial_told(self, record: TrialRecord) -> None:
        self._told += 1
        self._work_done += self._work(record)
        self._running_work = 0.0
        self._advance(self._work_done)
        self._say(f"{self._phase} {self._told}/{self._total}  {_outcome(record)}{self._suffix()}")
        if self._bars is not None:
            self._bars.told(self._told, self._time_left())

    def message(self, text: str) -> None:
        self._say(text)

    def close(self) -> None:
        """Takes the bars away; lines stay. May be called twice."""
        if self._bars is not None:
            self._bars.end()

    def _advance(self, work: float) -> None:
        whole = self._plan.get(self._phase, 0.0) if self._counts_work else float(self._total)
        if whole:
            self._left.advance(work / whole)

    def _time_left(self) -> str:
        seconds = self._left.seconds()
        return "" if seconds is None else f"{seconds_text(seconds)} left"

    def _suffix(self) -> str:
        left = self._time_left() if self._bars is None else ""
        return f"  ({left})" if left else ""

    def _say(self, text: str) -> None:
        say(self._console, text)


def say(console: "Console", text: str) -> None:
    """One line, as it is: no markup, no wrapping, and only signs that every terminal has."""
    console.print(text.replace("−", "-"), markup=False, highlight=False, soft_wrap=True)


def print_closing(
    state: SearchState, where: Sequence[tuple[str, str]], console: "Console | None" = None
) -> None:
    """The answer, a row a verdict, and where to look next (pairs such as ("page",
    "runs/digits/report.html")).
    """
    from rich.table import Table
    from rich.text import Text

    console = console or stderr_console()
    say(console, "")
    say(console, answer(state))
    rows = verdict_rows(state)
    if rows:
        table = Table(
            "", "verdict", f"effect, {unit_of(state).name}", box=None, padding=(0, 2, 0, 0), header_style=""
        )
        for row in rows:
            style = "" if is_plain(console) else VERDICT_STYLES[row.verdict]
            effect = Text(row.effect.replace("−", "-"))
            table.add_row(Text(row.name), Text(row.verdict, style=style), effect)
        say(console, "")
        console.print(table)
    if where:
        say(console, "")
    width = max((len(name) for name, _ in where), default=0)
    for name, place in where:
        say(console, f"{name:<{width}}  {place}")


def _label(record: TrialRecord) -> str:
    label = record.label if len(record.label) <= LABEL_WIDTH else record.label[: LABEL_WIDTH - 1] + "…"
    return f"#{record.trial} {label}"


def _outcome(record: TrialRecord) -> str:
    result = record.result
    if result is None:
        return f"{_label(record)}: no result"
    if result.status == "failed":
        return f"{_label(record)}: failed: {result.error}"
    took = f", {seconds_text(result.timing.total_seconds)}" if result.timing else ""
    unit = UNITS[record.spec.protocol.objective]
    measured = effect_text(record.effect, unit) if record.effect else "trained"
    return f"{_label(record)}: {measured}{took}"


class _Bars:
    """Rich's live display: one bar over the phase's trials, one within the present trial."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._phase = live.add_task("", total=1, visible=False, done="", left="")
        self._trial = live.add_task("", total=1.0, visible=False, done="", left="")
        self._total = 0

    def begin(self, name: str, total: int) -> None:
        self._live.start()
        self._total = total
        done = f"0/{total}" if total else ""
        self._live.reset(self._phase, description=name, total=total or None, visible=True, done=done, left="")
        self._live.update(self._trial, visible=False)

    def trial(self, label: str) -> None:
        self._live.reset(self._trial, description=f"  {label}", total=1.0, visible=True, done="", left="")

    def within(self, fraction: float, text: str, left: str) -> None:
        self._live.update(self._trial, completed=fraction, done=f"{100 * fraction:.0f} %", left=text)
        self._live.update(self._phase, left=left)

    def told(self, told: int, left: str) -> None:
        self._live.update(self._phase, completed=told, done=f"{told}/{self._total}", left=left)
        self._live.update(self._trial, visible=False)

    def end(self) -> None:
        self._live.stop()


def _make_bars(console: "Console") -> _Bars:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    return _Bars(RichProgress(*columns, console=console, transient=True))
