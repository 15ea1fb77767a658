"""What MLflow is told of a trial: its run, with every setting, its curves and its result, a pure
function of the view and the record, so that sending again sends the same; and once the search has
concluded, the verdict on what it trained, which is sent apart. The search's own run is in
`search_run`, words are in `descriptions`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data.augmentations import AUGMENTATIONS
from search.experiment.objectives import SHOWN_ANYWAY, Unit
from search.experiment.trial import CURVES, TrialRecord, TrialResult
from search.report.trial_facts import cuttable_heads, heads_cut, trained_seconds
from search.report.view import SearchView
from search.report.wording import ends_text
from search.tracking.descriptions import describe_trial
from search.tracking.mlflow_values import (
    LABEL_TAG,
    NAME_TAG,
    NOTE_TAG,
    ORDER_TAG,
    SEARCH_TAG,
    TRIAL_TAG,
    Point,
    RunRow,
    milliseconds,
    opened_of,
    texts,
)
from search.training.lost_networks import lost_text
from search.training.progress import EpochReport

SEARCH_FIRST, JUDGED, MEASURED, UNMEASURED = "0", "1", "2", "3"  # of the saved view, from its top
DECIMALS = 6
MIDDLE = 500_000.0  # no effect is as large, in any objective's unit


@dataclass(frozen=True)
class Claimed:
    """What a trial's run says once all trainings together have judged what it trained, in the place
    of its own training's effect."""

    tags: dict[str, str]
    effect: Point


def trial_outcome(record: TrialRecord) -> tuple[str, int]:
    """MLflow's status of a trial that has ended, and when, in milliseconds since 1970."""
    status = "FINISHED" if record.status == "completed" else "FAILED"
    return status, milliseconds(record.told_at or record.asked_at)


def running_row(view: SearchView, record: TrialRecord, started: int) -> RunRow:
    """The child run of a trial that runs: what is known before its first epoch, at which it
    started, in milliseconds since 1970."""
    tags = _trial_tags(view, record, None)
    return RunRow(
        name=tags[NAME_TAG],
        status="RUNNING",
        started=started,
        ended=None,
        tags=tags,
        params=texts(_trial_params(view, record), _class_names(view)),
        points=(),
    )


def curve_point_values(report: EpochReport) -> dict[str, float]:
    """The four points of an epoch, by the name that MLflow has them under: with its phase, where a
    trial has several."""
    values = {name: getattr(report, name) for name in CURVES}
    return {curve_name(name, report.phase): value for name, value in values.items()}


def trial_row(view: SearchView, record: TrialRecord) -> RunRow:
    """The child run of a trial that has ended, as its own training has it."""
    result = record.result
    assert result is not None, "a trial is sent when it has ended"
    status, ended = trial_outcome(record)
    values, tags = _trial_values(view, record, result), _trial_tags(view, record, result)
    return RunRow(
        name=tags[NAME_TAG],
        status=status,
        started=milliseconds(_begun(record)),
        ended=ended,
        tags=tags,
        params=texts(_trial_params(view, record), _class_names(view)),
        points=(
            *_curve_points(record, result),
            *(Point(key, value, ended, 0) for key, value in values.items()),
        ),
    )


def named(view: SearchView, record: TrialRecord) -> dict[str, str]:
    """The tags that say what a trial is called, as the page of this state has it: since it was sent
    another may have come from which more digits tell it apart."""
    tags = {
        NAME_TAG: view.name_text(record),
        LABEL_TAG: view.label_text(record),
        NOTE_TAG: describe_trial(view, record),
    }
    return texts(tags, _class_names(view))


def claimed_of(view: SearchView, record: TrialRecord) -> Claimed | None:
    """Of a trial that has ended; None where nothing is concluded of what it trained, or not yet."""
    found = view.claimed_of.get(record.trial)
    if found is None:
        return None
    word, measured = found
    effect = shown_effect(measured.effect, view.unit)
    tags = {
        "verdict": word,
        "interval": ends_text(*measured.ci, view.unit),
        ORDER_TAG: order_text(JUDGED, effect),
        NOTE_TAG: describe_trial(view, record),
    }
    return Claimed(texts(tags, _class_names(view)), Point("effect", effect, _after_all(view), 0))


def taken_back(view: SearchView, record: TrialRecord) -> Claimed | None:
    """Of a trial that stood for a claim before more was known, and does no longer: its own
    training's effect again. None where it has none, and while nothing is concluded anew."""
    if record.effect is None or view.claims is None:
        return None
    tags = _trial_tags(view, record, record.result)
    own = {key: tags[key] for key in ("interval", ORDER_TAG, NOTE_TAG)} | {"verdict": ""}
    effect = shown_effect(record.effect.delta, view.unit)
    return Claimed(own, Point("effect", effect, _after_all(view), 0))


def _class_names(view: SearchView) -> tuple[str, ...]:
    return opened_of(view).dataset.class_names


