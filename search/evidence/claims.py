"""Everything a search claims, from its measurements: one family, one critical value.

Declared before the first trial are the axes, the controls and that a setting will be recommended;
which strengths and which setting those are is chosen by results, so that every strength of every
curve and every setting trained is in the family too, whether it is shown or not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from search.evidence.choosing import Strengths, strengths
from search.evidence.claim_table import (
    NEGLIGIBLE,
    AugmentationClaims,
    Claims,
    CurvePoint,
    Estimate,
    StrengthRange,
    WholeClaim,
)
from search.evidence.curves import NOTHING, Axis, Combination, told_apart
from search.evidence.effects import fit
from search.evidence.intervals import NUM_DRAWS, Intervals, simultaneous
from search.evidence.measurements import Measurements

_DECIMALS = 10  # the last digits of sums are another machine's

_Pair = tuple[Combination, Combination]


@dataclass(frozen=True)
class Declared:
    """What a search will claim. axes: the augmentations searched. covariates: other settings
    searched, which have their effects and no claims. wholes: settings that may be used, by label;
    controls as `Combination(outside=label)`, with the augmentations of these in `sets`.
    recommended: the label of the one that single augmentations are seen beside; None: of no
    augmentation.
    """

    axes: tuple[Axis, ...]
    wholes: Mapping[str, Combination]
    recommended: str | None
    covariates: tuple[Axis, ...] = ()
    negligible: float = NEGLIGIBLE
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def curves(self, axis: Axis) -> list[list[Combination]]:
        """The settings of an augmentation's curve alone, and of the one beside what is
        recommended, where anything is."""
        among = [NOTHING] if self.recommended is None else [NOTHING, self.wholes[self.recommended]]
        return [
            [point.having(axis.name, value, axis.values[0]) for value in axis.values]
            for point in among
        ]


def claim(
    measured: Measurements,
    points: Sequence[Combination],
    declared: Declared,
    seed: int,
    level: float = 0.95,
    num_draws: int = NUM_DRAWS,
) -> Claims:
    """points: the setting of each training. level: of all intervals together; more than 0.95 at a
    look before the end.

    An augmentation that no training used, or none that tells it from what was on with it, is not
    tried. Raises ValueError where nothing but no augmentation was trained.
    """
    if all(point == NOTHING for point in points):
        raise ValueError("nothing but no augmentation was trained: there is nothing to claim")
    base = measured.stage_columns()
    apart = told_apart(declared.axes, declared.covariates, points, base)
    tried = {axis.name: axis for axis in apart}
    model = fit(measured, (*declared.axes, *declared.covariates), points)
    told, might = _family(declared, apart, points)
    contrasts = model.contrasts(told + might)
    if_high = np.arange(len(told) + len(might)) >= len(told)
    asked = replace(contrasts, if_high=if_high)
    table = _Table(told + might, simultaneous(measured, asked, seed, level, num_draws))
    return Claims(
        augmentations=tuple(
            _augmentation(
                table, declared, axis, strengths(measured, model, axis, NOTHING, seed), points
            )
            if (axis := tried.get(each.name))
            else _not_tried(each)
            for each in declared.axes
        ),
        wholes=tuple(
            WholeClaim(
                label=label,
                settings=dict(point.values),
                measured=table.of(point, NOTHING),
                sets=declared.sets.get(label, ()),
            )
            for label, point in declared.wholes.items()
        ),
        recommended=declared.recommended,
        critical=_rounded(table.intervals.critical),
        negligible=declared.negligible,
    )


def _family(
    declared: Declared, tried: Sequence[Axis], points: Sequence[Combination]
) -> tuple[list[_Pair], list[_Pair]]:
    """Everything that is claimed, and what would have been had its result been better: each pair is
    a setting and what it is compared with."""
    told = [(point, NOTHING) for point in declared.wholes.values()]
    for axis in tried:
        told += [(point, curve[0]) for curve in declared.curves(axis) for point in curve]
    told = [pair for pair in dict.fromkeys(told) if pair[0] != pair[1]]
    trained = dict.fromkeys((point, NOTHING) for point in points if point != NOTHING)
    return told, [pair for pair in trained if pair not in told]


class _Table:
    """Looks a pair of settings up among the intervals."""

    def __init__(self, asked: list[_Pair], intervals: Intervals) -> None:
        self._rows = {pair: row for row, pair in enumerate(asked)}
        self.intervals = intervals

    def of(self, more: Combination, less: Combination) -> Estimate:
        found = self.intervals
        if more == less:
            return Estimate(effect=0.0, error=0.0, ci=(0.0, 0.0), detectable=0.0)
        row = self._rows[more, less]
        low, high = _rounded(found.low[row]), _rounded(found.high[row])
        return Estimate(
            effect=_rounded(found.effects[row]),
            error=_rounded(found.errors[row]),
            ci=(low, high),
            detectable=_rounded(found.detectable[row]),
        )


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0


def nothing_to_claim(declared: Declared) -> Claims:
    """Where nothing was trained, or nothing but no augmentation."""
    return Claims(
        augmentations=tuple(map(_not_tried, declared.axes)),
        wholes=(),
        recommended=None,
        critical=0.0,
        negligible=declared.negligible,
    )


def _not_tried(axis: Axis) -> AugmentationClaims:
    return AugmentationClaims(
        name=axis.name, strength=None, alone=None, with_recommended=None, strengths=None
    )


def _augmentation(
    table: _Table, declared: Declared, axis: Axis, found: Strengths, points: Sequence[Combination]
) -> AugmentationClaims:
    curves = declared.curves(axis)
    alone = [table.of(point, curves[0][0]) for point in curves[0]]
    beside = [table.of(point, curve[0]) for curve in curves[1:] for point in curve]
    trained = {index for index, point in enumerate(curves[0]) if point in points}
    within = _within(alone, found)
    at = _judged_at(alone, found, within, trained)
    last = len(axis.values) - 1
    used = dict(declared.wholes[declared.recommended].values) if declared.recommended else {}
    in_use = axis.values.index(used[axis.name]) if used.get(axis.name) in axis.values else at
    is_edge = axis.places is not None and not axis.is_fixed and found.best == last
    return AugmentationClaims(
        name=axis.name,
        strength=axis.values[at],
        is_trained=at in trained,
        alone=alone[at],
        with_recommended=beside[in_use] if beside else None,
        strengths=StrengthRange(
            first=axis.values[within.start],
            last=axis.values[within.stop - 1],
            at_edge=is_edge and alone[last].ci[0] > 0,
        ),
        curve=_curve(axis, alone),
        curve_beside=_curve(axis, beside),
    )


def _judged_at(
    curve: list[Estimate], found: Strengths, within: range, trained: Collection[int]
) -> int:
    """At which strength an augmentation is judged alone: one that HELPS, else one that HURTS, else
    any; among these one that was trained alone before any that is read off. The smallest sensible
    one, or the best that HELPS; the weakest that HURTS; the strongest where none is sensible but
    nothing."""
    helping = [index for index in within if curve[index].ci[0] > 0]
    hurting = [index for index, each in enumerate(curve) if each.ci[1] < 0]
    among = helping or hurting or range(1, len(curve))
    known = [index for index in among if index in trained] or among
    if hurting and not helping:
        return min(known)
    best = max(known, key=lambda index: curve[index].effect) if helping else max(known)
    return min((index for index in known if index >= found.sensible > 0), default=best)


def _within(curve: list[Estimate], found: Strengths) -> range:
    """The strengths not shown to be worse than the best, as the verdicts have it: those beside one
    another about the best that HELPS, up to the next that HURTS; where none helps, those from
    changing nothing up to the first that HURTS."""
    helping = [index for index, each in enumerate(curve) if each.ci[0] > 0]
    if not helping:
        last = len(curve) - 1 if found.best == 0 else found.last
        return _up_to_harm(curve, range(last + 1))
    best = max(helping, key=lambda index: curve[index].effect)
    first = min(max(found.first, 1), best)
    below = _up_to_harm(curve, range(best, first - 1, -1))
    above = _up_to_harm(curve, range(best, max(found.last, best) + 1))
    return range(below[-1], above.stop)


def _up_to_harm(curve: list[Estimate], indices: range) -> range:
    """As far as no strength HURTS."""
    harm = (place for place, index in enumerate(indices) if curve[index].ci[1] < 0)
    return indices[: next(harm, len(indices))]


def _curve(axis: Axis, curve: list[Estimate]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(value=value, measured=each)
        for value, each in zip(axis.values, curve, strict=False)
    )
