"""Why nothing is claimed of what some trainings used."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.augmentations import AUGMENTATIONS
from search.evidence.answer import AugmentationClaims
from search.experiment.trial import TrialRecord


def top_rung(records: Sequence[TrialRecord]) -> int | None:
    return max((record.rung for record in records if record.rung is not None), default=None)


def why_untold(using: Sequence[TrialRecord], records: Sequence[TrialRecord], rested: int) -> str:
    """Why nothing is told of what these trainings used. rested: how many of them count."""
    top = top_rung(records)
    lower = any(record.rung not in (None, top) for record in using)
    if rested:
        why = "was on only with others, from which no training tells it"
        return f"{why} (lower rungs do not count)" if lower else why
    if lower:
        return "was on only on lower rungs, which do not count"
    return "was on only beside other values than those chosen" if using else "was not tried"


def untold_strengths(claims: AugmentationClaims, space: Mapping[str, Any]) -> tuple[Any, ...]:
    """Choices without an order that no training tells from others: they have no place on the
    curve. space: as the journal has it."""
    record = AUGMENTATIONS[claims.name]
    told = [record.parse(point.value) for point in claims.curve]
    searched = map(record.parse, space.get(claims.name, {}).get("choices", ()))
    return tuple(value for value in searched if told and record.is_on(value) and value not in told)


def having(records: Iterable[TrialRecord], name: str, value: Any) -> tuple[TrialRecord, ...]:
    """Of trainings with an augmentation on, those at this strength, alone or among others."""
    parse = AUGMENTATIONS[name].parse
    return tuple(r for r in records if parse(r.spec.settings.augmentation[name]) == parse(value))
