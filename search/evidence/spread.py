"""How far heads differ by luck alone.

A head is trained once a (seed, fold) and scores every image of its fold, so its luck is one error
shared by all of them: more images do not average it away, only more heads do. This module separates
that shared error from what the images account for. Images are resampled in `resampling`; intervals
are made in `evaluation`, the null floor in `floor`, plans in `power`.
"""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

# With a single head its luck cannot be told from the effect, so it is assumed: one standard
# deviation of the difference of two heads' shared errors, over that of the objective between
# images. 0.02 is 0.7 points at an accuracy of 0.84, the upper half of what heads on frozen features
# were seen to share.
ASSUMED_HEAD_SPREAD = 0.02


@dataclass(frozen=True)
class HeadErrors:
    """What single heads add to a mean difference.

    contributions: float64 [num_heads]; their sum of squares estimates the variance of the mean
    difference that comes from heads, plus `image_noise`, the part of it that resampled images
    account for already. df: its degrees of freedom; 0 with a single head, where `contributions` is
    empty and nothing is known.
    """

    contributions: np.ndarray
    image_noise: float
    df: int

    @property
    def raw_variance(self) -> float:
        return float((self.contributions**2).sum())

    @property
    def variance(self) -> float:
        return max(0.0, self.raw_variance - self.image_noise)

    def draw_variance(self, num_draws: int, rng: np.random.Generator) -> np.ndarray:
        """float64 [num_draws]: the heads' variance, as unsure as few heads leave it (scaled inverse
        χ²).

        What the images explain is taken off each draw. Where they explain nearly all of it, its
        size is known from many images rather than from few heads, and counts as up to 12 more
        degrees of freedom (a number tuned in simulation): without them few heads give intervals far
        too wide. Not with one degree of freedom, where chance hides real differences too often.
        """
        raw, noise = self.raw_variance, self.image_noise
        if raw + noise == 0.0:
            return np.zeros(num_draws)
        more = 12 * (1 - 1 / self.df) * (noise / (noise + raw)) ** 2
        total = (self.df * raw + more * noise) / rng.chisquare(self.df + more, num_draws)
        return np.maximum(0.0, total - noise)


def head_errors(
    values: np.ndarray, fold: np.ndarray, groups: np.ndarray | None = None
) -> HeadErrors:
    """Separates the heads' shared errors in `values` float64 [seeds, n], scored in `fold` int [n].
    groups: int [n], of images whose noise is in common, all of one fold.

    Two seeds or more: heads of one fold scored the same images, so what separates their means is
    their own (one-way analysis of variance inside each fold). One seed: the spread of fold means
    beyond what their images explain. A lasting difference between training sets that all seeds
    share cannot be told from the images of its fold.
    """
    codes = np.unique(fold, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    means = np.stack([np.bincount(codes, weights=row) for row in values]) / sizes
    if len(values) > 1:
        found = _between_seeds(values, means, sizes)
    elif len(sizes) > 1:
        found = _between_folds(values[0], means[0], sizes)
    else:
        return HeadErrors(np.empty(0), 0.0, 0)
    if groups is None:
        return found
    own = means - means.mean(axis=0) if len(values) > 1 else means
    lasting = values.mean(axis=0) if len(values) > 1 else 0.0
    return replace(
        found, image_noise=_noise_of_groups(values - lasting - own[:, codes], groups, len(sizes))
    )


def _noise_of_groups(left: np.ndarray, groups: np.ndarray, num_folds: int) -> float:
    """`HeadErrors.image_noise` where what is left [seeds, n] of values, beyond image and head, goes
    by groups."""
    unit = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(unit, weights=row) for row in left])
    seeds, count = sums.shape
    free = (seeds - 1) / seeds if seeds > 1 else 1.0
    free *= max(count - num_folds, 1) / count
    return float((sums**2).sum()) / free / left.size**2


def assumed_head_variance(values: np.ndarray, spread: float = ASSUMED_HEAD_SPREAD) -> float:
    """Of the difference of a single pair of heads, from one's per-image values [seeds, n]. spread:
    as `ASSUMED_HEAD_SPREAD` is."""
    return (spread * float(values.std())) ** 2


def _between_seeds(values: np.ndarray, means: np.ndarray, sizes: np.ndarray) -> HeadErrors:
    num_seeds, num_images = values.shape
    deviations = means - means.mean(axis=0)
    images = num_seeds * float((values.mean(axis=0) ** 2).sum())
    residual = float((values**2).sum()) - images - float((sizes * deviations**2).sum())
    free = max((num_seeds - 1) * (num_images - len(sizes)), 1)
    image_noise = max(residual, 0.0) / free / (num_images * num_seeds)
    # deviations from their own mean hold (S-1)/S of the variance; the root mends that
    scale = sizes / num_images / num_seeds * sqrt(num_seeds / (num_seeds - 1))
    return HeadErrors((scale * deviations).ravel(), image_noise, len(sizes) * (num_seeds - 1))


def _between_folds(values: np.ndarray, means: np.ndarray, sizes: np.ndarray) -> HeadErrors:
    num_images, num_folds = len(values), len(sizes)
    residual = float((values**2).sum()) - float((sizes * means**2).sum())
    image_noise = max(residual, 0.0) / max(num_images - num_folds, 1) / num_images
    scale = sizes / num_images * sqrt(num_folds / (num_folds - 1))
    return HeadErrors(scale * (means - values.mean()), image_noise, num_folds - 1)