def _after_all(view: SearchView) -> int:
    """Later than every trial's own effect, whichever ended last."""
    return milliseconds(max(record.told_at or 0.0 for record in view.in_tables)) + 1


def shown_effect(effect: float, unit: Unit) -> float:
    """In the unit that people see, with a decimal more than in sentences: the dashboard shows all
    that there are."""
    return round(effect * unit.factor, unit.digits + 1)


def order_text(group: str, effect: float = 0.0) -> str:
    """Sorts as text: groups from the first to the last, in each the largest effect first."""
    return f"{group} {min(max(MIDDLE - effect, 0.0), 2 * MIDDLE):012.4f}"


def _begun(record: TrialRecord) -> float:
    """When its training began, in seconds since 1970: it may have waited for long until then."""
    seconds = 0.0 if record.duplicate_of is not None else trained_seconds(record)
    told = record.told_at or record.asked_at
    return record.asked_at if seconds is None else max(record.asked_at, told - seconds)


def _trial_tags(
    view: SearchView, record: TrialRecord, result: TrialResult | None
) -> dict[str, str]:
    effect, unit = record.effect, view.unit
    tags = {
        SEARCH_TAG: opened_of(view).search_id,
        TRIAL_TAG: record.trial,
        "augsearch.kind": record.kind,
        NAME_TAG: view.name_text(record),
        LABEL_TAG: view.label_text(record),
        "augsearch.seed": record.spec.protocol.view_seed,
        "augsearch.key": record.spec.key,
        "augsearch.rung": record.rung,
        "augsearch.duplicate_of": record.duplicate_of,
        **(_outcome_tags(record, result) if result else {}),
        ORDER_TAG: order_text(MEASURED, effect.delta * unit.factor) if effect else UNMEASURED,
        "interval": ends_text(effect.ci_low, effect.ci_high, unit) if effect else None,
        NOTE_TAG: describe_trial(view, record, is_claimed=False) if result else None,
        "mlflow.source.name": "run_search.py",
        "mlflow.source.type": "LOCAL",
    }
    said = {key: value for key, value in tags.items() if value is not None}
    return texts(said, _class_names(view))


def _outcome_tags(record: TrialRecord, result: TrialResult) -> dict[str, str | None]:
    """What became of the trial and of its heads, where that needs a word."""
    cut, lost = heads_cut(record), lost_text(result.lost)
    return {
        "augsearch.error": result.error,
        "augsearch.path": result.path,
        "augsearch.heads_cut": f"{cut} of {cuttable_heads(record)}" if cut else None,
        "augsearch.heads_lost": f"of {result.num_heads}: {lost}" if lost else None,
    }


def _trial_params(view: SearchView, record: TrialRecord) -> dict[str, Any]:
    """The network, its training and the protocol, then all that is searched or active, by its own
    name: what a trial does not use has the value that changes nothing."""
    settings, protocol = record.spec.settings, record.spec.protocol
    names = (name for name in opened_of(view).space if name in AUGMENTATIONS)
    return {
        **settings.model.model_dump(),
        **settings.training.model_dump(),
        "folds": protocol.folds,
        "head_seeds": len(protocol.head_seeds),
        "views": protocol.views,
        **({} if protocol.max_epochs is None else {"rung_epochs": protocol.max_epochs}),
        **{name: AUGMENTATIONS[name].identity for name in names},
        **settings.augmentation,
        **record.settings,
    }


def _trial_values(view: SearchView, record: TrialRecord, result: TrialResult) -> dict[str, float]:
    """Few, since the dashboard draws a chart of each; the effect in the unit that people see, its
    interval being a tag. No slashes: it would draw such groups of charts above the curves."""
    effect = record.effect
    values: dict[str, float | None] = {
        "effect": shown_effect(effect.delta, view.unit) if effect else None,
        "score": result.score,
        "seconds": trained_seconds(record),
    }
    if view.figure_name is not None:
        values[f"final_{SHOWN_ANYWAY}"] = result.metrics.get(SHOWN_ANYWAY)
    return {name: round(value, DECIMALS) for name, value in values.items() if value is not None}


def _curve_points(record: TrialRecord, result: TrialResult) -> Iterator[Point]:
    """A point per epoch, spread evenly over the trial's time: the times come from the record
    alone."""
    if result.curve is None:
        return
    begun, ended = _begun(record), record.told_at or record.asked_at
    phases = result.curve.phase_of_epoch
    for name, values in result.curve.values.items():
        for epoch, (value, phase) in enumerate(zip(values, phases, strict=True), start=1):
            at = begun + (ended - begun) * epoch / len(values)
            yield Point(curve_name(name, phase), value, milliseconds(at), epoch)


def curve_name(name: str, phase: str) -> str:
    """One axis of epochs for all phases. A dot, because a slash would draw these charts above the
    others."""
    return f"{name}.{phase}" if phase else name
