"""The report page as one value: everything on it that is text, section by section, and the commands
it names. The sentences are in `sections`, the tables in `tables`; how it looks is the template's
business.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.experiment.tracking_uri import redacted
from search.experiment.yaml_file import as_yaml
from search.export.exporters import Policy, targets_of
from search.journal.state import SearchState
from search.report.budgets import budget_unit, hollow_text, rungs_text
from search.report.figures_training import confusion_note
from search.report.sections import (
    cost_text,
    data_lines,
    facts,
    floor_text,
    fresh_text,
    how_to_read,
    leak_text,
    no_verdicts,
    notices,
    sheet_text,
    stopping_lines,
    test_lines,
    test_score_rows,
)
from search.report.tables import (
    MOST_CLASSES,
    TrialTable,
    VerdictRow,
    class_rows,
    confirmed_rows,
    failure_rows,
    leak_rows,
    safety_table,
    trial_table,
    verdict_rows,
    version_rows,
)
from search.report.wording import (
    answer,
    chosen_record,
    settings_of,
    unit_of,
    whole_name,
    within_name,
)

Rows = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Page:
    """Everything on the page that is text, in the order in which it is read."""

    name: str
    search_id: str
    answer: str
    unit: str
    notices: list[str]
    facts: list[tuple[str, str]]
    how_to_read: str
    verdicts: list[VerdictRow]
    has_removed: bool
    whole_name: str
    within_name: str
    no_verdicts: str | None
    fresh: str
    confirmed: Rows
    sheet_text: str
    config_file: str
    floor: str
    trials: TrialTable
    failures: Rows
    curves: str
    stopping: list[str]
    test: list[str]
    test_headings: tuple[str, ...]
    test_scores: Rows
    confusion: str
    budget: str
    hollow: str
    rungs: str
    leak: str | None
    leaked: Rows
    classes: Rows
    classes_left_out: int
    data: list[str]
    safety_headings: tuple[str, ...]
    safety: Rows
    cost: str
    repeat: list[str]
    versions: Rows
    config: str
    use: list[str]
    use_commands: list[str]


def build_page(state: SearchState, run_dir: Path, curves: str) -> Page:
    """The page of a state. `run_dir` is only named in commands; `curves` says which settings the
    curves are of.
    """
    unit, opened = unit_of(state), state.opened
    # an absolute path would tell everybody who gets the page how this machine is laid out
    folder = shlex.quote(run_dir.name if run_dir.is_absolute() else str(run_dir))
    safety_headings, safety = safety_table(state)
    return Page(
        name=opened.name if opened else run_dir.name,
        search_id=opened.search_id if opened else "",
        answer=answer(state),
        unit=unit.name,
        notices=notices(state),
        facts=facts(state),
        how_to_read=how_to_read(state),
        verdicts=verdict_rows(state),
        has_removed=bool(state.evidence and state.evidence.removed),
        whole_name=whole_name(state),
        within_name=within_name(state),
        no_verdicts=no_verdicts(state),
        fresh=fresh_text(state),
        confirmed=confirmed_rows(state),
        sheet_text=sheet_text(state),
        config_file=f"{folder}/config.yaml",
        floor=floor_text(state),
        trials=trial_table(state),
        failures=[tuple(redacted(cell) for cell in row) for row in failure_rows(state)],
        curves=curves,
        stopping=stopping_lines(state),
        test=test_lines(state),
        test_headings=("model", "accuracy (95 %)"),
        test_scores=test_score_rows(state),
        confusion=confusion_note(state),
        budget=budget_unit(state),
        hollow=hollow_text(state),
        rungs=rungs_text(state),
        leak=leak_text(state),
        leaked=leak_rows(state),
        classes=class_rows(state),
        classes_left_out=max(0, len(opened.dataset.class_names) - MOST_CLASSES) if opened else 0,
        data=data_lines(state),
        safety_headings=safety_headings,
        safety=safety,
        cost=cost_text(state),
        repeat=_repeat(folder),
        versions=[(name, redacted(value)) for name, value in version_rows(state)],
        config=_config(state),
        use=_use(state),
        use_commands=_use_commands(state, folder),
    )


def _repeat(folder: str) -> list[str]:
    return [
        "# the same search again",
        f"python run_search.py run {folder}/config.yaml --run-dir {folder}-again",
        "# one trial again, every number compared",
        f"python run_search.py verify {folder}",
        "# this page again, from the journal alone",
        f"python run_search.py report {folder}",
    ]


def _config(state: SearchState) -> str:
    if state.opened is None:
        return ""
    return redacted(as_yaml(state.opened.config, allow_unicode=True))


def _use(state: SearchState) -> list[str]:
    evidence, chosen = state.evidence, chosen_record(state)
    if chosen:
        return [f"Train with {settings_of(chosen)}."]
    if evidence and evidence.confirmed:
        return [
            "Train without augmentation: no setting was shown to help, so there is no policy to "
            "export." + (" The model trained so, on your images:" if state.test is not None else "")
        ]
    return ["There is no recommendation to use yet."]


def _use_commands(state: SearchState, folder: str) -> list[str]:
    chosen = chosen_record(state)
    predict = f"python run_search.py predict {folder} IMAGE..."
    if chosen is None:
        return [predict] if state.test is not None else []
    augmentation, size = chosen.spec.settings.augmentation, chosen.spec.dataset.image_size
    targets = targets_of(Policy("", augmentation, size))
    exports = [f"python run_search.py export {folder} --to {target}" for target in targets]
    settings = json.dumps(augmentation, ensure_ascii=False)
    return [
        "# the settings, in the units of the experiment file",
        settings,
        "# as code or settings for use elsewhere",
        *exports,
        "# classes and probabilities of images, by the model trained with them",
        predict,
    ]
