"""What a person sees in a terminal while a search runs: bars where there is a terminal, plain lines
where there is none or NO_COLOR is set. All of it goes to stderr. Reads records, and decides
nothing. What is printed at the end is `closing`.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from data.messages import plural
from search.experiment.objectives import OBJECTIVES
from search.experiment.trial import TrialRecord
from search.report.time_left import ExpectedWork, TimeLeft, share_done
from search.report.trial_facts import given_text, trained_seconds
from search.report.wording import effect_text, name_text, printable, seconds_text
from search.training.lost_networks import lost_text
from search.training.progress import EpochReport

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress


QUIET_SECONDS = 300.0  # of a log, at the most, while a trial goes through its epochs
BAR_NAME = 44  # signs of a trial beside its bar, where there is room
BESIDE_NAME = 26  # of its line: what is done, and what it is at
WIDE, WIDE_BAR, NARROW_BAR = 100, 24, 10  # signs of a terminal and of bars
QUIET_BEFORE = 10.0  # the same while images are decoded, before the first trial


def terminal_console(stderr: bool = True) -> "Console":
    """Of standard error, for messages, or of standard output, for results."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False)


def is_plain(console: "Console") -> bool:
    """Whether to write plain lines: no terminal, or NO_COLOR set to anything but an empty string
    (no-color.org).
    """
    return not console.is_terminal or bool(os.environ.get("NO_COLOR"))


