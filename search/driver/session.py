"""One sitting of a search: opens the run directory, runs what is left to do, and leaves every file
in it true.

`run_search` is the door for the command line and for Python. The search itself is `loop`; files
made from its state `outputs`.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import UserError
from data.files import make_folder, sweep_leftovers
from data.sources import path_to_images
from search.driver.ending import Outcome, ending_of, write_down
from search.driver.ledger import Ledger, Stopped
from search.driver.loop import SearchLoop
from search.driver.opening import opening
from search.driver.outputs import write_outputs
from search.driver.pacing import Deadline
from search.driver.prepare import Prepared, prepare, require_runnable, resources_of
from search.driver.publishing import Publisher
from search.driver.resuming import continued, resume
from search.driver.winner import build_winner, stored_winner
from search.driver.workload import workload
from search.execution.engines import ENGINES, ClusterOptions, Engine, EngineOptions
from search.experiment.config import Experiment, ExperimentConfig, load_config
from search.experiment.trial import Resources
from search.journal.event_log import EventLog
from search.journal.journal_file import FRESH
from search.journal.lock import LockedError, RunLock
from search.journal.run_dir import JOURNAL, earlier_looks, empty_run_dir, forget_previous
from search.journal.state import SearchState
from search.report.preview import TrialSheets
from search.report.time_left import ExpectedWork
from search.training.trial_files import SpentCheckpoints, SpentViews

# Folders of the cache that others may be writing to; decoding sweeps its own.
CACHES = ("features", "openvino")
CACHE_LEFTOVER_SECONDS = 6 * 3600.0  # by then nobody is still at it


@dataclass(frozen=True)
class SearchResult:
    """How a sitting ended. stopped: can be resumed. failed: no trial completed, or the search could
    not go on (`reason`); it can be resumed too, once that is mended."""

    state: SearchState
    run_dir: Path
    outcome: Outcome
    reason: str | None = None
    tracking: str | None = None


@dataclass(frozen=True)
class SessionOptions:
    """fresh: start anew in a directory that holds another search. inline: run trials in this
    process. demo_leak: then score the trials once more on augmented images, a mistake to learn
    from. stop: set to stop."""

    fresh: bool = False
    inline: bool = False
    demo_leak: bool = False
    stop: threading.Event | None = None


def run_search(
    experiment: Experiment,
    run_dir: str | Path | None = None,
    progress: Any = None,
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
    run_dir = Path("runs") / config.name if run_dir is None else Path(run_dir)
    options = options or SessionOptions()
    make_folder(run_dir, "the run directory")
    progress = progress or _Silent()
    with RunLock(run_dir, notify=progress.message) as lock:
        sweep_leftovers(run_dir, 0)
        for part in CACHES:
            sweep_leftovers(resources_of(config, run_dir).cache_dir / part, CACHE_LEFTOVER_SECONDS)
        return _Session(config, run_dir, progress, options, lock).run()


def _check_arguments(progress: object, options: object) -> None:
    if not (progress is None or hasattr(progress, "message")):
        raise TypeError(
            f"progress received {progress!r}; allowed: None, or what search.report.terminal's "
            "Progress has"
        )
    if not (options is None or isinstance(options, SessionOptions)):
        raise TypeError(f"options received {options!r}; allowed: None or a SessionOptions")


class _Silent:
    """Progress that nobody watches."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


