"""Whole searches simulated in worlds whose truth is known: what became of their claims."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.made_up_searches import Found, Plan, run
from benchmarks.shares import Share
from benchmarks.simulated_intervals import CLOTHING
from benchmarks.world import Augmented, Strength, World


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


def weak(place: float) -> float:
    return 0.006 * place


def _interplay() -> Augmented:
    """What two do beyond their sum is drawn once, about as large as the root of the product of what
    they do alone."""
    names = ("rotation", "shift_x", "shift_y", "shear", "zoom", "h_flip", "v_flip")
    gains = (0.02, 0.01, 0.01, 0.005, 0.0, -0.015, 0.0)
    sizes = np.sqrt(np.abs(gains))
    drawn = np.random.default_rng(7).normal(0, 0.8, (len(sizes), len(sizes)))
    world = augmented_world(dict(zip(names, map(_line, gains), strict=True)))
    pairs = tuple(map(tuple, (np.outer(sizes, sizes) * drawn).tolist()))
    return replace(world, pairs=pairs)


def _line(gain: float) -> Callable[[float], float]:
    return lambda place: gain * place


WORLDS = {
    "nothing": augmented_world({}),
    "nothing, settings suit single images 2.5 times as much": augmented_world(
        {}, World(setting_sd=1.0)
    ),
    "nothing, groups of 4 images": augmented_world({}, World(group_size=4)),
    "nothing, heads share four fifths": augmented_world({}, World(pairing=0.8)),
    "one flag helps by 1.5 points": augmented_world({"h_flip": lambda place: 0.015 * place}),
    "a peak of 2 points": augmented_world({"rotation": peak}),
    "a rise of 2 points to the edge": augmented_world({"zoom": rising}),
    "a peak of 2 points within, another at the edge": augmented_world(
        {"rotation": peak, "zoom": rising, "v_flip": hurting}
    ),
    "pairs depart from their sum by as much as they do": _interplay(),
    "five of 0.6 points that overlap, 1.5 at most": augmented_world(
        dict.fromkeys(("rotation", "shift_x", "shift_y", "zoom", "h_flip"), weak), ceiling=0.015
    ),
    "four of 2 points that overlap, 2.5 at most": augmented_world(
        dict.fromkeys(("rotation", "shift_x", "zoom", "h_flip"), rising), ceiling=0.025
    ),
}
