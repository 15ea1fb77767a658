"""The tables of the report page as rows of text: verdicts, confirmed settings, trials, failures,
classes, versions. Made from the state alone and knowing no HTML; escaping is the template's
business. Sentences are in `sections`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.rounding import visible_value
from search.evidence.verdicts import verdict_of
from search.experiment.trial import TrialRecord
from search.journal.state import SearchState
from search.report.budgets import heads_cut
from search.report.leaderboard import accuracy_interval, best_epoch, setting_names
from search.report.wording import (
    effect_text,
    p_text,
    percent_text,
    record_of,
    settings_of,
    unit_of,
    value_text,
    verdict_text,
    whole_name,
)
from search.training.modes import budget_of

MOST_TRIALS, MOST_CLASSES = 500, 60


@dataclass(frozen=True)
class VerdictRow:
    name: str
    verdict: str
    effect: str
    p_value: str
    within: str


@dataclass(frozen=True)
class Cell:
    """key: what a column is sorted by where the text alone does not tell. kind: how the page treats
    it."""

    text: str
    key: float | None = None
    kind: str = ""


@dataclass(frozen=True)
class TrialTable:
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int
    settings: tuple[str, ...]  # the headings that are settings


def verdict_rows(state: SearchState) -> list[VerdictRow]:
    """The policy first, then the augmentations, those that help most on top."""
    evidence, unit = state.evidence, unit_of(state)
    if evidence is None:
        return []
    ordered = sorted(evidence.verdicts.items(), key=lambda item: -item[1].effect)
    policy = [(whole_name(state), evidence.policy)] if evidence.policy else []
    within = {name: verdict_text(v, unit, named=False) for name, v in evidence.removed.items()}
    return [
        VerdictRow(
            name,
            v.verdict,
            verdict_text(v, unit, named=False),
            p_text(v.p_holm),
            within.get(name, ""),
        )
        for name, v in [*policy, *ordered]
    ]


def confirmed_rows(state: SearchState) -> list[tuple[str, ...]]:
    evidence, unit = state.evidence, unit_of(state)
    rows: list[tuple[str, ...]] = []
    for confirmed in evidence.confirmed if evidence else ():
        record, source = record_of(state, confirmed.trial), record_of(state, confirmed.source_trial)
        name = _what(record, _control_labels(state)) if record else confirmed.label
        then = (
            f"#{confirmed.source_trial}: "
            f"{effect_text(source.effect if source else None, unit, named=False)}"
        )
        chosen = evidence is not None and evidence.chosen_trial == confirmed.trial
        rows.append(
            (
                name,
                verdict_of(confirmed).verdict + (", recommended" if chosen else ""),
                effect_text(confirmed.effect, unit, named=False),
                p_text(confirmed.p_holm),
                then,
            )
        )
    return rows


def trial_table(state: SearchState) -> TrialTable:
    """Every record but the test's, in the order of their numbers. A very long table holds the best
    trials alone and says so."""
    records = state.of_kind("control", "trial", "confirm", "ablation")
    shown = _worth_showing(records)
    names = [name for name in setting_names(state) if name != "views"]
    unit = unit_of(state)
    controls = _control_labels(state)
    rung_epochs = any(record.spec.protocol.max_epochs is not None for record in records)
    before = (
        "trial",
        "kind",
        f"effect (95 %), {unit.name}",
        "what",
        "accuracy (95 %)",
        "optimistic",
    )
    rows = tuple(
        (
            *_measured_cells(state, record, controls),
            *(_setting_cell(record, name) for name in names),
            *_budget_cells(record, rung_epochs),
            *_spent_cells(record),
        )
        for record in shown
    )
    budget = ("views", "epochs given") if rung_epochs else ("views",)
    headings = (*before, *names, *budget, "epoch", "cut", "time", "status")
    return TrialTable(headings, rows, len(records) - len(shown), tuple(names))


def _worth_showing(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """At most MOST_TRIALS, in their order: what is no trial first, then trials of the highest rung,
    the best of them first."""

    def worth(record: TrialRecord) -> tuple[bool, int, float]:
        effect = record.effect.delta if record.effect else -math.inf
        return record.kind != "trial", record.rung or 0, effect

    kept = {record.trial for record in sorted(records, key=worth, reverse=True)[:MOST_TRIALS]}
    return [record for record in records if record.trial in kept]


def _measured_cells(state: SearchState, record: TrialRecord, controls: set[str]) -> Iterator[Cell]:
    yield Cell(str(record.trial))
    yield Cell(record.kind)
    yield _effect_cell(state, record)
    yield Cell(_what(record, controls), kind="long")
    yield _accuracy_cell(state, record)
    yield _optimistic_cell(state, record)


def _control_labels(state: SearchState) -> set[str]:
    return {record.label for record in state.of_kind("control")}


def _what(record: TrialRecord, controls: set[str]) -> str:
    """The settings; before them the name of a control or of what an ablation took out. Trials have
    no names but numbers."""
    settings = settings_of(record)
    named = record.kind == "ablation" or record.label in controls
    return f"{record.label}: {settings}" if named and record.label != settings else settings


def _budget_cells(record: TrialRecord, rung_epochs: bool) -> Iterator[Cell]:
    """The rung that a trial stands on: its views and, where rungs differ in them, its epochs."""
    yield Cell(str(record.spec.protocol.views))
    if rung_epochs:
        yield Cell(str(budget_of(record.spec)))


def _spent_cells(record: TrialRecord) -> Iterator[Cell]:
    timing = record.trained.timing if record.trained else None
    epoch = best_epoch(record)
    yield Cell("" if epoch is None else str(epoch))
    yield _cut_cell(record)
    yield Cell(
        f"{timing.total_seconds:.1f} s" if timing else "", timing.total_seconds if timing else None
    )
    yield Cell(record.status if record.duplicate_of is None else f"same as #{record.duplicate_of}")


def _effect_cell(state: SearchState, record: TrialRecord) -> Cell:
    if not record.spec.settings.augmentation and record.kind in ("control", "confirm"):
        return Cell("the reference")
    if record.effect is not None:
        return Cell(effect_text(record.effect, unit_of(state), named=False), record.effect.delta)
    return Cell("")


def _accuracy_cell(state: SearchState, record: TrialRecord) -> Cell:
    interval = accuracy_interval(record, state.opened.dataset) if state.opened else None
    if interval is None or record.result is None:
        return Cell("")
    accuracy = record.result.metrics["accuracy"]
    return Cell(percent_text(accuracy, interval), accuracy)


def _optimistic_cell(state: SearchState, record: TrialRecord) -> Cell:
    """The accuracy of the epochs that were best on the very images scored, as scripts report it."""
    interval = (
        accuracy_interval(record, state.opened.dataset, optimistic=True) if state.opened else None
    )
    if interval is None or record.result is None:
        return Cell("")
    accuracy = record.result.optimistic_metrics["accuracy"]
    return Cell(percent_text(accuracy, interval), accuracy)


def _cut_cell(record: TrialRecord) -> Cell:
    """How many heads `max_epochs` stopped while they still improved."""
    cut = heads_cut(record)
    if record.result is None or not cut:
        return Cell("", 0.0)
    return Cell(f"{cut} of {record.result.num_heads}", cut)


def _setting_cell(record: TrialRecord, name: str) -> Cell:
    value = record.settings.get(name)
    if value is None:
        return Cell("", kind="setting")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    shows = visible_value(name, value, record.spec.dataset.image_size)
    return Cell(
        "0" if shows is None else value_text(shows), float(value) if number else None, "setting"
    )


def failure_rows(state: SearchState) -> list[tuple[str, ...]]:
    return [
        (
            f"#{r.trial} {r.label}",
            str(r.attempts),
            r.result.error or "no reason was given",
            r.result.log_path or "",
        )
        for r in state.records
        if r.result is not None and r.result.status == "failed"
    ]


def class_rows(state: SearchState) -> list[tuple[str, ...]]:
    """Images a class in each split, and a last row of totals."""
    if state.opened is None:
        return []
    dataset = state.opened.dataset
    columns = [
        dataset.counts.get(split, ()) or (0,) * len(dataset.class_names)
        for split in ("train", "validation", "test")
    ]
    rows = [
        (name, *map(str, counts))
        for name, *counts in zip(dataset.class_names, *columns, strict=True)
    ]
    return [*rows[:MOST_CLASSES], ("all", *(str(sum(counts)) for counts in columns))]


def safety_table(state: SearchState) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of the label-safety measurements: an augmentation at one of its extremes a
    row."""
    rows: list[tuple[str, ...]] = [
        (
            probe.augmentation,
            probe.at.removeprefix(probe.augmentation).strip().replace("-", "−"),
            percent_text(probe.accuracy, probe.accuracy_ci),
            percent_text(probe.clean_accuracy, probe.clean_accuracy_ci),
            f"{100 * probe.fill_share:.1f} %",
            f"{probe.mean_shift_pixels:.1f}",
            f"{100 * probe.unchanged_share:.1f} %",
            probe.remark,
        )
        for probe in state.safety
    ]
    headings = (
        "augmentation",
        "at",
        "accuracy (95 %)",
        "of clean images",
        "fill",
        "shift, pixels",
        "unchanged",
        "remark",
    )
    told = [n for n in range(len(headings)) if any(row[n] not in ("", "0.0 %") for row in rows)]
    return tuple(headings[n] for n in told), [tuple(row[n] for n in told) for row in rows]


def leak_rows(state: SearchState) -> list[tuple[str, ...]]:
    """Each setting's accuracy on clean and, by mistake, on augmented images, the best on clean
    images first."""
    rows: list[tuple[str, ...]] = []
    for score in state.leak.scores if state.leak else ():
        record = record_of(state, score.trial)
        name = _what(record, _control_labels(state)) if record else score.label
        clean, leaked = (
            percent_text(score.clean, score.clean_ci),
            percent_text(score.leaked, score.leaked_ci),
        )
        rows.append((name, clean, leaked))
    return rows


def version_rows(state: SearchState) -> list[tuple[str, str]]:
    """Everything that names what was used: hashes first, then the environment, nested values by
    their own names."""
    if state.opened is None:
        return []
    opened = state.opened
    hashes = [("search", opened.search_id), ("experiment file", opened.config_hash)]
    images = [] if "dataset" in opened.environment else [("dataset", opened.dataset.digest)]
    return [*hashes, *images, *_flat(opened.environment)]


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        elif value is not None:
            yield name.replace("_", " "), value_text(value)
