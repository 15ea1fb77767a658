"""How the cost of this project grows with images, trials, views and workers; each point in a
process of its own.

The digits at 32 pixels stand in for photographs: what grows is what is shown, not how long one
image takes.
"""

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.searches import run_one_search, run_one_trial
from benchmarks.task import Task


@dataclass(frozen=True)
class Point:
    """seconds: of what is measured. parts: of it, by name. memory_mb: total and private peaks of
    all processes."""

    at: int
    seconds: float
    parts: dict[str, float]
    memory_mb: tuple[float, float]


@dataclass(frozen=True)
class Growth:
    """One curve: `measure(task, at, folder)` for each of `values`."""

    title: str
    values: tuple[int, ...]
    measure: Callable[[Task, int, Path], Point]


def _images(task: Task, at: int, folder: Path) -> Point:
    """One trial of two views and five epochs, 15 heads, on `at` images."""
    table = repeated(task.images, at, folder)
    run = run_one_trial(
        task,
        dataset={"source": "csv", "path": str(table), "image_size": 32},
        training={"views": 2, "max_epochs": 5},
    )
    return _of_trial(at, run)


def _views(task: Task, at: int, folder: Path) -> Point:
    """One trial, until its heads stop: no view is computed before an epoch wants it."""
    return _of_trial(
        at,
        run_one_trial(task, dataset={"image_size": 32}, training={"views": at, "max_epochs": 80}),
    )


def _of_trial(at: int, run: Any) -> Point:
    parts = {"features": run.features_seconds, "heads": run.heads_seconds}
    return Point(at, run.seconds, parts, run.memory_mb)


def _trials(task: Task, at: int, folder: Path) -> Point:
    """A random search of next to no training, in one process: what a trial costs beside its
    training."""
    config = task.experiment(
        dataset={"image_size": 32},
        augmentation={"rotation_range": {"min": 0, "max": 40}},
        model={"backbone": "small-cnn", "weights": "random", "head_units": 0},
        training={"views": 1, "max_epochs": 1},
        search={"algorithm": "random", "trials": at},
        evaluation={"folds": 1, "seeds": 1},
    )
    run = run_one_search(config, inline=True)
    span = run.seconds - run.startup_seconds
    return Point(at, span, {"training": run.trial_seconds}, run.memory_mb)


def _workers(task: Task, at: int, folder: Path) -> Point:
    """A random search of eight trials by one worker or two."""
    config = task.experiment(
        search={"algorithm": "random", "trials": 8},
        execution={"workers": at},
        training={"max_epochs": 20},
    )
    run = run_one_search(config)
    return Point(at, run.seconds, {"start-up": run.startup_seconds}, run.memory_mb)


GROWTHS: dict[str, Growth] = {
    "images": Growth("one trial of 2 views, by images", (1_000, 10_000, 100_000), _images),
    "trials": Growth("a search of next to no training, by trials", (10, 100, 1_000), _trials),
    "views": Growth("one trial on 1797 images, by views", (1, 2, 4, 8, 16, 32, 64), _views),
    "workers": Growth("a search of 8 trials, by workers", (1, 2), _workers),
}


def measure_point(name: str, task: Task, at: int, folder: Path) -> dict[str, Any]:
    """One point of one curve, as JSON values."""
    return asdict(GROWTHS[name].measure(replace(task, name=f"growth-{name}-{at}"), at, folder))


def repeated(images: Path, count: int, folder: Path) -> Path:
    """A table of `count` images, nine tenths to train: the files of `images` again and again, each
    split its own."""
    path = folder / f"repeated-{count}.csv"
    shares = {"train": count - count // 10, "validation": count // 10}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        for split, wanted in shares.items():
            files = sorted(path for path in (images / split).glob("*/*") if path.is_file())
            # so that a few rows hold every class
            order = np.random.default_rng(0).permutation(len(files))
            for number in range(wanted):
                name = files[order[number % len(files)]]
                writer.writerow((name, name.parent.name, split))
    return path


def draw_growth(points: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """A panel a curve, seconds against size, both axes logarithmic; memory as a second line
    beneath."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    axes = figure.subplots(2, len(points), sharex="col", height_ratios=(2, 1), squeeze=False)
    for column, (name, curve) in enumerate(points.items()):
        at = [point["at"] for point in curve]
        upper, lower = axes[0][column], axes[1][column]
        upper.plot(at, [point["seconds"] for point in curve], "o-", label="all")
        for part in curve[0]["parts"]:
            upper.plot(at, [point["parts"][part] for point in curve], "s--", label=part)
        if max(at) >= 10 * min(at):
            upper.set(xscale="log", yscale="log")
        else:
            upper.set(xticks=at, ylim=(0, None))
        upper.set(title=GROWTHS[name].title)
        lower.plot(at, [point["memory_mb"][0] / 1000 for point in curve], "o-", label="all")
        lower.plot(at, [point["memory_mb"][1] / 1000 for point in curve], "s--", label="private")
        lower.set(xlabel=name, ylim=(0, None))
        upper.legend(fontsize=8)
        lower.legend(fontsize=8, loc="lower right")
        upper.title.set_fontsize(9)
    axes[0][0].set_ylabel("seconds")
    axes[1][0].set_ylabel("peak memory, GB")
    figure.savefig(path, dpi=110)
