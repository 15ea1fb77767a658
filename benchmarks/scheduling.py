"""`python -m benchmarks.scheduling`: what a trial costs beside its training, with a stand-in that
answers at once.

The whole search phase is measured and split: proposal, journal with its flushes, telling; and what
is made of each answer while the next trial trains: the paired effect with its bootstrap, the file
of answers per image, contact sheets (the first hundred), tables. Beside it KerasTuner's own loop
and, where it is installed (extra `bench`), Optuna's storages, which keep a score and nothing else.
Then what MLflow takes, and the page and `trials.csv` of searches so long.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.made_up import NUM_CLASSES, answering, experiment_of
from benchmarks.other_loops import BAYESIAN, OTHERS, Loop
from benchmarks.parts import Parts, Spent

OURS = ("ask", "journal", "tell")
BESIDE = ("effect", "file", "sheets", "tables", "MLflow")
COLUMNS = ("trials", " + ".join(OURS), *OURS, *BESIDE, "all")


@dataclass(frozen=True)
class Measured:
    """Of one search phase: seconds in all, and of each part. csv, page: seconds to make one and its
    bytes. said: of MLflow."""

    seconds: float
    parts: dict[str, Spent]
    csv: tuple[float, int]
    page: tuple[float, int]
    said: str = ""


def main() -> int:
    options = _options()
    rows = [(name, n) for n in options.trials for name in options.algorithms]
    rows += [("bayesian", n) for n in options.bayesian] + [
        ("random, with MLflow", n) for n in options.mlflow
    ]
    print(f"| ms a trial | {' | '.join(COLUMNS)} |\n| --- |{' ---: |' * len(COLUMNS)}", flush=True)
    made = []
    for name, count in rows:
        found = our_search(name, count, options.images, options.bootstraps, options.folder)
        for row in _rows(name, count, found, options.bootstraps):
            print(row, flush=True)
        made.append((name, count, found))
    _print_others(OTHERS, options.others)
    _print_others(BAYESIAN, options.other_bayesian)
    print(
        "\n| made of | trials | trials.csv s | MB | report.html s | MB |\n| --- |" + " ---: |" * 5
    )
    for name, count, found in made:
        cells = (f"{x:.2f}" for s, size in (found.csv, found.page) for x in (s, size / 1e6))
        print(f"| {name} | {count:,} | {' | '.join(cells)} |")
    print(
        "".join(
            f"\n{name}, {count:,} trials: {found.said}" for name, count, found in made if found.said
        )
    )
    flush = 1000 * flush_seconds(options.folder)
    print(f"\na flush of 3 KB where searches were kept: {flush:.2f} ms; {describe_machine()}")
    return 0


def _print_others(others: dict[str, Loop], counts: list[int]) -> None:
    for name, run in others.items():
        for count in counts:
            for kind, seconds in zip(("", ", CPU"), run(count) or (), strict=False):
                blank = " |" * (len(COLUMNS) - 2)
                print(
                    f"| {name}{kind} | {count:,} |{blank} {1000 * seconds / count:.1f} |",
                    flush=True,
                )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="*", default=[100, 1000, 10_000])
    parser.add_argument("--algorithms", nargs="+", default=["random", "halving"])
    parser.add_argument("--bayesian", type=int, nargs="*", default=[60, 300])
    parser.add_argument("--mlflow", type=int, nargs="*", default=[100])
    parser.add_argument("--others", type=int, nargs="*", default=[100, 1000])
    parser.add_argument(
        "--other-bayesian", type=int, nargs="*", default=[60], help="refits on every trial"
    )
    parser.add_argument("--images", type=int, default=3409)
    parser.add_argument(
        "--bootstraps", type=int, default=1000, help="effects after so many repeat the last"
    )
    parser.add_argument(
        "--folder", type=Path, help="where searches are kept; in memory, a flush costs nothing"
    )
    return parser.parse_args()


def _rows(name: str, count: int, found: Measured, bootstraps: int) -> Iterator[str]:
    """On the clock and of the processor, in ms a trial; an effect in ms a bootstrap that was
    drawn."""
    parts = [found.parts.get(part, Spent()) for part in (*OURS, *BESIDE)]
    all_walls = found.seconds - found.parts["stand-in"].wall
    kinds = (
        ("", [part.wall for part in parts], all_walls),
        (", CPU", [part.cpu for part in parts], None),
    )
    for kind, seconds, everything in kinds:
        total = sum(seconds) if everything is None else everything
        each = [1000 * x / count for x in (sum(seconds[: len(OURS)]), *seconds, total)]
        each[1 + len(OURS)] *= count / max(1, min(found.parts["effect"].calls, bootstraps))
        yield f"| {name}{kind} | {count:,} | " + " | ".join(f"{cell:.1f}" for cell in each) + " |"


def our_search(
    name: str, count: int, images: int = 3409, bootstraps: int = 1000, below: Path | None = None
) -> Measured:
    """One search in a folder of its own. name: of the algorithm, or `random, with MLflow` on a
    SQLite file."""
    from search import run_search
    from search.experiment.config import ExperimentConfig
    from search.report.page import write_report
    from search.report.trial_tables import write_trials

    labels = (np.arange(images) % NUM_CLASSES).astype(np.int32)
    algorithm, _, with_mlflow = name.partition(", ")
    with (
        tempfile.TemporaryDirectory(dir=below) as folder,
        answering(labels),
        _few_bootstraps(bootstraps),
        _split() as parts,
    ):
        experiment = experiment_of(Path(folder), labels, algorithm, count)
        if with_mlflow:
            experiment["tracking"]["uri"] = f"sqlite:///{folder}/mlflow.db"
        result = run_search(ExperimentConfig.model_validate(experiment), Path(folder) / "run")
        if result.outcome != "finished":
            raise RuntimeError(f"the search ended as {result.outcome}: {result.reason}")
        csv, page = (_made(write, result) for write in (write_trials, write_report))
        said = (
            f"{result.tracking}; {_sent_again(result, Path(folder), count)}" if with_mlflow else ""
        )
        return Measured(result.state.phase_seconds["search"], parts, csv, page, said)


def _sent_again(result: Any, folder: Path, count: int) -> str:
    """The whole search to a store of its own, with nothing beside it, with contact sheets and
    without; making the store, at the first of its trials, is not counted."""
    from search.tracking.tracker import Tracker

    said = []
    for words, run_dir in (
        ("with contact sheets", result.run_dir),
        ("without", folder / "no sheets"),
    ):
        tracker = Tracker(f"sqlite:///{folder}/{words}.db", "again", run_dir)
        tracker.project(result.state.model_copy(update={"records": result.state.records[:1]}))
        start = time.perf_counter(), time.process_time()
        status = tracker.project(result.state)
        wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
        said.append(
            f"{words} {1000 * wall / count:.0f} ms a trial, CPU {1000 * cpu / count:.0f} ({status})"
        )
    return "sent to another, " + "; ".join(said)


def flush_seconds(folder: Path | None, times: int = 50) -> float:
    """The median of appending 3 KB and flushing them."""
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            file.write(bytes(3000))
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))


def _made(write: Callable[..., Path], result: Any) -> tuple[float, int]:
    from search.report.view import SearchView

    start = time.perf_counter()
    path = write(SearchView(result.state), result.run_dir)
    return time.perf_counter() - start, path.stat().st_size


@contextmanager
def _split() -> Iterator[dict[str, Spent]]:
    """The parts of the search phase, known once it is over."""
    from search.driver.ledger import Ledger
    from search.driver.publishing import Showing
    from search.driver.search_phase import AskAndTell
    from search.execution.engines import InlineEngine
    from search.journal.state import EventLog
    from search.report.preview import TrialSheets
    from search.tracking.tracker import Tracker

    parts, found = Parts(), dict[str, Spent]()
    run = AskAndTell.run

    def measured(self: AskAndTell) -> list[int]:
        parts.spent.clear()
        try:
            return run(self)
        finally:
            found.update(parts.spent)

    wrapped = {
        (AskAndTell, "ask"): "ask",
        (AskAndTell, "tell"): "tell",
        (EventLog, "append"): "journal",
        (Ledger, "effect"): "effect",
        (Ledger, "_write_predictions"): "file",
        (TrialSheets, "trial_told"): "sheets",
        (Showing, "now"): "tables",
        (Tracker, "trial_told"): "MLflow",
        (InlineEngine, "submit"): "stand-in",
    }
    AskAndTell.run = measured  # type: ignore[method-assign]
    try:
        with parts.wrapping(wrapped):
            yield found
    finally:
        AskAndTell.run = run  # type: ignore[method-assign]


@contextmanager
def _few_bootstraps(most: int) -> Iterator[None]:
    """Effects after the first `most` repeat the last of them: their cost is known by then, and they
    are the most of it."""
    from search.driver import ledger

    paired_effect = ledger.paired_effect
    drawn: list[Any] = []

    def few(*arguments: Any, **options: Any) -> Any:
        if len(drawn) < most:
            drawn.append(paired_effect(*arguments, **options))
        return drawn[-1]

    ledger.paired_effect = few
    try:
        yield
    finally:
        ledger.paired_effect = paired_effect


if __name__ == "__main__":
    sys.exit(main())
