"""Whole searches, intervals, verdicts and null floors simulated where the truth is known.

`python -m benchmarks.simulations` prints a Markdown table of what was simulated, how often, and
what came out, each share with its 95 % interval (Wilson). The suite runs the same functions on
fewer. NumPy only, one core.
"""

import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from benchmarks.world import Images, Stage, World
from search.evidence.evaluation import paired_effect, per_image
from search.evidence.findings import Confirmed
from search.evidence.floor import null_floor
from search.evidence.verdicts import choose, holm, verdict
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import Predictions

CLOTHING = World()
ONE_SPLIT = World(num_images=341)


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        z, n = 1.96, self.total
        centre = (self.value + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(self.value * (1 - self.value) / n + z * z / (4 * n * n))
        return centre - half, centre + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count} of {self.total}: {self.value:.1%} ({low:.1%} to {high:.1%})"


def null_recommendations(
    num_searches: int,
    world: World = CLOTHING,
    num_trials: int = 20,
    seed: int = 0,
    for_everything: bool = True,
) -> Share:
    """Searches in which no setting differs from no augmentation, yet one is recommended.

    Search: 5 folds x 3 seeds, all trials. Confirmation: the best 3 by effect, fresh folds, 5 folds
    x 5 seeds, the same images. for_everything: Holm's correction counts all trials searched, not
    the three confirmed.
    """
    wrong = sum(
        _search(world, num_trials, rng, num_trials if for_everything else None) is not None
        for rng in _generators(num_searches, seed)
    )
    return Share(wrong, num_searches)


def coverage(
    repeats: int,
    world: World,
    folds: int,
    seeds: int,
    objective: Objective,
    gain: float = 0.0,
    seed: int = 0,
) -> Share:
    """Intervals that hold the true effect."""
    hits = 0
    for rng in _generators(repeats, seed):
        effect = paired_effect(
            *_pair(world, folds, seeds, gain, rng), objective, seed, num_resamples=2000
        )
        hits += effect.ci_low <= world.true_effect(gain, objective) <= effect.ci_high
    return Share(hits, repeats)


def detections(
    repeats: int,
    world: World,
    folds: int,
    seeds: int,
    gain: float,
    num_compared: int,
    seed: int = 0,
) -> Share:
    """Settings with a true gain that are called HELPS, corrected as if the best of
    `num_compared`."""
    found = 0
    for rng in _generators(repeats, seed):
        effect = paired_effect(
            *_pair(world, folds, seeds, gain, rng), "accuracy", seed, num_resamples=2000
        )
        p_holm = holm([effect.p_value], num_compared)[0]
        found += verdict(effect, p_holm, "policy").verdict == "HELPS"
    return Share(found, repeats)


@dataclass(frozen=True)
class Floors:
    """The best of identical trials: brute force over many worlds, and the floors told from single
    searches."""

    true_mean: float
    true_p95: float
    floor_mean: float
    floor_p95: float
    floor_p95_sd: float
    beaten: Share

    def __str__(self) -> str:
        means = f"{100 * self.true_mean:.2f} points on average, floor {100 * self.floor_mean:.2f}"
        p95s = f"95th percentile {100 * self.true_p95:.2f}, floor {100 * self.floor_p95:.2f}"
        return f"{means}; {p95s} +- {100 * self.floor_p95_sd:.2f}; above its floor {self.beaten}"


def floors(
    repeats: int,
    world: World,
    folds: int,
    seeds: int,
    num_trials: int = 30,
    every: int = 1,
    seed: int = 0,
) -> Floors:
    """Simulates searches without effects; every `every`-th one's null floor is told from its
    predictions."""
    best, told, beaten = [], [], 0
    for number, rng in enumerate(_generators(repeats, seed)):
        images = Images.draw(world, rng)
        stage = images.stage(folds, seeds, rng)
        baseline, *trials = [
            stage.predictions(images.setting(rng), rng) for _ in range(num_trials + 1)
        ]
        best.append(max(_score(t, images) for t in trials) - _score(baseline, images))
        if number % every == 0:
            told.append(
                null_floor(trials, baseline, images.labels, "accuracy", number, num_flips=500)
            )
            beaten += best[-1] > told[-1].p95
    p95s = [floor.p95 for floor in told]
    return Floors(
        true_mean=float(np.mean(best)),
        true_p95=float(np.quantile(best, 0.95)),
        floor_mean=float(np.mean([floor.mean for floor in told])),
        floor_p95=float(np.mean(p95s)),
        floor_p95_sd=float(np.std(p95s)),
        beaten=Share(beaten, len(told)),
    )


