"""Whether what a search concluded (evidence, test, leak) is of its own trials, augmentations and
classes, and follows from itself. Raises UserError where not.
"""

from collections.abc import Iterable

from data.augmentations import AUGMENTATIONS
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
from search.evidence.answer import AugmentationClaims, Claims, WholeClaim, answer_of
from search.evidence.findings import Evidence, LeakDemo, TestResult
from search.journal.journal_file import Event


def check_evidence(so_far: SearchSoFar, event: Event) -> None:
    found = Evidence.model_validate(event["evidence"])
    check_ranges(found)
    for name in ("null_floor", "null_floor_mean", "optimism"):
        check_difference(name, getattr(found, name), so_far.config.evaluation.objective)
    for number in (found.best_trial, *found.trained.values(), *found.sources.values()):
        so_far.need_trial(number)
    if found.claims is not None:
        _check_claims(so_far, found, found.claims)
    if found.answer is not None:
        answer = found.claims and answer_of(found.claims)
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
    names = {*so_far.space.fixed_by_name, *so_far.space.as_json()}
    for whole in wholes:
        need(len(whole.label) <= MOST_LABEL, "its claims are of what is no label")
        for name in AUGMENTATIONS.keys() & whole.settings.keys():
            need_value(name, whole.settings[name])
        strange = [
            name
            for name, value in whole.settings.items()
            if name not in AUGMENTATIONS
            and (name not in names or not isinstance(value, str | int | float | None))
        ]
        need(not strange, f"it claims of settings that are none: {', '.join(strange)[:60]}")


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


def check_leak(so_far: SearchSoFar, event: Event) -> None:
    found = LeakDemo.model_validate(event["leak"])
    check_ranges(found)
    for score in found.scores:
        so_far.need_trial(score.trial)
