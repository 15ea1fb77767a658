"""A whole search on one screen: opened, its phases in order (`PHASES`), closed.

`run_search` is the door for the command line and for Python. A sitting ends in one of the ways that
`sitting` tells apart and writes down; run again, the search goes on from its journal and trains
only what was not told. How phases run is in `sitting` too; what each asks for `phases`,
`search_phase` and `confirmation`; what its answers mean `conclusions`; how trials are asked and
told `ledger`; files and MLflow are `publishing`'s.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from data.files import LEFTOVER_SECONDS, make_folder, named_path, sweep_leftovers
from data.own_code import Code, given
from data.sources import path_to_images
from data.transforms import imported_first
from search.driver.code_files import code_of
from search.driver.conclusions import after_confirmation, after_search, after_test
from search.driver.confirmation import run_confirmation
from search.driver.cut_checks import CutWatch
from search.driver.experiment_file import ExperimentLike, load_config
from search.driver.ledger import Ledger, OnTold, Stopped, Surroundings
from search.driver.opening import check_resumable, continued, open_search
from search.driver.phases import Context, run_controls, run_test
from search.driver.prepare import Prepared, require_runnable, resources_of
from search.driver.publishing import Publisher, Showing
from search.driver.retries import lost_answers
from search.driver.search_phase import Deadline, out_of_time, run_trials
from search.driver.sitting import SearchPhase, ended, phase_of, run_phases
from search.driver.winner import build_winner, stored_winner
from search.driver.workload import workload
from search.execution.engine import Engine, EngineOptions
from search.execution.engines import ENGINES
from search.experiment.answers import Truth
from search.experiment.config import ExperimentConfig
from search.experiment.trial import Resources
from search.guests.table import GUESTS
from search.journal.clearing import empty_run_dir, need_own_or_new, sweep_made
from search.journal.lock import RunLock
from search.journal.run_dir import JOURNAL
from search.journal.state import EventLog, SearchResult
from search.report.preview import TrialSheets, write_winner_sheet
from search.report.time_left import ExpectedWork
from search.training.progress import Listener
from search.training.trial_files import CheckpointSweeper, ViewSweeper

if TYPE_CHECKING:
    from search.report.terminal import Progress

# Folders of the cache that others may be writing to; decoding sweeps its own.
CACHES = ("features", "openvino")

PHASES = (
    SearchPhase("controls", run_controls),
    SearchPhase("search", run_trials, "evidence", after_search, num_trials=lambda p: p.num_trials),
    SearchPhase(
        "confirm", run_confirmation, "evidence", after_confirmation, lambda p: p.is_confirmed
    ),
    SearchPhase("test", run_test, "test", after_test, lambda p: p.is_tested),
)


@dataclass(frozen=True)
class SessionOptions:
    """fresh: start anew in a directory that holds another search. inline: run trials in this
    process. guests: names of demonstrations that follow the search. stop: set to stop.
    code_changed: go on although own code was edited since the search began."""

    fresh: bool = False
    inline: bool = False
    guests: tuple[str, ...] = ()
    stop: threading.Event | None = None
    code_changed: bool = False


def run_search(
    experiment: ExperimentLike,
    run_dir: str | Path | None = None,
    progress: "Progress | None" = None,
    options: SessionOptions | None = None,
) -> SearchResult:
    """Runs or resumes the search of an experiment (as `load_config` takes it) in `run_dir`, by
    default runs/NAME.

    progress: as `terminal.Progress`; None is silent. Raises UserError for what the user can mend
    and StorageError where the disk refuses, TypeError for arguments of another kind; whatever
    happens, the directory can be resumed.
    """
    _check_arguments(progress, options)
    config = load_config(experiment)
    run_dir = Path("runs") / config.name if run_dir is None else named_path(run_dir)
    options, progress = options or SessionOptions(), progress or unwatched()
    need_own_or_new(run_dir)
    make_folder(run_dir, "the run directory")
    with RunLock(run_dir, notify=progress.message) as lock:
        sweep_made(run_dir)
        for part in CACHES:
            sweep_leftovers(resources_of(config, run_dir).cache_dir / part, LEFTOVER_SECONDS)
        if options.fresh:
            require_runnable(config)  # before anything is lost
            empty_run_dir(run_dir)
        else:
            check_resumable(run_dir)
        with closing(EventLog(run_dir / JOURNAL)) as log:
            if log.warning:
                progress.message(log.warning)
            if log.state.opened is not None:
                config = continued(log.state, config, run_dir, options.code_changed)
            stop = options.stop or threading.Event()
            sitting = _Sitting(config, run_dir, progress, options, lock, log, stop)
            if log.state.finished_at is not None and not _has_more_to_do(sitting):
                return _show_finished(sitting)
            with given(sitting.code):
                return _sit(sitting)


def _check_arguments(progress: object, options: object) -> None:
    if not (progress is None or hasattr(progress, "message")):
        raise TypeError(
            f"progress received {progress!r}; allowed: None, or what search.report.terminal's "
            "Progress has"
        )
    if not (options is None or isinstance(options, SessionOptions)):
        raise TypeError(f"options received {options!r}; allowed: None or a SessionOptions")
    if options is not None and not GUESTS.keys() >= {*options.guests}:
        raise TypeError(f"guests received {options.guests!r}; allowed: {', '.join(GUESTS)}")


def unwatched() -> "Progress":
    """Progress that nobody watches."""
    return cast("Progress", _Silent())


class _Silent:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


@dataclass(frozen=True)
class _Sitting:
    """What one sitting of a search is given, in a directory that is its own."""

    config: ExperimentConfig
    run_dir: Path
    progress: "Progress"
    options: SessionOptions
    lock: RunLock
    log: EventLog
    stop: threading.Event

    @cached_property
    def code(self) -> Code:
        """Of the user's own, as it was read when the sitting began."""
        return code_of(self.config)

    @property
    def resources(self) -> Resources:
        return resources_of(self.config, self.run_dir, self.code)

    def publisher(self) -> Publisher:
        tracking, say = self.config.tracking, self.progress.message
        return Publisher(tracking, self.config.name, self.run_dir, say)


