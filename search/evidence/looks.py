"""Looking at a search before it ends, planned beforehand, and what is settled at a look.

Each look spends a part of the 5 % that a search may be wrong, little at first (O'Brien and Fleming
1979, by the spending function of Lan and DeMets 1983). The parts are added up rather than tied
together by the correlation of looks: the whole family of `intervals` is looked at each time, for
which no table exists, and the sum costs 2 % of an interval's width at two looks. So the intervals
of all looks hold their truths together, and an interval that has decided is kept as it stands.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from search.evidence.claim_table import AugmentationClaims, Claims, Estimate, WholeClaim, word_of
from search.experiment.settings import Frozen, spelled


@dataclass(frozen=True)
class PlannedLook:
    """fraction: of all trainings that will be there, 1 for the last look. level: of the intervals
    then."""

    fraction: float
    level: float


def plan_looks(fractions: Sequence[float], alpha: float = 0.05) -> tuple[PlannedLook, ...]:
    """Levels whose errors add up to `alpha`. fractions: rising, the last one 1.

    Raises ValueError for others.
    """
    from scipy.special import ndtr, ndtri  # half a second to import

    rising = all(before < after for before, after in pairwise([0.0, *fractions]))
    if not fractions or fractions[-1] != 1 or not rising:
        raise ValueError(f"looks at {list(fractions)}: give rising fractions that end with 1")
    z = float(ndtri(1 - alpha / 2))
    spent = [0.0, *(float(2 * (1 - ndtr(z / sqrt(fraction)))) for fraction in fractions)]
    parts = [after - before for before, after in pairwise(spent)]
    return tuple(PlannedLook(f, 1 - part) for f, part in zip(fractions, parts, strict=True))


class Settled(Frozen):
    """What is known at a look, as it stands then: augmentations alone and whole settings."""

    augmentations: tuple[AugmentationClaims, ...] = ()
    wholes: tuple[WholeClaim, ...] = ()

    @property
    def names(self) -> set[str]:
        """Of augmentations."""
        return {each.name for each in self.augmentations}

    @property
    def labels(self) -> set[str]:
        """Of whole settings."""
        return {each.label for each in self.wholes}

    @property
    def estimates(self) -> list[Estimate]:
        """Of augmentations alone, at any strength, and of whole settings."""
        alone = (each.alone for each in self.augmentations)
        curves = (point.measured for each in self.augmentations for point in each.curve)
        wholes = (each.measured for each in self.wholes)
        return [found for found in (*alone, *curves, *wholes) if found is not None]

    @property
    def without_gains(self) -> "Settled":
        """Without what HELPS."""
        kept = tuple(each for each in self.augmentations if each.alone and each.alone.ci[0] <= 0)
        return self.model_copy(update={"augmentations": kept})

    def among(self, labels: Container[str]) -> "Settled":
        """With no other whole settings than these."""
        kept = tuple(each for each in self.wholes if each.label in labels)
        return self.model_copy(update={"wholes": kept})

    def joined(self, later: "Settled") -> "Settled":
        """What was settled first stays as it was."""
        return Settled(
            augmentations=(
                *self.augmentations,
                *(each for each in later.augmentations if each.name not in self.names),
            ),
            wholes=(
                *self.wholes,
                *(each for each in later.wholes if each.label not in self.labels),
            ),
        )


def settle(claims: Claims) -> Settled:
    """An augmentation alone is settled where it HELPS, or where no strength of it can gain anything
    that matters any more; a whole setting only by the latter: one that HELPS is what an answer
    would rest on. Nothing that was not trained is."""
    least = claims.negligible
    return Settled(
        augmentations=tuple(
            each
            for each in claims.augmentations
            if word_of(each.alone, least) == "HELPS"
            or (each.most_open is not None and _is_hopeless(each.most_open.measured, least))
        ),
        wholes=tuple(each for each in claims.wholes if _is_hopeless(each.measured, least)),
    )


def _is_hopeless(measured: Estimate | None, negligible: float) -> bool:
    """The bound for futility: nothing within the interval is a gain that matters."""
    return measured is not None and measured.ci[1] <= negligible


def with_settled(claims: Claims, settled: Settled) -> Claims:
    """The claims of the last look, with everything that was settled at an earlier one as it stood
    then; what an augmentation adds to the recommended setting is as it is now."""
    kept = {each.name: each for each in settled.augmentations}
    rows = tuple(
        _as_settled(kept[each.name], each, claims.recommended_whole) if each.name in kept else each
        for each in claims.augmentations
    )
    # a whole setting that is an augmentation alone has one estimate
    alone = {spelled({each.name: each.strength}): each.alone for each in rows if each.alone}
    alone |= {spelled({e.name: point.value}): point.measured for e in rows for point in e.curve}
    known = {_name(each): each.measured for each in settled.wholes}
    shown = {_name(each): each for each in (*settled.wholes, *claims.wholes)}
    wholes = (
        each.model_copy(update={"measured": alone.get(name, known.get(name, each.measured))})
        for name, each in shown.items()
    )
    return Claims(
        augmentations=rows,
        wholes=tuple(wholes),
        recommended=claims.recommended,
        critical=claims.critical,
        negligible=claims.negligible,
        beside=claims.beside,
    )


def _name(whole: WholeClaim) -> str:
    return spelled(whole.settings) if whole.settings else whole.label


def _as_settled(
    then: AugmentationClaims, now: AugmentationClaims, used: WholeClaim | None
) -> AugmentationClaims:
    """used: what is recommended. Where that is this augmentation and no other, what it adds is what
    it gains alone."""
    settings = used.settings if used is not None else {}
    curve = then.curve if settings.keys() == {then.name} else now.curve_beside
    beside = {spelled(point.value): point.measured for point in curve}
    if settings.keys() == {then.name} and then.alone is not None:
        beside.setdefault(spelled(then.strength), then.alone)
    found = beside.get(spelled(settings.get(then.name)), beside.get(spelled(then.strength)))
    return then.model_copy(update={"with_recommended": found, "curve_beside": curve})
