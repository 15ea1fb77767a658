"""What the checks of a journal's events share: what was said so far, how a check fails, and whether
figures lie where such figures can lie: shares between 0 and 1, losses and durations not below it.
What they should be is computed by `verify`; some are nowhere computed again, and would else be
shown as they came.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

from pydantic import BaseModel

from data.augmentations import AUGMENTATIONS
from data.errors import UserError
from data.messages import escaped
from search.evidence.claim_table import Claims, Estimate
from search.evidence.findings import RungCorrelation, Score, TakenLook
from search.experiment.config import ExperimentConfig
from search.experiment.objectives import OBJECTIVES
from search.experiment.space import Space
from search.experiment.trial import Curve, Effect, Probe, TrialRecord, TrialResult, TrialTiming
from search.guests.table import GUESTS
from search.journal.events import LATEST, Opened
from search.training.modes import mode_of

LARGEST_COUNT = 2**53
MOST_SCORED = 10**8
MOST_LABEL = 500  # signs
METRICS = {name for name, record in OBJECTIVES.items() if not record.needs_all}
ROUNDING = 1e-6  # of float32 shares and of sums
SHARE, CORRELATION, AMOUNT, TIME = (0.0, 1.0), (-1.0, 1.0), (0.0, inf), (0.0, LATEST)
# The fields of each type that have a range of their own, whatever the search is of.
RANGES: Mapping[type[BaseModel], Mapping[str, tuple[float, float]]] = {
    Curve: {"accuracy": SHARE, "val_accuracy": SHARE},
    Probe: {
        **dict.fromkeys(("accuracy", "accuracy_ci", "clean_accuracy", "clean_accuracy_ci"), SHARE),
        **dict.fromkeys(("fill_share", "unchanged_share"), SHARE),
        "mean_shift_pixels": AMOUNT,
    },
    TrialTiming: {
        **dict.fromkeys(("features_seconds", "heads_seconds", "total_seconds"), TIME),
        "images_extracted": AMOUNT,
    },
    Effect: {"p_value": SHARE},
    Estimate: {"error": AMOUNT, "detectable": AMOUNT},
    Claims: {"critical": AMOUNT, "negligible": AMOUNT},
    RungCorrelation: {
        "rho": CORRELATION,
        **dict.fromkeys(("from_views", "to_views", "num_trials"), (1, MOST_SCORED)),
    },
    Score: {"accuracy_ci": SHARE},
    TakenLook: {"level": SHARE, "after": AMOUNT},
    **{kind: ranges for guest in GUESTS.values() for kind, ranges in guest.ranges.items()},
}


class SearchSoFar:
    """What was said so far."""

    opened: Opened
    config: ExperimentConfig
    space: Space
    backbones: list[tuple[str, str]]

    def __init__(self) -> None:
        self.records: list[TrialRecord] = []

    def need_trial(self, number: int | None) -> None:
        need(
            number is None or 0 <= number < len(self.records),
            f"it speaks of trial {number}, which was not asked",
        )


def need(fact: bool, otherwise: str) -> None:
    """Raises UserError with `otherwise`, unless it is a fact."""
    if not fact:
        raise UserError(otherwise)


def need_augmentation(name: str) -> None:
    """Raises UserError for the name of no augmentation."""
    need(name in AUGMENTATIONS, f"{escaped(name[:40])!r} is no augmentation")


def need_value(name: str, value: object) -> None:
    """Raises UserError for what is no value of an augmentation."""
    need_augmentation(name)
    AUGMENTATIONS[name].parse(value)


def check_ranges(value: object) -> None:
    """Of a value and of all that it holds: the fields of `RANGES`, and that intervals have their
    low end first."""
    if isinstance(value, BaseModel):
        for name, (least, most) in RANGES.get(type(value), {}).items():
            need_range(name, getattr(value, name), least, most)
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        for name, held in fields.items():
            if name == "ci" or name.endswith("_ci"):
                need(held[0] <= held[1], f"{name} has its higher end first")
            check_ranges(held)
        if isinstance(value, Effect):
            need(value.ci_low <= value.ci_high, "ci_low is above ci_high")
    elif isinstance(value, dict):
        check_ranges(tuple(value.values()))
    elif isinstance(value, tuple) and value and not isinstance(value[0], float):
        for each in value:
            check_ranges(each)


def need_range(name: str, value: Any, least: float, most: float) -> None:
    """value: a number, several, or None, which is in every range."""
    if value is None:
        return
    numbers = value if isinstance(value, tuple) else (value,)
    for each in (min(numbers, default=least), max(numbers, default=least)):
        need(
            least - ROUNDING <= each <= most + ROUNDING,
            f"{name} is {each:g}; allowed: {least:g} to {most:g}",
        )


def check_metrics(name: str, metrics: Mapping[str, float]) -> None:
    """Figures by their objectives."""
    for each, value in metrics.items():
        if each in OBJECTIVES:
            need_range(f"{name}.{each}", value, *_range_of(each))


def check_difference(name: str, value: float | None, objective: str) -> None:
    """Of two figures of an objective."""
    need_range(name, value, *OBJECTIVES[objective].bounds)


def check_result_ranges(record: TrialRecord, result: TrialResult) -> None:
    """What one trial measured, and the epochs that it can have trained."""
    check_ranges(result)
    for name in ("metrics", "optimistic_metrics"):
        check_metrics(name, getattr(result, name))
    need_range("score", result.score, *_range_of(record.spec.protocol.objective))
    most = _most_epochs(record)
    need_range("best_epochs", (*result.best_epochs, *result.head_best_epochs), 1, most)
    if result.curve is not None:
        need_range("the number of its epochs", len(result.curve.loss), 1, most)
        if record.spec.settings.model.build is None:  # whose loss may be anything
            for name in ("loss", "val_loss"):
                need_range(name, getattr(result.curve, name), *AMOUNT)


def _most_epochs(record: TrialRecord) -> float:
    """Over all phases. A model of the user's own may come with a fit of its own."""
    protocol, training = record.spec.protocol, record.spec.settings.training
    if record.spec.settings.model.build is not None:
        return inf
    if protocol.epochs is not None:
        return protocol.epochs + (protocol.head_epochs or 0)
    *before, last = (epochs for _, epochs in mode_of(training).phases(training))
    return sum(before) + (protocol.max_epochs or last)


def _range_of(objective: str) -> tuple[float, float]:
    """From the worst figure, as far from the best as a difference can be, to the best."""
    found = OBJECTIVES[objective]
    ends = found.best, found.best + found.sign * found.bounds[0]
    return min(ends), max(ends)
