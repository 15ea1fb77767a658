"""From what was measured to the table: each row a ratio, how it came about, and what was aimed
at."""

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.head_rates import HeadRates
from benchmarks.peers import PEERS, PeerRun
from benchmarks.rates import Rates
from benchmarks.searches import SearchRun, TrialRun
from benchmarks.task import Task
from search.experiment.precisions import Precision


@dataclass(frozen=True)
class Figures:
    """All measurements of one run."""

    rates: dict[Precision, Rates]
    heads: HeadRates
    trials: dict[Precision, TrialRun]
    searches: tuple[SearchRun, ...]
    peers: dict[str, PeerRun]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Row:
    """value: as shown. aim: what this project holds itself to on clothing; empty where it is told
    for comparison."""

    what: str
    value: str
    aim: str
    from_what: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def rows_of(figures: Figures, task: Task) -> list[Row]:
    """The comparison. What was not run to its end (a peer cut short, many trials of which one was
    run) says so."""
    peer = _whole(figures.peers["peer 1"], task)
    rows = _rate_rows(figures)
    rows += [_trial_row(name, run, peer) for name, run in figures.trials.items()]
    for (precision, _), search in zip(task.searches, figures.searches, strict=True):
        rows.append(_search_row(precision, search, peer, task.trials))
    return [*rows, *_search_rows(figures)]


def _whole(peer: PeerRun, task: Task) -> tuple[float, str]:
    """Seconds of a trial of it, and of what they are: where it was cut short, from its epochs
    after the first, as many as it took when it was trained to its end."""
    done = len(peer.epoch_seconds)
    if peer.stopped_early or task.whole_epochs is None:
        return (
            peer.seconds,
            f"{done} epochs, {'stopped early' if peer.stopped_early else 'cut short'}",
        )
    later = sum(peer.epoch_seconds[1:]) / (done - 1)
    seconds = peer.seconds + (task.whole_epochs - done) * later
    return seconds, f"{task.whole_epochs} epochs, {done} of them trained and timed"


# Over the training of the first two peers, a precision each.
AIMS: dict[Precision, tuple[str, str]] = {
    "float32": ("4x", "4x"),
    "bfloat16": ("7x", "7x"),
    "int8": ("13x", "12x"),
}


def _rate_rows(figures: Figures) -> list[Row]:
    heads = figures.heads
    rows = [row for precision in figures.rates for row in _feature_rows(figures, precision)]
    stacked, alone = 1000 * heads.stacked, 1000 * heads.one_by_one
    origin = f"{stacked:.0f} ms against {alone:.0f} ms per head-epoch"
    return [
        *rows,
        Row("stacked heads over `model.fit` one by one", f"{heads.ratio:.1f}x", "6x", origin),
    ]


def _feature_rows(figures: Figures, precision: Precision) -> list[Row]:
    rates = figures.rates[precision]
    bare = sum(rates.bare) / len(rates.bare)
    ours = sum(rates.augmented) / len(rates.augmented)
    by_cpu = rates.augmented_cpu / rates.bare_cpu
    rows = [
        Row(
            f"augmented features per second over the bare OpenVINO loop, {precision}",
            f"{rates.ratio:.2f}",
            "0.90",
            f"{ours:.0f} over {bare:.0f} images/s; by CPU time {by_cpu:.2f}",
        )
    ]
    for name, run in figures.peers.items():
        rows.append(
            Row(
                f"features per second over {name}'s training, {precision}",
                f"{ours / run.images_a_second:.1f}x",
                dict(zip(("peer 1", "peer 2"), AIMS[precision], strict=True)).get(name, ""),
                f"{ours:.0f} over {run.images_a_second:.0f} images/s ({PEERS[name].title})",
            )
        )
    return rows


def _trial_row(precision: Precision, trial: TrialRun, peer: tuple[float, str]) -> Row:
    parts = f"features {trial.features_seconds:.0f}, {trial.heads} heads {trial.heads_seconds:.0f}"
    return Row(
        f"one trial over one trial of peer 1, {precision}",
        f"{peer[0] / trial.seconds:.1f}x",
        {"float32": "8x", "int8": "22x"}[precision],
        f"{trial.seconds:.0f} s ({parts}) against {peer[0]:.0f} s ({peer[1]})",
    )


def _search_row(
    precision: Precision, search: SearchRun, peer: tuple[float, str], trials: int
) -> Row:
    rungs = ", ".join(map(str, search.rungs))
    return Row(
        f"a search of {trials} trials and its controls over {trials} trials of peer 1, "
        f"{precision}, rungs of {rungs} views",
        f"{trials * peer[0] / search.seconds:.1f}x",
        {"float32": "20x", "int8": "45x"}[precision],
        f"{search.seconds:.0f} s ({search.trials} trials and rungs, heads "
        f"{search.heads_seconds:.0f}) against {trials} times {peer[0]:.0f} s",
    )


def _search_rows(figures: Figures) -> list[Row]:
    search = figures.searches[0]
    total, private = search.memory_mb
    return [
        Row(
            "time of the search outside its trials, start-up aside",
            f"{search.overhead:.1%}",
            "3 %",
            f"{search.seconds - search.startup_seconds:.0f} s after start-up, "
            f"{search.trial_seconds:.0f} s in trials",
        ),
        Row(
            "peak memory of the search, all processes",
            f"{total / 1000:.1f} GB",
            "2.5 GB",
            f"{private / 1000:.1f} GB of it backed by no file",
        ),
    ]


def show(rows: list[Row], task: Task) -> None:
    """The table on standard output, Markdown as `benchmarks/README.md` has it."""
    print(f"\n| measured on {task.name} at {task.image_size} px | figure | aim | from |")
    print("| --- | ---: | ---: | --- |")
    for row in rows:
        print(f"| {row.what} | {row.value} | {row.aim} | {row.from_what} |")
