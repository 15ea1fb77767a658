"""What MLflow is told of a whole search: its run, the parent of the trials', and its two datasets,
as pure functions of the view, so that sending again sends the same; and the page of the experiment:
its description, by the newest of its searches, and a saved view of each, where what people have
written themselves is left alone. Trials are in `trial_run`, words in `descriptions`."""

import json
import re
from hashlib import sha256
from typing import Any

from data.redacted_values import redacted_but, redacted_values
from search.experiment.config import by_place
from search.experiment.objectives import SHOWN_ANYWAY
from search.journal.events import Opened
from search.report.time_left import ExpectedWork
from search.report.view import SearchView
from search.report.wording import ends_text, estimate_text, value_text
from search.tracking.descriptions import describe, describe_experiment, test_accuracy
from search.tracking.mlflow_store import Store
from search.tracking.mlflow_values import (
    NOTE_TAG,
    ORDER_TAG,
    SEARCH_TAG,
    DatasetRow,
    Point,
    RunRow,
    milliseconds,
    opened_of,
    texts,
)
from search.tracking.saved_view import VIEW_TAG, Place, saved_view
from search.tracking.trial_run import DECIMALS, SEARCH_FIRST, shown_effect

MAX_DIGEST = 36
# Ends a description, unseen: when the search that wrote it began, and the hash of what it wrote.
MARK = re.compile(r"\n\n<!-- augsearch (\d+) ([0-9a-f]{16}) -->$")


def search_row(
    view: SearchView, expected: ExpectedWork | None = None, place: Place | None = None
) -> RunRow:
    """The parent run. expected: what it has before it, for the time left. place: where it is, for
    the links of its description."""
    opened = opened_of(view)
    told = [record for record in view.records if record.result is not None]
    last = max([r.told_at or 0.0 for r in told] + [view.finished_at or 0.0, opened.started_at])
    status = STATUSES[view.status]
    # What is found has no course: at step 0 the dashboard draws a bar, else a line of a single
    # point.
    steps = [
        *((key, value, 0) for key, value in _found_values(view).items()),
        *((key, value, len(told)) for key, value in _progress_values(view, expected).items()),
    ]
    return RunRow(
        name=opened.name,
        status=status,
        started=milliseconds(opened.started_at),
        ended=None if status == "RUNNING" else milliseconds(last),
        tags=_search_tags(view, place),
        params=texts(_search_params(opened), opened.dataset.class_names),
        points=tuple(
            Point(key, round(float(value), DECIMALS), milliseconds(last), step)
            for key, value, step in steps
            if value is not None
        ),
    )


def dataset_rows(view: SearchView) -> tuple[DatasetRow, ...]:
    """Training and validation images as dataset inputs: digest, shape, images per class."""
    opened = opened_of(view)
    data, config = opened.dataset, opened.experiment.dataset
    side = data.image_size
    image = [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, side, side, 3]}}]
    label = [{"type": "tensor", "tensor-spec": {"dtype": "int32", "shape": [-1]}}]
    schema = {"mlflow_tensorspec": {"features": json.dumps(image), "targets": json.dumps(label)}}
    rows = []
    for split, context in (("train", "training"), ("validation", "validation")):
        counts = data.counts.get(split, ())
        classes = dict(zip(data.class_names, counts, strict=False))
        profile = {
            "num_images": sum(counts),
            "num_classes": len(data.class_names),
            "images_a_class": classes,
        }
        rows.append(
            DatasetRow(
                # a name of its own: MLflow takes each dataset once a run
                name=f"{opened.name} {split}",
                digest=data.digest[:MAX_DIGEST],
                source=json.dumps(redacted_values({"uri": config.path or config.source})),
                schema=json.dumps(schema),
                profile=json.dumps(profile, ensure_ascii=False),
                context=context,
            )
        )
    return tuple(rows)


STATUSES = {  # MLflow's words
    "unfinished": "RUNNING",
    "failed": "FAILED",
    "stopped": "KILLED",
    "finished": "FINISHED",
}


def _search_tags(view: SearchView, place: Place | None) -> dict[str, str]:
    opened = opened_of(view)
    tags = {
        SEARCH_TAG: opened.search_id,
        ORDER_TAG: SEARCH_FIRST,
        NOTE_TAG: describe(view, place),
        "augsearch.kind": "search",
        "augsearch.config_hash": opened.config_hash,
        "augsearch.dataset_digest": opened.dataset.digest,
        "augsearch.trials_failed": view.num_failed,
        "mlflow.source.name": "run_search.py",
        "mlflow.source.type": "LOCAL",
        **_judged_tags(view),
        "answer": view.answer.kind if view.answer else None,
        "recommended": view.recommended,
        "test_accuracy": test_accuracy(view) or None,
    }
    said = {key: value for key, value in tags.items() if value is not None}
    return texts(said, opened.dataset.class_names)


def _judged_tags(view: SearchView) -> dict[str, str]:
    """Of each augmentation its verdict, its effect with its interval and the strength that is
    judged, in the table's words."""
    tags: dict[str, str] = {}
    for judged in view.augmentations:
        tags[f"verdict.{judged.name}"] = judged.verdict
        tags[f"effect.{judged.name}"] = estimate_text(judged.measured, view.unit)
        if judged.claims and judged.claims.strength is not None:
            tags[f"strength.{judged.name}"] = value_text(judged.claims.strength)
    if view.policy:
        tags["verdict"] = view.policy.verdict
        if view.policy.measured:
            tags["interval"] = ends_text(*view.policy.measured.ci, view.unit)
    return tags


def _search_params(opened: Opened) -> dict[str, Any]:
    """Every setting of the experiment file but the tracker's own, one level deep:
    `model.backbone`."""
    return {k: v for k, v in by_place(opened.config) if k.partition(".")[0] != "tracking"}


def _progress_values(view: SearchView, expected: ExpectedWork | None) -> dict[str, float | None]:
    return {
        "trials_completed": sum(record.status == "completed" for record in view.records),
        "seconds": view.wall_seconds,
        "seconds_left": view.seconds_left(expected) if expected else None,
    }


def _found_values(view: SearchView) -> dict[str, float | None]:
    """What the search stands for among its trials: few, since the dashboard draws a chart of each.
    All else that was found is in its tags, with intervals, and in `summary.json`."""
    effect, score = view.policy.measured if view.policy else None, view.kept_score
    return {
        "effect": shown_effect(effect.effect, view.unit) if effect else None,
        f"test_{SHOWN_ANYWAY}": score.metrics.get(SHOWN_ANYWAY) if score else None,
    }


def send_experiment_page(store: Store, view: SearchView, place: Place) -> None:
    """Writes what has changed. Asks first, since other searches write there too."""
    there = store.experiment_tags()
    key, text = f"{VIEW_TAG}{place.view}", saved_view(view, place.files)
    if there.get(key) != text:
        store.set_experiment_tag(key, text)
    begun, before = milliseconds(opened_of(view).started_at), there.get(NOTE_TAG, "")
    said = redacted_but(describe_experiment(view, place), opened_of(view).dataset.class_names)
    note = f"{said}\n\n<!-- augsearch {begun} {_digest(said)} -->"
    if before != note and _may_replace(before, begun):
        store.set_experiment_tag(NOTE_TAG, note)


def _may_replace(note: str, begun: int) -> bool:
    """Whether a description is nobody's, or as this search or an earlier one wrote it."""
    mark = MARK.search(note)
    if mark is None:
        return not note.strip()
    return int(mark[1]) <= begun and _digest(note[: mark.start()]) == mark[2]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
