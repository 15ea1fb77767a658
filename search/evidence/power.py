"""Budget advice: the smallest effect a plan can detect, and the folds and seeds that one point
would take.

Before any run the spread is assumed from what was seen on frozen features; afterwards it is
measured from the runs without augmentation. Plans only; what was found is in `evaluation`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Any, Literal

import numpy as np

from search.evidence.evaluation import per_image
from search.evidence.spread import head_errors
from search.experiment.answers import Predictions
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.settings import Frozen

# Parts of a paired difference, as shares of the objective's standard deviation between images.
# Chosen so that at an accuracy of 0.84 a difference of 5 folds x 3 seeds on 3409 images has a
# standard error of 0.28 points and one fit on 341 images varies by 1.1 points, as on clothing
# photographs (0.2 to 0.3, and 0.6 to 1.2).
_IMAGE_SHARE, _NOISE_SHARE, _HEAD_SHARE = 0.16, 0.65, 0.014
# Two settings trained from the same seeds have about two fifths of their luck in common: a
# difference has 2 x 0.6 of one setting's variance.
_PAIRED = 1.2
SIGNIFICANCE = 0.05
_MOST_SEEDS = 20  # beyond, another seed changes little


TARGET = 0.01  # the effect that plans are told for, in the objective's units


@dataclass(frozen=True)
class Plan:
    """The size of a comparison. num_images: those scored. num_compared: trials that Holm's
    correction counts. independent_share: of the images, how many tell as much, those of a group
    being taken to be answered alike."""

    num_images: int
    folds: int
    seeds: int
    num_compared: int = 1
    independent_share: float = 1.0

    @property
    def words(self) -> str:
        folds = "fold" if self.folds == 1 else "folds"
        return f"{self.folds} {folds} x {self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"


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


@dataclass(frozen=True)
class KnownBaseline:
    """No augmentation, as it was measured or as it is assumed before any run.

    spread: `measured_spread`; None assumes one from the accuracy and `weight` (as `assumed_spread`
    has it), which of log-loss says nothing. room: the most that can be gained over it, as measured;
    None is 1 - accuracy, and no bound for log-loss.
    """

    accuracy: float
    spread: Spread | None = None
    room: float | None = None
    weight: float = 1.0


Basis = Literal["assumed", "measured"]


class Advice(Frozen):
    """What a plan can show, in the objective's units (of accuracy 0.01 is a point).

    detectable_effect: found 4 times in 5; None where no effect that is possible would be, or
    nothing is known of it yet. at_best: the same where the images of a group are no more alike than
    others. room: the most that can be gained over no augmentation; None where that is not known.
    room_basis: whether a run showed it, or an accuracy is assumed. needed: the plan with the fewest
    heads that detects TARGET; None where no number of heads does. needed_images: how many images
    this plan would take for TARGET; None if no number.
    """

    plan: Plan
    detectable_effect: float | None
    at_best: float | None
    room: float | None
    room_basis: Basis
    objective: Objective
    standard_error: float | None
    needed: Plan | None
    needed_images: int | None

    @property
    def found(self) -> str:
        """What is detected, in a few words."""
        if self.at_best is not None and self.at_best != self.detectable_effect:
            return f"{self._range}, 4 times in 5, by how alike the images of a group are answered"
        if self.detectable_effect is not None:
            return f"{_amount(self.detectable_effect, self.objective)}, 4 times in 5"
        return (
            "not known yet"
            if self.standard_error is None
            else "nothing: it takes more images or seeds"
        )

    @property
    def _range(self) -> str:
        """Of grouped images: from no more alike than others to always answered alike."""
        best = _amount(self.at_best or 0.0, self.objective)
        if self.detectable_effect is None:
            return f"{best} at best and nothing at worst"
        return f"{best} at best and {_amount(self.detectable_effect, self.objective)} at worst"

    @property
    def text(self) -> str:
        """Two sentences for people."""
        if self.standard_error is None:
            what = OBJECTIVES[self.objective].words
            return (
                f"How far {what} differs by luck is not known before a first run; ask again when "
                "its controls "
                "are trained."
            )
        compared = self.plan.num_compared
        among = f", as one of {compared} compared" if compared > 1 else ""
        plan = f"{self.plan.words} on {self.plan.num_images:,} images"
        if self.plan.independent_share < 1:
            independent = round(self.plan.num_images * self.plan.independent_share)
            plan += f" (as {max(independent, 1):,} if a group's are always answered alike)"
        target = f"{_amount(TARGET, self.objective)} {self._what_target_takes()}."
        if self.at_best is not None and self.at_best != self.detectable_effect:
            return f"{plan} find an effect of {self._range} 4 times in 5{among}. At worst {target}"
        if self.detectable_effect is None:
            most = _amount(self.room or 0.0, self.objective)
            over = (
                "as the baseline was measured"
                if self.room_basis == "measured"
                else "at the accuracy that is assumed"
            )
            return (
                f"{plan} can show nothing{among}: no augmentation can gain more than {most} "
                f"({over}), and even that would be "
                f"found less than 4 times in 5. {target}"
            )
        return (
            f"{plan} find an effect of {_amount(self.detectable_effect, self.objective)} 4 times "
            f"in 5{among}. {target}"
        )

    def _what_target_takes(self) -> str:
        if self.needed == self.plan:
            return "takes all of that"
        if self.needed:
            fewer = self.detectable_effect is not None and self.detectable_effect <= TARGET
            return (
                f"takes no more than {self.needed.words}" if fewer else f"takes {self.needed.words}"
            )
        if self.needed_images:
            return f"would take about {self.needed_images:,} images"
        return "would take more seeds and more images"


def assumed_spread(accuracy: float, weight: float = 1.0) -> Spread:
    """From the accuracy alone, before any run. weight: root of the mean square of what images
    count, above 1 in balanced accuracy. Raises ValueError outside 0 to 1.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy is {accuracy}; give a share between 0 and 1, such as 0.85")
    deviation = weight * sqrt(accuracy * (1 - accuracy))
    return Spread(_IMAGE_SHARE * deviation, _NOISE_SHARE * deviation, _HEAD_SHARE * deviation)


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
    """The smallest true effect called HELPS with probability `power`: (t + t_power) standard
    errors. Of a tiny plan that is more than an objective can do, which is `advise`'s to say.

    Holm's first threshold, 0.05 / num_compared, is used. Degrees of freedom by Satterthwaite, from
    the heads' part alone. Raises ValueError for numbers below 1.
    """
    from scipy.special import stdtrit

    folds, seeds, num_compared = plan.folds, plan.seeds, plan.num_compared
    if min(plan.num_images, folds, seeds, num_compared) < 1:
        raise ValueError(
            f"{plan.num_images} images, {folds} folds, {seeds} seeds, {num_compared} compared: "
            "1 or more"
        )
    image, noise, head = spread.variances(plan)
    num_free = folds * (seeds - 1) if seeds > 1 else folds - 1
    from_heads = head + noise + (image if seeds == 1 else 0.0)
    df = num_free * (image + noise + head) ** 2 / from_heads**2 if num_free and from_heads else inf
    df = min(df, 1e6)
    quantiles = stdtrit(df, 1 - SIGNIFICANCE / num_compared / 2) + stdtrit(df, power)
    return float(quantiles) * sqrt(image + noise + head)


