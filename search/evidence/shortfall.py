"""What would have shown an effect that a search could not see: more seeds, folds or images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

from search.evidence.answer import Shortfall, Size
from search.evidence.intervals import POWER, Contrasts
from search.evidence.measurements import Measurements

MOST_SEEDS = 100  # beyond, only images help


@dataclass(frozen=True)
class Blur:
    """The variance of one estimate, by what thins it.

    images: what settings do to single images, for good, and the seeds of an earlier round.
    noise: what each seed of the deciding round adds to single images. heads: the luck of its heads,
    which all images that one scores share. rest: what neither more seeds, folds nor images change:
    the luck of heads of an earlier round, and what the model of strengths does not know.
    """

    images: float
    noise: float
    heads: float
    rest: float

    def at(self, size: Size, now: Size) -> float:
        """The variance, had the search been of that size: each part by how many there are of what
        it is a mean of."""
        images, seeds = size.images / now.images, size.seeds / now.seeds
        heads = self.heads / (seeds * size.folds / now.folds)
        return self.images / images + self.noise / (images * seeds) + heads + self.rest


def blur_of(measured: Measurements, asked: Contrasts, stage: str) -> Blur:
    """Of the one contrast asked. stage: of the deciding round."""
    weights = asked.weights[0]
    squares = weights**2
    decides = np.array([each == stage for each in measured.stages])
    images = float(weights @ measured.image_cov @ weights) + float(squares @ measured.single)
    noise = float(squares @ (measured.luck.noise * decides))
    heads = squares * measured.luck.variance
    model = 0.0 if asked.model_cov is None else float(asked.model_cov[0, 0])
    rest = float(heads[~decides].sum()) + model
    return Blur(max(images - noise, 0.0), min(noise, images), float(heads[decides].sum()), rest)


def what_would_show(
    blur: Blur, critical: float, now: Size, folded: Sequence[Size], missed: float, negligible: float
) -> Shortfall:
    """What would find twice of what is negligible; where nothing would, half of what was missed.
    missed: the effect that the search could just have found. critical: of its intervals.
    folded: with more folds, as many as the plan may have and which score more images, the fewest
    first."""
    from scipy.special import ndtri  # half a second to import

    powered = critical + float(ndtri(POWER))
    # twice what matters, just what matters; else what is half as large as could be found
    sizes = [size for size in (2 * negligible, negligible) if size < missed]
    for target in (*sizes, missed / 2):
        allowed = (target / powered) ** 2
        ways = (*_more_heads(blur, now, folded, allowed), *_more_images(blur, now, allowed))
        if ways:
            break
    ordered = sorted(ways, key=lambda size: _cost(size, now))
    return Shortfall(target=target, now=now, ways=tuple(ordered))


def _cost(size: Size, now: Size) -> tuple[bool, int]:
    """Images that have to be found are dearer than any training."""
    new_images = size.folds == now.folds and size.images > now.images
    return new_images, size.folds * size.seeds


def _more_heads(blur: Blur, now: Size, folded: Sequence[Size], allowed: float) -> Iterator[Size]:
    """The fewest seeds, and the fewest folds."""
    for start in (now, *folded):
        sizes = (
            start.model_copy(update={"seeds": seeds}) for seeds in range(now.seeds, MOST_SEEDS + 1)
        )
        found = next((size for size in sizes if blur.at(size, now) <= allowed), None)
        if found is not None and found != now:
            yield found
            if start is not now:
                return


def _more_images(blur: Blur, now: Size, allowed: float) -> Iterator[Size]:
    """The fewest images; with more seeds, where heads alone blur half of what is allowed."""
    left = allowed - blur.rest
    if left <= 0:
        return
    seeds = now.seeds if blur.heads <= left / 2 else ceil(now.seeds * 2 * blur.heads / left)
    if seeds > MOST_SEEDS:
        return
    heads = blur.heads * now.seeds / seeds
    thinned = blur.images + blur.noise * now.seeds / seeds
    times = max(thinned / (left - heads), 1.0)
    if times > 1:
        yield Size(seeds=seeds, folds=now.folds, images=_rounded_up(times * now.images))


def _rounded_up(count: float) -> int:
    """To two digits: nothing here is known better."""
    step = 10 ** max(floor(log10(count)) - 1, 0)
    return int(ceil(count / step) * step)
