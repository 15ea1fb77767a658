"""The values MLflow is sent (a run, a point of a metric, a dataset, the winning model), how any
setting becomes text that MLflow takes, and what MLflow is told of a trial: its run, with every
setting, its curves and its result, a pure function of the record, so that sending again sends the
same. The search's own run is in `search_run`. Does not import MLflow."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.experiment.objectives import OBJECTIVES
from search.experiment.secrets import redacted
from search.experiment.trial import TrialRecord, TrialResult
from search.report.measures import best_epoch, trained_seconds
from search.report.wording import name_text
from search.training.progress import EpochReport

if TYPE_CHECKING:
    import numpy as np


SEARCH_TAG = "augsearch.search_id"
TRIAL_TAG = "augsearch.trial"
PREVIEW_TAG = "augsearch.preview"
PARENT_TAG = "mlflow.parentRunId"
MAX_VALUE = 5000  # characters; MLflow's own limits are 6000 for a param and 8000 for a tag


@dataclass(frozen=True)
class Point:
    """One value of a metric. `timestamp` is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class RunRow:
    """One MLflow run. Times are in milliseconds since 1970; `ended` is None while it goes on."""

    name: str
    status: str  # MLflow's: RUNNING, FINISHED, FAILED, KILLED
    started: int
    ended: int | None
    tags: dict[str, str]
    params: dict[str, str]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class DatasetRow:
    """One split as a dataset input. source, schema and profile are JSON."""

    name: str
    digest: str
    source: str
    schema: str
    profile: str
    context: str  # training or validation


@dataclass(frozen=True)
class Winner:
    """The winning model, to be logged and registered.

    model_path: a saved `.keras` file that takes raw uint8 [n, h, w, 3] images of any size and gives
    class probabilities [n, classes]. example: such images, one or few.
    """

    model_path: Path
    class_names: tuple[str, ...]
    example: "np.ndarray"
    registered_name: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedWinner:
    """Where the winning model is: `models:/name/version`, for `mlflow models serve -m`."""

    uri: str
    name: str
    version: str


@dataclass(frozen=True)
class FoundRun:
    """A run of the search as it stands in the store. trial: None for the search's own run."""

    run_id: str
    trial: int | None
    status: str
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    has_inputs: bool

    @classmethod
    def of(cls, run: Any) -> "FoundRun":
        """Of a run as MLflow gives it."""
        trial = run.data.tags.get(TRIAL_TAG)
        return cls(
            run_id=run.info.run_id,
            trial=None if trial is None else int(trial),
            status=run.info.status,
            ended=run.info.end_time,
            tags=run.data.tags,
            params=run.data.params,
            metrics=run.data.metrics,
            has_inputs=bool(run.inputs and run.inputs.dataset_inputs),
        )


def key_of(name: str) -> str:
    """A setting's name as MLflow takes it: no sign but letters, digits and _-. :/, and no path
    that leads upwards."""
    return re.sub(r"[^\w\-. :/]|\.\.|/(?=/|$)|^[/.]", "_", name, flags=re.ASCII)[:250]


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """As an experiment file writes them, without credentials, and no longer than MLflow takes."""
    texts = {
        k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in values.items()
    }
    return {key_of(key): redacted(text)[:MAX_VALUE] for key, text in texts.items()}


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def trial_outcome(record: TrialRecord) -> tuple[str, int]:
    """MLflow's status of a trial that has ended, and when, in milliseconds since 1970."""
    status = "FINISHED" if record.status == "completed" else "FAILED"
    return status, milliseconds(record.told_at or record.asked_at)


def running_row(search_id: str, record: TrialRecord) -> RunRow:
    """The child run of a trial that runs: what is known before its first epoch."""
    return RunRow(
        name=name_text(record),
        status="RUNNING",
        started=milliseconds(record.asked_at),
        ended=None,
        tags=_trial_tags(search_id, record, None),
        params=texts(_trial_params(record)),
        points=(),
    )