def advise(
    plan: Plan,
    known: KnownBaseline,
    objective: Objective,
    num_validation: int | None = None,
    folds: Collection[int] = (5, 10),
) -> Advice:
    """What the plan can detect and what TARGET would take.

    plan: its images are those of train and validation together, which folds score between them;
    num_validation: scored where `folds` is 1 (None: as many). folds: that the plan may have
    instead of its own.
    """
    scored = num_validation if plan.folds == 1 and num_validation else plan.num_images
    asked = replace(plan, num_images=scored)
    room, counts_answers = known.room, OBJECTIVES[objective].counts_answers
    told: dict[str, Any] = {
        "plan": asked,
        "objective": objective,
        "room_basis": "assumed" if room is None else "measured",
    }
    if known.spread is None and not counts_answers:
        return Advice(**told, **_UNKNOWN, room=room)
    spread = known.spread or assumed_spread(known.accuracy, known.weight)
    room = room if room is not None or not counts_answers else 1 - known.accuracy
    found = detectable_effect(asked, spread)
    best = detectable_effect(replace(asked, independent_share=1.0), spread)
    plans = (
        replace(each, seeds=seeds)
        for each in (asked, *(replace(plan, folds=each) for each in folds))
        for seeds in range(2, _MOST_SEEDS + 1)
    )
    enough = [each for each in plans if detectable_effect(each, spread) <= TARGET]
    sizes = (replace(plan, num_images=2**k * 100) for k in range(17))
    large = (each.num_images for each in sizes if detectable_effect(each, spread) <= TARGET)
    return Advice(
        **told,
        detectable_effect=None if room is not None and found >= room else found,
        at_best=None if room is not None and best >= room else best,
        room=room,
        standard_error=sqrt(sum(spread.variances(asked))),
        needed=min(enough, key=lambda each: (each.folds * each.seeds, each.folds), default=None),
        needed_images=next(large, None),
    )


_UNKNOWN: dict[str, Any] = dict.fromkeys(
    ("detectable_effect", "at_best", "standard_error", "needed", "needed_images")
)


def _amount(effect: float, objective: Objective) -> str:
    unit = OBJECTIVES[objective].unit
    size = f"{unit.factor * effect:.{unit.digits + 1}f}".rstrip("0").rstrip(".")
    return f"{size} {unit.name.removesuffix('s') if size == '1' else unit.name}"
