"""One sitting of a search: opens the run directory, runs what is left to do, and leaves every file in it true.

`run_search` is the door for the command line and for Python. The search itself is `loop`; files made from its state `outputs`.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.errors import UserError
from data.files import make_folder, sweep_leftovers
from data.sources import path_to_images
from search.driver.ledger import Ledger, Stopped
from search.driver.loop import SearchLoop
from search.driver.opening import opening
from search.driver.outputs import write_outputs
from search.driver.pacing import Deadline
from search.driver.phases import SearchFailed
from search.driver.prepare import Prepared, prepare, require_runnable, resources_of
from search.driver.publishing import Publisher
from search.driver.winner import build_winner, stored_winner
from search.driver.workload import workload
from search.execution.engines import ENGINES, ClusterOptions, Engine, EngineOptions
from search.experiment.config import Experiment, ExperimentConfig, load_config
from search.experiment.trial import Resources
from search.journal.event_log import EventLog
from search.journal.lock import RunLock
from search.journal.run_dir import JOURNAL, earlier_looks, empty_run_dir, forget_previous
from search.journal.state import SearchState
from search.report.sheets import TrialSheets
from search.training.trial_files import SpentCheckpoints, SpentViews

# Folders of the cache that others may be writing to; decoding sweeps its own.
CACHES = ("features", "openvino")
CACHE_LEFTOVER_SECONDS = 6 * 3600.0  # by then nobody is still at it


Outcome = Literal["finished", "already finished", "stopped", "failed"]


@dataclass(frozen=True)
class SearchResult:
    """How a sitting ended. stopped: can be resumed. failed: no trial completed, or the search could not go on (`reason`)."""

    state: SearchState
    run_dir: Path
    outcome: Outcome
    reason: str | None = None
    tracking: str | None = None


@dataclass(frozen=True)
class SessionOptions:
    """fresh: start anew in a directory that holds another search. inline: run trials in this process. demo_leak: then score the
    trials once more on augmented images, a mistake to learn from. stop: set to stop."""

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
    """Runs or resumes the search of an experiment (as `load_config` takes it) in `run_dir`, by default runs/NAME.

    progress: as `terminal.Progress`; None is silent. Raises UserError for what the user can mend and StorageError where the disk
    refuses; whatever happens, the directory can be resumed.
    """
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


class _Silent:
    """Progress that nobody watches."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **named: None


