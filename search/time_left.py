"""How long a search will still take, from how long it has taken. Counts work and time; shows nothing."""

from collections.abc import Callable, Mapping


class TimeLeft:
    """An estimate that follows a search through its phases.

    plan: the work each coming phase holds, in any one unit (seconds as predicted, views to compute). The
    present phase goes on at its own measured pace; those after it at the pace of all work done so far.
    Phases that are not in the plan are not counted. `clock` gives seconds.
    """

    def __init__(self, plan: Mapping[str, float], clock: Callable[[], float]) -> None:
        self._plan = dict(plan)
        self._clock = clock
        self._spent_before = 0.0
        self._done_before = 0.0
        self._phase: str | None = None
        self._phase_started = clock()
        self._fraction = 0.0

    def enter(self, phase: str) -> None:
        """A phase begins, so the one before has ended."""
        self._leave()
        self._phase, self._phase_started, self._fraction = phase, self._clock(), 0.0

    def advance(self, fraction: float) -> None:
        """`fraction` of the present phase's work, 0 to 1, is done. Never goes back."""
        self._fraction = min(1.0, max(self._fraction, fraction))

    def seconds(self) -> float | None:
        """Seconds left; None while nothing has been done that a pace could be taken from."""
        if self._phase is None:
            return None
        spent = self._clock() - self._phase_started
        work = self._plan.get(self._phase, 0.0)
        later = sum(self._plan[phase] for phase in self._coming())
        if self._fraction:
            done = self._done_before + self._fraction * work
            pace = (self._spent_before + spent) / done if done else 0.0
            return spent * (1 - self._fraction) / self._fraction + later * pace
        if not self._done_before:
            return None
        pace = self._spent_before / self._done_before
        return max(0.0, work * pace - spent) + later * pace

    def _coming(self) -> list[str]:
        phases = list(self._plan)
        return phases[phases.index(self._phase) + 1 :] if self._phase in self._plan else []

    def _leave(self) -> None:
        """A phase that has ended did all its work. Time outside the plan (preparing the data) is no pace."""
        if self._phase in self._plan:
            self._spent_before += self._clock() - self._phase_started
            self._done_before += self._plan[self._phase]
