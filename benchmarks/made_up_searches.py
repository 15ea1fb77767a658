"""Whole searches simulated where the truth is known, from the first trial to the answer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.world import Augmented, AugmentedImages, Stage
from search.evidence.answer import Answer, answer_of
from search.evidence.choosing import propose, strengths
from search.evidence.claim_table import Claims, Estimate
from search.evidence.claims import Declared, claim
from search.evidence.curves import NOTHING, Axis, Combination
from search.evidence.effects import fit
from search.evidence.looks import plan_looks
from search.evidence.measurements import Measurements, Training, measure
from search.evidence.screening import screening_points

GRID = (0.2, 0.4, 0.6, 0.8, 1.0)
_CONTROL = "TrivialAugment"
_OUTSIDE = Combination(outside=_CONTROL)


@dataclass(frozen=True)
class Plan:
    """How a search is made. layout: `screening`, `random`, or `climbing`, which tries near the best
    so far, as adaptive algorithms do. looks: shares of the trials after which an early look is
    taken: what is known there is told, and is not trained alone."""

    trials: int = 20
    folds: int = 5
    seeds: int = 3
    layout: str = "screening"
    looks: tuple[float, ...] = ()
    num_draws: int = 1000


@dataclass(frozen=True)
class Found:
    """A finished search."""

    augmented: Augmented
    combinations: tuple[Combination, ...]
    recommended: Combination
    claims: Claims
    answer: Answer
    early: tuple[Claims, ...] = ()

    def truths(self) -> Iterable[tuple[Estimate, float]]:
        """Every interval told, with the effect it should hold: all of the last claims, and those
        of augmentations that were known at an early look."""
        for claims in self.early:
            known = [each for each in claims.augmentations if each.name in _known([claims])]
            yield from self._truths(claims.model_copy(update={"augmentations": known}))
        yield from self._truths(self.claims)

    def _truths(self, claims: Claims) -> Iterable[tuple[Estimate, float]]:
        whole = dict(self.recommended.values)
        gain = self.augmented.gain
        for tried in claims.wholes:
            if tried.measured:
                yield tried.measured, gain(tried.settings)
        for each in claims.augmentations:
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
    drawn, axes = augmented.draw(rng), axes_of(augmented)
    levels = [look.level for look in plan_looks((*plan.looks, 1.0))]
    done: _Trained = []
    early: list[Claims] = []
    for training in _searched(drawn, plan, rng):
        done.append(training)
        if plan.looks and len(done) - 2 in [round(part * plan.trials) for part in plan.looks]:
            declared = Declared(axes, {_CONTROL: _OUTSIDE}, None)
            early.append(_claimed(drawn, done, declared, plan, seed, levels[len(early)]))
    chosen, later = _confirmed(drawn, done, axes, seed, _known(early))
    fresh = drawn.images.stage(plan.folds, plan.seeds, rng)
    done += [_train(drawn, fresh, "confirm", point, rng) for point in later]
    wholes = {_CONTROL: _OUTSIDE, "recommended": chosen, "best": later[-1]}
    wholes = {label: point for label, point in wholes.items() if point != NOTHING}
    label = "recommended" if chosen.values else None
    claims = _claimed(drawn, done, Declared(axes, wholes, label), plan, seed, levels[-1])
    points = tuple(point for _, point in done)
    return Found(augmented, points, chosen, claims, answer_of(claims), tuple(early))


_Trained = list[tuple[Training, Combination]]


def _searched(
    drawn: AugmentedImages, plan: Plan, rng: np.random.Generator
) -> Iterator[tuple[Training, Combination]]:
    """The controls, then the trials."""
    stage = drawn.images.stage(plan.folds, plan.seeds, rng)
    for point in (NOTHING, _OUTSIDE):
        yield _train(drawn, stage, "search", point, rng)
    scores: list[float] = []
    levels = tuple(2 if a.flag else None for a in drawn.augmented.augmentations)
    for row in _trials(plan, levels, scores, rng):
        done = _train(drawn, stage, "search", _combination(drawn.augmented, row), rng)
        right = done[0].predictions.predicted == drawn.images.labels
        scores.append(float(right.mean()))
        yield done


def _confirmed(
    drawn: AugmentedImages, done: _Trained, axes: Sequence[Axis], seed: int, known: set[str]
) -> tuple[Combination, list[Combination]]:
    """The setting to recommend; and what is trained anew, the best trial last: those whose
    augmentation is not known yet alone, and the recommended one without each of its own."""
    measured, points = _measured(drawn, done), [point for _, point in done]
    model = fit(measured, axes, points)
    chosen = propose(measured, model)
    later = dict.fromkeys([NOTHING, _OUTSIDE, chosen])
    for axis in axes:
        at = strengths(measured, model, axis, NOTHING, seed).sensible or len(axis.values) - 1
        if axis.name not in known:
            later |= dict.fromkeys([NOTHING.having(axis.name, axis.values[at], 0.0)])
        later |= dict.fromkeys([chosen.having(axis.name, 0.0, 0.0)])
    best = points[2 + int(measured.scores[2:].argmax())]
    return chosen, [*(point for point in later if point != best), best]


def _known(early: Sequence[Claims]) -> set[str]:
    words = [pair for claims in early for pair in claims.verdicts().items()]
    return {name for name, word in words if word in ("HELPS", "HURTS", "NEGLIGIBLE")}


def _measured(drawn: AugmentedImages, done: _Trained) -> Measurements:
    images = drawn.images
    return measure([each for each, _ in done], images.labels, "accuracy", images.groups)


def _claimed(
    drawn: AugmentedImages, done: _Trained, declared: Declared, plan: Plan, seed: int, level: float
) -> Claims:
    points = [point for _, point in done]
    return claim(_measured(drawn, done), points, declared, seed, level, plan.num_draws)


def _train(
    drawn: AugmentedImages, stage: Stage, name: str, point: Combination, rng: np.random.Generator
) -> tuple[Training, Combination]:
    """A control outside the space is one more setting that differs by nothing."""
    values = {"": 0.5} if point.outside else dict(point.values)
    setting = drawn.setting(values)
    answers = stage.predictions(setting, rng)
    return Training(f"{name} {point}", name, answers, str(point)), point


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
