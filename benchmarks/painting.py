"""How many pictures a second one core augments, by each augmentation of the table at its middle
example; the slowest last. Seconds of processor time, so that a busy machine shows the same.

    python -m benchmarks.painting [SIDE]
"""

import sys
import time

import numpy as np

from data.augmentations import AUGMENTATIONS
from data.views import augment

PICTURES, REPEATS, SIDE = 96, 4, 150


def main() -> None:
    rates = painting_rates(int(sys.argv[1]) if len(sys.argv) > 1 else SIDE)
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        print(f"{name:24}{rate:10,.0f}")


def painting_rates(side: int) -> dict[str, float]:
    """Pictures of `side` pixels a second, for each augmentation that is drawn."""
    cells = -(-side // 10)
    tiles = np.random.default_rng(0).integers(0, 256, (PICTURES, cells, cells, 3), dtype=np.uint8)
    images = np.ascontiguousarray(tiles.repeat(10, 1).repeat(10, 2)[:, :side, :side])
    return {
        name: _rate(images, {name: record.examples[len(record.examples) // 2]})
        for name, record in AUGMENTATIONS.items()
        if record.kind != "option"
    }


def _rate(images: np.ndarray, settings: dict[str, object]) -> float:
    augment(images, range(8), settings, 1, 0)
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        augment(images, range(len(images)), settings, 1, 0)
        seconds.append(time.process_time() - start)
    return len(images) / min(seconds)


if __name__ == "__main__":
    main()
