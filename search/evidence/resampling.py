"""The bootstrap over images: draws them again inside each class and says how far a mean moves.

Knows nothing of trials, heads or objectives; `evaluation` puts those together.
"""

from math import sqrt

import numpy as np

_SMALLEST_STRATUM = 5  # classes with fewer images share a stratum: one image alone has no spread
_LARGE_STRATUM = 2000  # from here on values with many levels are rounded
_MOST_DRAWS = 1_000_000  # indices drawn at once: 8 MB


def strata(values: np.ndarray, classes: np.ndarray) -> list[np.ndarray]:
    """`values` [n] of each class; of small ones together."""
    stratum = stratum_of(classes)
    ordered = values[np.argsort(stratum, kind="stable")]
    return [part for part in np.split(ordered, np.cumsum(np.bincount(stratum))[:-1]) if part.size]


def groups_as_one(values: np.ndarray, classes: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """One stratum of whole groups, float64 [number of groups], whose mean moves as that of `values`
    [n] does where groups are drawn again inside classes: what each adds to its images' classes'
    means."""
    stratum = np.unique(stratum_of(classes), return_inverse=True)[1]
    unit = np.unique(groups, return_inverse=True)[1]
    means = np.bincount(stratum, weights=values) / np.bincount(stratum)
    scale = unit_scale(stratum, unit)
    sums = np.bincount(unit, weights=(values - means[stratum]) * scale)
    return [sums * len(sums) / len(values)]


def unit_scale(stratum: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """float64 [n]: mends that m units of a stratum vary about their own mean by (m-1)/m."""
    members = np.bincount(np.unique(np.stack([stratum, unit]), axis=1)[0])
    scale: np.ndarray = np.sqrt(members / np.maximum(members - 1, 1))[stratum]
    return scale


def stratum_of(classes: np.ndarray) -> np.ndarray:
    """int [n]. Classes of fewer than five images are put together, and with the next smallest."""
    counts = np.bincount(classes)
    small = (counts > 0) & (counts < _SMALLEST_STRATUM)
    if 0 < counts[small].sum() < _SMALLEST_STRATUM < len(classes):
        small[np.where(small | (counts == 0), len(classes) + 1, counts).argmin()] = True
    stratum: np.ndarray = np.where(small, len(counts), np.arange(len(counts)))[classes]
    return stratum


def image_variance(parts: list[np.ndarray]) -> float:
    """Of the mean of all values when images are drawn inside strata; what `image_deviations` vary
    by."""
    total = sum(len(values) for values in parts)
    return (
        sum(len(values) * float(values.var(ddof=1)) for values in parts if len(values) > 1)
        / total**2
    )


def image_deviations(
    parts: list[np.ndarray], num_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """float64 [num_resamples]: how far the mean of all values moves as images are drawn again.

    Exact for values with few levels, such as accuracy, at any size. In strata of more than 2000
    images values with many levels are rounded to a sixteenth of their standard deviation first,
    which adds 0.03 % to their variance.
    """
    total = sum(len(values) for values in parts)
    moved = np.zeros(num_resamples)
    for values in parts:
        if len(values) > 1:
            # m values drawn about their own mean vary by (m-1)/m of the variance; the root mends
            # that
            share = len(values) / total * sqrt(len(values) / (len(values) - 1))
            moved += share * (_means(values, num_resamples, rng) - values.mean())
    return moved


def _means(values: np.ndarray, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Bootstrap means. Equal values are counted together: a million images cost what their few
    levels do."""
    levels, counts = np.unique(values, return_counts=True)
    if len(values) > _LARGE_STRATUM and 8 * len(levels) > len(values):
        step = float(values.std()) / 16
        levels, counts = np.unique(np.rint(values / step) * step, return_counts=True)
        levels += values.mean() - counts @ levels / len(values)  # rounding moves no mean
    if 4 * len(levels) < len(values):
        return (
            rng.multinomial(len(values), counts / len(values), size=num_resamples)
            @ levels
            / len(values)
        )
    rows = max(_MOST_DRAWS // len(values), 1)
    chunks = [min(rows, num_resamples - start) for start in range(0, num_resamples, rows)]
    return np.concatenate(
        [
            values[rng.integers(len(values), size=(chunk, len(values)))].mean(axis=1)
            for chunk in chunks
        ]
    )
