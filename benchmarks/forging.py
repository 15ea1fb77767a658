"""Forged bundles simulated where the truth is known: how often grading finds them, and how often it
accuses the honest.

`python -m benchmarks.forging` prints the tables of docs/grading.md. Answers come from `world`; what
another machine does to them was measured with TensorFlow's features in place of OpenVINO's
(`MEASURED`). NumPy only, one core, some minutes.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from benchmarks.shares import Share
from benchmarks.simulated_intervals import CLOTHING
from benchmarks.world import Images, Stage, World
from search.experiment.answers import Predictions
from search.verification.retrained_answers import RetrainedPair, contradictions, findings

DESIGNS = ((2, 1), (5, 2), (5, 3))
POINTS = (1, 2, 3, 4, 5)
# trials of a bundle; the third is honest and trained again on request
BASELINE, BEST, THIRD = (0, 1, 2)


@dataclass(frozen=True)
class Machine:
    """Another machine. parted: the share of heads that end elsewhere than in the bundle; 0 repeats
    every bit. redrawn: the share of a parted head's own variance that is drawn anew. luck: the
    standard deviation that this adds to all its margins."""

    parted: float
    redrawn: float = 0.36
    luck: float = 0.12


SAME, MEASURED, IMITATED = Machine(0.0), Machine(0.3), Machine(1.0)


@dataclass(frozen=True)
class Trial:
    """One setting: margins float32 [seeds, n] of the images in their folds [n]. Above zero is
    right."""

    images: Images
    fold: np.ndarray
    margins: np.ndarray

    @property
    def answers(self) -> Predictions:
        labels, num_classes = self.images.labels, self.images.world.num_classes
        predicted = np.where(self.margins > 0, labels, (labels + 1) % num_classes).astype(np.int16)
        log_prob = -np.logaddexp(np.float32(0), -self.margins)
        return Predictions(np.arange(len(labels)), predicted, log_prob, self.fold)

    def again(self, machine: Machine, rng: np.random.Generator) -> "Trial":
        """Trained once more, there."""
        if not machine.parted:
            return self
        num_seeds, num_folds = len(self.margins), int(self.fold.max()) + 1
        parted = (rng.random((num_seeds, num_folds)) < machine.parted)[:, self.fold]
        lasting = self.margins.mean(axis=0) if num_seeds > 1 else self.margins[0]
        kept = sqrt(1 - machine.redrawn)
        own = sqrt(1 - kept**2) * rng.standard_normal(self.margins.shape, np.float32)
        luck = machine.luck * rng.standard_normal((num_seeds, num_folds), np.float32)[:, self.fold]
        moved = lasting + kept * (self.margins - lasting) + own + luck
        rounding = 1e-6 * rng.standard_normal(self.margins.shape, np.float32)
        margins = np.where(parted, moved, self.margins + rounding)
        return Trial(self.images, self.fold, margins.astype(np.float32))


Forge = Callable[[Trial, float, np.random.Generator], Trial]


def uniform(trial: Trial, share: float, rng: np.random.Generator) -> Trial:
    """Wrong answers made right, drawn from all seeds and images alike."""
    return _turned(trial, _some(trial.margins <= 0, share * trial.margins.size, rng), rng)


def concentrated(trial: Trial, share: float, rng: np.random.Generator) -> Trial:
    """Few images, in every seed: those that most seeds have wrong."""
    wrong = (trial.margins <= 0).sum(axis=0) + rng.random(trial.margins.shape[1])
    gains, chosen = np.cumsum(np.sort(np.floor(wrong))[::-1]), np.argsort(wrong)[::-1]
    images = chosen[: int(np.searchsorted(gains, share * trial.margins.size)) + 1]
    return _turned(trial, (trial.margins <= 0) & np.isin(np.arange(len(wrong)), images), rng)


def noisy(trial: Trial, share: float, rng: np.random.Generator) -> Trial:
    """Three right for every two wrong: the gain hides among answers that move both ways."""
    size = share * trial.margins.size
    mask = _some(trial.margins <= 0, 3 * size, rng) | _some(trial.margins > 0, 2 * size, rng)
    return _turned(trial, mask, rng)


def seed_by_seed(trial: Trial, share: float, rng: np.random.Generator) -> Trial:
    """One seed alone carries the gain; where there is but one, one fold."""
    carries = np.zeros(trial.margins.shape, bool)
    if len(carries) > 1:
        carries[0] = True
    else:
        carries[:, trial.fold == 0] = True
    return _turned(
        trial, _some(carries & (trial.margins <= 0), share * trial.margins.size, rng), rng
    )


def baseline_down(trial: Trial, share: float, rng: np.random.Generator) -> Trial:
    """Right answers of the baseline made wrong."""
    return _turned(trial, _some(trial.margins > 0, share * trial.margins.size, rng), rng)


FORMS: dict[str, Forge] = {
    "uniform": uniform,
    "concentrated": concentrated,
    "noisy": noisy,
    "seed by seed": seed_by_seed,
    "baseline down": baseline_down,
}


def _some(mask: np.ndarray, count: float, rng: np.random.Generator) -> np.ndarray:
    places = np.flatnonzero(mask)
    chosen = np.zeros(mask.size, bool)
    chosen[rng.permutation(places)[: round(count)]] = True
    return chosen.reshape(mask.shape)


def _turned(trial: Trial, mask: np.ndarray, rng: np.random.Generator) -> Trial:
    """The answers of `mask` turned round, each with a margin that an answer of that kind has:
    nothing in it contradicts itself."""
    margins = trial.margins.copy()
    for right in (True, False):
        turned = mask & ((trial.margins > 0) != right)
        likely = trial.margins[(trial.margins > 0) == right]
        margins[turned] = rng.choice(likely, int(turned.sum()))
    return Trial(trial.images, trial.fold, margins)


@dataclass(frozen=True)
class Grades:
    """Which of three ways to grade finds something: nothing trained again; no augmentation and the
    best; a third trial too."""

    untrained: bool
    default: bool
    one_more: bool


@dataclass(frozen=True)
class Grading:
    """What is handed in, of (folds, seeds), and the grader's machine. others_repeat: only the
    trials that grading always trains are noisy."""

    design: tuple[int, int]
    machine: Machine
    others_repeat: bool = False
    world: World = CLOTHING


def graded(grading: Grading, form: str | None, points: float, rng: np.random.Generator) -> Grades:
    """One bundle, simulated and graded. form: None is honest."""
    world = grading.world
    images = Images.draw(world, rng)
    stage = images.stage(*grading.design, rng)
    honest = [_trial(images, stage, rng) for _ in (BASELINE, BEST, THIRD)]
    trained = [
        t if grading.others_repeat and n == THIRD else t.again(grading.machine, rng)
        for n, t in enumerate(honest)
    ]
    handed_in = list(honest)
    if form is not None:
        forged = BASELINE if form == "baseline down" else BEST
        handed_in[forged] = FORMS[form](honest[forged], points / 100, rng)
    pairs = [
        RetrainedPair(number, "frozen", ours.answers, again.answers)
        for number, (ours, again) in enumerate(zip(handed_in, trained, strict=True))
    ]
    contradicted = any(contradictions(p.handed_in, images.labels, world.num_classes) for p in pairs)
    claim = (BEST, BASELINE)
    found = [bool(findings(some, images.labels, "accuracy", claim)) for some in (pairs[:2], pairs)]
    return Grades(contradicted, contradicted or found[0], contradicted or found[1])


def _trial(images: Images, stage: Stage, rng: np.random.Generator) -> Trial:
    return Trial(images, stage.fold, stage.margins(images.setting(rng), rng))


def shares(
    repeats: int, grading: Grading, form: str | None, points: float, seed: int = 0
) -> tuple[Share, Share, Share]:
    """Of `repeats` bundles, those in which each way of grading finds something."""
    seeds = (
        [seed, *grading.design, int(10 * grading.machine.parted), int(points), number]
        for number in range(repeats)
    )
    all_grades = [graded(grading, form, points, np.random.default_rng(each)) for each in seeds]
    names = ("untrained", "default", "one_more")
    first, second, third = (Share(sum(getattr(g, n) for g in all_grades), repeats) for n in names)
    return first, second, third


CASES: dict[str, tuple[Machine, bool]] = {
    "the same bits": (SAME, False),
    "another machine": (MEASURED, False),
    "its noise imitated": (IMITATED, True),
}


def _rows(repeats: int) -> Iterator[str]:
    for case, (machine, others_repeat) in CASES.items():
        for folds, seeds in DESIGNS:
            grading = Grading((folds, seeds), machine, others_repeat)
            for form in FORMS:
                cells = [shares(repeats, grading, form, p) for p in POINTS]
                for name, place in (("default", 1), ("one more", 2)):
                    numbers = " | ".join(f"{100 * cell[place].value:.0f}" for cell in cells)
                    yield f"| {case} | {folds} x {seeds} | {form} | {name} | {numbers} |"
                assert not any(cell[0].count for cell in cells)


def main() -> None:
    """Prints the share found, in percent, and the honest bundles of which anything was found."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(
        "| grader's machine gives | folds x seeds | forged | trained again | "
        f"{' | '.join(map(str, POINTS))} |"
    )
    print("| --- | --- | --- | --- |" + " ---: |" * len(POINTS))
    for row in _rows(repeats):
        print(row, flush=True)
    for name, machine in (("another machine", MEASURED), ("every head parted", IMITATED)):
        for design in DESIGNS:
            _, default, more = shares(20 * repeats, Grading(design, machine), None, 0)
            print(
                f"honest, {name}, {design[0]} x {design[1]}: {default}; one more: {more}",
                flush=True,
            )


if __name__ == "__main__":
    main()
