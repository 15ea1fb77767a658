"""Intervals, verdicts, null floors and whole searches simulated where the truth is known.

`python -m benchmarks.simulations [PART ...]` prints a Markdown table of what was simulated, how
often, and what came out, each share with its 95 % interval (Wilson). The suite runs the same
functions on fewer. NumPy only, one core. What came out is recorded in `simulations.md`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from benchmarks.made_up_searches import Found, Plan, run
from benchmarks.world import Augmented, Images, Strength, World
from search.evidence.evaluation import per_image
from search.evidence.floor import null_floor
from search.evidence.intervals import Contrasts, Intervals, simultaneous
from search.evidence.looks import plan_looks
from search.evidence.measurements import Measurements, Training, measure
from search.experiment.objectives import OBJECTIVES, Objective
from search.experiment.trial import Predictions

CLOTHING = World()
ONE_SPLIT = World(num_images=341)
_LASTING = World(num_images=1200, setting_sd=1.0)


@dataclass(frozen=True)
class Design:
    """A world, and how its trials are trained."""

    world: World
    folds: int
    seeds: int


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


@dataclass(frozen=True)
class Widths:
    """Intervals that hold the truth, and how wide they are over normal ones of the true
    variance."""

    hold: Share
    ratio: float

    def __str__(self) -> str:
        return f"{self.hold}; {self.ratio:.2f} times the normal width"


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
    for rng in _generators(repeats, seed):
        gains = [gain, *[0.0] * (num_trials - 1)]
        measured = _stage(design, gains, rng, objective)
        interval = _against_none(measured, ["1"], seed)
        hits += bool(interval.low[0] <= truth <= interval.high[0])
        widths.append(interval.high[0] - interval.low[0])
        found.append(interval.effects[0])
    normal = 2 * 1.96 * float(np.std(found))
    return Widths(Share(hits, repeats), float(np.mean(widths)) / normal)


def detections(
    repeats: int,
    design: Design,
    gain: float,
    num_compared: int,
    seed: int = 0,
) -> Share:
    """Settings with a true gain that are called HELPS, as one of `num_compared` that are claimed
    together, each from one pair of trainings."""
    found = 0
    for rng in _generators(repeats, seed):
        gains = [gain, *[0.0] * (num_compared - 1)]
        measured = _stage(design, gains, rng, "accuracy")
        names = [str(number) for number in range(1, num_compared + 1)]
        found += bool(_against_none(measured, names, seed).low[0] > 0)
    return Share(found, repeats)


def held_together(repeats: int, design: Design, num_compared: int = 20, seed: int = 0) -> Share:
    """Searches whose intervals all hold, of settings without effect that are claimed together."""
    hits = 0
    for rng in _generators(repeats, seed):
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
    for rng in _generators(repeats, seed):
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
    design: Design,
    gains: list[float],
    rng: np.random.Generator,
    objective: Objective,
) -> Measurements:
    done, images = _trainings(design, gains, rng, OBJECTIVES[objective].needs_all)
    return measure(done, images.labels, objective, images.groups)


def _against_none(
    measured: Measurements, names: list[str], seed: int, level: float = 0.95
) -> Intervals:
    rows = np.stack([measured.contrast(name, "0") for name in names])
    return simultaneous(measured, Contrasts(rows), seed, level, num_draws=2000)


@dataclass(frozen=True)
class Searches:
    """What became of whole searches of one world. errors: mean standard error of an augmentation
    alone, in accuracy; helped: how often each was called HELPS; ranges: of augmentations that help
    on a range, whose best strength is in the range said, and whose range is at most half."""

    all_hold: Share
    false_verdicts: Share
    errors: float
    helped: dict[str, int]
    ranges: tuple[Share, Share] | None

    def __str__(self) -> str:
        helped = ", ".join(f"{name} {count}" for name, count in self.helped.items() if count)
        said = (
            f"; best strength in the range {self.ranges[0]}, range at most half {self.ranges[1]}"
            if self.ranges
            else ""
        )
        return (
            f"any false verdict {self.false_verdicts}; all intervals hold {self.all_hold}; "
            f"error of one alone {100 * self.errors:.2f} points; HELPS: {helped or 'none'}{said}"
        )


def searches(repeats: int, augmented: Augmented, plan: Plan, seed: int = 0) -> Searches:
    """Whole ones: a layout, confirmation and ablation, one answer."""
    found = [run(augmented, plan, seed + number) for number in range(repeats)]
    alone = [
        each.alone for one in found for each in one.claims.augmentations if each.alone is not None
    ]
    names = [each.name for each in augmented.augmentations]
    return Searches(
        all_hold=Share(sum(one.all_hold for one in found), repeats),
        false_verdicts=Share(sum(one.has_false_verdict for one in found), repeats),
        errors=float(np.mean([each.error for each in alone])),
        helped={
            name: sum(one.claims.verdicts()[name] == "HELPS" for one in found) for name in names
        },
        ranges=_ranges(augmented, found),
    )


def _ranges(augmented: Augmented, found: list[Found]) -> tuple[Share, Share] | None:
    within, narrow = [], []
    for one in found:
        for made, said in zip(augmented.augmentations, one.claims.augmentations, strict=True):
            tried = [point.value for point in said.curve]
            best = max(tried, key=made.gain, default=0.0)
            if not made.flag and said.strengths is not None and made.gain(best) > 0:
                first, last = said.strengths.first, said.strengths.last
                within.append(first <= best <= last)
                narrow.append(last - first <= 0.5)
    if not within:
        return None
    return Share(sum(within), len(within)), Share(sum(narrow), len(narrow))


def augmented_world(
    gains: dict[str, Callable[[float], float]],
    world: World = CLOTHING,
    ceiling: float | None = None,
) -> Augmented:
    """Five ranges and two flags, as clothing.yaml searches; those not in `gains` do nothing."""
    ranges = ("rotation", "shift_x", "shift_y", "shear", "zoom")

    def nothing(place: float) -> float:
        return 0.0

    numbers = [Strength(name, gains.get(name, nothing)) for name in ranges]
    flags = [Strength(name, gains.get(name, nothing), True) for name in ("h_flip", "v_flip")]
    return Augmented(world, (*numbers, *flags), ceiling)


def peak(place: float) -> float:
    """Two points at 0.4, none from 0.8, and harm beyond."""
    return 0.02 * (1 - ((place - 0.4) / 0.4) ** 2)


def rising(place: float) -> float:
    """Two points at the edge."""
    return 0.02 * place


def hurting(place: float) -> float:
    return -0.03 * place


WORLDS = {
    "nothing": augmented_world({}),
    "nothing, settings suit single images 2.5 times as much": augmented_world(
        {}, World(setting_sd=1.0)
    ),
    "nothing, heads share four fifths": augmented_world({}, World(pairing=0.8)),
    "one flag helps by 1.5 points": augmented_world({"h_flip": lambda place: 0.015 * place}),
    "a peak of 2 points": augmented_world({"rotation": peak}),
    "a rise of 2 points to the edge": augmented_world({"zoom": rising}),
    "a peak of 2 points within, another at the edge": augmented_world(
        {"rotation": peak, "zoom": rising, "v_flip": hurting}
    ),
    "four of 2 points that overlap, 2.5 at most": augmented_world(
        dict.fromkeys(("rotation", "shift_x", "zoom", "h_flip"), rising), ceiling=0.025
    ),
}


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
    design: Design,
    num_trials: int = 30,
    every: int = 1,
    seed: int = 0,
) -> Floors:
    """Simulates searches without effects; every `every`-th one's null floor is told from its
    predictions."""
    best, told, beaten = [], [], 0
    for number, rng in enumerate(_generators(repeats, seed)):
        images = Images.draw(design.world, rng)
        stage = images.stage(design.folds, design.seeds, rng)
        baseline, *trials = [
            stage.predictions(images.setting(rng), rng) for _ in range(num_trials + 1)
        ]
        best.append(max(_score(t, images) for t in trials) - _score(baseline, images))
        if number % every == 0:
            pairs = ((trial, baseline) for trial in trials)
            told.append(
                null_floor(pairs, baseline, images.labels, "accuracy", number, num_flips=500)
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


def _interval_rows() -> Iterator[tuple[str, object]]:
    for folds, seeds in ((5, 3), (5, 2), (5, 1)):
        yield (
            f"interval holds 0, {folds} x {seeds}",
            coverage(400, Design(CLOTHING, folds, seeds), "accuracy"),
        )
    for objective in _OBJECTIVES:
        found = coverage(200, Design(CLOTHING, 5, 3), objective, 0.015)
        yield f"interval holds a gain of 1.5 points, 5 x 3, {objective}", found
    for size in (4, 20):
        found = coverage(400, Design(replace(CLOTHING, group_size=size), 5, 3), "accuracy", 0.015)
        yield f"interval holds a gain of 1.5 points, 5 x 3, groups of {size} images", found
    for seeds in (1, 2, 3, 5):
        found = coverage(1000, Design(ONE_SPLIT, 1, seeds), "accuracy")
        yield f"interval holds 0, 1 x {seeds}, 341 images", found
    for world, folds, seeds in ((ONE_SPLIT, 1, 2), (ONE_SPLIT, 1, 3), (_LASTING, 5, 3)):
        name = f"20 intervals hold 0 together, {folds} x {seeds}, {world.num_images:,} images"
        lasting = ", settings suit single images 2.5 times as much" if world is _LASTING else ""
        yield name + lasting, held_together(400, Design(world, folds, seeds))
    for compared in (1, 20):
        share = detections(200, Design(CLOTHING, 5, 3), 0.015, compared)
        yield f"1.5 points called HELPS, 5 x 3, one of {compared} compared", share


def _look_rows() -> Iterator[tuple[str, object]]:
    for gain in (0.0, 0.03):
        wrong, spent = early_looks(300, World(num_images=1200), 5, gain)
        told = f"{wrong}; the first took {spent:.0%} of its seeds"
        yield f"looks at 2 and 4 seeds, 12 settings, gain {100 * gain:g}: false verdicts", told


def _floor_rows() -> Iterator[tuple[str, object]]:
    for world, folds, seeds in ((ONE_SPLIT, 1, 1), (ONE_SPLIT, 1, 3), (CLOTHING, 5, 3)):
        name = f"best of 30, {folds} x {seeds}, {world.num_images:,} images"
        yield name, floors(300, Design(world, folds, seeds), every=2)
    unpaired = floors(600, Design(replace(ONE_SPLIT, pairing=0.0), 1, 1), every=2)
    yield "best of 30, 1 x 1, 341 images, seeds not shared", unpaired


def _null_rows() -> Iterator[tuple[str, object]]:
    for name, world in WORLDS.items():
        if name.startswith("nothing"):
            yield f"searches, {name}", searches(100, world, Plan())
    found = searches(100, augmented_world({}, ONE_SPLIT), Plan(folds=1))
    yield "searches, 1 x 3, nothing, 341 images", found


def _effect_rows() -> Iterator[tuple[str, object]]:
    for name, world in WORLDS.items():
        if not name.startswith("nothing"):
            yield f"searches, {name}", searches(40, world, Plan())
    for layout in ("climbing", "random"):
        for name in ("nothing", "a peak of 2 points within, another at the edge"):
            found = searches(40, WORLDS[name], Plan(layout=layout))
            yield f"searches, {layout}, {name}", found


_OBJECTIVES: tuple[Objective, ...] = tuple(OBJECTIVES)
PARTS: dict[str, Callable[[], Iterator[tuple[str, object]]]] = {
    "intervals": _interval_rows,
    "looks": _look_rows,
    "floors": _floor_rows,
    "nulls": _null_rows,
    "effects": _effect_rows,
}


def main() -> None:
    """Prints the table, a row as soon as it is known."""
    print("| simulated (folds x seeds) | outcome |\n| --- | --- |")
    for part in sys.argv[1:] or PARTS:
        for name, outcome in PARTS[part]():
            print(f"| {name} | {outcome} |", flush=True)


if __name__ == "__main__":
    main()
