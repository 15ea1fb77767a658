"""`python -m benchmarks.large`: memory of one trial as the images grow, and what a million would
take by the slope.

Made photographs at 150 px, repeated from a few hundred files, through EfficientNet-Lite0; fifteen
heads, one view, one epoch, features in float16. Memory is that of all processes: private is what no
file backs; mapped files beside it are read again when the system wants the room. The bootstrap of
one effect is timed on a million answers.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth import repeated
from benchmarks.machine import describe_machine
from benchmarks.searches import TrialRun, run_one_trial
from benchmarks.task import Task, clothing_task

MILLION, NUM_CLASSES, FILES_A_CLASS = 1_000_000, 10, 40


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        task = clothing_task(make_photographs(Path(folder) / "photographs"), Path(folder) / "cache")
        runs = {count: _alone(task, count, Path(folder)) for count in options.images}
    bootstrap = bootstrap_seconds()
    print("| images | private MB | with mapped files MB | s |\n| ---: | ---: | ---: | ---: |")
    for count, run in runs.items():
        print(
            f"| {count:,} | {run.memory_mb[1]:.0f} | {run.memory_mb[0]:.0f} | {run.seconds:.0f} |"
        )
    if len(runs) > 1:
        print(f"\na million by the slope: {by_slope(runs) / 1000:.1f} GB private")
    print(f"bootstrap of an effect on a million images: {bootstrap:.1f} s")
    content: dict[str, Any] = {"machine": describe_machine(), "bootstrap_seconds": bootstrap}
    content["runs"] = {count: asdict(run) for count, run in runs.items()}
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 100_000, 200_000])
    parser.add_argument(
        "--folder", type=Path, help="for 70 KB an image of decoded pixels and features"
    )
    parser.add_argument("--out", type=Path, default=Path("large.json"))
    return parser.parse_args()


def make_photographs(folder: Path) -> Path:
    """JPEG files of coloured noise, smooth enough to be small: train/ and validation/, a folder a
    class."""
    from PIL import Image

    random = np.random.default_rng(0)
    for split, count in (("train", FILES_A_CLASS), ("validation", FILES_A_CLASS // 10)):
        for label in range(NUM_CLASSES):
            place = folder / split / f"class-{label}"
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (12, 12, 3), np.uint8)
                Image.fromarray(pixels).resize((180, 180)).save(
                    place / f"{number:03d}.jpg", quality=85
                )
    return folder


def _alone(task: Task, count: int, folder: Path) -> TrialRun:
    """In a process of its own, which shares no memory with the other sizes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        run = pool.submit(_trial, replace(task, name=f"large-{count}"), count, folder).result()
    print(
        f"{count} images: {run.seconds:.0f} s, {run.memory_mb[1]:.0f} MB",
        file=sys.stderr,
        flush=True,
    )
    return run


def _trial(task: Task, count: int, folder: Path) -> TrialRun:
    return run_one_trial(
        task,
        dataset={"source": "csv", "path": str(repeated(task.images, count, folder))},
        training={"views": 1, "max_epochs": 1},
        execution={"feature_dtype": "float16"},
    )


def by_slope(runs: dict[int, TrialRun]) -> float:
    """Private MB of a million images, from the two largest measured: fewer than some 80,000 are
    held in memory, and tell nothing of more."""
    least, most = sorted(runs)[-2:]
    first, last = runs[least].memory_mb[1], runs[most].memory_mb[1]
    return last + (last - first) / (most - least) * (MILLION - most)


def bootstrap_seconds() -> float:
    """One paired effect of three seeds on a million images of a hundred classes."""
    from search.evidence.evaluation import paired_effect
    from search.experiment.trial import Predictions

    random = np.random.default_rng(0)
    labels = random.integers(0, 100, MILLION)

    def answers() -> Predictions:
        right = random.random((3, MILLION)) < 0.84
        predicted = np.where(right, labels, (labels + 1) % 100).astype(np.int16)
        fold = (np.arange(MILLION) % 5).astype(np.int16)
        return Predictions(
            np.arange(MILLION), predicted, np.where(right, -0.1, -3).astype(np.float32), fold
        )

    first, second = answers(), answers()
    start = time.perf_counter()
    paired_effect(first, second, labels, "accuracy", seed=1)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
