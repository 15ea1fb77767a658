"""`python -m benchmarks.efficiency`: how much of 1 to 64 workers a search uses, simulated from
recorded trial times.

The driver is the real one, with its own oracles, rules of promotion, order of answers and phases;
its ledger is made up: trials take as long as recorded ones and start in the order asked, on the
worker that is free first. Overhead is measured on a Ray cluster of this machine. Not simulated: a
node's first decoding and first clean features, other processors, a slow network.
"""

import argparse
import heapq
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.overhead import Overhead, measure_overhead

WORKERS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class TrialTime:
    """Seconds of one recorded trial: a view's features, and its heads whatever the views."""

    a_view: float
    heads: float

    def seconds(self, views: int) -> float:
        return self.heads + views * self.a_view


# Of a real search: 3409 clothing photographs at 150 px, EfficientNet-Lite0 frozen, 5 folds x 3
# seeds; two quiet cores.
RECORDED = (
    TrialTime(9.38, 26.2),
    TrialTime(9.13, 21.1),
    TrialTime(9.5, 24.7),
    TrialTime(10.05, 30.1),
    TrialTime(9.71, 25.3),
    TrialTime(9.32, 25.1),
    TrialTime(9.84, 26.9),
    TrialTime(8.86, 25.3),
    TrialTime(9.69, 36.1),
    TrialTime(9.06, 33.8),
    TrialTime(9.96, 28.7),
    TrialTime(9.55, 24.5),
    TrialTime(9.7, 37.3),
    TrialTime(9.29, 23.6),
    TrialTime(10.37, 31.6),
    TrialTime(9.26, 21.6),
    TrialTime(10.37, 28.8),
)


@dataclass(frozen=True)
class Way:
    """One line of the picture. ahead: trials asked for ahead, a worker. whole: controls and
    confirmation too."""

    title: str
    algorithm: str
    order: str = "deterministic"
    ahead: int = 1
    whole: bool = False


WAYS = (
    Way("random", "random"),
    Way("halving", "halving"),
    Way("asynchronous halving, lookahead as many as workers", "asynchronous_halving"),
    Way("the same, lookahead four times the workers", "asynchronous_halving", ahead=4),
    Way("the same, with controls and confirmation", "asynchronous_halving", ahead=4, whole=True),
    Way("asynchronous halving, eager", "asynchronous_halving", order="eager"),
)


@dataclass(frozen=True)
class Work:
    """What is searched: settings that are tried, up to so many views, in times such as these."""

    times: tuple[TrialTime, ...]
    overhead: Overhead
    settings: int
    views: int


def main() -> int:
    options = _options()
    times = times_of(options.run_dir) if options.run_dir else RECORDED
    overhead = options.overhead or measure_overhead(options.together, options.searched)
    work = Work(times, overhead, options.settings, options.views)
    spread = sorted(time.seconds(work.views) for time in times)
    print(
        f"{len(spread)} recorded trials, of {spread[0]:.0f} to {spread[-1]:.0f} s at {work.views} "
        "views"
    )
    print(
        f"overhead a trial: worker {1000 * overhead.worker:.1f} ms, driver "
        f"{1000 * overhead.driver:.1f} ms"
    )
    print("\n| share of the workers' time in trials | " + " | ".join(map(str, WORKERS)) + " |")
    print("| --- |" + " ---: |" * len(WORKERS))
    curves = {}
    for way in WAYS:
        curve = curves[way.title] = [efficiency(way, workers, work) for workers in WORKERS]
        print(
            f"| {way.title} | " + " | ".join(f"{100 * share:.0f} %" for share in curve) + " |",
            flush=True,
        )
    if options.out:
        draw(curves, options.out)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.efficiency", description=__doc__)
    parser.add_argument("--run-dir", type=Path, help="take the trial times of this search")
    parser.add_argument("--settings", type=int, default=256, help="settings on the lowest rung")
    parser.add_argument("--views", type=int, default=20, help="views an image on the highest rung")
    parser.add_argument(
        "--together", type=int, default=500, help="trials submitted at once to measure overhead"
    )
    parser.add_argument(
        "--searched", type=int, default=100, help="trials searched to measure the driver's"
    )
    parser.add_argument(
        "--overhead", type=_overhead, help="WORKER,DRIVER in ms, as measured before"
    )
    parser.add_argument("--out", type=Path, help="where to draw the curves")
    return parser.parse_args()


def _overhead(text: str) -> Overhead:
    worker, driver = (float(part) / 1000 for part in text.split(","))
    return Overhead(worker, driver)


