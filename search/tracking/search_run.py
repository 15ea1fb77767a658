"""What MLflow is told of a whole search: its run, the parent of the trials', and its two datasets.
A pure function of the view, so that sending again sends the same. Trials are in `trial_run`.
"""

import json
from collections.abc import Mapping
from typing import Any

from search.evidence.findings import Score
from search.experiment.tracking_uri import redacted
from search.experiment.trial import Effect
from search.journal.events import Opened
from search.report.claim_view import Judged
from search.report.time_left import ExpectedWork
from search.report.view import SearchView
from search.tracking.description import describe
from search.tracking.mlflow_values import SEARCH_TAG, DatasetRow, Point, RunRow, milliseconds, texts

MAX_DIGEST = 36


def search_row(view: SearchView, expected: ExpectedWork | None = None) -> RunRow:
    """The parent run. What stands before a slash in a metric's name makes a group of charts in the
    dashboard. expected: what it has before it, for the time left."""
    opened = opened_of(view)
    told = [record for record in view.records if record.result is not None]
    last = max([r.told_at or 0.0 for r in told] + [view.finished_at or 0.0, opened.started_at])
    status = _search_status(view)
    found, progress = (
        {**_evidence_values(view), **_test_values(view)},
        _progress_values(view, expected),
    )
    # What is found has no course: at step 0 the dashboard draws a bar, else a line of a single
    # point.
    steps = [
        *((key, value, 0) for key, value in found.items()),
        *((k, v, len(told)) for k, v in progress.items()),
    ]
    return RunRow(
        name=opened.name,
        status=status,
        started=milliseconds(opened.started_at),
        ended=None if status == "RUNNING" else milliseconds(last),
        tags=_search_tags(view),
        params=texts(_search_params(opened)),
        points=tuple(
            Point(k, float(v), milliseconds(last), step) for k, v, step in steps if v is not None
        ),
    )


def dataset_rows(view: SearchView) -> tuple[DatasetRow, ...]:
    """Training and validation images as dataset inputs: digest, shape, images a class."""
    opened = opened_of(view)
    data, config = opened.dataset, opened.config.get("dataset") or {}
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
                source=redacted(
                    json.dumps({"uri": config.get("path") or config.get("source", "")})
                ),
                schema=json.dumps(schema),
                profile=json.dumps(profile, ensure_ascii=False),
                context=context,
            )
        )
    return tuple(rows)


def opened_of(view: SearchView) -> Opened:
    assert view.opened is not None, "a journal opens before anything is sent"
    return view.opened


# MLflow's words. FAILED too where a search ended and no trial was completed: nothing can be read
# from it.
STATUSES = {"unfinished": "RUNNING", "failed": "FAILED", "stopped": "KILLED"}


def _search_status(view: SearchView) -> str:
    if view.is_finished:
        return "FINISHED" if view.completed_trials else "FAILED"
    return STATUSES[view.status]


def _search_tags(view: SearchView) -> dict[str, str]:
    opened = opened_of(view)
    tags = {
        SEARCH_TAG: opened.search_id,
        "augsearch.kind": "search",
        "augsearch.config_hash": opened.config_hash,
        "augsearch.dataset_digest": opened.dataset.digest,
        "mlflow.note.content": describe(view),
        "mlflow.source.name": "run_search.py",
        "mlflow.source.type": "LOCAL",
        **{f"verdict.{judged.name}": judged.verdict for judged in view.augmentations},
    }
    if view.policy:
        tags["verdict"] = view.policy.verdict
    if view.answer:
        tags["answer"] = view.answer.kind
    if view.recommended:
        tags["recommended"] = view.recommended
    return texts(tags)


def _search_params(opened: Opened) -> dict[str, Any]:
    """Every setting of the experiment file but the tracker's own, one level deep:
    `model.backbone`."""
    params: dict[str, Any] = {}
    for section, content in opened.config.items():
        if isinstance(content, Mapping) and section != "tracking":
            params |= {f"{section}.{key}": value for key, value in content.items()}
        elif section != "tracking":
            params[section] = content
    return params


def _progress_values(view: SearchView, expected: ExpectedWork | None) -> dict[str, float | None]:
    baseline = view.baseline()
    return {
        "trials_completed": sum(record.status == "completed" for record in view.records),
        "trials_failed": view.num_failed,
        "baseline_score": baseline.result.score if baseline and baseline.result else None,
        "wall_seconds": view.wall_seconds,
        **{f"seconds/{phase}": seconds for phase, seconds in view.phase_seconds.items()},
        "images_extracted": view.cost.images,
        "heads_trained": view.cost.heads,
        "seconds_left": view.seconds_left(expected) if expected else None,
    }


def _evidence_values(view: SearchView) -> dict[str, float | None]:
    if not view.has_evidence:
        return {}
    evidence, best = view.evidence, view.best
    values: dict[str, float | None] = {
        **(_judged_values("policy", view.policy) if view.policy else {}),
        "detectable": view.answer.detectable if view.answer else None,
        "null_floor": evidence.null_floor,
        "null_floor_mean": evidence.null_floor_mean,
        **_effect_values("best", best.effect if best else None),
        "optimism": evidence.optimism,
    }
    for judged in view.augmentations:
        values |= _judged_values(judged.name, judged)
    # In points, as everywhere else that people look: the dashboard shows two decimals.
    scaled = {k: None if v is None else v * view.unit.factor for k, v in values.items()}
    return {**scaled, "best/score": best.result.score if best and best.result else None}


def _test_values(view: SearchView) -> dict[str, float | None]:
    test = view.test
    if test is None:
        return {}
    values: dict[str, float | None] = {"test/looks": test.looks, "test/num_images": test.num_images}
    for which, score in (("none", test.none), ("chosen", test.chosen)):
        values |= _score_values(f"test/{which}", score) if score else {}
    effect = _effect_values("test", test.effect)
    return values | {k: v * view.unit.factor for k, v in effect.items() if v is not None}


def _score_values(prefix: str, score: Score) -> dict[str, float | None]:
    low, high = score.accuracy_ci
    return {
        **{f"{prefix}_{name}": value for name, value in score.metrics.items()},
        f"{prefix}_accuracy_ci_low": low,
        f"{prefix}_accuracy_ci_high": high,
    }


def _judged_values(name: str, judged: Judged) -> dict[str, float | None]:
    if judged.measured is None:
        return {}
    low, high = judged.measured.ci
    return {
        f"effect/{name}": judged.measured.effect,
        f"effect/{name}_ci_low": low,
        f"effect/{name}_ci_high": high,
    }


def _effect_values(prefix: str, effect: Effect | None) -> dict[str, float | None]:
    if effect is None:
        return {}
    return {
        f"{prefix}/delta": effect.delta,
        f"{prefix}/ci_low": effect.ci_low,
        f"{prefix}/ci_high": effect.ci_high,
    }
