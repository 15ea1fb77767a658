"""What MLflow is told of a whole search: its run, the parent of the trials', its two datasets, and
its description in Markdown, which the dashboard shows as the run's page: the answer first, then the
page's own tables and sentences, as far as a tag holds them. A pure function of the view, so that
sending again sends the same. Trials are in `mlflow_values`."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from search.evidence.findings import Score
from search.experiment.config import by_place
from search.experiment.secrets import redacted
from search.experiment.trial import Effect
from search.journal.events import Opened
from search.report.answer import answer, beside_answer
from search.report.claim_view import Judged
from search.report.sections import cost_text, data_lines, floor_sentence, test_lines
from search.report.table_model import Table, as_markdown, escaped_markdown
from search.report.tables import (
    best_trials_table,
    by_class_table,
    test_table,
    verdict_table,
    whole_table,
)
from search.report.time_left import ExpectedWork
from search.report.view import SearchView
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
    """Training and validation images as dataset inputs: digest, shape, images per class."""
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
    return {k: v for k, v in by_place(opened.config) if k.partition(".")[0] != "tracking"}


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


MAX_CHARACTERS = 5000  # a tag of MLflow holds 8000, one of older servers 5000


def describe(view: SearchView) -> str:
    """The page. Sections that would make it longer than a tag may be are left out, the last ones
    first."""
    said = [f"**{escaped_markdown(answer(view))}**", *map(escaped_markdown, beside_answer(view))]
    for text in _sections(view):
        if text and sum(len(s) + 2 for s in said) + len(text) < MAX_CHARACTERS - 100:
            said.append(text)
    said.append("The figures and every trial are in the artifact `report.html`.")
    return "\n\n".join(said)[:MAX_CHARACTERS]


def describe_winner(view: SearchView, class_names: Sequence[str]) -> str:
    """What a registered model's page says: the answer, what goes in and what comes out."""
    classes = ", ".join(map(escaped_markdown, class_names))
    if len(classes) > MAX_CHARACTERS // 2:
        classes = f"{len(class_names)} classes, listed in the model's metadata"
    return (
        f"**{escaped_markdown(answer(view))}**\n\n"
        "Takes raw uint8 images `[n, height, width, 3]` of any size; gives the probabilities `[n, "
        f"{len(class_names)}]` of: {classes}."
    )


def _sections(view: SearchView) -> Iterator[str]:
    if view.augmentations:
        yield _table("Which augmentations help", verdict_table(view))
    yield escaped_markdown(floor_sentence(view))
    yield _table("Whole settings", whole_table(view))
    less = len(view.of_kind("trial")) > len(view.ranked_trials)
    what = "Trials of the fullest rung" if less else "Trials of the search"
    yield _table(f"{what}, the best first", best_trials_table(view))
    if view.test:
        yield f"### Test set\n{' '.join(test_lines(view))}\n\n{as_markdown(test_table(view))}"
    yield escaped_markdown(cost_text(view))
    yield _table("Effect by class, the largest first", by_class_table(view))
    yield escaped_markdown(" ".join(data_lines(view)))


def _table(title: str, table: Table) -> str:
    return f"### {title}\n{as_markdown(table)}" if table.rows else ""
