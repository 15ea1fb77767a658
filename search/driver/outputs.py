"""The files of a run directory that are made from the state: any of them can be deleted and made
again from the journal."""

import json
from pathlib import Path

from data.files import write_atomically
from search.experiment.yaml_file import as_yaml
from search.journal.state import SearchState
from search.report.page import write_report
from search.report.summary import summarize
from search.report.trial_tables import write_trials
from search.report.view import SearchView


def write_outputs(state: SearchState, run_dir: Path, with_report: bool = True) -> None:
    """trials.csv and summary.json, the config, the environment and the winner's settings; the page
    where it is asked for.

    Raises StorageError where the disk refuses.
    """
    if state.opened is None:
        return
    write_atomically(run_dir / "config.yaml", as_yaml(state.opened.config), "the config")
    write_atomically(
        run_dir / "environment.json", _json(state.opened.environment), "the environment"
    )
    view = SearchView(state)
    write_trials(view, run_dir)
    write_atomically(run_dir / "summary.json", _json(summarize(view)), "the summary")
    winner = winner_of(state)
    if winner is not None:
        write_atomically(run_dir / "winner.json", _json(winner), "the winner")
    if with_report:
        write_report(view, run_dir)


def winner_of(state: SearchState) -> dict | None:
    """The recommended settings, once they are known: no augmentation is a recommendation too."""
    evidence = state.evidence
    if evidence is None or evidence.chosen_label is None:
        return None
    record = next(
        (r for r in state.records if r.trial == evidence.chosen_trial), state.baseline("confirm")
    )
    if record is None:
        return None
    return {
        "label": evidence.chosen_label,
        "trial": record.trial,
        **record.spec.settings.model_dump(mode="json"),
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n"
