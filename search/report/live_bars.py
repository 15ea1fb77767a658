"""Rich's live display of a search: one bar over the phase's trials, one within the present trial.
What they say is `terminal`'s.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class LiveBars:
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
        self._live.reset(
            self._phase, description=name, total=total or None, visible=True, done=done, left=""
        )
        self._live.update(self._trial, visible=False)

    def trial(self, label: str) -> None:
        self._live.reset(
            self._trial, description=f"  {label}", total=None, visible=True, done="", left=""
        )

    def within(self, fraction: float, text: str, left: str) -> None:
        self._live.update(
            self._trial,
            visible=True,
            total=1.0,
            completed=fraction,
            done=f"{100 * fraction:.0f} %",
            left=text,
        )
        self._live.update(self._phase, left=left)

    def told(self, told: int, left: str) -> None:
        self._live.update(
            self._phase,
            completed=told,
            done=f"{told}/{self._total}" if self._total else f"{told}",
            left=left,
        )
        self._live.update(self._trial, visible=False)

    def end(self) -> None:
        self._live.stop()


def live_bars(console: "Console") -> LiveBars:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
    )
    return LiveBars(RichProgress(*columns, console=console, transient=True))
