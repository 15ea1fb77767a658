"""The smallest effect a plan can detect.

Before any run the spread is assumed, as claims assume it; afterwards it is measured from the runs
without augmentation. Plans only; what is said of them is in `advice`, what was found in
`evaluation`.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from data.messages import plural
from search.evidence.evaluation import per_image
from search.evidence.luck import PRIOR_DF
from search.evidence.spread import ASSUMED_HEAD_SPREAD, head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import Objective

# Parts of a paired difference, as shares of the objective's standard deviation between images.
# Chosen so that with `ASSUMED_HEAD_SPREAD` at an accuracy of 0.84 a difference of 5 folds x 3 seeds
# on 3409 images has a standard error of 0.3 points and one fit on 341 images varies by 1.2 points,
# as on clothing photographs (0.2 to 0.3, and 0.6 to 1.2).
_IMAGE_SHARE, _NOISE_SHARE = 0.16, 0.57
# Two settings trained from the same seeds have about two fifths of their luck in common: a
# difference has 2 x 0.6 of one setting's variance.
_PAIRED = 1.2
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Plan:
    """The size of a comparison. num_images: those scored. num_compared: trials that Holm's
    correction counts. independent_share: of the images, how many tell as much, those of a group
    being taken to be answered alike. search_seeds: of the trials before a confirmation, where
    `seeds` are that one's; None where there is none."""

    num_images: int
    folds: int
    seeds: int
    num_compared: int = 1
    independent_share: float = 1.0
    search_seeds: int | None = None

    @property
    def luck_df(self) -> int:
        """Degrees of freedom from heads that differ in their luck alone, in all trainings together.
        Of a confirmation one beside no augmentation is sure."""
        if self.search_seeds is None:
            return self.num_compared * self._free(self.seeds)
        return self.num_compared * self._free(self.search_seeds) + self._free(self.seeds)

    def _free(self, seeds: int) -> int:
        return self.folds * (seeds - 1) if seeds > 1 else self.folds - 1

    @property
    def words(self) -> str:
        return f"{plural(self.folds, 'fold')} x {plural(self.seeds, 'seed')}"


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a paired difference: what lasts of it from image to image, what
    each seed adds to an image, and what one head adds to all images it scores. In the
    objective's units."""

    image: float
    noise: float
    head: float

    def variances(self, plan: Plan) -> tuple[float, float, float]:
        """What images, their noise and heads add to the variance of the mean difference."""
        images = plan.num_images * plan.independent_share
        pairs, heads = images * plan.seeds, plan.folds * plan.seeds
        return self.image**2 / images, self.noise**2 / pairs, self.head**2 / heads


def assumed_spread(
    accuracy: float, weight: float = 1.0, head_spread: float = ASSUMED_HEAD_SPREAD
) -> Spread:
    """From the accuracy alone, before any run. weight: root of the mean square of what images
    count, above 1 in balanced accuracy. Raises ValueError outside 0 to 1.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy is {accuracy}; give a share between 0 and 1, such as 0.85")
    deviation = weight * sqrt(accuracy * (1 - accuracy))
    return Spread(_IMAGE_SHARE * deviation, _NOISE_SHARE * deviation, head_spread * deviation)


def measured_spread(
    baseline: Predictions, labels: np.ndarray, objective: Objective
) -> Spread | None:
    """From runs without augmentation: how answers change from seed to seed. None with one seed,
    which cannot tell.

    How much settings differ for good on single images cannot be seen from one of them and is
    assumed.
    """
    if len(baseline.predicted) < 2:
        return None
    values = per_image(baseline, labels, objective)
    heads = head_errors(values, baseline.fold)
    return Spread(
        image=_IMAGE_SHARE * float(values.std()),
        noise=sqrt(_PAIRED * heads.image_noise * values.size),
        head=sqrt(_PAIRED * heads.variance * len(heads.contributions)),
    )


def detectable_effect(plan: Plan, spread: Spread, power: float = 0.8) -> float:
    """The smallest true effect called HELPS with probability `power`: (critical + z_power) standard
    errors, as `intervals` has it. Of a tiny plan that is more than an objective can do, which is
    `advice`'s to say.

    Holm's first threshold, 0.05 / num_compared, is used, as were luck known; that it is told by few
    heads widens all intervals together, as a t widens one. Degrees of freedom by Satterthwaite:
    luck alone is in doubt, and noise with it where heads are seen twice. Raises ValueError for
    numbers below 1.
    """
    from scipy.special import ndtri, stdtrit

    folds, seeds, num_compared = plan.folds, plan.seeds, plan.num_compared
    if min(plan.num_images, folds, seeds, num_compared) < 1:
        raise ValueError(
            f"{plan.num_images} images, {folds} folds, {seeds} seeds, {num_compared} compared: "
            "1 or more"
        )
    image, noise, head = spread.variances(plan)
    variance, in_doubt = image + noise + head, head + (noise if plan.luck_df else 0.0)
    free = PRIOR_DF + plan.luck_df
    df = min(free * (variance / in_doubt) ** 2, 1e6) if in_doubt else 1e6
    widened = stdtrit(df, 1 - SIGNIFICANCE / 2) / ndtri(1 - SIGNIFICANCE / 2)
    critical = ndtri(1 - SIGNIFICANCE / num_compared / 2) * widened
    return float(critical + ndtri(power)) * sqrt(variance)
