"""How long a search will still take, from how long its trials have taken. Counts work and time;
shows nothing."""

from collections.abc import Callable, Mapping

FEWEST_OF_A_PHASE = 2  # trials of a phase before it goes by its own pace
ENOUGH_REPORTED = 3  # epochs, more or less, before a first trial tells a pace


class TimeLeft:
    """An estimate that follows a search through its phases.

    plan: the work of each phase, in order, in any one unit. The pace is a mean over trials of
    seconds a unit of work, of the present phase where it has some, else of the search so far; the
    very first trial, in which everything is compiled, counts only while it is the only one, and the
    slowest of three or more does not. Phases that are not in the plan are not counted. `clock`
    gives seconds; workers: trials at a time.
    """

    def __init__(
        self, plan: Mapping[str, float], clock: Callable[[], float], workers: int = 1
    ) -> None:
        self._plan, self._clock, self._workers = dict(plan), clock, workers
        self._phase = ""
        self._paces: list[tuple[str, float]] = []
        self._trials: int | None = None
        self._started = 0
        self._begun, self._done, self._since = 0.0, 0.0, clock()
        self._reports: list[
            tuple[float, float]
        ] = []  # the first and the last within the running trial: when, work done

    def enter(self, phase: str, trials: int | None) -> None:
        """A phase begins. trials: how many it will have at the most; None: those that are begun at
        once."""
        self._phase, self._trials, self._started = phase, trials, 0
        self._begun, self._done, self._since, self._reports = 0.0, 0.0, self._clock(), []

    def begin(self, work: float) -> None:
        if self._begun == self._done:
            self._since = self._clock()
        self._begun += work
        self._started += 1

    def skip(self, work: float) -> None:
        """Work that was expected and need not be done."""
        self._begun += work
        self._done += work
        self._started += 1

    def within(self, work: float) -> None:
        """So much of what was begun and is not finished is done already."""
        self._reports = [*self._reports[:1], (self._clock(), work)]

    def finish(self, work: float, seconds: float | None = None) -> None:
        """A trial has ended. seconds: how long it trained; None where that is not known."""
        self._done += work
        if seconds is not None and work > 0:
            self._paces.append(
                (self._phase, (not self._paces and self._reported_pace()) or seconds / work)
            )
        self._since, self._reports = self._clock(), []

    def seconds(self) -> float | None:
        """Seconds left; None while there is nothing that a pace could be taken from."""
        pace = self._pace()
        if pace is None:
            return None
        later = sum(self._plan[phase] for phase in self._coming())
        here = (self._begun - self._done + self._unstarted()) * pace[0] / self._workers
        since, done = (self._since, 0.0) if self._paces else self._reports[-1]
        passed = self._clock() - since + done * pace[0]
        return max(0.0, here - passed) + later * pace[1] / self._workers

    def _pace(self) -> tuple[float, float] | None:
        """Seconds a unit of work, in this phase and in those to come."""
        if not self._paces:  # the first trial may take hours
            reported = self._reported_pace()
            return None if reported is None else (reported, reported)
        counted = self._paces[1:] or self._paces
        overall = _usual([pace for _, pace in counted])
        here = [pace for phase, pace in counted if phase == self._phase]
        return (_usual(here) if len(here) >= FEWEST_OF_A_PHASE else overall), overall

    def _reported_pace(self) -> float | None:
        """Of the running trial since its first report, when all is compiled; None before it has
        told enough."""
        if not self._reports:
            return None
        (begun, first), (now, last) = self._reports[0], self._reports[-1]
        return (
            (now - begun) / (last - first)
            if last >= ENOUGH_REPORTED * first > 0 and now > begun
            else None
        )

    def _unstarted(self) -> float:
        """Work of the present phase that has not been begun."""
        planned = self._plan.get(self._phase, 0.0)
        if not self._started:
            return planned
        if self._trials is None or self._started >= self._trials:
            return 0.0
        share = self._begun / self._started
        return (
            max(planned - self._begun, 0.0) if planned else share * (self._trials - self._started)
        )

    def _coming(self) -> list[str]:
        phases = list(self._plan)
        return phases[phases.index(self._phase) + 1 :] if self._phase in self._plan else phases


def _usual(paces: list[float]) -> float:
    kept = sorted(paces)[:-1] if len(paces) > 2 else paces
    return sum(kept) / len(kept)
