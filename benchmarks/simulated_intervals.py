"""Intervals of declared contrasts simulated where the truth is known: whether they hold it, alone,
together, with groups of images and at early looks."""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.shares import Share, Widths, generators
from benchmarks.world import Images, World
from search.evidence.intervals import Contrasts, Intervals, simultaneous
from search.evidence.looks import plan_looks
from search.evidence.measurements import Measurements, Training, measure
from search.experiment.objectives import OBJECTIVES, Objective

CLOTHING = World()
ONE_SPLIT = World(num_images=341)


@dataclass(frozen=True)
class Design:
    """A world, and how its trials are trained."""

    world: World
    folds: int
    seeds: int


def coverage(
    repeats: int,
    design: Design,
    objective: Objective,
    gain: float = 0.0,
    num_trials: int = 12,
    seed: int = 0,
) -> Widths:
    """One declared contrast, of a setting with no augmentation, in a search of `num_trials`."""
    hits, widths, found = 0, [], []
    truth = design.world.true_effect(gain, objective)
    for rng in generators(repeats, seed):
        gains = [gain, *[0.0] * (num_trials - 1)]
        measured = _stage(design, gains, rng, objective)
        interval = _against_none(measured, ["1"], seed)
        hits += bool(interval.low[0] <= truth <= interval.high[0])
        widths.append(interval.high[0] - interval.low[0])
        found.append(interval.effects[0])
    normal = 2 * 1.96 * float(np.std(found))
    return Widths(Share(hits, repeats), float(np.mean(widths)) / normal)


def detections(
    repeats: int, design: Design, gain: float, num_compared: int, seed: int = 0
) -> Share:
    """Settings with a true gain that are called HELPS, as one of `num_compared` that are claimed
    together, each from one pair of trainings."""
    found = 0
    for rng in generators(repeats, seed):
        gains = [gain, *[0.0] * (num_compared - 1)]
        measured = _stage(design, gains, rng, "accuracy")
        names = [str(number) for number in range(1, num_compared + 1)]
        found += bool(_against_none(measured, names, seed).low[0] > 0)
    return Share(found, repeats)


def held_together(repeats: int, design: Design, num_compared: int = 20, seed: int = 0) -> Share:
    """Searches whose intervals all hold, of settings without effect that are claimed together."""
    hits = 0
    for rng in generators(repeats, seed):
        measured = _stage(design, [0.0] * num_compared, rng, "accuracy")
        names = [str(number) for number in range(1, num_compared + 1)]
        found = _against_none(measured, names, seed)
        hits += bool(((found.low <= 0) & (found.high >= 0)).all())
    return Share(hits, repeats)


def early_looks(
    repeats: int, world: World, folds: int, gain: float = 0.0, num_compared: int = 12, seed: int = 0
) -> tuple[Share, float]:
    """Looks at 2 and at 4 seeds, every setting claimed at both: searches with a false verdict at
    either (of settings without effect, all but the first where there is a gain), and the share of
    all seeds that the first setting took until its interval had cleared zero."""
    wrong, spent = 0, []
    looks = plan_looks([0.5, 1.0])
    for rng in generators(repeats, seed):
        gains = [gain, *[0.0] * (num_compared - 1)]
        done = _trainings(Design(world, folds, 4), gains, rng)
        names = [str(number) for number in range(1, num_compared + 1)]
        clear = []
        for look in looks:
            seen = [_first_seeds(training, round(4 * look.fraction)) for training in done[0]]
            measured = measure(seen, done[1].labels, "accuracy")
            found = _against_none(measured, names, seed, look.level)
            clear.append((found.low > 0) | (found.high < 0))
        wrong += bool((clear[0] | clear[1])[1 if gain else 0 :].any())
        spent.append(0.5 if clear[0][0] else 1.0)
    return Share(wrong, repeats), float(np.mean(spent))


def _first_seeds(training: Training, count: int) -> Training:
    found = training.predictions
    fewer = replace(found, predicted=found.predicted[:count], log_prob=found.log_prob[:count])
    return replace(training, predictions=fewer)


def _trainings(
    design: Design, gains: list[float], rng: np.random.Generator, whole: bool = False
) -> tuple[list[Training], Images]:
    """No augmentation, named 0, and a setting for each gain, of one stage; and the images. whole:
    as `Stage.predictions` has it."""
    images = Images.draw(design.world, rng)
    stage = images.stage(design.folds, design.seeds, rng)
    done = [
        Training(str(number), "search", stage.predictions(images.setting(rng, gain), rng, whole))
        for number, gain in enumerate([0.0, *gains])
    ]
    return done, images


def _stage(
    design: Design, gains: list[float], rng: np.random.Generator, objective: Objective
) -> Measurements:
    done, images = _trainings(design, gains, rng, OBJECTIVES[objective].needs_all)
    return measure(done, images.labels, objective, images.groups)


def _against_none(
    measured: Measurements, names: list[str], seed: int, level: float = 0.95
) -> Intervals:
    rows = np.stack([measured.contrast(name, "0") for name in names])
    return simultaneous(measured, Contrasts(rows), seed, level, num_draws=2000)
