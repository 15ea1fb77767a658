"""The tables that are shown of a search: verdicts, confirmed settings, failures, classes,
versions. Made from the view alone; how a table is written is `table_model`'s, the tables of all
trials are `trial_tables`'.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.secrets import redacted
from data.splits import SPLIT_NAMES
from search.experiment.objectives import SHOWN_ANYWAY
from search.experiment.trial import Effect, Probe, TrialRecord
from search.guests.guest import Exhibit, ExhibitRow
from search.report.judged import Judged, WholeSetting, range_text
from search.report.table_model import Cell, Column, Table
from search.report.view import SearchView
from search.report.wording import (
    effect_text,
    estimate_text,
    number_text,
    percent_text,
    size_text,
    strength_text,
    value_text,
)

MOST_CLASSES, MOST_NOTED = 60, 10
EFFECT = "effect (95 %)"
OWN_EFFECT = "by its own training (95 %)"  # beside that of all trainings: another figure


def verdict_table(view: SearchView) -> Table:
    """The one table of the answer: the policy first where it is no augmentation alone, then the
    augmentations, those that help most on top. Columns that say nothing are left out."""
    return Table.of("Verdicts", tuple(_verdict_columns(view)), view.judged).less()


def _verdict_columns(view: SearchView) -> Iterator[Column[Judged]]:
    unit = view.unit

    def effect(judged: Judged) -> Cell:
        found = judged.measured
        return Cell(estimate_text(found, unit, named=False), found.effect if found else None)

    def within(judged: Judged) -> str:
        return estimate_text(judged.within, unit, named=False) if judged.within else ""

    yield Column("augmentation", lambda judged: judged.name, kind="code")
    yield Column("verdict", lambda judged: judged.verdict, kind="verdict")
    yield Column("strength", _strength, kind="number")
    yield Column(EFFECT, effect, unit.name, "number")
    yield Column("range", range_text, kind="number")
    yield Column(view.within_name, within, kind="number")
    yield Column("note", lambda judged: _note(judged, view), kind="long")


def _strength(judged: Judged) -> str:
    strength = judged.claims.strength if judged.claims else None
    return "" if strength is None else strength_text(judged.name, strength)


def _note(judged: Judged, view: SearchView) -> str:
    notes = [*([judged.sets] if judged.sets else []), *judged.doubts]
    if judged.verdict == "NO EVIDENCE" and judged.measured:
        least = judged.measured.detectable
        size = "no effect" if least >= view.most_effect else size_text(least, view.unit)
        notes.append(f"{size} would have been found 4 times in 5")
    notes += judged.untold
    if judged.is_read_off:
        notes.append("read off the curve: no training had this strength")
    if (look := view.look_of(judged.name)) is not None:
        notes.append(f"as known at look {look} of {len(view.evidence.looks)}")
    return "; ".join(notes)


def whole_table(view: SearchView) -> Table:
    """Whole settings, the best first."""

    def searched(whole: WholeSetting) -> str:
        if whole.source is None:
            return ""
        if whole.source.effect is None:  # no augmentation was not trained with its other values
            return f"{number_text(whole.source.trial)}: nothing to compare with"
        shown = effect_text(whole.source.effect, unit, named=False)
        return f"{number_text(whole.source.trial)}: {shown}"

    unit = view.unit
    columns: Sequence[Column[WholeSetting]] = (
        Column("setting", lambda whole: _whole_text(whole, view)),
        Column("verdict", lambda whole: whole.verdict, kind="verdict"),
        Column(EFFECT, lambda w: estimate_text(w.measured, unit, named=False), unit.name),
        Column("in the search, that training alone", searched),
        Column("note", lambda whole: "; ".join(whole.doubts), kind="long"),
    )
    return Table.of("Whole settings", columns, view.wholes).less()


def _whole_text(whole: WholeSetting, view: SearchView) -> str:
    settings = view.settings_text(whole.settings, whole.others)
    name = view.named(whole.label)
    return (f"{name}: {settings}" if name else settings) + _unlike(whole, view)


def _unlike(whole: WholeSetting, view: SearchView) -> str:
    """What is not confirmed, where others are."""
    if whole.is_confirmed or not view.is_confirmed:
        return ""
    if not whole.is_trained_anew or whole.record is None:
        return " (not confirmed)"
    alone = effect_text(whole.record.effect, view.unit, named=False)
    return f" (not confirmed: fresh seeds alone show {alone})"


def best_trials_table(view: SearchView) -> Table:
    """The best trials and controls of the rung that is compared, for a short page."""

    def delta(record: TrialRecord) -> float:
        return record.effect.delta if record.effect else 0.0

    done = [r for r in (*view.ranked_controls, *view.ranked_trials) if r.effect is not None]
    columns: Sequence[Column[TrialRecord]] = (
        Column("trial", lambda record: str(record.trial)),
        Column(OWN_EFFECT, lambda r: effect_text(r.effect, view.unit, named=False), view.unit.name),
        Column("augmentation", view.what_text),
    )
    return Table.of("Trials", columns, sorted(done, key=delta, reverse=True)[:MOST_NOTED])


def failure_table(view: SearchView) -> Table:
    failed = [(r, r.result) for r in view.records if r.result and r.result.status == "failed"]
    columns: Sequence[Column[tuple[TrialRecord, Any]]] = (
        Column("trial", lambda row: view.name_text(row[0])),
        Column("attempts", lambda row: str(row[0].attempts)),
        Column("why", lambda row: redacted(row[1].error or "no reason was given")),
        Column("log", lambda row: redacted(row[1].log_path or "")),
    )
    return Table.of("Failed trials", columns, failed)


def test_table(view: SearchView) -> Table:
    """The models tried on the sealed test set."""
    test, settings = view.test, view.recommended
    scores = [] if test is None else [(test.none.label, test.none)]
    if test and test.chosen:
        scores.append(
            (settings if view.chosen and settings else view.label(test.chosen.label), test.chosen)
        )
    columns: Sequence[Column[tuple[str, Any]]] = (
        Column("model", lambda row: row[0]),
        Column(
            "accuracy (95 %)",
            lambda row: percent_text(row[1].metrics[SHOWN_ANYWAY], row[1].accuracy_ci),
        ),
    )
    shown = [(name, score) for name, score in scores if SHOWN_ANYWAY in score.metrics]
    return Table.of("Test scores", columns, shown)


def by_class_table(view: SearchView) -> Table:
    """The classes that gain or lose most."""
    effects = sorted(view.evidence.by_class.items(), key=lambda item: -abs(item[1].delta))
    columns: Sequence[Column[tuple[str, Effect]]] = (
        Column("class", lambda item: item[0]),
        Column(
            EFFECT,
            lambda item: effect_text(item[1], view.class_unit, named=False),
            view.class_unit.name,
        ),
    )
    return Table.of("Effect by class", columns, effects[:MOST_NOTED])


def class_table(view: SearchView) -> Table:
    """Images per class in each split, and a last row of totals."""
    if view.opened is None:
        return Table.of("Images per class", (), ())
    data = view.opened.dataset
    counts = [data.counts.get(split, ()) or (0,) * len(data.class_names) for split in SPLIT_NAMES]
    rows = list(zip(data.class_names, zip(*counts, strict=True), strict=True))
    totals = ("all", tuple(map(sum, counts)))
    columns: list[Column[tuple[str, Sequence[int]]]] = [Column("class", lambda row: row[0])]
    columns += [_split_column(place) for place in range(len(SPLIT_NAMES))]
    left_out = max(0, len(rows) - MOST_CLASSES)
    return Table.of("Images per class", columns, [*rows[:MOST_CLASSES], totals], left_out)


def _split_column(place: int) -> Column[tuple[str, Sequence[int]]]:
    return Column(SPLIT_NAMES[place], lambda row: str(row[1][place]))


def safety_table(view: SearchView) -> Table:
    """Label safety: per augmentation and extreme. Columns that say nothing are left out."""
    columns: Sequence[Column[Probe]] = (
        Column("augmentation", lambda probe: probe.augmentation),
        Column(
            "at", lambda probe: probe.at.removeprefix(probe.augmentation).strip().replace("-", "−")
        ),
        Column("accuracy (95 %)", lambda probe: percent_text(probe.accuracy, probe.accuracy_ci)),
        Column(
            "on clean images (95 %)",
            lambda probe: percent_text(probe.clean_accuracy, probe.clean_accuracy_ci),
        ),
        Column("fill", lambda probe: f"{100 * probe.fill_share:.1f} %"),
        Column("shift, pixels", lambda probe: f"{probe.mean_shift_pixels:.1f}"),
        Column("unchanged", lambda probe: f"{100 * probe.unchanged_share:.1f} %"),
        Column("remark", lambda probe: probe.remark),
    )
    return Table.of("Label safety", columns, view.safety).less(("", "0.0 %"))


def guest_sections(view: SearchView) -> list[tuple[Exhibit, Table]]:
    """What demonstrations found, each with its table."""
    return [(each, guest_table(view, each)) for each in view.guests]


def guest_table(view: SearchView, exhibit: Exhibit) -> Table:
    """A row a setting, as the guest has them in order."""

    def setting(row: ExhibitRow) -> str:
        record = view.record(row.trial)
        return view.name_text(record) if record else view.label(row.label)

    columns = [Column("setting", setting)]
    columns += [_share_column(*each) for each in enumerate(exhibit.headings)]
    return Table.of(exhibit.table, columns, exhibit.rows)


def _share_column(place: int, heading: str) -> Column[ExhibitRow]:
    return Column(heading, lambda row: percent_text(*row.shares[place]))


def version_table(view: SearchView) -> Table:
    """Everything that names what was used: hashes first, then the environment, nested values by
    their own names."""
    rows: list[tuple[str, str]] = []
    if view.opened is not None:
        rows = [("search", view.opened.search_id), ("experiment file", view.opened.config_hash)]
        rows += _flat(view.opened.environment)
    columns: Sequence[Column[tuple[str, str]]] = (
        Column("name", lambda row: row[0]),
        Column("value", lambda row: redacted(row[1])),
    )
    return Table.of("Versions and hashes", columns, rows)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        elif value is not None:
            yield name.replace("_", " "), value_text(value)
