"""Whether what a journal says of the whole search is its own: what it was opened with, what a later
sitting changed, and what was concluded (evidence, test, by guests), which is of its own trials,
augmentations and classes, and follows from itself. Raises UserError where not."""

import json
from collections.abc import Iterable
from typing import Any

from data.augmentations import AUGMENTATIONS
from data.dataset import SPLIT_NAMES
from search.driver.declaration import DOUBLINGS
from search.driver.experiment_file import parse_config
from search.driver.prepare import backbones_of
from search.driver.shared_checks import (
    LARGEST_COUNT,
    METRICS,
    MOST_LABEL,
    MOST_SCORED,
    SearchSoFar,
    check_difference,
    check_metrics,
    check_ranges,
    need,
    need_value,
)
from search.evidence.answer import answer_of
from search.evidence.claim_table import AugmentationClaims, Claims, WholeClaim
from search.evidence.findings import Evidence, TestResult
from search.experiment.beside import beside_of
from search.experiment.config import ExperimentConfig, by_place, may_change
from search.experiment.config_changes import changed, differences
from search.experiment.precisions import PRECISIONS
from search.experiment.settings import spelled
from search.guests.table import GUESTS
from search.journal.events import LATEST, Opened, Resumed
from search.journal.journal_file import Event
from search.journal.state import replay

MOST_CONFIG_BYTES = 1 << 17
MOST_CLASSES = 10_000


def check_opened(so_far: SearchSoFar, event: Event) -> None:
    opened = replay([event]).opened
    assert opened is not None
    need(
        len(json.dumps(opened.config)) <= MOST_CONFIG_BYTES,
        f"its config has more than {MOST_CONFIG_BYTES} bytes",
    )
    so_far.opened, so_far.config = opened, parse_config(opened.config, "the journaled config")
    so_far.space, so_far.backbones = so_far.config.space, backbones_of(so_far.config)
    need(
        opened.config_hash == so_far.config.hash,
        f"config_hash is {opened.config_hash!r}, and {so_far.config.hash!r} is its config's, which "
        "was changed or written by another version",
    )
    other = ", ".join(differences(opened.config, so_far.config.filled))[:80]
    need(not other, f"its config is not spelled as a search spells it: {other}")
    need(
        opened.name == so_far.config.name,
        f"name is {opened.name!r}, and {so_far.config.name!r} in its config",
    )
    fixed = so_far.space.fixed_by_name
    need(
        spelled(opened.space) == spelled(so_far.space.as_json()), "space is not that of its config"
    )
    strange = [
        name
        for name, value in opened.fixed.items()
        if name not in fixed or spelled(value) != spelled(fixed[name])
    ]
    need(not strange, f"fixed is not that of its config: {', '.join(strange[:3])}")
    _check_summary(opened, so_far.config)
    _check_environment(opened.environment)


def _check_summary(opened: Opened, config: ExperimentConfig) -> None:
    summary = opened.dataset
    num_classes = len(summary.class_names)
    need(
        0 <= opened.earlier_looks <= LARGEST_COUNT and 0 <= opened.started_at <= LATEST,
        "started_at or earlier_looks is no such number",
    )
    need(
        1 <= num_classes <= MOST_CLASSES and len(set(summary.class_names)) == num_classes,
        "class_names are not names of classes",
    )
    need(set(summary.counts) == set(SPLIT_NAMES), f"counts are not of {', '.join(SPLIT_NAMES)}")
    counts = [count for split in summary.counts.values() for count in split]
    need(
        all(len(split) == num_classes for split in summary.counts.values()),
        "counts are not one per class",
    )
    need(min(counts) >= 0 and 0 < sum(counts) <= MOST_SCORED, "counts are not numbers of images")
    need(summary.image_size == config.dataset.image_size, "image_size is not that of its config")


def _check_environment(environment: dict[str, Any]) -> None:
    for name in ("packages", "weights"):
        table = environment.get(name, {})
        need(
            isinstance(table, dict) and all(isinstance(each, str) for each in table.values()),
            f"environment.{name} is no table of texts",
        )
    allowed = tuple(PRECISIONS)
    need(
        environment.get("precision") in allowed,
        f"environment.precision is none that a search computes in; allowed: {', '.join(allowed)}",
    )


def check_resumed(so_far: SearchSoFar, event: Event) -> None:
    """What a later sitting changed is of what may change, and gives a config again."""
    resumed = Resumed.model_validate(event)
    barred = [key for key in resumed.changed if not may_change(key)]
    need(not barred, f"it changes {', '.join(barred[:3])}, which makes another search")
    if not resumed.changed:
        need(not resumed.config_hash, "it has a config_hash, and changes nothing")
        return
    for key, (then, now) in resumed.changed.items():
        before = dict(by_place(so_far.config.filled)).get(key)
        need(
            spelled(then) == spelled(before),
            f"{key} is said to have been {spelled(then)[:60]}, and was {spelled(before)[:60]}",
        )
        need(spelled(then) != spelled(now), f"{key} is said to have changed, and has not")
    config = changed(so_far.config.filled, resumed.changed)
    so_far.config = parse_config(config, "the config as it was changed")
    need(
        so_far.config.hash == resumed.config_hash,
        "config_hash is not that of the config as changed",
    )