class _Session:
    def __init__(
        self,
        config: ExperimentConfig,
        run_dir: Path,
        progress: Any,
        options: SessionOptions,
        lock: RunLock,
    ) -> None:
        self.config, self.run_dir, self.progress, self.options = config, run_dir, progress, options
        self.lock = lock
        self.started = time.monotonic()
        self.stop = options.stop or threading.Event()
        self.has_begun = False  # this sitting's first event is journaled

    def run(self) -> SearchResult:
        if self.options.fresh:
            require_runnable(self.config)  # before anything is lost
            empty_run_dir(self.run_dir)
        log = EventLog(self.run_dir / JOURNAL)
        with closing(log):
            if log.warning:
                self.progress.message(log.warning)
            if log.state.opened is not None:
                self.config = continued(log.state, self.config, self.run_dir)
            if log.state.finished_at is not None and not (
                self.options.demo_leak and log.state.leak is None
            ):
                return self._show_finished(log)
            return self._search(log)

    def _show_finished(self, log: EventLog) -> SearchResult:
        """The search is over: what it was killed before writing, or could not send, follows."""
        said = None
        if not (log.state.is_shown and (self.run_dir / "report.html").exists()):
            said = self._publisher().end(log, stored_winner(log.state, self.run_dir), self.stop)
        return SearchResult(log.state, self.run_dir, "already finished", tracking=said)

    def _search(self, log: EventLog) -> SearchResult:
        """One sitting. Whatever ends it, its end is written down first, then its workers are
        stopped, then files are touched."""
        require_runnable(self.config)
        publisher = self._publisher()
        engine = self._engine(resources_of(self.config, self.run_dir))
        ending = ending_of(lambda: self._sit(log, engine, publisher))
        engine.cancel_running()  # at once: nobody waits for what still runs
        said = None
        is_ours = self.has_begun and not isinstance(ending.error, LockedError)
        try:
            state = write_down(ending, log) if is_ours else log.state
            engine.shutdown(wait=False)
            if ending.outcome == "finished":
                said = publisher.end(log, stored_winner(state, self.run_dir), self.stop)
            elif is_ours:
                said = publisher.stop(
                    state, with_page=ending.outcome == "failed" and not self.stop.is_set()
                )
        finally:
            engine.shutdown(wait=False)
            if ending.error is not None:
                raise ending.error
        return SearchResult(state, self.run_dir, ending.outcome, ending.reason, said)

    def _sit(self, log: EventLog, engine: Engine, publisher: Publisher) -> None:
        """Everything between the opening of a sitting and its end. Raises Stopped, SearchFailed, or
        what went wrong."""
        self._say_what_bounds_workers()
        engine.warm_up()
        earlier = log.state.wall_seconds
        resources = resources_of(self.config, self.run_dir)
        prepared = self._prepare(log, resources)
        engine.use_dataset(prepared.dataset, path_to_images(self.config.dataset))
        work = workload(self.config)
        workers = self.config.execution.workers
        self.progress.expect(work.plan, work.of, workers)
        publisher.expect(ExpectedWork(work.plan, work.of, workers))
        deadline = Deadline(self.config, earlier, self.started)
        for record in log.state.records:
            deadline.told(record)
        ledger = self._ledger(log, engine, prepared, resources, publisher)
        show, leak = publisher.show, self.options.demo_leak
        SearchLoop(prepared, log, ledger, self.progress, show, deadline, leak).run()
        if self.stop.is_set():
            raise Stopped
        self._write_winner(log, prepared)
        log.append("finished")

    def _ledger(
        self,
        log: EventLog,
        engine: Engine,
        prepared: Prepared,
        resources: Resources,
        publisher: Publisher,
    ) -> Ledger:
        ledger = Ledger(
            log, engine, self.run_dir, np.asarray(prepared.dataset.labels), self.config.seed
        )
        ledger.stop, ledger.still_ours = self.stop, self.lock.verify
        ledger.listeners.append(TrialSheets(prepared.dataset, self.run_dir, self.progress.message))
        ledger.listeners.append(SpentCheckpoints(resources))
        if not self.options.demo_leak:  # which wants the same views once more
            ledger.listeners.append(SpentViews(resources))
        if publisher.tracker is not None:
            publisher.tracker.submit(log.state)
            ledger.listeners.append(publisher.tracker)
        return ledger

    def _write_winner(self, log: EventLog, prepared: Prepared) -> None:
        """What a finished search leaves beside its figures: the winner's pictures and its model."""
        from search.report.preview import write_winner_sheet

        write_winner_sheet(log.state, prepared.dataset, self.run_dir)
        build_winner(
            log.state, prepared.dataset, resources_of(self.config, self.run_dir), self.run_dir
        )

    def _engine(self, resources: Resources) -> Engine:
        execution = self.config.execution
        name = "inline" if self.options.inline else execution.engine
        timeout = execution.trial_timeout_minutes
        return ENGINES[name].build(
            EngineOptions(
                resources=resources,
                run_dir=self.run_dir,
                workers=execution.workers,
                retries=execution.retries,
                timeout_seconds=timeout * 60 if timeout else None,
                cluster=ClusterOptions(
                    address=execution.address,
                    cpu=execution.resources.cpu,
                    gpu=execution.resources.gpu,
                    max_workers=execution.max_workers,
                    cache_is_shared=execution.cache_dir is not None,
                ),
            )
        )

    def _say_what_bounds_workers(self) -> None:
        workers, lookahead = self.config.execution.workers, self.config.search.lookahead
        if workers > lookahead:
            self.progress.message(
                f"{workers} workers, but the search phase asks for only {lookahead} trials ahead "
                "(search.lookahead, part of "
                "what makes a search repeatable); raise it to use them all"
            )

    def _prepare(self, log: EventLog, resources: Resources) -> Prepared:
        self.progress.phase("prepare", None)
        start = time.monotonic()
        prepared = prepare(self.config, resources, self._on_images)
        for line in prepared.dataset.notes.lines():
            self.progress.message(line)
        opened = log.state.opened
        if opened is None:
            looks = earlier_looks(self.run_dir)
            log.append("opened", opened=opening(prepared, looks).model_dump(mode="json"))
        elif opened.dataset.digest != prepared.dataset.digest:
            raise UserError(
                f"{self.run_dir} was begun on other images (digest {opened.dataset.digest[:12]}, "
                "now "
                f"{prepared.dataset.digest[:12]}); restore them, choose another --run-dir, or "
                f"start anew with {FRESH}"
            )
        else:
            for line in resume(log, self.config, self.run_dir):
                self.progress.message(line)
        self.has_begun = True
        forget_previous(self.run_dir)
        log.append("phase", phase="prepare", seconds=round(time.monotonic() - start, 3))
        write_outputs(log.state, self.run_dir, with_report=False)
        return prepared

    def _on_images(self, done: int, total: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.progress.trial_progress(done / max(total, 1), f"decoding {done} of {total} images")

    def _publisher(self) -> Publisher:
        return Publisher(
            self.config.tracking, self.config.name, self.run_dir, self.progress.message
        )
