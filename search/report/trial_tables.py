"""The tables of a search's trials: the page's, with every figure beside its interval, and
`trials.csv`, for programs. Made from the view alone."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data.augmentations import AUGMENTATIONS, visible_value
from data.files import write_atomically
from data.value_forms import is_number
from search.evidence.claim_table import Estimate
from search.experiment.trial import TrialRecord, TrialResult
from search.report.table_model import Cell, Column, Table, as_csv
from search.report.tables import OWN_EFFECT
from search.report.trial_facts import best_epoch, cuttable_heads, heads_cut, trained_seconds
from search.report.view import SearchView
from search.report.wording import (
    effect_text,
    estimate_text,
    number_text,
    percent_text,
    strength_text,
    value_text,
)
from search.training.modes import budget_of

MOST_SHOWN = 500


def trial_table(view: SearchView) -> Table:
    """Every record but the test's, in the order of their numbers. A very long table holds the best
    trials alone and says so. Columns that say nothing are left out."""
    records = view.in_tables
    kept = _worth_showing(records)
    rung_epochs = any(record.spec.protocol.max_epochs is not None for record in records)
    columns = (
        *_measured_columns(view),
        *(_setting_column(view, name) for name in view.setting_names if name != "views"),
        # the rung that a trial stands on: its views and, where rungs differ in them, its epochs
        Column[TrialRecord]("views", lambda r: str(r.spec.protocol.views)),
        *([Column[TrialRecord]("epochs given", lambda r: str(budget_of(r.spec)))] * rung_epochs),
        *_spent_columns(view),
    )
    return Table.of("All trials", columns, kept, len(records) - len(kept)).less()


def _worth_showing(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """At most MOST_SHOWN, in their order: what is no trial first, then trials of the highest rung,
    the best of them first."""

    def worth(record: TrialRecord) -> tuple[bool, int, float]:
        effect = record.effect.delta if record.effect else -math.inf
        return record.kind != "trial", record.rung or 0, effect

    kept = {record.trial for record in sorted(records, key=worth, reverse=True)[:MOST_SHOWN]}
    return [record for record in records if record.trial in kept]


def _measured_columns(view: SearchView) -> Iterator[Column[TrialRecord]]:
    def effect(record: TrialRecord) -> Cell:
        if not record.spec.settings.augmentation and record.kind != "trial":
            return Cell("the reference")
        if record.effect is None:
            return Cell("")
        return Cell(effect_text(record.effect, view.unit, named=False), record.effect.delta)

    def claimed(record: TrialRecord) -> Cell:
        found = view.claimed_of.get(record.trial)
        if found is None:
            return Cell("")
        return Cell(estimate_text(found[1], view.unit, named=False), found[1].effect)

    def accuracy(record: TrialRecord, optimistic: bool = False) -> Cell:
        found = view.accuracy(record, optimistic)
        return Cell(percent_text(*found), found[0]) if found else Cell("")

    def figure(record: TrialRecord) -> Cell:
        found = view.figure(record)
        return Cell("" if found is None else f"{found:.3f}", found)

    yield Column("trial", lambda record: str(record.trial))
    yield Column("kind", lambda record: record.kind)
    yield Column(OWN_EFFECT, effect, view.unit.name, "number")
    yield Column("by all trainings (95 %)", claimed, view.unit.name, "number")
    yield Column("what", view.what_text, kind="long")
    if view.figure_name:
        yield Column(view.figure_name, figure, kind="share")
    yield Column("accuracy (95 %)", accuracy, kind="share")
    # of the epochs that were best on the very images scored, as scripts report it
    yield Column("optimistic", lambda record: accuracy(record, optimistic=True), kind="share")


def _setting_column(view: SearchView, name: str) -> Column[TrialRecord]:
    def value(record: TrialRecord) -> Cell:
        value = record.settings.get(name)
        if value is None:
            return Cell("")
        more = view.more_digits(record.spec.settings.augmentation)
        visible = visible_value(name, value, record.spec.dataset.image_size, more)
        if visible is None:
            visible = AUGMENTATIONS[name].identity
        text = strength_text if name in AUGMENTATIONS else _plain_text
        return Cell(text(name, visible), float(value) if is_number(value) else None)

    return Column(name, value, kind="setting")


def _plain_text(name: str, value: Any) -> str:
    return value_text(value)


def _spent_columns(view: SearchView) -> Iterator[Column[TrialRecord]]:
    def epoch(record: TrialRecord) -> str:
        found = best_epoch(record)
        return "" if found is None else str(found)

    def lost(record: TrialRecord) -> Cell:
        result = record.result
        return _some(len(result.lost), result.num_heads) if result else Cell("")

    def took(record: TrialRecord) -> Cell:
        seconds = trained_seconds(record)
        return Cell("" if seconds is None else f"{seconds:.1f} s", seconds)

    def status(record: TrialRecord) -> str:
        source = record.duplicate_of
        return view.status_of(record) if source is None else f"same as {number_text(source)}"

    yield Column("epoch", epoch)
    yield Column("cut", lambda record: _some(heads_cut(record), cuttable_heads(record)))
    yield Column("lost", lost)
    yield Column("time", took, kind="number")
    yield Column("status", status)


def _some(count: int, of: int) -> Cell:
    return Cell(f"{count} of {of}" if count else "", count)


def trials_csv(view: SearchView) -> str:
    """`trials.csv`: per trial, in the order of their numbers, fixed columns and then one per
    setting. Decimals are fixed, so that the same journal gives the same bytes.

    score, delta and interval are in the objective's units (0.01 is a percentage point) and empty
    where a trial failed or still runs, seconds where it repeats another. delta, its interval and p
    are of the trial's own training beside no augmentation; verdict and claimed, with its
    simultaneous interval, of all trainings together, where the trial stands for a claim. best_epoch
    is the median over the trial's heads. heads_cut counts those that max_epochs ended in the place
    of patience, heads_lost those that did not train. A setting that a trial does not have is empty.
    """
    fixed = (*_csv_columns(view), *_csv_claims(view), *_csv_heads())
    names = {column.header for column in fixed}
    settings = [_csv_setting(name) for name in view.setting_names if name not in names]
    return as_csv(Table.of("trials.csv", (*fixed, *settings), view.in_tables))


def write_trials(view: SearchView, run_dir: Path) -> Path:
    """Writes `trials.csv` into the run directory, beside and renamed, and returns its path. Raises
    StorageError."""
    path = run_dir / "trials.csv"
    write_atomically(path, trials_csv(view), "the table of trials")
    return path


def _csv_columns(view: SearchView) -> Iterator[Column[TrialRecord]]:
    yield Column("trial", lambda record: str(record.trial))
    yield Column("kind", lambda record: record.kind)
    yield Column("status", view.status_of)
    yield Column("score", lambda record: _decimal(record.result.score if record.result else None))
    yield Column("delta", lambda record: _decimal(record.effect.delta if record.effect else None))
    yield Column("ci_low", lambda record: _decimal(record.effect.ci_low if record.effect else None))
    yield Column(
        "ci_high", lambda record: _decimal(record.effect.ci_high if record.effect else None)
    )
    yield Column("seconds", lambda record: _decimal(trained_seconds(record), 3))
    yield Column("best_epoch", lambda record: _written(best_epoch(record)))


def _csv_claims(view: SearchView) -> Iterator[Column[TrialRecord]]:

    def source(record: TrialRecord) -> int | None:
        of_label = view.evidence.sources.get(record.label) if record.kind == "confirm" else None
        return of_label if record.duplicate_of is None else record.duplicate_of

    def verdict(record: TrialRecord) -> str:
        return view.claimed_of[record.trial][0] if record.trial in view.claimed_of else ""

    def precision(record: TrialRecord) -> str:
        return _written((record.result and record.result.precision) or record.spec.precision)

    def of_claim(value: Callable[[Estimate], float]) -> Callable[[TrialRecord], str]:
        def told(record: TrialRecord) -> str:
            found = view.claimed_of.get(record.trial)
            return _decimal(value(found[1]) if found else None)

        return told

    yield Column("label", view.label_text)
    yield Column("source_trial", lambda record: _written(source(record)))
    yield Column("views", lambda record: _written(record.spec.protocol.views))
    yield Column("precision", precision)
    yield Column("verdict", verdict)
    yield Column("claimed", of_claim(lambda found: found.effect))
    yield Column("claimed_low", of_claim(lambda found: found.ci[0]))
    yield Column("claimed_high", of_claim(lambda found: found.ci[1]))
    yield Column("p", lambda record: _decimal(record.effect.p_value if record.effect else None))


def _csv_heads() -> Iterator[Column[TrialRecord]]:
    def count(of: Callable[[TrialRecord, TrialResult], int]) -> Callable[[TrialRecord], str]:
        def told(record: TrialRecord) -> str:
            result = record.result
            return _written(of(record, result) if result and result.num_heads else None)

        return told

    yield Column("heads", count(lambda record, result: result.num_heads))
    yield Column("heads_cut", count(lambda record, result: heads_cut(record)))
    yield Column("heads_lost", count(lambda record, result: len(result.lost)))


def _csv_setting(name: str) -> Column[TrialRecord]:
    return Column(name, lambda record: _written(record.settings.get(name)))


def _decimal(value: float | None, digits: int = 6) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0.0 turns a negative zero into zero


def _written(value: Any) -> str:
    """A setting as the experiment file writes it."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, float):
        return f"{value:.10g}"  # 0.1 + 0.2 is 0.3 for people and spreadsheets
    return value if isinstance(value, str) else json.dumps(value)
