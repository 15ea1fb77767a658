"""Which trials of a search that goes on are tried again: those that failed of what may pass, and
those whose answers are lost."""

from collections.abc import Iterable
from pathlib import Path

from data.messages import plural
from search.experiment.config import ExperimentConfig
from search.experiment.kinds import KINDS
from search.experiment.trial import TrialRecord
from search.journal.events import Retried, WayOn
from search.journal.journal_file import JournalError
from search.journal.run_dir import read_predictions
from search.journal.state import SearchState
from search.report.sentences import WAYS_ON
from search.report.wording import label_text

# how often a failed trial is tried again while the values that may change stay as they are
MOST_TRIES = 3


def lifts_cut(state: SearchState, config: ExperimentConfig) -> bool:
    """Whether `config` gives a search whose time ran out more of it. After the test set was opened
    nothing is decided again."""
    if state.cut_after is None or state.test is not None or state.opened is None:
        return False
    then, now = state.opened.experiment.search.max_hours, config.search.max_hours
    return then is not None and (now is None or now > then)


def what_to_retry(state: SearchState, run_dir: Path, more_time: bool) -> Retried | None:
    """None where all stays as it is. more_time: `lifts_cut`, as it was before the search was
    resumed."""
    failed = [r for r in failures(state) if state.tries.get(r.trial, 0) < MOST_TRIES]
    trials = sorted({r.trial for r in [*failed, *lost_answers(state.records, run_dir)]})
    starts = trials[:1]
    if more_time:
        later = (r.trial for r in state.records if not KINDS[r.kind].on_rungs)
        starts.append(next(later, len(state.records)))
    if not starts:
        return None
    return Retried(first=min(starts), trials=tuple(trials), lifts_cut=more_time)


def failures(state: SearchState) -> list[TrialRecord]:
    """Failed trials that are worth another try: what failed them may pass, or the search cannot go
    on without them.

    None once the test set was opened, or the search is finished: nothing is decided again after
    that.
    """
    if state.test is not None or state.finished_at is not None:
        return []
    failed = [r for r in state.records if r.result and r.result.status == "failed"]
    return [r for r in failed if (r.result and r.result.may_pass) or _is_needed(r)]


def why_again(record: TrialRecord) -> str:
    failed = record.result is not None and record.result.status == "failed"
    return (
        f"it failed: {record.result.error}" if failed and record.result else "its answers are lost"
    )


def way_on(state: SearchState, may_pass: bool) -> WayOn:
    """Of a search that could not go on. may_pass: what failed it can be mended."""
    if not may_pass:
        return "anew"
    waiting = [r for r in failures(state) if r.result and r.result.may_pass]
    tried_again = not waiting or any(state.tries.get(r.trial, 0) < MOST_TRIES for r in waiting)
    return "mend" if tried_again else "change"


def given_up(state: SearchState) -> list[str]:
    """A line for each failed trial that is not tried any more."""
    return [
        f"trial {r.trial} ({label_text(r)}) failed {plural(state.tries[r.trial] + 1, 'time')} and "
        f"is not tried again as things are: {r.result.error}; "
        f"{WAYS_ON['change' if r.result.may_pass else 'anew']}"
        for r in failures(state)
        if r.result and state.tries.get(r.trial, 0) >= MOST_TRIES
    ]


def _is_needed(record: TrialRecord) -> bool:
    return record.kind == "test" or (
        record.kind not in ("trial", "confirm") and not record.spec.settings.augmentation
    )


def lost_answers(records: Iterable[TrialRecord], run_dir: Path) -> list[TrialRecord]:
    """Trials whose answers are not there, or not as they were journaled."""
    return [
        r
        for r in records
        if r.predictions_file and r.duplicate_of is None and not _is_there(r, run_dir)
    ]


def _is_there(record: TrialRecord, run_dir: Path) -> bool:
    try:
        read_predictions(record, run_dir)
    except JournalError:
        return False
    return True