def check_evidence(so_far: SearchSoFar, event: Event) -> None:
    found = Evidence.model_validate(event["evidence"])
    check_ranges(found)
    for name in ("null_floor", "null_floor_mean", "optimism"):
        check_difference(name, getattr(found, name), so_far.config.evaluation.objective)
    for number in (
        *(found.best_trial, found.by_class_trial),
        *found.trained.values(),
        *found.sources.values(),
    ):
        so_far.need_trial(number)
    if found.claims is not None:
        _check_claims(so_far, found, found.claims)
    if found.answer is not None:
        answer = found.claims and answer_of(found.claims, found.early)
        said = found.answer.model_copy(update={"shortfall": None})  # is of variances, not claims
        need(said == answer, "its answer is not that of its claims")
    for look in found.looks:
        _check_rows(look.settled.augmentations)
        _check_wholes(so_far, look.settled.wholes)
        need(
            all(len(label) <= MOST_LABEL for label in look.spared), "what a look spared is no label"
        )
    asked = so_far.config.search.looks or ()
    need(len(found.looks) == len(asked), f"it has {len(found.looks)} looks; planned: {len(asked)}")
    need(
        found.by_class.keys() <= set(so_far.opened.dataset.class_names),
        "by_class names other classes",
    )


def _check_claims(so_far: SearchSoFar, found: Evidence, claims: Claims) -> None:
    """Each is of an augmentation and of strengths that it can have, or of a setting that was
    trained."""
    _check_rows(claims.augmentations)
    _check_wholes(so_far, claims.wholes)
    _check_beside(so_far, claims)
    labels = {each.label for each in claims.wholes}
    known = {*found.trained, *found.sources}
    need(labels <= known, "its claims are of settings that no trial was of")


def _check_rows(rows: Iterable[AugmentationClaims]) -> None:
    for each in rows:
        ends = (each.strengths.first, each.strengths.last) if each.strengths else ()
        points = (point.value for point in (*each.curve, *each.curve_beside))
        judged = () if each.strength is None and each.alone is None else (each.strength,)
        for value in (*judged, *ends, *points):
            need_value(each.name, value)


def _check_wholes(so_far: SearchSoFar, wholes: Iterable[WholeClaim]) -> None:
    names = {*so_far.space.fixed_by_name, *so_far.space.as_json(), DOUBLINGS}
    for whole in wholes:
        need(len(whole.label) <= MOST_LABEL, "its claims are of what is no label")
        known = all(name in AUGMENTATIONS for name in whole.sets)
        need(known, "its claims are of augmentations that are none")
        for name in AUGMENTATIONS.keys() & whole.settings.keys():
            need_value(name, whole.settings[name])
        strange = [
            name
            for name, value in whole.settings.items()
            if name not in AUGMENTATIONS
            and (name not in names or not isinstance(value, str | int | float | None))
        ]
        need(not strange, f"it claims of settings that are none: {', '.join(strange)[:60]}")


def _check_beside(so_far: SearchSoFar, found: Claims) -> None:
    """Some trial had all that is searched beside augmentation so."""
    trained = (beside_of(so_far.space, each.spec.settings) for each in so_far.records)
    need(found.beside in trained, "its claims are beside values that no trial had")


def check_test(so_far: SearchSoFar, event: Event) -> None:
    found = TestResult.model_validate(event["test"])
    check_ranges(found)
    for which in ("none", "chosen"):
        if (scored := getattr(found, which)) is not None:
            check_metrics(f"{which}.metrics", scored.metrics)
    num_classes = len(so_far.opened.dataset.class_names)
    need(
        0 <= found.num_images <= MOST_SCORED and 1 <= found.looks <= LARGEST_COUNT,
        "num_images or looks is no such number",
    )
    need(
        len(found.confusion) == num_classes
        and all(len(row) == num_classes for row in found.confusion),
        "confusion is not of its classes",
    )
    need(
        all(0 <= each <= MOST_SCORED for row in found.confusion for each in row),
        "confusion holds no numbers of images",
    )
    for score in (found.none, found.chosen):
        need(score is None or score.metrics.keys() >= METRICS, "its scores have no metrics")
    need(
        (found.chosen is None) == (found.effect is None),
        "it has an effect without a second model, or the reverse",
    )


def check_guest(so_far: SearchSoFar, event: Event) -> None:
    guest = GUESTS[event["type"]]
    found = guest.found.model_validate(event[guest.name])
    check_ranges(found)
    for row in guest.exhibit(found).rows:
        so_far.need_trial(row.trial)