class _Session:
    def __init__(
        self, config: ExperimentConfig, run_dir: Path, progress: Any, options: SessionOptions, lock: RunLock
    ) -> None:
        self.config, self.run_dir, self.progress, self.options = config, run_dir, progress, options
        self.lock = lock
        self.started = time.monotonic()
        self.stop = options.stop or threading.Event()

    def run(self) -> SearchResult:
        if self.options.fresh:
            require_runnable(self.config)  # before anything is lost
            empty_run_dir(self.run_dir)
        log = EventLog(self.run_dir / JOURNAL)
        with ExitStack() as stack:
            stack.callback(log.close)
            if log.warning:
                self.progress.message(log.warning)
            self._refuse_another_search(log.state)
            if log.state.finished_at is not None and not (self.options.demo_leak and log.state.leak is None):
                return self._show_finished(log)
            return self._search(log, stack)

    def _show_finished(self, log: EventLog) -> SearchResult:
        """The search is over: what it was killed before writing, or could not send, follows."""
        said = None
        if not (log.state.is_shown and (self.run_dir / "report.html").exists()):
            publisher = self._publisher()
            publisher.register(log.state, stored_winner(log.state, self.run_dir))
            said = publisher.end(log)
        return SearchResult(log.state, self.run_dir, "already finished", tracking=said)

    def _search(self, log: EventLog, stack: ExitStack) -> SearchResult:
        require_runnable(self.config)
        publisher = self._publisher()
        resources = resources_of(self.config, self.run_dir)
        engine = self._engine(resources)
        self._say_what_bounds_workers()
        stack.callback(engine.shutdown, wait=False)
        engine.warm_up()
        earlier = log.state.wall_seconds
        prepared = self._prepare(log, resources)
        engine.use_dataset(prepared.dataset, path_to_images(self.config.dataset))
        work = workload(self.config)
        self.progress.expect(work.plan, work.of, self.config.execution.workers)
        ledger = Ledger(log, engine, self.run_dir, np.asarray(prepared.dataset.labels), self.config.seed)
        ledger.stop, ledger.still_ours = self.stop, self.lock.verify
        ledger.listeners.append(TrialSheets(prepared.dataset, self.run_dir))
        ledger.listeners.append(SpentCheckpoints(resources))
        if not self.options.demo_leak:  # which wants the same views once more
            ledger.listeners.append(SpentViews(resources))
        if publisher.tracker is not None:
            publisher.tracker.submit(log.state)
            ledger.listeners.append(publisher.tracker)
        deadline = Deadline(self.config, earlier, self.started)
        for record in log.state.records:
            deadline.told(record)
        loop = SearchLoop(
            prepared, log, ledger, self.progress, publisher.show, deadline, self.options.demo_leak
        )
        return self._finish(log, loop, prepared, engine, publisher)

    def _finish(
        self, log: EventLog, loop: SearchLoop, prepared: Prepared, engine: Engine, publisher: Publisher
    ) -> SearchResult:
        outcome: Outcome = "finished"
        reason = None
        try:
            loop.run()
        except Stopped:
            engine.cancel_running()  # at once: nobody waits for what still runs
            outcome, reason = "stopped", "asked to stop"
        except SearchFailed as error:
            outcome, reason = "failed", str(error)
        if reason is not None:
            log.append("stopped", reason=reason)
        if outcome == "finished" and not any(r.status == "completed" for r in log.state.of_kind("trial")):
            outcome, reason = "failed", "no trial completed"
        if outcome == "finished":
            self._after(log, prepared, publisher)
            log.append("finished")
        said = publisher.stop(log.state) if outcome == "stopped" else publisher.end(log)
        return SearchResult(log.state, self.run_dir, outcome, reason, said)

    def _after(self, log: EventLog, prepared: Prepared, publisher: Publisher) -> None:
        """What a finished search leaves beside its figures: the winner's pictures and its model."""
        from search.report.preview import write_winner_sheet

        write_winner_sheet(log.state, prepared.dataset, self.run_dir)
        winner = build_winner(
            log.state, prepared.dataset, resources_of(self.config, self.run_dir), self.run_dir
        )
        publisher.register(log.state, winner)

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
                f"{workers} workers, but the search phase asks for only {lookahead} trials ahead (search.lookahead, part of "
                "what makes a search repeatable); raise it to use them all"
            )

    def _prepare(self, log: EventLog, resources: Any) -> Prepared:
        self.progress.phase("prepare", None)
        start = time.monotonic()
        prepared = prepare(self.config, resources, self._on_images)
        opened = log.state.opened
        if opened is None:
            log.append(
                "opened", opened=opening(prepared, earlier_looks(self.run_dir)).model_dump(mode="json")
            )
        elif opened.dataset.digest != prepared.dataset.digest:
            raise UserError(
                f"{self.run_dir} was begun on other images (digest {opened.dataset.digest[:12]}, now "
                f"{prepared.dataset.digest[:12]}); restore them, or start anew with --fresh"
            )
        else:
            log.append("resumed")
        forget_previous(self.run_dir)
        log.append("phase", phase="prepare", seconds=round(time.monotonic() - start, 3))
        write_outputs(log.state, self.run_dir, with_report=False)
        return prepared

    def _on_images(self, done: int, total: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.progress.trial_progress(done / max(total, 1), f"decoding {done} of {total} images")

    def _refuse_another_search(self, state: SearchState) -> None:
        if state.opened is not None and state.opened.config_hash != self.config.hash:
            raise UserError(
                f"{self.run_dir} holds a search of another config ({state.opened.name}, {state.opened.config_hash[:8]}; this "
                f"one is {self.config.hash[:8]}); choose another --run-dir, or start anew with --fresh"
            )

    def _publisher(self) -> Publisher:
        return Publisher(self.config.tracking, self.config.name, self.run_dir)
