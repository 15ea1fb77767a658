"""How long a search will still take, from how long it has taken. Counts work and time; shows nothing."""

from collections.abc import Callable, Mapping


class TimeLeft:
    """An estimate that follows a search through its phases.

    plan: the work of each phase, in order, in any one unit. The present phase goes on at its own measured pace; those after it
    at the pace of all planned work done so far. Phases that are not in the plan are not counted. `clock` gives seconds.
    """

    def __init__(self, plan: Mapping[str, float], clock: Callable[[], float]) -> None:
        self._plan = dict(plan)
        self._clock = clock
        self._spent_before, self._done_before = 0.0, 0.0
        self._phase: str | None = None
        self._started = clock()
        self._expected: float | None = None
        self._begun, self._done, self._within = 0.0, 0.0, 0.0

    def enter(self, phase: str, expected: float | None) -> None:
        """A phase begins, so the one before has ended. expected: its work where the plan does not tell; None: what is begun."""
        if self._phase in self._plan:  # time outside the plan (preparing the data) is no pace
            self._spent_before += self._clock() - self._started
            self._done_before += self._done
        self._phase, self._started = phase, self._clock()
        self._expected = None if expected is None else self._plan.get(phase, expected)
        self._begun, self._done, self._within = 0.0, 0.0, 0.0

    def begin(self, work: float) -> None:
        self._begun += work

    def skip(self, work: float) -> None:
        """Work that was expected and need not be done."""
        if self._expected is not None:
            self._expected = max(0.0, self._expected - work)

    def within(self, work: float) -> None:
        """So much of what was begun and is not finished is done already."""
        self._within = work

    def finish(self, work: float) -> None:
        self._done += work
        self._within = 0.0

    def seconds(self) -> float | None:
        """Seconds left; None while nothing has been done that a pace could be taken from."""
        spent = self._clock() - self._started
        done = self._done + self._within
        whole = max(done, self._begun, self._expected or 0.0)
        later = sum(self._plan[phase] for phase in self._coming())
        if done:
            pace = (self._spent_before + spent) / (self._done_before + done)
            return spent * (whole - done) / done + later * pace
        if not self._done_before:
            return None
        pace = self._spent_before / self._done_before
        return max(0.0, max(whole, self._plan.get(self._phase or "", 0.0)) * pace - spent) + later * pace

    def _coming(self) -> list[str]:
        phases = list(self._plan)
        return phases[phases.index(self._phase) + 1 :] if self._phase in self._plan else []
