"""Searches of few trainings simulated where nothing helps or hurts, and the luck of heads is large:
how often something is claimed."""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.shares import Share, generators
from benchmarks.simulated_intervals import Design
from benchmarks.world import Images, World
from search.evidence.claims import Declared, claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.measurements import Training, measure
from search.training.modes import MODES

# Networks share 1.2 points of luck, as small ones on digits do; heads on frozen features less than
# half.
NETWORKS = MODES["scratch"].usual_spread
LUCKY = World(num_images=719, accuracy=0.91, head_sd=0.31)


@dataclass(frozen=True)
class Unstable:
    """A setting whose luck is `times` the others', as a standard deviation: 0 is no augmentation, 1
    the first flag."""

    times: float
    setting: int = 1


def false_verdicts(
    repeats: int,
    design: Design,
    num_flags: int,
    rounds: tuple[str, ...] = ("search", "confirm"),
    unstable: Unstable | None = None,
    seed: int = 0,
) -> Share:
    """Searches of no augmentation and each flag alone, trained in every round, with any verdict."""
    axes = tuple(Axis(f"flag {number}", (0.0, 1.0)) for number in range(num_flags))
    wrong = 0
    for rng in generators(repeats, seed):
        done, points, images = _trainings(design, axes, rounds, unstable, rng)
        measured = measure(done, images.labels, "accuracy", images.groups, NETWORKS)
        claims = claim(measured, points, Declared(axes, {}, None), seed, num_draws=1000)
        found = [each.alone for each in claims.augmentations if each.alone is not None]
        wrong += any(each.ci[0] > 0 or each.ci[1] < 0 for each in found)
    return Share(wrong, repeats)


def _trainings(
    design: Design,
    axes: tuple[Axis, ...],
    rounds: tuple[str, ...],
    unstable: Unstable | None,
    rng: np.random.Generator,
) -> tuple[list[Training], list[Combination], Images]:
    images = Images.draw(design.world, rng)
    apart = unstable or Unstable(1.0)
    wilder = replace(design.world, head_sd=apart.times * design.world.head_sd)
    points = [NOTHING, *(Combination.of({axis.name: 1.0}) for axis in axes)]
    settings = [images.setting(rng) for _ in points]
    done = []
    for name in rounds:
        stage = images.stage(design.folds, design.seeds, rng)
        for number, setting in enumerate(settings):
            here = (
                replace(stage, images=replace(images, world=wilder))
                if number == apart.setting
                else stage
            )
            answers = here.predictions(setting, rng)
            done.append(Training(f"{name} {number}", name, answers, str(number)))
    return done, points * len(rounds), images
