"""The rows that people are shown of what is claimed: a verdict each, what speaks against it, and
the strengths that are not shown to be worse than the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.value_forms import hashable, is_number
from search.evidence.claim_table import NORMAL_95, AugmentationClaims, Estimate, VerdictWord
from search.experiment.trial import Effect, TrialRecord
from search.report.wording import strength_text

MOST_APART = 3.0  # standard errors, of two rounds: of ten settings one is so in 3 % of searches


@dataclass(frozen=True)
class Judged:
    """A row of the one table: an augmentation alone, at the strength it is judged at, or a whole
    setting, against no augmentation.

    claims: None of a whole setting. doubts: what speaks against a verdict HURTS or HELPS, each in
    a few words. is_read_off: no training had this strength. untold: of all of it, or of some
    strengths, why nothing is claimed though it was searched. sets: what a whole setting sets, in
    words.
    """

    name: str
    verdict: VerdictWord
    measured: Estimate | None
    claims: AugmentationClaims | None = None
    doubts: tuple[str, ...] = ()
    is_read_off: bool = False
    untold: tuple[str, ...] = ()
    untold_strengths: tuple[Any, ...] = ()
    sets: str = ""

    @property
    def within(self) -> Estimate | None:
        """What it adds to the recommended setting."""
        return self.claims.with_recommended if self.claims else None

    @property
    def as_json(self) -> dict[str, Any]:
        """As `summary.json` and the registered model have it."""
        return {"verdict": self.verdict, **effect_json(self.measured)}


@dataclass(frozen=True)
class WholeSetting:
    """A whole setting against no augmentation. record: of its confirming trial, else of the control
    it is. source: the trial of the search that it repeats. settings: its augmentation. doubts: as
    `Judged` has them. is_trained_anew: on fresh seeds. rounds: of its trainings in the search and
    in the confirmation those that its claim rests on."""

    label: str
    record: TrialRecord | None
    source: TrialRecord | None
    verdict: VerdictWord
    measured: Estimate | None
    settings: Mapping[str, Any]
    others: Mapping[str, Any]
    doubts: tuple[str, ...] = ()
    is_trained_anew: bool = False
    rounds: tuple[TrialRecord, ...] = ()

    @property
    def rounds_disagree(self) -> bool:
        return do_disagree(self.rounds)

    @property
    def is_confirmed(self) -> bool:
        """Whether it was trained on fresh seeds, which bear it out."""
        own = self.record.effect if self.record else None
        return self.is_trained_anew and is_borne_out(self.verdict, own, self.rounds)


def do_disagree(rounds: Sequence[TrialRecord]) -> bool:
    """By more than the errors of both leave room for, several settings compared."""
    effects = [each.effect for each in rounds if each.effect]
    if len(effects) < 2:
        return False
    widths = (each.ci_high - each.ci_low for each in effects)
    error = math.hypot(*widths) / 2 / NORMAL_95
    return abs(effects[0].delta - effects[1].delta) > MOST_APART * error


def is_borne_out(
    word: VerdictWord, on_fresh_seeds: Effect | None, rounds: Sequence[TrialRecord]
) -> bool:
    """Whether fresh seeds by themselves do not speak against a verdict, made of all trainings:
    their effect has its sign, and both rounds agree."""
    if on_fresh_seeds is None or do_disagree(rounds):
        return False
    sign = {"HELPS": 1, "HURTS": -1}.get(word)
    return sign is None or sign * on_fresh_seeds.delta > 0


def effect_json(measured: Estimate | None) -> dict[str, Any]:
    if measured is None:
        return {"effect": None, "ci": None}
    return {"effect": measured.effect, "ci": list(measured.ci)}


def range_text(judged: Judged) -> str:
    """The strengths not shown to be worse than the best; empty where none was tried."""
    found = judged.claims.strengths if judged.claims else None
    if found is None:
        return ""
    first, last = (strength_text(judged.name, value) for value in (found.first, found.last))
    pair = isinstance(found.last, list | tuple)
    ends = first if first == last else f"{first}{' … ' if pair else ' to '}{last}"
    return f"{ends}, best at its edge" if found.at_edge else ends


def is_within(judged: Judged, value: Any) -> bool:
    """Whether a strength is of the range told; one between those of the curve is of it where both
    its neighbours are."""
    claims = judged.claims
    if claims is None or claims.strengths is None:
        return False
    tried = _on_curve(judged)
    first, last = (hashable(each) for each in (claims.strengths.first, claims.strengths.last))
    if all(is_number(each) for each in (*tried, value)):
        near, far = sorted((abs(first - tried[0]), abs(last - tried[0])))
        return near <= abs(value - tried[0]) <= far
    places = sorted(tried.index(each) for each in (first, last))
    return hashable(value) in tried[places[0] : places[1] + 1]


def is_outdone(judged: Judged, value: Any) -> bool:
    """Whether a strength is one of the curve's, and gains less than the best of the range told: one
    beyond a strength that HURTS is not of it, whatever it gains."""
    points = judged.claims.curve if judged.claims else ()
    own = [p.measured.effect for p in points if hashable(p.value) == hashable(value)]
    best = [p.measured.effect for p in points if is_within(judged, p.value)]
    return bool(own and best) and own[0] < max(best)


def _on_curve(judged: Judged) -> list[Any]:
    return [hashable(point.value) for point in judged.claims.curve] if judged.claims else []
