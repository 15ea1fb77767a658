"""How a search is opened: begun, or gone on with in a directory where it was begun; with which
config, and which of its trials are tried again. What may change between two sittings is
`experiment.changes`."""

import json
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.near_duplicates import look_grouped
from data.own_code import live_hint
from search.driver.algorithms import rounds_of
from search.driver.environment import describe_environment
from search.driver.ledger import Stopped
from search.driver.plan_checks import plan_lines
from search.driver.prepare import (
    Heard,
    Prepared,
    check_model,
    prepare,
    resources_of,
    saving_lines,
    subject_of,
)
from search.driver.publishing import write_outputs
from search.driver.retries import given_up, lifts_cut, what_to_retry, why_again
from search.driver.run_reading import read_journal
from search.driver.rungs import rungs_text
from search.driver.sitting import cut_off
from search.driver.unchanged import unchanged_lines
from search.experiment.config import CODE, ExperimentConfig, may_change
from search.experiment.config_changes import Changes, differences
from search.features.precision_choice import require_precision
from search.journal.clearing import forget_work
from search.journal.events import Opened
from search.journal.journal_file import FRESH, JournalError
from search.journal.run_dir import JOURNAL, earlier_looks, forget_previous
from search.journal.state import EventLog, SearchState
from search.report.wording import label_text, tried_text

if TYPE_CHECKING:
    from search.report.terminal import Progress

VALUE_CHARACTERS = 60


def check_resumable(run_dir: Path) -> None:
    """Raises UserError where the journal in the directory, if any, is not one that a search of this
    version writes."""
    if not (run_dir / JOURNAL).exists():
        return
    try:
        read_journal(run_dir)
    except JournalError as error:
        if FRESH in str(error):
            raise
        advice = f"Restore the journal, choose another --run-dir, or start anew with {FRESH}"
        raise JournalError(f"{run_dir}: {error}. {advice}") from error


def continued(
    state: SearchState, config: ExperimentConfig, run_dir: Path, code_changed: bool = False
) -> ExperimentConfig:
    """The config that the search of `state` goes on with: as it was begun, but for what of `config`
    may differ.

    Raises UserError where `config` is of another search, naming each value that differs, and where
    own code was edited unless `code_changed`.
    """
    assert state.opened is not None, "a search goes on once it was begun"
    begun = state.opened.experiment
    fixed = {k: v for k, v in differences(begun.filled, config.filled).items() if not may_change(k)}
    if fixed:
        raise UserError(
            f"{run_dir} holds a search of another config ({state.opened.name}): {_text(fixed)}. "
            f"Restore {'that' if len(fixed) == 1 else 'those'}, choose another --run-dir, or start "
            f"anew with {FRESH}"
        )
    edited = [
        name for name, digest in config.code.files.items() if begun.code.files.get(name) != digest
    ]
    if edited and not code_changed:
        raise UserError(
            f"{', '.join(edited)} was edited since the search of {run_dir} began, and its trials "
            f"would no longer be of one code{live_hint(edited)}. Restore it, "
            f"choose another --run-dir, start anew with {FRESH}, or, where the edit "
            "changes no picture and no model, go on with --code-changed"
        )
    hours = config.search.max_hours if may_set_hours(state, config) else begun.search.max_hours
    return begun.model_copy(
        update={
            "tracking": config.tracking,
            "execution": config.execution,
            "search": begun.search.model_copy(update={"max_hours": hours}),
            "dataset": begun.dataset.model_copy(update={"path": config.dataset.path}),
            "code": config.code,
        }
    )


def open_search(
    config: ExperimentConfig,
    run_dir: Path,
    log: EventLog,
    progress: "Progress",
    stop: threading.Event,
) -> Prepared:
    """The images and the first event of a sitting. Raises UserError for what the user can mend,
    Stopped where it was asked to stop meanwhile."""

    def pause() -> None:
        if stop.is_set():
            raise Stopped

    def on_images(done: int, total: int) -> None:
        pause()
        progress.trial_progress(done / max(total, 1), f"decoding {done} of {total} images")

    pause()
    start, workers, lookahead = time.monotonic(), config.execution.workers, config.search.lookahead
    if workers > lookahead:
        progress.message(
            f"{workers} workers, but the search phase asks for only {lookahead} trials ahead "
            "(search.lookahead, part of what makes a search repeatable); raise it to use them all"
        )
    progress.phase("prepare", None)
    heard = Heard(on_images, progress.doing, progress.message, pause)
    prepared = _prepare(config, run_dir, log.state.opened, heard)
    check_model(prepared, pause)
    fresh = () if log.state.opened else _warnings(prepared)
    pause()
    notes, choice = prepared.dataset.notes.lines(), prepared.choice.lines()
    for line in (*notes, *fresh, *choice, *plan_lines(config, prepared.space), *_rungs(prepared)):
        progress.message(line)
    for line in _begin_or_resume(log, prepared, run_dir):
        progress.message(line)
    log.append("phase", phase="prepare", seconds=round(time.monotonic() - start, 3))
    write_outputs(log.state, run_dir, with_report=False)
    if not log.state.records:
        progress.doing("ready; the first trial takes longest: all is compiled in it")
    return prepared


