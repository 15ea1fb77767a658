"""The null floor held against brute force: the best of many identical trials."""

from dataclasses import dataclass

import numpy as np

from benchmarks.shares import Share, generators
from benchmarks.simulated_intervals import Design
from benchmarks.world import Images
from search.evidence.evaluation import per_image
from search.evidence.floor import Flips, null_floor
from search.experiment.answers import Predictions


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
    repeats: int, design: Design, num_trials: int = 30, every: int = 1, seed: int = 0
) -> Floors:
    """Simulates searches without effects; every `every`-th one's null floor is told from its
    predictions."""
    best, told, beaten = [], [], 0
    for number, rng in enumerate(generators(repeats, seed)):
        images = Images.draw(design.world, rng)
        stage = images.stage(design.folds, design.seeds, rng)
        baseline, *trials = [
            stage.predictions(images.setting(rng), rng) for _ in range(num_trials + 1)
        ]
        best.append(max(_score(t, images) for t in trials) - _score(baseline, images))
        if number % every == 0:
            pairs = ((trial, baseline) for trial in trials)
            told.append(null_floor(pairs, baseline, images.labels, "accuracy", Flips(number, 500)))
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


def _score(predictions: Predictions, images: Images) -> float:
    return float(per_image(predictions, images.labels, "accuracy").mean())
