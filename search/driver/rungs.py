"""Fidelity: how far a ranking at few views agrees with the ranking of the same settings at more."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from search.evidence.findings import RungCorrelation
from search.experiment.trial import TrialRecord, setting_key
from search.training.modes import budget_of, mode_of

FEWEST = 3  # settings below which a rank correlation says nothing


def rank_correlations(records: Iterable[TrialRecord]) -> tuple[RungCorrelation, ...]:
    """Spearman's correlation of scores between each rung and the next, over the settings that both
    have.

    Left out where fewer than three settings were promoted or all scores tie.
    """
    by_views: dict[int, dict[str, float]] = {}
    units: set[Literal["views", "epochs"]] = set()
    for record in records:
        views = budget_of(record.spec)
        if (
            record.rung is not None
            and record.result
            and record.result.score is not None
            and isinstance(views, int)
        ):
            by_views.setdefault(views, {})[setting_key(record.spec.settings)] = record.result.score
            units.add(mode_of(record.spec.settings.training).budget)
    found = [_correlation(low, high, by_views) for low, high in pairwise(sorted(by_views))]
    unit = units.pop() if units else "views"
    return tuple(each.model_copy(update={"unit": unit}) for each in found if each is not None)


def _correlation(
    low: int, high: int, by_views: dict[int, dict[str, float]]
) -> RungCorrelation | None:
    both = sorted(by_views[low].keys() & by_views[high].keys())
    rho = rank_agreement(*([by_views[views][setting] for setting in both] for views in (low, high)))
    if rho is None:
        return None
    return RungCorrelation(from_views=low, to_views=high, rho=rho, num_trials=len(both))


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs, or where all scores on a side
    tie."""
    from scipy.stats import spearmanr

    if len(first) < FEWEST or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return float(spearmanr(first, second).statistic)