def curve_point_values(report: EpochReport) -> dict[str, float]:
    """The four points of an epoch, by the name that MLflow has them under: with its phase, where a
    trial has several."""
    values = {
        name: getattr(report, name) for name in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    return {_curve_name(name, report.phase): value for name, value in values.items()}


def trial_row(search_id: str, record: TrialRecord) -> RunRow:
    """The child run of a trial that has ended."""
    result = record.result
    assert result is not None, "a trial is sent when it has ended"
    status, ended = trial_outcome(record)
    finals = (Point(key, value, ended, 0) for key, value in _trial_values(record, result).items())
    return RunRow(
        name=name_text(record),
        status=status,
        started=milliseconds(record.asked_at),
        ended=ended,
        tags=_trial_tags(search_id, record, result),
        params=texts(_trial_params(record)),
        points=(*_curve_points(record, result), *finals),
    )


def _trial_tags(search_id: str, record: TrialRecord, result: TrialResult | None) -> dict[str, str]:
    tags = {
        SEARCH_TAG: search_id,
        TRIAL_TAG: record.trial,
        "augsearch.kind": record.kind,
        "augsearch.label": record.label,
        "augsearch.seed": record.spec.protocol.view_seed,
        "augsearch.key": record.spec.key,
        "augsearch.rung": record.rung,
        "augsearch.duplicate_of": record.duplicate_of,
        "augsearch.error": result.error if result else None,
        "augsearch.path": result.path if result else None,
        "mlflow.source.name": "run_search.py",
        "mlflow.source.type": "LOCAL",
    }
    return texts({key: value for key, value in tags.items() if value is not None})


def _trial_params(record: TrialRecord) -> dict[str, Any]:
    """The network, its training and the protocol, then whatever was searched or active, by its own
    name."""
    settings, protocol = record.spec.settings, record.spec.protocol
    return {
        **settings.model.model_dump(),
        **settings.training.model_dump(),
        "folds": protocol.folds,
        "head_seeds": len(protocol.head_seeds),
        "views": protocol.views,
        **({} if protocol.max_epochs is None else {"rung_epochs": protocol.max_epochs}),
        **settings.augmentation,
        **record.settings,
    }


def _trial_values(record: TrialRecord, result: TrialResult) -> dict[str, float]:
    """`final_` keeps the scores apart from the curve of the same name, whose last epoch is not the
    best.

    Effects in points, because the dashboard shows two decimals. No slashes here: it would draw such
    groups of charts above the curves.
    """
    effect, factor = record.effect, OBJECTIVES[record.spec.protocol.objective].unit.factor
    timing = record.trained.timing if record.trained else None
    values: dict[str, float | None] = {
        "score": result.score,
        **(
            {name: getattr(effect, name) * factor for name in ("delta", "ci_low", "ci_high")}
            if effect
            else {}
        ),
        "p_value": effect.p_value if effect else None,
        "best_epoch": best_epoch(record),
        "seconds": trained_seconds(record),
        **{f"final_{name}": value for name, value in result.metrics.items()},
        **{f"optimistic_{name}": value for name, value in result.optimistic_metrics.items()},
    }
    if timing:
        values |= timing.model_dump(exclude={"total_seconds"})
    return {name: float(value) for name, value in values.items() if value is not None}


def _curve_points(record: TrialRecord, result: TrialResult) -> Iterator[Point]:
    """A point per epoch, spread evenly over the trial's time: the times come from the record
    alone."""
    if result.curve is None:
        return
    begun, ended = record.asked_at, record.told_at or record.asked_at
    phases = result.curve.phase_of_epoch
    for name, values in result.curve.values.items():
        for epoch, (value, phase) in enumerate(zip(values, phases, strict=True), start=1):
            at = begun + (ended - begun) * epoch / len(values)
            yield Point(_curve_name(name, phase), value, milliseconds(at), epoch)


def _curve_name(name: str, phase: str) -> str:
    """One axis of epochs for all phases. A dot, because a slash would draw these charts above the
    others."""
    return f"{name}.{phase}" if phase else name
