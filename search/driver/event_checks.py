"""Whether the events of a journal are those of one search: they follow one another as a search
writes them, one sitting after the other (opened or resumed, prepared, its phases in order, and an
end, which may come at any moment), speak of trials that were asked and of names that exist, and say
the same wherever the journal says a thing twice. Each event's own types were checked before
(`run_reading`)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from data.errors import UserError
from data.messages import escaped
from search.driver.search_checks import (
    check_evidence,
    check_guest,
    check_opened,
    check_resumed,
    check_test,
)
from search.driver.shared_checks import SearchSoFar, need
from search.driver.trial_checks import check_asked, check_retried, check_told
from search.experiment.kinds import CONCLUSIONS, KINDS, TRIAL_PHASES
from search.experiment.settings import spelled
from search.experiment.trial import TrialRecord
from search.guests.table import GUESTS
from search.journal.journal_file import Event, JournalError
from search.journal.state import place_of

PREPARE = "prepare"
WITH_EVIDENCE = tuple(
    dict.fromkeys(kind.phase for kind in KINDS.values() if kind.event == "evidence")
)
PHASE_OF_EVENT = {"cut": KINDS["trial"].phase} | {
    kind.event: kind.phase for kind in KINDS.values() if kind.event not in (None, "evidence")
}
CLOSING = ("stopped", "resumed")  # resumed: the sitting before was killed
CLOSING_OR_PHASE = ("phase", *CLOSING)
UNDER_WAY = ("asked", "told", "cut", *CONCLUSIONS, "phase", *CLOSING)
# What may come after each type; the first event has nothing before it.
NEXT: dict[str, tuple[str, ...]] = {
    "": ("opened",),
    "opened": CLOSING_OR_PHASE,
    "resumed": ("retried", *CLOSING_OR_PHASE),
    "retried": CLOSING_OR_PHASE,
    "asked": UNDER_WAY,
    "told": UNDER_WAY,
    "cut": UNDER_WAY,
    "evidence": UNDER_WAY,
    "test": CLOSING_OR_PHASE,
    **dict.fromkeys(GUESTS, CLOSING_OR_PHASE),
    "phase": ("finished", *UNDER_WAY),
    "stopped": ("resumed",),
    "finished": ("shown", "resumed"),
    "shown": ("shown", "resumed"),
}
_CHECKS: dict[str, Callable[[SearchSoFar, Event], None]] = {
    "opened": check_opened,
    "asked": check_asked,
    "told": check_told,
    "evidence": check_evidence,
    "test": check_test,
    **dict.fromkeys(GUESTS, check_guest),
    "resumed": check_resumed,
    "retried": check_retried,
}


def check_events(events: Sequence[Event], most_of_type: Mapping[str, int]) -> None:
    """Whether the events follow one another as those of one search do, and speak of one search.
    most_of_type: how many events of a type are gone through. Raises JournalError."""
    counts = Counter(event["type"] for event in events)
    for kind, most in most_of_type.items():
        if counts[kind] > most:
            raise JournalError(
                f"the journal holds {counts[kind]} `{kind}` events; at most {most} are read"
            )
    _check_repeats(events)
    so_far, order = SearchSoFar(), SittingOrder()
    for number, event in enumerate(events):
        if (event["type"] == "opened") != (number == 0):
            raise JournalError(
                f"{place_of(event)}: a journal begins with `opened`, and has it once"
            )
        try:
            if (check := _CHECKS.get(event["type"])) is not None:
                check(so_far, event)
            order.check(event, so_far)
        except UserError as error:
            raise JournalError(
                f"{place_of(event)}: {' '.join(escaped(str(error)).split())[:400]}"
            ) from error


def _check_repeats(events: Sequence[Event]) -> None:
    """A search concludes nothing twice, and goes on from its end only in another sitting."""
    concluded: set[str] = set()
    is_over = False
    for event in events:
        kind = event["type"]
        if kind in CONCLUSIONS:
            said = spelled(event["evidence"]) if kind == "evidence" else kind
            if said in concluded:
                raise JournalError(f"{place_of(event)}: it was concluded before")
            concluded.add(said)
        elif kind == "retried":
            concluded.clear()
        if is_over and kind not in ("shown", "resumed"):
            raise JournalError(f"{place_of(event)}: the search had finished")
        is_over = kind == "finished" or (is_over and kind == "shown")


class SittingOrder:
    """Where the events have come to. at: the place in `TRIAL_PHASES` of the phase under way or
    ended last in this sitting; closed: of the one ended last. Before the first, -1."""

    def __init__(self) -> None:
        self._before, self._at, self._closed = "", -1, -1

    def check(self, event: Event, so_far: SearchSoFar) -> None:
        """Raises UserError where no search writes the event after those before it. so_far: of what
        was said by then, in this event too."""
        kind, before = event["type"], self._before
        after = f"after `{before}`" if before else "at the beginning"
        need(kind in NEXT[before], f"no search writes it {after}")
        if before == "evidence" and not so_far.config.search.looks:  # which come in between
            need(kind in CLOSING_OR_PHASE, f"no search writes it {after}")
        if kind in ("opened", "resumed"):
            self._at = self._closed = -1
        elif kind == "phase":
            self._check_phase(event["phase"])
        elif kind == "evidence":
            self._need_open(WITH_EVIDENCE[-1])
        elif kind in ("asked", "told", *PHASE_OF_EVENT):
            self._enter(_phase_of(event, so_far.records))
        self._before = kind

    def _enter(self, phase: str) -> None:
        self._need_open(phase)
        self._at = TRIAL_PHASES.index(phase)

    def _need_open(self, phase: str) -> None:
        is_open = self._closed < TRIAL_PHASES.index(phase) >= self._at
        need(is_open, f"it is of the phase {phase}, which was over by then")

    def _check_phase(self, name: str) -> None:
        """A phase in which nothing happened is not written down."""
        begins = self._before in ("opened", "resumed", "retried")
        need(begins == (name == PREPARE), f"the phase {name[:40]} does not end here")
        if not begins:
            due = (
                WITH_EVIDENCE
                if self._before == "evidence"
                else TRIAL_PHASES[self._at : self._at + 1]
            )
            need(
                self._before != "phase" and name in due, f"the phase {name[:40]} does not end here"
            )
            self._enter(name)
            self._closed = self._at


def _phase_of(event: Event, records: Sequence[TrialRecord]) -> str:
    if event["type"] in PHASE_OF_EVENT:
        return PHASE_OF_EVENT[event["type"]]
    number = event["trial"] if event["type"] == "told" else event["record"]["trial"]
    return KINDS[records[number].kind].phase
