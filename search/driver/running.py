"""What a phase of a search is, and how phases are run one after the other, timed and concluded.
Which there are is `session`'s."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from search.driver.looking import looks_declared
from search.driver.phases import Context, Knowledge
from search.driver.prepare import Prepared
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.journal.state import EventLog

if TYPE_CHECKING:
    from search.report.terminal import Progress


@dataclass(frozen=True)
class SearchPhase:
    """One part of a search. run: asks for its trials and has them told, from what is known so far.
    conclude: what follows, one value, journaled as an event of type `event`. is_due: whether an
    experiment has this phase. num_trials: as far as it is known before."""

    name: str
    run: Callable[[Context, Knowledge], Knowledge]
    event: Literal["evidence", "test", "leak"] | None = None
    conclude: Callable[[Context, Knowledge], Evidence | TestResult | LeakDemo] | None = None
    is_due: Callable[[Prepared], bool] = lambda prepared: True
    num_trials: Callable[[Prepared], int | None] = lambda prepared: None


def run_phases(
    phases: Sequence[SearchPhase],
    context: Context,
    log: EventLog,
    progress: "Progress",
    show: Callable[[], None],
) -> None:
    """Every phase that is due, in order; each conclusion is journaled once. Run again on the
    journal of an interrupted search it does the same. show: called after each.

    Raises Stopped where it was asked to stop, SearchFailed where it cannot go on.
    """
    known = Knowledge(evidence=Evidence(looks=looks_declared(context.config)))
    if known.evidence.looks:
        log.conclude("evidence", known.evidence)
    for phase in phases:
        if not phase.is_due(context.prepared):
            continue
        progress.phase(phase.name, phase.num_trials(context.prepared))
        with _timed(phase.name, log, show):
            known = phase.run(context, known)
            if phase.conclude is not None and phase.event is not None:
                conclusion = phase.conclude(context, known)
                log.conclude(phase.event, conclusion)
                if isinstance(conclusion, Evidence):
                    known = replace(known, evidence=conclusion)


@contextmanager
def _timed(name: str, log: EventLog, show: Callable[[], None]) -> Iterator[None]:
    """Journals what a phase took, where anything happened in it."""
    start, events = time.monotonic(), log.num_events
    try:
        yield
    finally:
        if log.num_events > events:
            log.append("phase", phase=name, seconds=round(time.monotonic() - start, 3))
        show()
