"""A journaled search opened again, here and now: its events, config and images, and what differs from then.

Reads only. Resuming a search is `session`; comparing its numbers is `verify`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import UserError
from search.driver.prepare import Prepared, default_cache_dir, describe_environment, prepare, resources_of
from search.driver.specs import SpecFactory
from search.experiment.config import ExperimentConfig, parse_config
from search.experiment.trial import Resources
from search.journal.comparison import Comparison
from search.journal.journal_file import Event, JournalError
from search.journal.journal_file import read as read_journal
from search.journal.state import Opened, SearchState, replay

JOURNAL = "journal.jsonl"
UNIMPORTANT = ("mlflow", "pandas", "matplotlib")  # packages that no number depends on


@dataclass(frozen=True)
class Run:
    """What a run directory's journal holds. warning: of a torn last line that was left out."""

    events: tuple[Event, ...]
    state: SearchState
    opened: Opened
    warning: str | None = None

    @property
    def config(self) -> ExperimentConfig:
        """Raises JournalError where this version cannot read it."""
        try:
            return parse_config(self.opened.config, "the journaled config")
        except UserError as error:
            raise JournalError(str(error)) from error


def open_run(run_dir: Path) -> Run:
    """Raises UserError where there is no search, JournalError (one too) where its journal is damaged."""
    path = run_dir / JOURNAL
    if not path.exists():
        raise UserError(f"{run_dir} holds no {JOURNAL}; name a directory that a search was run in")
    events, warning = read_journal(path)
    return _run(events, warning)


def relocated(run: Run, data: Path | None, keep_cache: bool = True) -> Run:
    """The same as it would be with the images at `data`; None is where the source finds them itself.

    keep_cache: False leaves out the cache folder that the run names: a path from elsewhere is not for this machine.
    """
    path, moved = str(data.resolve()) if data is not None else None, []
    for event in run.events:
        if event["type"] == "opened":
            config = {**event["opened"]["config"]}
            config["dataset"] = {**config["dataset"], "path": path}
            if not keep_cache:
                config["execution"] = {**config["execution"], "cache_dir": None}
            event = {**event, "opened": {**event["opened"], "config": config}}
        elif event["type"] == "asked":
            spec = event["record"]["spec"]
            spec = {**spec, "dataset": {**spec["dataset"], "path": path}}
            event = {**event, "record": {**event["record"], "spec": spec}}
        moved.append(event)
    return _run(tuple(moved), run.warning)


def scratch_resources(config: ExperimentConfig, folder: Path) -> Resources:
    """Views go to `folder`, so that none is found ready; decoded images and clean features may be."""
    resources = resources_of(config, folder)
    cache_dir = resources.cache_dir if resources.cache_dir.exists() else default_cache_dir()
    return resources.model_copy(update={"cache_dir": cache_dir, "keep_views": False})


def prepare_again(run: Run, resources: Resources) -> Prepared:
    """As the search prepared itself, in the precision that it resolved then. Raises UserError as `prepare` does."""
    config = run.config
    prepared = prepare(config, resources)
    precision = run.opened.environment.get("precision", prepared.precision)
    return replace(prepared, precision=precision, specs=SpecFactory(config, prepared.space, precision))


def compare_surroundings(run: Run, prepared: Prepared, comparison: Comparison) -> tuple[str, ...]:
    """Compares images, weights and space; returns in words what else of machine and versions is not as it was."""
    here, then = describe_environment(prepared), run.opened.environment
    comparison.check("weights", then.get("weights"), here["weights"])
    summary = prepared.summary.model_dump(mode="json")
    comparison.check("dataset", run.opened.dataset.model_dump(mode="json"), summary)
    comparison.check("space", run.opened.space, prepared.space.as_json())
    before, now = ({**each, **each.get("packages", {})} for each in (then, here))
    names = ["python", "processor", "gpus", "cores", *{**then.get("packages", {}), **here["packages"]}]
    return tuple(
        f"{name} {before.get(name, 'absent')}, here {now.get(name, 'absent')}"
        for name in names
        if name not in UNIMPORTANT and before.get(name) != now.get(name)
    )


def _run(events: tuple[Event, ...], warning: str | None) -> Run:
    state = replay(events)
    if state.opened is None:
        raise UserError("this search was stopped before its first event; there is nothing in it yet")
    return Run(events, state, state.opened, warning)