def _has_more_to_do(sitting: _Sitting) -> bool:
    """Whether a finished search is asked for a guest too, or has lost answers to train again."""
    state = sitting.log.state
    lacks_guest = not state.guests.keys() >= {*sitting.options.guests}
    return lacks_guest or bool(lost_answers(state.records, sitting.run_dir))


def _show_finished(sitting: _Sitting) -> SearchResult:
    """The search is over: what it was killed before writing, or could not send, follows."""
    log, run_dir, said = sitting.log, sitting.run_dir, None
    if not (log.state.is_shown and (run_dir / "report.html").exists()):
        winner = stored_winner(log.state, run_dir)
        said = sitting.publisher().end(log, winner, sitting.stop)
    return SearchResult(log.state, run_dir, "already finished", tracking=said)


def _sit(sitting: _Sitting) -> SearchResult:
    """One sitting. Whatever ends it, its end is written down first, then its workers are stopped,
    then files are touched."""
    require_runnable(sitting.config)
    publisher, execution = sitting.publisher(), sitting.config.execution
    name = "inline" if sitting.options.inline else execution.engine
    first = imported_first(sitting.config.augmentation.written)
    options = EngineOptions.of(execution, sitting.resources, sitting.run_dir, first)
    engine, said = ENGINES[name].build(options), None
    ending = ended(lambda: _search(sitting, engine, publisher), sitting.log, engine)
    try:
        engine.shutdown(wait=False)
        if ending.outcome == "finished":
            winner = stored_winner(ending.state, sitting.run_dir)
            said = publisher.end(sitting.log, winner, sitting.stop)
        elif ending.is_ours:
            with_page = ending.outcome == "failed" and not sitting.stop.is_set()
            said = publisher.stop(ending.state, with_page)
    finally:
        if ending.error is not None:
            raise ending.error
    return SearchResult(ending.state, sitting.run_dir, ending.outcome, ending.reason, said)


def _search(sitting: _Sitting, engine: Engine, publisher: Publisher) -> None:
    """The search itself: opened, its phases, closed. Raises Stopped, SearchFailed, or what went
    wrong."""
    config, log, resources = sitting.config, sitting.log, sitting.resources
    earlier_seconds = log.state.wall_seconds
    started = time.monotonic()
    engine.warm_up()
    prepared = open_search(config, sitting.run_dir, log, sitting.progress, sitting.stop)
    engine.use_dataset(prepared.dataset, path_to_images(config.dataset))
    deadline = Deadline(config, earlier_seconds, started, precision=prepared.precision)
    work = workload(config, prepared.precision)
    expected = ExpectedWork(work.plan, work.of, config.execution.workers, work.in_epochs)
    sitting.progress.expect(expected, earlier_seconds)
    publisher.expect(expected)
    for record in log.state.records:
        deadline.told(record)

    showing = Showing(log, publisher.show)
    listeners = _listeners(sitting, prepared, publisher)
    heard = (*listeners, sitting.progress, OnTold(deadline.told), OnTold(showing.told))
    around = Surroundings(heard, sitting.stop, sitting.lock.verify)
    truth = Truth.of(prepared.dataset)
    ledger = Ledger(log, engine, sitting.run_dir, truth, config.seed, around)
    looks = log.state.opened.earlier_looks if log.state.opened else 0
    context = Context(prepared, ledger, partial(out_of_time, log, deadline), looks)
    phases = (*PHASES, *(phase_of(GUESTS[name]) for name in sitting.options.guests))
    run_phases(phases, context, log, sitting.progress, showing.now)

    if sitting.stop.is_set():
        raise Stopped
    write_winner_sheet(log.state, prepared.dataset, sitting.run_dir)
    say = sitting.progress.message
    build_winner(log.state, prepared.dataset, resources, sitting.run_dir, say)


def _listeners(sitting: _Sitting, prepared: Prepared, publisher: Publisher) -> list[Listener]:
    """Who hears of trials beside the terminal and the clock."""
    resources, say = sitting.resources, sitting.progress.message
    watch = CutWatch()
    heard: list[Listener] = [
        TrialSheets(prepared.dataset, sitting.run_dir, say),
        CheckpointSweeper(resources),
        OnTold(lambda record: say(line) if (line := watch.line(record)) else None),
    ]
    if not sitting.options.guests:  # which may want the same views once more
        heard.append(ViewSweeper(resources))
    if publisher.tracker is not None:
        publisher.tracker.submit(sitting.log.state)
        heard.append(publisher.tracker)
    return heard
