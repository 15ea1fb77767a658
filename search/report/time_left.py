"""How long work will take, from how long work has taken: the one place that turns amounts of work
and measured rates into seconds, for `check`, the terminal, MLflow and `search.max_hours`. Shows
nothing, and measures nothing itself."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from search.experiment.kinds import KINDS
from search.experiment.trial import TrialRecord
from search.guests.table import GUESTS
from search.report.trial_facts import trained_seconds

MANY = 10**9  # trials, of a phase that ends when the work planned for it is done
FEWEST_OF_A_PHASE = 2  # trials of a phase before it goes by its own pace
ENOUGH_REPORTED = 3  # epochs, more or less, before a first trial tells a pace


def seconds_of(amounts: Mapping[str, float], rates: Mapping[str, float], workers: int = 1) -> float:
    """What amounts of several kinds of work take. rates: seconds a unit of each kind, on one of
    `workers`."""
    return sum(amount * rates[kind] for kind, amount in amounts.items()) / workers


def share_done(passed: float, left: float) -> float:
    """Of the seconds that a search takes in all, the share that has passed."""
    return passed / (passed + left) if passed > 0 else 0.0


@dataclass(frozen=True)
class ExpectedWork:
    """What a search has before it. plan: the work of each phase, in order, in any one unit. of:
    what one trial counts in that unit. workers: trials at a time. epochs_tell: whether a trial's
    work is its epochs; else what it takes before the first of them is most of it, and the epochs of
    no augmentation say nothing of augmented pictures."""

    plan: Mapping[str, float]
    of: Callable[[TrialRecord], float]
    workers: int = 1
    epochs_tell: bool = True

    def seconds_left(self, records: Iterable[TrialRecord], is_cut: bool = False) -> float | None:
        """From records alone, in the order of their numbers; None before one was measured. is_cut:
        the time ran out, and the search phase begins no more trials."""
        left = TimeLeft(self.plan, lambda: 0.0, self.workers)
        for phase, group in groupby(records, lambda record: KINDS[record.kind].phase):
            left.enter(phase, MANY if phase == "search" and not is_cut else None)
            for record in group:
                if record.result is None and record.duplicate_of is None:
                    left.begin(self.of(record))
                else:
                    left.skip(self.of(record), trained_seconds(record))
        return left.seconds()


@dataclass
class _Mean:
    """Of paces; the slowest of three or more is left out."""

    total: float = 0.0
    slowest: float = 0.0
    count: int = 0

    def add(self, pace: float) -> None:
        self.total += pace
        self.slowest = max(self.slowest, pace)
        self.count += 1

    @property
    def usual(self) -> float:
        if self.count > 2:
            return (self.total - self.slowest) / (self.count - 1)
        return self.total / self.count


class Pace:
    """Seconds a unit of work: a mean over trials, of the present phase where it has some, else of
    the search so far. The first trial of a sitting, in which everything is compiled, counts only
    while there is no other, and the slowest of three or more does not. Kept up trial by trial:
    `search.max_hours` asks before each one."""

    def __init__(self) -> None:
        # By phase; None: of all.
        self._firsts: defaultdict[str | None, _Mean] = defaultdict(_Mean)
        self._others: defaultdict[str | None, _Mean] = defaultdict(_Mean)

    @property
    def is_known(self) -> bool:
        return bool(self._others or self._firsts)

    def add(self, phase: str, pace: float, is_first: bool) -> None:
        for name in (phase, None):
            (self._firsts if is_first else self._others)[name].add(pace)

    def usual(self, phase: str | None = None) -> float:
        """0 before the first trial."""
        counted = self._others or self._firsts
        if phase in counted and counted[phase].count >= FEWEST_OF_A_PHASE:
            return counted[phase].usual
        return counted[None].usual if counted else 0.0


class TimeLeft:
    """An estimate that follows a search through its phases.

    plan: the work of each phase, in order, in any one unit. What earlier sittings trained counts
    for the pace too. Phases that are not in the plan are not counted. `clock` gives seconds;
    workers: trials at a time.
    """

    def __init__(
        self, plan: Mapping[str, float], clock: Callable[[], float], workers: int = 1
    ) -> None:
        self._plan, self._clock, self._workers = dict(plan), clock, workers
        self._phase = ""
        self._compiling = True  # until a trial of this sitting has ended
        self._is_sure = False  # until a pace is known in which nothing was compiled
        self._pace = Pace()
        self._trials: int | None = None
        self._started = 0
        self._begun, self._done, self._since = 0.0, 0.0, clock()
        # The first and the last report within the running trial: when, work done.
        self._reports: list[tuple[float, float]] = []

    def enter(self, phase: str, trials: int | None) -> None:
        """A phase begins. trials: how many it will have at the most; None: as many as the
        plan has work for, or fewer: until none is under way."""
        self._phase, self._trials, self._started = phase, trials, 0
        self._begun, self._done, self._since, self._reports = 0.0, 0.0, self._clock(), []

    def begin(self, work: float) -> None:
        if self._begun == self._done:
            self._since = self._clock()
        self._begun += work
        self._started += 1

    def skip(self, work: float, seconds: float | None = None) -> None:
        """Work that was expected and need not be done. seconds: what it took, where an earlier
        sitting did it."""
        if seconds is not None and work > 0:
            self._is_sure = self._pace.is_known
            self._pace.add(self._phase, seconds / work, is_first=not self._pace.is_known)
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
            reported = self._reported_pace() if self._compiling else None
            self._is_sure |= not self._compiling or reported is not None
            self._pace.add(self._phase, reported or seconds / work, is_first=self._compiling)
            self._compiling = False
        self._since, self._reports = self._clock(), []

    def seconds(self) -> float | None:
        """Seconds left; None while there is nothing that a pace could be taken from: the first
        trial, in which all is compiled, may take many times what a later one does."""
        paces = self._rates()
        if paces is None:
            return None
        here = {"here": self._begun - self._done + self._unstarted()}
        later = {"later": sum(self._plan[phase] for phase in self._coming())}
        since, done = (self._since, 0.0) if self._is_sure else self._reports[-1]
        passed = self._clock() - since + done * paces["here"]
        running = max(0.0, seconds_of(here, paces, self._workers) - passed)
        return running + seconds_of(later, paces, self._workers)

    def _rates(self) -> dict[str, float] | None:
        """Seconds a unit of work, in this phase and in those to come."""
        if not self._is_sure:  # the first trial may take hours
            reported = self._reported_pace()
            return None if reported is None else {"here": reported, "later": reported}
        return {"here": self._pace.usual(self._phase), "later": self._pace.usual()}

    def _reported_pace(self) -> float | None:
        """Of the running trial since its first report, when all is compiled; None before it has
        told enough."""
        if not self._reports:
            return None
        (begun, first), (now, last) = self._reports[0], self._reports[-1]
        is_enough = last >= ENOUGH_REPORTED * first > 0 and now > begun
        return (now - begun) / (last - first) if is_enough else None

    def _unstarted(self) -> float:
        """Work of the present phase that has not been begun."""
        planned = self._plan.get(self._phase, 0.0)
        is_idle = self._started > 0 and self._begun == self._done
        if is_idle if self._trials is None else self._started >= self._trials:
            return 0.0
        if planned or not self._started:
            return max(planned - self._begun, 0.0)
        return self._begun / self._started * (self._trials - self._started) if self._trials else 0.0

    def _coming(self) -> list[str]:
        phases = list(self._plan)
        if self._phase in self._plan:
            return phases[phases.index(self._phase) + 1 :]
        return [] if self._phase in GUESTS else phases
