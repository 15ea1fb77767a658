"""`python -m benchmarks`: this project, its peers and the limit, side by side in one run. Prints a
table, writes JSON.

`--quick` measures on scikit-learn's digits in under three minutes and needs nothing; without it the
clothing photographs are wanted (`--images`, or AUGSEARCH_CLOTHING) and about an hour, most of it
the first peer's trial. `--growth` draws how cost grows.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.growth import GROWTHS, draw_growth, measure_point
from benchmarks.head_rates import HeadRates, heads_one_by_one, stacked_heads
from benchmarks.machine import describe_machine
from benchmarks.peers import PEERS, run_peer
from benchmarks.rates import feature_rates
from benchmarks.searches import run_search_in, run_trial_in
from benchmarks.table import Figures, rows_of, show
from benchmarks.task import Task, clothing_task, digits_task
from search.experiment.precisions import Precision
from search.features.devices import BFLOAT16_FLAGS, INT8_FLAGS, processor_flags


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        task = _task(options, Path(folder))
        report: dict[str, Any] = {"machine": describe_machine(), "task": task.name}
        if options.growth:
            report["growth"] = _growth(task, Path(folder))
            draw_growth(report["growth"], options.out.with_suffix(".png"))
        else:
            figures = _measure(task, ["float32"] if options.quick else _precisions())
            report["figures"] = figures.as_json()
            report["rows"] = [row.as_json() for row in rows_of(figures, task)]
            show(rows_of(figures, task), task)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {options.out}", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="on digits, in under three minutes")
    parser.add_argument(
        "--growth", action="store_true", help="how cost grows, instead of the comparison"
    )
    parser.add_argument("--images", type=Path, default=os.environ.get("AUGSEARCH_CLOTHING"))
    parser.add_argument(
        "--peer-epochs",
        type=int,
        default=60,
        help="train the first peer for at most so many epochs; a trial of it is then reckoned from "
        "them",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmark.json"))
    return parser.parse_args()


def _task(options: argparse.Namespace, folder: Path) -> Task:
    if options.quick or options.growth:
        return digits_task(folder, folder / "cache", every=3 if options.quick else 1)
    if options.images is None or not (Path(options.images) / "train").is_dir():
        raise SystemExit(
            "the clothing photographs are wanted: --images FOLDER with train/ and validation/, or "
            "--quick"
        )
    return clothing_task(Path(options.images).absolute(), folder / "cache", options.peer_epochs)


def _measure(task: Task, precisions: list[Precision]) -> Figures:
    rates = {precision: _alone(feature_rates, task, precision) for precision in precisions}
    heads = HeadRates(_alone(stacked_heads), _alone(heads_one_by_one))
    timed: list[Precision] = [each for each in precisions if each != "bfloat16"]
    trials = {each: _alone(run_trial_in, task, each) for each in timed}
    searches = tuple(_alone(run_search_in, task, *each) for each in task.searches)
    epochs = dict.fromkeys(PEERS, task.timed_epochs + 1) | {"peer 1": task.peer_epochs}
    peers = {name: _alone(run_peer, name, task, epochs[name]) for name in PEERS}
    return Figures(rates, heads, trials, searches, peers)


def _precisions() -> list[Precision]:
    """float32, and those of the others that the processor computes in."""
    wanted: dict[Precision, frozenset[str]] = {"bfloat16": BFLOAT16_FLAGS, "int8": INT8_FLAGS}
    return ["float32", *(name for name, flags in wanted.items() if processor_flags() & flags)]


def _growth(task: Task, folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [_alone(measure_point, name, task, at, folder) for at in growth.values]
        for name, growth in GROWTHS.items()
    }


def _alone(measure: Callable[..., Any], *arguments: Any) -> Any:
    """One measurement in a fresh process, which shares no compiled model and no memory with the
    others. What it found is told at once: an hour of others follows."""
    start = time.perf_counter()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        answer = pool.submit(measure, *arguments).result()
    label = " ".join([measure.__name__, *(str(a) for a in arguments if isinstance(a, (str, int)))])
    print(f"{label}: {time.perf_counter() - start:.0f} s: {answer}", file=sys.stderr, flush=True)
    return answer


if __name__ == "__main__":
    sys.exit(main())
