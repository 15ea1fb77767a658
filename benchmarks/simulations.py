"""Intervals, verdicts, null floors and whole searches simulated where the truth is known.

`python -m benchmarks.simulations [PART ...]` prints a Markdown table of what was simulated, how
often, and what came out, each share with its 95 % interval (Wilson). The suite runs the same
functions on fewer. NumPy only, one core. What came out is recorded in `README.md`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.few_trainings import LUCKY, Unstable, false_verdicts
from benchmarks.made_up_searches import Plan
from benchmarks.simulated_floors import floors
from benchmarks.simulated_intervals import (
    CLOTHING,
    ONE_SPLIT,
    Design,
    coverage,
    detections,
    early_looks,
    held_together,
)
from benchmarks.simulated_searches import WORLDS, augmented_world, searches
from benchmarks.world import World
from search.experiment.objectives import OBJECTIVES, Objective

_LASTING = World(num_images=1200, setting_sd=1.0)


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
    yield "searches, a look at half, nothing", searches(100, WORLDS["nothing"], Plan(looks=(0.5,)))
    found = searches(100, augmented_world({}, ONE_SPLIT), Plan(folds=1))
    yield "searches, 1 x 3, nothing, 341 images", found


def _few_rows() -> Iterator[tuple[str, object]]:
    both = ("search", "confirm")
    for folds, seeds, flags, rounds in (
        (1, 1, 1, both),
        (1, 1, 3, both),
        (1, 2, 1, ("search",)),
        (1, 2, 1, both),
        (1, 2, 3, ("confirm",)),
        (1, 3, 1, ("search",)),
        (1, 3, 3, both),
        (2, 1, 1, ("search",)),
        (2, 1, 3, ("search",)),
    ):
        told = f"{folds} x {seeds}, {flags} of no effect, {' and '.join(rounds)}"
        found = false_verdicts(400, Design(LUCKY, folds, seeds), flags, rounds)
        yield f"few trainings, {told}: any false verdict", found
    for folds, seeds, flags in ((1, 3, 4), (1, 3, 10), (1, 5, 6), (5, 3, 4)):
        found = false_verdicts(200, Design(LUCKY, folds, seeds), flags, unstable=Unstable(3.0))
        told = f"{folds} x {seeds}, one of {flags} with three times the luck"
        yield f"few trainings, {told}: any false verdict", found
    for folds, seeds, apart in (
        (1, 3, Unstable(3.0, 0)),
        (5, 3, Unstable(3.0, 0)),
        (1, 3, Unstable(10.0)),
    ):
        found = false_verdicts(200, Design(LUCKY, folds, seeds), 4, unstable=apart)
        which = "one of 4" if apart.setting else "no augmentation beside 4"
        told = f"{folds} x {seeds}, {which} with {apart.times:g} times the luck"
        yield f"few trainings, {told}: any false verdict", found


def _effect_rows() -> Iterator[tuple[str, object]]:
    for name, world in WORLDS.items():
        if not name.startswith("nothing"):
            yield f"searches, {name}", searches(100, world, Plan())
    peaks = "a peak of 2 points within, another at the edge"
    found = searches(100, WORLDS[peaks], Plan(looks=(0.5,)))
    yield f"searches, a look at half, {peaks}", found
    for layout in ("climbing", "random"):
        for name in ("nothing", peaks):
            found = searches(100, WORLDS[name], Plan(layout=layout))
            yield f"searches, {layout}, {name}", found


_OBJECTIVES: tuple[Objective, ...] = tuple(OBJECTIVES)
PARTS: dict[str, Callable[[], Iterator[tuple[str, object]]]] = {
    "intervals": _interval_rows,
    "looks": _look_rows,
    "floors": _floor_rows,
    "few": _few_rows,
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