def _warnings(prepared: Prepared) -> tuple[str, ...]:
    """Of a search that begins. Runs own code."""
    grouped = look_grouped(prepared.dataset)
    return (*unchanged_lines(prepared), *saving_lines(prepared), *grouped)


def _rungs(prepared: Prepared) -> list[str]:
    """Why there are more trials than the file says, where there are."""
    asked, rounds = prepared.config.search.trials, rounds_of(prepared.config)
    if not rounds or prepared.num_trials <= asked:
        return []
    return [
        f"search.trials is {asked}, on rungs ({rungs_text(prepared.config, rounds)}): at most "
        f"{tried_text(prepared.num_trials, prepared.num_settings)}, since what is promoted is "
        "trained again"
    ]


def _prepare(
    config: ExperimentConfig, run_dir: Path, opened: Opened | None, heard: Heard
) -> Prepared:
    """A search that was begun goes on in its own precision. Raises UserError where that cannot be
    had any more."""
    resources = resources_of(config, run_dir)
    if opened is None:
        return prepare(config, resources, heard)
    prepared = prepare(config, resources, heard, opened.environment["precision"])
    subject = subject_of(config, prepared.dataset, resources)
    require_precision(prepared.precision, replace(subject, pause=heard.pause))
    return prepared


def _begin_or_resume(log: EventLog, prepared: Prepared, run_dir: Path) -> list[str]:
    """Journals that a search begins, or goes on: the first event of every sitting. Returns what
    there is to say of it, a line each.

    Raises UserError where the search of this directory was begun on other images.
    """
    opened, digest = log.state.opened, prepared.dataset.digest
    lines: list[str] = []
    if opened is None:
        first = _opening(prepared, earlier_looks(run_dir))
        log.append("opened", opened=first.model_dump(mode="json"))
    elif opened.dataset.digest == digest:
        lines = _resume(log, prepared.config, run_dir)
    else:
        raise UserError(
            f"{run_dir} was begun on other images (digest {opened.dataset.digest[:12]}, now "
            f"{digest[:12]}); restore them, choose another --run-dir, or start anew with {FRESH}"
        )
    forget_previous(run_dir)
    return lines


def _opening(prepared: Prepared, earlier_looks: int) -> Opened:
    """Of a search that begins now. earlier_looks: at the test set, by searches that the directory
    held before."""
    config, space = prepared.config, prepared.space
    return Opened(
        search_id=uuid.uuid4().hex,
        name=config.name,
        config=config.filled,
        config_hash=config.hash,
        started_at=time.time(),
        environment=describe_environment(prepared),
        dataset=prepared.summary,
        earlier_looks=earlier_looks,
        space=space.as_json(),
        fixed=space.fixed_by_name,
        order=tuple(
            name
            for part in (config.augmentation, config.model, config.training)
            for name in part.written
        ),
    )


def _resume(log: EventLog, config: ExperimentConfig, run_dir: Path) -> list[str]:
    """Journals that a search goes on, what differs from the sitting before, and which trials are
    tried again; a line for people on each."""
    before = log.state
    assert before.opened is not None, "a search goes on once it was begun"
    changes = differences(before.opened.experiment.filled, config.filled)
    more_time = lifts_cut(before, config)
    if CODE in changes:  # what was painted by the code before
        forget_work(run_dir)
    log.append("resumed", **({"changed": changes, "config_hash": config.hash} if changes else {}))
    lines = [text] if (text := cut_off(before)) else []
    lines += [
        f"going on with another value: {_text({key: values})}" for key, values in changes.items()
    ]
    lines += given_up(log.state)
    if retried := what_to_retry(log.state, run_dir, more_time):
        again = [record for record in log.state.records if record.trial in retried.trials]
        lines += [f"trying trial {r.trial} ({label_text(r)}) again: {why_again(r)}" for r in again]
        log.append("retried", **retried.model_dump(mode="json", exclude={"time"}))
    return lines


def may_set_hours(state: SearchState, config: ExperimentConfig) -> bool:
    """Not where the time had run out, unless the limit is raised before the test set was opened:
    then the search goes on."""
    return state.cut_after is None or lifts_cut(state, config)


def _text(changes: Changes) -> str:
    return "; ".join(
        f"{k} was {_short(then)} and is now {_short(now)}" for k, (then, now) in changes.items()
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARACTERS else text[: VALUE_CHARACTERS - 3] + "..."
