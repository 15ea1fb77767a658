"""Budget advice: the smallest effect a plan can detect, and the folds and seeds that one point
would take.

Before any run the spread is assumed from what was seen on frozen features; afterwards it is
measured from the runs without augmentation. Plans only; what was found is in `evaluation`.
"""

from dataclasses import dataclass
from math import inf, sqrt
from typing import Any, Literal

import numpy as np

from search.evidence.evaluation import per_image
from search.evidence.spread import head_errors
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import Frozen, Predictions

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


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a paired difference: what lasts of it from image to image, what
    each seed adds to an image, and what one head adds to all images it scores. In the
    objective's units."""

    image: float
    noise: float
    head: float

    def variances(self, num_images: int, folds: int, seeds: int) -> tuple[float, float, float]:
        """What images, their noise and heads add to the variance of the mean difference."""
        pairs = num_images * seeds
        return self.image**2 / num_images, self.noise**2 / pairs, self.head**2 / (folds * seeds)


Basis = Literal["assumed", "measured"]


class Advice(Frozen):
    """What a plan can show, in the objective's units (of accuracy 0.01 is a point).

    detectable_effect: found 4 times in 5; None where no effect that is possible would be, or
    nothing is known of it yet. room: the most that can be gained over no augmentation; None where
    that is not known. room_basis: whether a run showed it, or an accuracy is assumed. needed: the
    (folds, seeds) with the fewest heads that detect `target`; None where no number of heads does.
    needed_images: how many images this plan would take for `target`; None if no number.
    """

    num_images: int
    folds: int
    seeds: int
    num_compared: int
    detectable_effect: float | None
    room: float | None
    room_basis: Basis
    objective: Objective
    standard_error: float | None
    target: float
    needed: tuple[int, int] | None
    needed_images: int | None
    basis: Basis

    @property
    def found(self) -> str:
        """What is detected, in a few words."""
        if self.detectable_effect is not None:
            return f"{_amount(self.detectable_effect, self.objective)}, 4 times in 5"
        return (
            "not known yet"
            if self.standard_error is None
            else "nothing: it takes more images or seeds"
        )

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
        among = f", as one of {self.num_compared} compared" if self.num_compared > 1 else ""
        plan = f"{_plan(self.folds, self.seeds)} on {self.num_images:,} images"
        target = f"{_amount(self.target, self.objective)} {self._what_target_takes()}."
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
        if self.needed == (self.folds, self.seeds):
            return "takes all of that"
        if self.needed:
            fewer = self.detectable_effect is not None and self.detectable_effect <= self.target
            return (
                f"takes no more than {_plan(*self.needed)}"
                if fewer
                else f"takes {_plan(*self.needed)}"
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


def detectable_effect(
    num_images: int,
    accuracy: float,
    folds: int,
    seeds: int,
    spread: Spread | None = None,
    power: float = 0.8,
    num_compared: int = 1,
) -> float:
    """The smallest true effect called HELPS with probability `power`: (t + t_power) standard
    errors. Of a tiny plan that is more than an objective can do, which is `advise`'s to say.

    num_images: those scored, which are the validation images where `folds` is 1. num_compared:
    trials that Holm's correction counts; the first step's threshold, 0.05 / num_compared, is used.
    Degrees of freedom by Satterthwaite, from the heads' part alone. Raises ValueError for numbers
    below 1.
    """
    from scipy.special import stdtrit

    if min(num_images, folds, seeds, num_compared) < 1:
        raise ValueError(
            f"{num_images} images, {folds} folds, {seeds} seeds, {num_compared} compared: 1 or more"
        )
    image, noise, head = (spread or assumed_spread(accuracy)).variances(num_images, folds, seeds)
    num_free = folds * (seeds - 1) if seeds > 1 else folds - 1
    from_heads = head + noise + (image if seeds == 1 else 0.0)
    df = num_free * (image + noise + head) ** 2 / from_heads**2 if num_free and from_heads else inf
    df = min(df, 1e6)
    quantiles = stdtrit(df, 1 - SIGNIFICANCE / num_compared / 2) + stdtrit(df, power)
    return float(quantiles) * sqrt(image + noise + head)


def advise(
    num_images: int,
    accuracy: float,
    folds: int,
    seeds: int,
    spread: Spread | None = None,
    num_compared: int = 1,
    num_validation: int | None = None,
    target: float = 0.01,
    objective: Objective = "accuracy",
    weight: float = 1.0,
    room: float | None = None,
) -> Advice:
    """What the plan can detect and what `target` would take.

    num_images: of train and validation together, which folds score between them; num_validation:
    scored where `folds` is 1 (None: as many). spread: `measured_spread`; None assumes one from the
    accuracy and `weight` (as `assumed_spread` has it), which of log-loss says nothing. room: the
    most that can be gained, as measured; None is 1 - accuracy, and no bound for log-loss.
    """
    scored = num_validation if folds == 1 and num_validation else num_images
    plan: dict[str, Any] = {
        "num_images": scored,
        "folds": folds,
        "seeds": seeds,
        "num_compared": num_compared,
    }
    plan |= {
        "objective": objective,
        "target": target,
        "room_basis": "assumed" if room is None else "measured",
    }
    counts_answers = OBJECTIVES[objective].counts_answers
    if spread is None and not counts_answers:
        return Advice(**plan, **_UNKNOWN, room=room)
    known = spread or assumed_spread(accuracy, weight)
    room = room if room is not None or not counts_answers else 1 - accuracy

    def effect(images: int, num_folds: int, num_seeds: int) -> float:
        return detectable_effect(
            images, accuracy, num_folds, num_seeds, known, num_compared=num_compared
        )

    found = effect(scored, folds, seeds)
    plans = [(f, s) for f in sorted({folds, 5, 10} - {1}) for s in range(2, _MOST_SEEDS + 1)]
    enough = [plan for plan in plans if effect(num_images, *plan) <= target]
    sizes = [2**k * 100 for k in range(17)]
    return Advice(
        **plan,
        detectable_effect=None if room is not None and found >= room else found,
        room=room,
        standard_error=sqrt(sum(known.variances(scored, folds, seeds))),
        needed=min(enough, key=lambda plan: (plan[0] * plan[1], plan[0]), default=None),
        needed_images=next((n for n in sizes if effect(n, folds, seeds) <= target), None),
        basis="measured" if spread else "assumed",
    )


def _plan(folds: int, seeds: int) -> str:
    return (
        f"{folds} {'fold' if folds == 1 else 'folds'} x {seeds} {'seed' if seeds == 1 else 'seeds'}"
    )


_UNKNOWN: dict[str, Any] = dict.fromkeys(
    ("detectable_effect", "standard_error", "needed", "needed_images")
) | {"basis": "assumed"}


def _amount(effect: float, objective: Objective) -> str:
    unit = OBJECTIVES[objective].unit
    size = f"{unit.factor * effect:.{unit.digits + 1}f}".rstrip("0").rstrip(".")
    return f"{size} {unit.name.removesuffix('s') if size == '1' else unit.name}"