class Progress:
    """Bars over the trials of a phase and within a trial, the time left, and a line for every trial
    that ended. A trial's name is rounded to what shows; which others need more digits to be told
    from it, as on the page, is not known yet, and its number tells it apart."""

    def __init__(
        self, console: "Console | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or terminal_console()
        self._clock = clock
        self._bars = None if is_plain(self._console) else _LiveBars(self._console)
        self._work: Callable[[TrialRecord], float] = lambda record: 1.0
        self._left = TimeLeft({}, clock)
        self._epochs_tell = True
        self._began: float | None = None  # what the share of the whole is counted from
        self._opened = clock()
        self._phase, self._total, self._told = "", 0, 0
        self._running: dict[int, TrialRecord] = {}
        self._warned: set[str] = set()
        self._spoke = clock()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def expect(self, expected: ExpectedWork, earlier_seconds: float = 0.0) -> None:
        """What is to come, so that share and time left are those of the whole search; without it,
        the time left is that of the present phase. earlier_seconds: that earlier sittings took."""
        self._work, self._epochs_tell = expected.of, expected.epochs_tell
        self._left = TimeLeft(expected.plan, self._clock, expected.workers)
        self._began = self._opened - earlier_seconds

    def doing(self, text: str) -> None:
        """What a phase is at, where that is no trial."""
        if self._bars is None:
            self.message(f"{self._phase}: {text}")
        else:
            self._bars.trial(text)

    def phase(self, name: str, total_trials: int | None) -> None:
        """A phase begins. `total_trials` is None where all of its trials are started before the
        first is told."""
        self._phase, self._total, self._told = name, total_trials or 0, 0
        self._running.clear()
        self._left.enter(name, total_trials)
        if self._bars is None:
            self.message(f"{name}: {plural(total_trials, 'trial')}" if total_trials else name)
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
        if self._epochs_tell:
            self._left.within(fraction * self._work(due) if due else 0.0)
        if self._bars is not None:
            self._bars.within(fraction, text, self._time_left())
        elif due is None and self._clock() - self._spoke >= QUIET_BEFORE:
            self.message(f"{self._phase}: {text}")

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
        if trained is not None and record.result is not None:
            self._warn(record.result.warnings)
        if self._bars is not None:
            self._bars.told(self._told, self._time_left())
            self._show_running()

    def _warn(self, lines: Iterable[str]) -> None:
        """Each once: the next trial may meet the same."""
        for line in lines:
            if line not in self._warned:
                self.message(f"warning: {line}")
            self._warned.add(line)

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
            others = len(self._running) - 1
            more = f" and {plural(others, 'more trial')}" if others else ""
            self._bars.trial(name_text(due, self._bars.room - len(more)) + more)

    def _time_left(self) -> str:
        seconds = self._left.seconds()
        if not seconds:
            return ""
        left = f"{seconds_text(seconds)} left"
        if self._began is None:
            return left
        share = share_done(self._clock() - self._began, seconds)
        return f"{100 * share:.0f} % of the search, {left}"

    def _suffix(self) -> str:
        left = self._time_left() if self._bars is None else ""
        return f"  ({left})" if left else ""


class _LiveBars:
    """Rich's live display: a bar over the phase's trials, and one within the present trial below
    it. Each is a line of its own, so that neither takes room from the other. room: signs that a
    trial's name may have."""

    def __init__(self, console: "Console") -> None:
        from rich.console import Group
        from rich.live import Live

        self._width = WIDE_BAR if console.width >= WIDE else NARROW_BAR
        self._phases, self._trials = self._lines(console), self._lines(console)
        bars = Group(self._phases, self._trials)
        self._live = Live(bars, console=console, transient=True, refresh_per_second=10)
        self._phase = self._phases.add_task("", total=1, visible=False, done="", left="")
        self._trial = self._trials.add_task("", total=1.0, visible=False, done="", left="")
        self._total = ""
        self.room = min(BAR_NAME, console.width - self._width - BESIDE_NAME)

    def _lines(self, console: "Console") -> "RichProgress":
        from rich.progress import BarColumn, Progress, TextColumn

        texts = [
            TextColumn(f"{{task.{field}}}", markup=False)
            for field in ("description", "fields[done]", "fields[left]")
        ]
        return Progress(texts[0], BarColumn(bar_width=self._width), *texts[1:], console=console)

    def begin(self, name: str, total: int) -> None:
        self._live.start()
        self._total = f"/{total}" if total else ""
        done = f"0{self._total}" if total else ""
        self._phases.reset(
            self._phase, description=name, total=total or None, visible=True, done=done, left=""
        )
        self._trials.update(self._trial, visible=False)

    def trial(self, name: str) -> None:
        self._trials.reset(
            self._trial, description=f"  {name}", total=None, visible=True, done="", left=""
        )

    def within(self, fraction: float, text: str, left: str) -> None:
        done = f"{100 * fraction:.0f} %"
        self._trials.update(
            self._trial, visible=True, total=1.0, completed=fraction, done=done, left=text
        )
        self._phases.update(self._phase, left=left)

    def told(self, told: int, left: str) -> None:
        self._phases.update(self._phase, completed=told, done=f"{told}{self._total}", left=left)
        self._trials.update(self._trial, visible=False)

    def end(self) -> None:
        self._live.stop()


def _outcome(record: TrialRecord) -> str:
    result, given = record.result, given_text(record)
    name = f"{name_text(record)}, {given}" if given else name_text(record)
    if result is None:
        return f"{name}: no result"
    if result.status == "failed":
        return f"{name}: failed: {result.error}"
    seconds = trained_seconds(record)
    took = "" if seconds is None else f", {seconds_text(seconds)}"
    if result.lost:
        took += f"; of {result.num_heads} networks {lost_text(result.lost)}"
    unit = OBJECTIVES[record.spec.protocol.objective].unit
    done = "trained" if record.duplicate_of is None else f"as trial {record.duplicate_of}"
    return f"{name}: {effect_text(record.effect, unit) if record.effect else done}{took}"


def print_line(console: "Console", text: str, *, is_copied: bool = False) -> None:
    """One line, as it is: no markup, and only signs that every terminal has. A terminal gets it
    broken between words, a log or a file whole, and whole too what is copied (`is_copied`)."""
    plain = printable(text).replace("−", "-").replace("…", "...")
    is_whole = is_copied or not console.is_terminal
    console.print(plain, markup=False, highlight=False, soft_wrap=is_whole)