def times_of(run_dir: Path) -> tuple[TrialTime, ...]:
    """Of a search's augmented trials that computed all of their views: none of a higher rung, which
    has some from below."""
    from search.journal.journal_file import read
    from search.journal.run_dir import JOURNAL
    from search.journal.state import replay

    times = []
    for record in replay(read(run_dir / JOURNAL)[0]).records:
        views, timing = record.spec.protocol.views, record.result.timing if record.result else None
        is_whole = (
            record.spec.settings.augmentation and not record.rung and record.duplicate_of is None
        )
        if timing and is_whole and isinstance(views, int):
            heads = timing.total_seconds - timing.features_seconds
            times.append(TrialTime(timing.features_seconds / views, heads))
    if not times:
        raise SystemExit(
            f"{run_dir} holds no augmented trial with its time; give a search that trained some"
        )
    return tuple(times)


def efficiency(way: Way, workers: int, work: Work) -> float:
    """The share of the workers' time that is spent in trials, from the first asked for to the last
    told."""
    from search.driver.phases import Context, Knowledge, run_confirmation, run_controls
    from search.driver.prepare import Prepared
    from search.driver.search_phase import run_trials
    from search.driver.specs import SpecFactory
    from search.experiment.config import ExperimentConfig

    config = ExperimentConfig.model_validate(_experiment(way, workers, work))
    space = config.space
    ledger: Any = SimulatedLedger(workers, work)
    unread: Any = None
    prepared = Prepared(config, space, SpecFactory(config, space, "float32"), unread, "float32")
    context = Context(prepared, ledger, lambda asked: False)
    if way.whole:
        run_confirmation(context, run_trials(context, run_controls(context, Knowledge())))
    else:
        run_trials(context, Knowledge())
    return float(ledger.work / (workers * ledger.now))


def _experiment(way: Way, workers: int, work: Work) -> dict[str, Any]:
    return {
        "name": "efficiency",
        "dataset": {"source": "digits"},
        "augmentation": {
            "rotation_range": {"min": 0, "max": 40},
            "zoom_range": {"min": 0.0, "max": 0.3},
            "width_shift_range": {"min": 0.0, "max": 0.3},
        },
        "training": {"views": work.views},
        "search": {
            "algorithm": way.algorithm,
            "trials": work.settings,
            "lookahead": max(2, way.ahead * workers),
        },
        "evaluation": {"confirm": {"views": work.views}},
        "execution": {"order": way.order},
    }


class SimulatedLedger:
    """As `ledger.Ledger` for whoever asks and tells, in made-up time. now, work: seconds that have
    passed, and of trials in them."""

    def __init__(self, workers: int, work: Work) -> None:
        self.now = self.work = 0.0
        self._times, self._overhead = work.times, work.overhead
        self._free = [0.0] * workers
        self._records: list[Any] = []
        self._ends: list[float] = []
        self._first_with_key: dict[str, int] = {}

    def ask(self, spec: Any, settings: Any, rung: int | None = None) -> int:
        from search.experiment.trial import TrialRecord

        number = len(self._records)
        self._records.append(
            TrialRecord(
                trial=number,
                kind=spec.kind,
                label=spec.label,
                settings=settings,
                spec=spec,
                rung=rung,
            )
        )
        first = self._first_with_key.setdefault(spec.key, number)
        self._ends.append(self._train(spec) if first == number else self._ends[first])
        return number

    def _train(self, spec: Any) -> float:
        """When the trial's answer is there, its worker being the one that is free first."""
        from search.experiment.seeds import derive_seed

        time = self._times[derive_seed(2, spec.key) % len(self._times)]
        seconds = time.seconds(spec.protocol.views)
        self.work += seconds
        end = max(self.now, heapq.heappop(self._free)) + seconds + self._overhead.worker
        heapq.heappush(self._free, end)
        return end

    def tell(self, number: int, baseline: int | None = None) -> Any:
        from search.experiment.seeds import derive_seed
        from search.experiment.trial import TrialResult, setting_key

        self.now = max(self.now, self._ends[number]) + self._overhead.driver
        record = self._records[number]
        score = derive_seed(1, setting_key(record.spec.settings)) / 2**31
        self._records[number] = record.model_copy(
            update={"result": TrialResult(status="completed", score=score)}
        )
        return self._records[number]

    def first_answered(self, numbers: Sequence[int]) -> int:
        return min(numbers, key=lambda number: (self._ends[number], number))

    def record(self, number: int) -> Any:
        return self._records[number]


def draw(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Share of the workers' time against workers, a line a way."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    for (title, curve), style in zip(
        curves.items(), ("o-", "s-", "^-", "v--", "d:", "x-."), strict=True
    ):
        axes.plot(WORKERS, [100 * share for share in curve], style, label=title)
    axes.set_xscale("log", base=2)
    axes.set_xticks(WORKERS, [str(workers) for workers in WORKERS])
    axes.set(xlabel="workers", ylabel="% of the workers' time in trials", ylim=(0, 102))
    axes.set_title("Simulated from recorded trial times, overhead included", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    sys.exit(main())
