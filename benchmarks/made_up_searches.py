"""Whole searches simulated where the truth is known, from the first trial to the answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.world import Augmented, AugmentedImages, Stage
from search.evidence.answer import Answer, Claims, Estimate, answer_of
from search.evidence.choosing import propose, strengths
from search.evidence.claims import Declared, claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import fit
from search.evidence.measurements import Measurements, Training, measure
from search.evidence.screening import screening_points

GRID = (0.2, 0.4, 0.6, 0.8, 1.0)
_CONTROL = "TrivialAugment"


@dataclass(frozen=True)
class Plan:
    """How a search is made. layout: `screening`, `random`, or `climbing`, which tries near the best
    so far, as adaptive algorithms do."""

    trials: int = 20
    folds: int = 5
    seeds: int = 3
    layout: str = "screening"
    ablate: bool = True
    num_draws: int = 1000


@dataclass(frozen=True)
class Found:
    """A finished search."""

    augmented: Augmented
    measured: Measurements
    combinations: tuple[Combination, ...]
    recommended: Combination
    claims: Claims
    answer: Answer

    def truths(self) -> Iterable[tuple[Estimate, float]]:
        """Every interval claimed, with the effect it should hold."""
        whole = dict(self.recommended.values)
        gain = self.augmented.gain
        for tried in self.claims.wholes:
            if tried.measured:
                yield tried.measured, gain(tried.settings)
        for each in self.claims.augmentations:
            rest = {key: value for key, value in whole.items() if key != each.name}
            for point in each.curve:
                yield point.measured, gain({each.name: point.value})
            for point in each.curve_beside:
                yield point.measured, gain({**rest, each.name: point.value}) - gain(rest)

    @property
    def all_hold(self) -> bool:
        return all(
            found.ci[0] - 1e-12 <= truth <= found.ci[1] + 1e-12 for found, truth in self.truths()
        )

    @property
    def has_false_verdict(self) -> bool:
        """Whether anything is called HELPS that does not, or HURTS that does not."""
        return any(
            (found.ci[0] > 0 and truth <= 0) or (found.ci[1] < 0 and truth >= 0)
            for found, truth in self.truths()
        )


def axes_of(augmented: Augmented) -> tuple[Axis, ...]:
    return tuple(
        Axis(a.name, (0.0, 1.0)) if a.flag else Axis.of_numbers(a.name, GRID)
        for a in augmented.augmentations
    )


def run(augmented: Augmented, plan: Plan, seed: int) -> Found:
    """A search phase, then confirmation and ablation on fresh folds and seeds, the same images."""
    rng = np.random.default_rng(seed)
    drawn = augmented.draw(rng)
    labels = drawn.images.labels
    axes = axes_of(augmented)
    stage = drawn.images.stage(plan.folds, plan.seeds, rng)
    done = [
        _train(drawn, stage, "search", point, rng)
        for point in (NOTHING, Combination(outside=_CONTROL))
    ]
    scores: list[float] = []
    levels = tuple(2 if a.flag else None for a in augmented.augmentations)
    for row in _trials(plan, levels, scores, rng):
        done.append(_train(drawn, stage, "search", _combination(augmented, row), rng))
        scores.append(float((done[-1][0].predictions.predicted == labels).mean()))
    measured = measure([training for training, _ in done], labels, "accuracy")
    points = [point for _, point in done]
    model = fit(measured, axes, points)
    chosen = propose(measured, model)
    later = dict.fromkeys([NOTHING, Combination(outside=_CONTROL), chosen])
    if plan.ablate:
        for axis in axes:
            at = strengths(measured, model, axis, NOTHING, seed).sensible or len(axis.values) - 1
            later |= dict.fromkeys([NOTHING.having(axis.name, axis.values[at], 0.0)])
            later |= dict.fromkeys([chosen.having(axis.name, 0.0, 0.0)])
    fresh = drawn.images.stage(plan.folds, plan.seeds, rng)
    done += [_train(drawn, fresh, "confirm", point, rng) for point in later]
    measured = measure([training for training, _ in done], labels, "accuracy")
    points = [point for _, point in done]
    wholes = {_CONTROL: Combination(outside=_CONTROL)}
    label = "recommended" if chosen.values else None
    if label:
        wholes[label] = chosen
    declared = Declared(axes, wholes, label)
    claims = claim(measured, points, declared, seed, num_draws=plan.num_draws)
    return Found(augmented, measured, tuple(points), chosen, claims, answer_of(claims))


def _train(
    drawn: AugmentedImages,
    stage: Stage,
    name: str,
    point: Combination,
    rng: np.random.Generator,
) -> tuple[Training, Combination]:
    """A control outside the space is one more setting that differs by nothing."""
    values = {"": 0.5} if point.outside else dict(point.values)
    setting = drawn.setting(values)
    return Training(f"{name} {point}", name, stage.predictions(setting, rng)), point


def _trials(
    plan: Plan, levels: tuple[int | None, ...], scores: list[float], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Each trial's place in the unit cube; `scores` grows as they are trained."""
    if plan.layout == "screening":
        yield from screening_points(plan.trials, levels, int(rng.integers(2**31)))
        return
    rows: list[np.ndarray] = []
    for number in range(plan.trials):
        row = rng.random(len(levels))
        if plan.layout == "climbing" and number >= plan.trials // 3:
            best = rows[int(np.argmax(scores))]
            row = np.clip(best + rng.normal(0, 0.2, len(levels)), 0, 1)
        rows.append(row)
        yield row


def _combination(augmented: Augmented, row: np.ndarray) -> Combination:
    values = {
        a.name: float(place >= 0.5) if a.flag else round(float(place), 3)
        for a, place in zip(augmented.augmentations, row, strict=True)
    }
    return Combination.of({name: value for name, value in values.items() if value})
