"""Which trainings claims are made of, of all that were told, and why none is made of some."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from data.augmentations import AUGMENTATIONS
from search.evidence.claim_table import AugmentationClaims
from search.experiment.beside import with_beside
from search.experiment.kinds import KINDS
from search.experiment.trial import TrialRecord

# Trials of the search phase at most, spread evenly over all: what a model of T trainings takes
# grows with the third power of T.
MOST_MODELLED = 100


def rested_on(
    records: Iterable[TrialRecord], top: int | None, beside: Mapping[str, Any]
) -> list[TrialRecord]:
    """Each training once, at all of its budget, since little of it is biased against augmentation;
    where beside has values of what else is searched, those with these, and once there are some
    those of the confirmation alone. None of the confirmation where no augmentation failed in it.
    top: the rung of trials that have all of their budget."""
    records = list(records)
    is_confirmed = not any(map(failed_to_confirm, records))
    told = [
        record
        for record in records
        if (is_confirmed or KINDS[record.kind].part != "confirm")
        and KINDS[record.kind].is_evidence
        and record.status == "completed"
        and record.duplicate_of is None
        and record.rung in (None, top)
    ]
    told = _alike(told, beside) if beside else told
    trials = [record for record in told if record.kind == "trial"]
    places = np.linspace(0, len(trials) - 1, min(len(trials), MOST_MODELLED)).round()
    kept = {trials[int(place)].trial for place in places}
    return [record for record in told if record.kind != "trial" or record.trial in kept]


def failed_to_confirm(record: TrialRecord) -> bool:
    """Whether it is what the confirmation is compared with, and failed."""
    is_bare = record.kind == "confirm" and not record.spec.settings.augmentation
    return is_bare and record.status == "failed"


def _alike(told: Iterable[TrialRecord], beside: Mapping[str, Any]) -> list[TrialRecord]:
    alike = [r for r in told if with_beside(r.spec.settings, beside) == r.spec.settings]
    confirmed = [record for record in alike if KINDS[record.kind].part == "confirm"]
    return confirmed or alike


def is_luck_assumed(rested: Sequence[TrialRecord]) -> bool:
    """Whether no two heads tell what chance does from one to the next (`luck.luck_of`): heads are
    compared with those of other trainings of their stage."""
    stages = Counter(KINDS[record.kind].part for record in rested)
    told = (record for record in rested if stages[KINDS[record.kind].part] > 1)
    protocols = (record.spec.protocol for record in told)
    return not any(each.folds > 1 or len(each.head_seeds) > 1 for each in protocols)


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
