"""What MLflow is told of a whole search: its run, the parent of the trials', and its two datasets.
A pure function of the state, so that sending again sends the same. Trials are in `of_trial`.
"""

import json
from collections.abc import Mapping
from typing import Any

from search.evidence.findings import Score, Verdict
from search.experiment.tracking_uri import redacted
from search.experiment.trial import Effect
from search.journal.events import Opened
from search.journal.state import SearchState
from search.report.wording import chosen_record, settings_of, unit_of
from search.tracking.note import describe
from search.tracking.values import SEARCH_TAG, DatasetRow, Point, RunRow, milliseconds, texts

MAX_DIGEST = 36


def search_row(state: SearchState) -> RunRow:
    """The parent run. What stands before a slash in a metric's name makes a group of charts in the
    dashboard."""
    opened = opened_of(state)
    told = [record for record in state.records if record.result is not None]
    last = max([r.told_at or 0.0 for r in told] + [state.finished_at or 0.0, opened.started_at])
    status = _search_status(state)
    found, progress = {**_evidence_values(state), **_test_values(state)}, _progress_values(state)
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
        tags=_search_tags(state),
        params=texts(_search_params(opened)),
        points=tuple(
            Point(k, float(v), milliseconds(last), step) for k, v, step in steps if v is not None
        ),
    )


def dataset_rows(state: SearchState) -> tuple[DatasetRow, ...]:
    """Training and validation images as dataset inputs: digest, shape, images a class."""
    opened = opened_of(state)
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


def opened_of(state: SearchState) -> Opened:
    assert state.opened is not None, "a journal opens before anything is sent"
    return state.opened


def _search_status(state: SearchState) -> str:
    """FAILED where a search could not go on, or ended and no trial was completed: nothing can be
    read from it."""
    if state.finished_at is None:
        return "RUNNING" if not state.stopped else "FAILED" if state.has_failed else "KILLED"
    return "FINISHED" if any(r.status == "completed" for r in state.of_kind("trial")) else "FAILED"


def _search_tags(state: SearchState) -> dict[str, str]:
    opened, evidence = opened_of(state), state.evidence
    tags = {
        SEARCH_TAG: opened.search_id,
        "augsearch.kind": "search",
        "augsearch.config_hash": opened.config_hash,
        "augsearch.dataset_digest": opened.dataset.digest,
        "mlflow.note.content": describe(state),
        "mlflow.source.name": "run_search.py",
        "mlflow.source.type": "LOCAL",
    }
    if evidence is not None:
        tags |= {f"verdict.{name}": verdict.verdict for name, verdict in evidence.verdicts.items()}
        tags |= {"verdict": evidence.policy.verdict} if evidence.policy else {}
        if evidence.confirmed:
            chosen = chosen_record(state)
            tags["recommended"] = settings_of(chosen) if chosen else "no augmentation"
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


def _progress_values(state: SearchState) -> dict[str, float | None]:
    results = [record.result for record in state.records if record.result is not None]
    baseline = state.baseline()
    return {
        "trials_completed": sum(result.status == "completed" for result in results),
        "trials_failed": sum(result.status == "failed" for result in results),
        "baseline_score": baseline.result.score if baseline and baseline.result else None,
        "wall_seconds": state.wall_seconds,
        **{f"seconds/{phase}": seconds for phase, seconds in state.phase_seconds.items()},
        "images_extracted": state.cost.images,
        "heads_trained": state.cost.heads,
    }


def _evidence_values(state: SearchState) -> dict[str, float | None]:
    evidence = state.evidence
    if evidence is None:
        return {}
    best = next((r for r in state.records if r.trial == evidence.best_trial), None)
    values: dict[str, float | None] = {
        **(_verdict_values("policy", evidence.policy) if evidence.policy else {}),
        "null_floor": evidence.null_floor,
        "null_floor_mean": evidence.null_floor_mean,
        **_effect_values("best", best.effect if best else None),
        "optimism": evidence.optimism,
    }
    for name, verdict in evidence.verdicts.items():
        values |= _verdict_values(name, verdict)
    # In points, as everywhere else that people look: the dashboard shows two decimals.
    shown = {k: None if v is None else v * unit_of(state).factor for k, v in values.items()}
    return {**shown, "best/score": best.result.score if best and best.result else None}


def _test_values(state: SearchState) -> dict[str, float | None]:
    test = state.test
    if test is None:
        return {}
    values: dict[str, float | None] = {"test/looks": test.looks, "test/num_images": test.num_images}
    for which, score in (("none", test.none), ("chosen", test.chosen)):
        values |= _score_values(f"test/{which}", score) if score else {}
    effect = _effect_values("test", test.effect)
    return values | {k: v * unit_of(state).factor for k, v in effect.items() if v is not None}


def _score_values(prefix: str, score: Score) -> dict[str, float | None]:
    low, high = score.accuracy_ci
    return {
        **{f"{prefix}_{name}": value for name, value in score.metrics.items()},
        f"{prefix}_accuracy_ci_low": low,
        f"{prefix}_accuracy_ci_high": high,
    }


def _verdict_values(name: str, verdict: Verdict) -> dict[str, float | None]:
    low, high = verdict.ci
    return {
        f"effect/{name}": verdict.effect,
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
