"""The values MLflow is sent (a run, a point of a metric, a dataset, the winning model), where they
are to be seen, and how any setting becomes text that MLflow takes. What a trial's run holds is in
`trial_run`, the search's own in `search_run`. Does not import MLflow."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.redacted_values import redacted_but, redacted_values
from search.journal.events import Opened
from search.report.view import SearchView

if TYPE_CHECKING:
    import numpy as np


SEARCH_TAG = "augsearch.search_id"
TRIAL_TAG = "augsearch.trial"
PREVIEW_TAG = "augsearch.preview"
ORDER_TAG = "augsearch.order"  # by which the saved view sorts
NAME_TAG = "mlflow.runName"  # a run's name, which follows it
LABEL_TAG = "augsearch.label"
NOTE_TAG = "mlflow.note.content"  # Markdown, which the dashboard shows as a description
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


def opened_of(view: SearchView) -> Opened:
    assert view.opened is not None, "a journal opens before anything is sent"
    return view.opened


def model_name(name: str) -> str:
    """As a registered model may be called."""
    return re.sub(r"[/:]", "-", name)


def key_of(name: str) -> str:
    """A setting's name as MLflow takes it: no sign but letters, digits and _-. :/, and no path
    that leads upwards."""
    return re.sub(r"[^\w\-. :/]|\.\.|/(?=/|$)|^[/.]", "_", name, flags=re.ASCII)[:250]


def texts(values: Mapping[str, Any], names: Collection[str] = ()) -> dict[str, str]:
    """As an experiment file writes them, without credentials but for these names, of classes, and
    no longer than MLflow takes."""
    texts = {
        key: redacted_but(value, names)
        if isinstance(value, str)
        else json.dumps(redacted_values(value, names), ensure_ascii=False)
        for key, value in values.items()
    }
    return {key_of(key): text[:MAX_VALUE] for key, text in texts.items()}


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
