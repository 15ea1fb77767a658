"""Fidelity: how far a ranking at few views agrees with the ranking of the same settings at more."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from search.evidence import RungCorrelation
from search.trial import TrialRecord, setting_key

FEWEST = 3  # settings below which a rank correlation says nothing


def rank_correlations(records: Iterable[TrialRecord]) -> tuple[RungCorrelation, ...]:
    """Spearman's correlation of scores between each rung and the next, over the settings that both have.

    Left out where fewer than three settings were promoted or all scores tie.
    """
    by_views: dict[int, dict[str, float]] = {}
    for record in records:
        views = record.spec.protocol.views
        if (
            record.rung is not None
            and record.result
            and record.result.score is not None
            and isinstance(views, int)
        ):
            by_views.setdefault(views, {})[setting_key(record.spec.settings)] = record.result.score
    ladder = sorted(by_views)
    return tuple(c for low, high in pairwise(ladder) if (c := _correlation(low, high, by_views)) is not None)


def _correlation(low: int, high: int, by_views: dict[int, dict[str, float]]) -> RungCorrelation | None:
    from scipy.stats import spearmanr

    both = sorted(by_views[low].keys() & by_views[high].keys())
    scores = np.array([[by_views[views][setting] for setting in both] for views in (low, high)])
    if len(both) < FEWEST or (scores == scores[:, :1]).all(axis=1).any():
        return None
    rho = float(spearmanr(scores[0], scores[1]).statistic)
    return RungCorrelation(from_views=low, to_views=high, rho=rho, num_trials=len(both))