def _generators(count: int, seed: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, number]) for number in range(count))


def _score(predictions: Predictions, images: Images) -> float:
    return float(per_image(predictions, images.labels, "accuracy").mean())


def _pair(
    world: World, folds: int, seeds: int, gain: float, rng: np.random.Generator
) -> tuple[Predictions, Predictions, np.ndarray]:
    images = Images.draw(world, rng)
    stage = images.stage(folds, seeds, rng)
    baseline = stage.predictions(images.setting(rng), rng)
    return stage.predictions(images.setting(rng, gain), rng), baseline, images.labels


def _search(
    world: World, num_trials: int, rng: np.random.Generator, num_searched: int | None
) -> Confirmed | None:
    images = Images.draw(world, rng)
    none, *settings = [images.setting(rng) for _ in range(num_trials + 1)]
    stage = images.stage(5, 3, rng)
    scores = [_score(stage.predictions(setting, rng), images) for setting in settings]
    best = np.argsort(scores)[-3:]
    return choose(
        _confirm(
            images.stage(5, 5, rng), none, {int(i): settings[i] for i in best}, num_searched, rng
        )
    )


def _confirm(
    stage: Stage,
    none: np.ndarray,
    settings: dict[int, np.ndarray],
    num_searched: int | None,
    rng: np.random.Generator,
) -> list[Confirmed]:
    baseline, labels = stage.predictions(none, rng), stage.images.labels
    effects = {
        index: paired_effect(
            stage.predictions(setting, rng), baseline, labels, "accuracy", index, num_resamples=2000
        )
        for index, setting in settings.items()
    }
    corrected = holm([effect.p_value for effect in effects.values()], num_searched)
    return [
        Confirmed(trial=index, source_trial=index, label=str(index), effect=effect, p_holm=p_holm)
        for (index, effect), p_holm in zip(effects.items(), corrected, strict=True)
    ]


def _rows() -> Iterator[tuple[str, str]]:
    """What was simulated, and what came out. About seven minutes of one core."""
    lasting = World(setting_sd=1.0)
    yield "no setting differs: searches that recommend one", str(null_recommendations(600))
    yield (
        "the same, corrected for the 3 confirmed alone",
        str(null_recommendations(400, for_everything=False)),
    )
    yield (
        "the same, settings suit single images 2.5 times as much",
        str(null_recommendations(400, lasting)),
    )
    yield (
        "both of these",
        str(null_recommendations(400, lasting, for_everything=False)),
    )
    for folds, seeds in ((5, 3), (5, 5), (5, 2), (5, 1)):
        yield (
            f"interval holds 0, {folds} x {seeds}",
            str(coverage(1000, CLOTHING, folds, seeds, "accuracy")),
        )
    objectives = tuple(OBJECTIVES)
    for objective in objectives:
        share = coverage(1000, CLOTHING, 5, 3, objective, 0.015)
        yield f"interval holds a gain of 1.5 points, 5 x 3, {objective}", str(share)
    for seeds in (1, 2, 3, 5):
        share = coverage(1000, ONE_SPLIT, 1, seeds, "accuracy")
        yield f"interval holds 0, 1 x {seeds}, 341 images", str(share)
    for num_compared in (1, 20):
        share = detections(500, CLOTHING, 5, 3, 0.015, num_compared)
        yield f"1.5 points called HELPS, 5 x 3, one of {num_compared} compared", str(share)
    for world, folds, seeds in ((ONE_SPLIT, 1, 1), (ONE_SPLIT, 1, 3), (CLOTHING, 5, 3)):
        name = f"best of 30, {folds} x {seeds}, {world.num_images:,} images"
        yield name, str(floors(300, world, folds, seeds, every=2))
    unpaired = floors(600, replace(ONE_SPLIT, pairing=0.0), 1, 1, every=2)
    yield "best of 30, 1 x 1, 341 images, seeds not shared", str(unpaired)


def main() -> None:
    """Prints the table, a row as soon as it is known."""
    gc.freeze()  # statsmodels collects garbage at every correction; what is loaded now is none
    print("| simulated (folds x seeds) | outcome |\n| --- | --- |")
    for name, outcome in _rows():
        print(f"| {name} | {outcome} |", flush=True)


if __name__ == "__main__":
    main()
