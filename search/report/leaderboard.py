"""The leaderboard: a search's trials as a table and as the `trials.csv` of a run directory, one row
a trial and a column a setting. Made from the state alone; ranks nothing and does not say what the
numbers mean.
"""

import json
import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.files import write_atomically
from search.experiment.trial import TrialRecord
from search.journal.events import DatasetSummary
from search.journal.state import SearchState

if TYPE_CHECKING:
    import pandas as pd

FIXED_COLUMNS = (
    "trial",
    "kind",
    "status",
    "score",
    "delta",
    "ci_low",
    "ci_high",
    "seconds",
    "best_epoch",
)
KINDS = (
    "control",
    "trial",
    "confirm",
    "ablation",
)  # the sealed test is in summary.json, not among the trials
DECIMALS = {"score": 6, "delta": 6, "ci_low": 6, "ci_high": 6, "seconds": 3}


def leaderboard(state: SearchState) -> "pd.DataFrame":
    """One row a trial in the order of their numbers; `FIXED_COLUMNS`, then the settings of
    `setting_names`.

    score, delta and interval are in the objective's units (0.01 is a percentage point) and empty
    where a trial failed or still runs, seconds where it repeats another. best_epoch is the median
    over the trial's heads. A setting a trial does not have is empty.
    """
    import pandas as pd

    names = setting_names(state)
    rows = [
        {**_measured(r), **{n: r.settings.get(n) for n in names}} for r in state.of_kind(*KINDS)
    ]
    table = pd.DataFrame(rows, columns=[*FIXED_COLUMNS, *names], dtype=object)
    for column in DECIMALS:
        table[column] = table[column].astype("float64")
    table["trial"] = table["trial"].astype("int64")
    table["best_epoch"] = table["best_epoch"].astype("Int64")
    return table


def trials_csv(state: SearchState) -> str:
    """`trials.csv`: the leaderboard with fixed decimals, so that the same journal gives the same
    bytes."""
    table = leaderboard(state)
    for column, digits in DECIMALS.items():
        table[column] = (
            table[column].map(lambda value, digits=digits: _decimal(value, digits)).astype(object)
        )
    for name in setting_names(state):
        table[name] = table[name].map(_setting_cell).astype(object)
    return table.to_csv(index=False, lineterminator="\n")


def write_leaderboard(state: SearchState, run_dir: Path) -> Path:
    """Writes `trials.csv` into the run directory, beside and renamed, and returns its path. Raises
    StorageError.
    """
    path = run_dir / "trials.csv"
    write_atomically(path, trials_csv(state), "the leaderboard")
    return path


def setting_names(state: SearchState) -> list[str]:
    """The columns after the fixed ones: what is searched, in the experiment file's order, then the
    others."""
    used = {name for record in state.of_kind(*KINDS) for name in record.settings}
    searched = [name for name in (state.opened.space if state.opened else {}) if name in used]
    return searched + sorted(used - set(searched) - set(FIXED_COLUMNS))


def best_epoch(record: TrialRecord) -> int | None:
    """The median epoch (from 1) whose weights a trial's heads kept; the lower one of two in the
    middle."""
    epochs = record.result.best_epochs if record.result else ()
    return statistics.median_low(epochs) if epochs else None


def num_scored(record: TrialRecord, dataset: DatasetSummary) -> int:
    """How many images a trial is scored on: the validation split, or all that its folds go
    through."""
    protocol = record.spec.protocol
    splits = (
        ["test"]
        if protocol.epochs is not None
        else ["validation"]
        if protocol.folds == 1
        else ["train", "validation"]
    )
    return sum(sum(dataset.counts.get(split, ())) for split in splits)


def accuracy_interval(
    record: TrialRecord, dataset: DatasetSummary, optimistic: bool = False
) -> tuple[float, float] | None:
    """Wilson's 95 % interval (1927) of a trial's accuracy, as a share of the images scored.

    Seeds are repeats on the same images, so they do not add to the count. optimistic: of
    `optimistic_metrics`.
    """
    from search.evidence.scores import wilson_interval

    count = num_scored(record, dataset)
    result = record.result
    metrics = {} if result is None else result.optimistic_metrics if optimistic else result.metrics
    return wilson_interval(metrics["accuracy"], count) if "accuracy" in metrics and count else None


def _measured(record: TrialRecord) -> dict[str, Any]:
    result, effect = record.result, record.effect
    timing = record.trained.timing if record.trained else None
    return {
        "trial": record.trial,
        "kind": record.kind,
        "status": record.status,
        "score": result.score if result else None,
        "delta": effect.delta if effect else None,
        "ci_low": effect.ci_low if effect else None,
        "ci_high": effect.ci_high if effect else None,
        "seconds": timing.total_seconds if timing else None,
        "best_epoch": best_epoch(record),
    }


def _decimal(value: float, digits: int) -> str:
    if math.isnan(value):
        return ""
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding 0.0 turns a negative zero into zero


def _setting_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_setting_cell, value))}]"
    if isinstance(value, float):
        return f"{value:.10g}"  # 0.1 + 0.2 is 0.3 for people and spreadsheets
    return value if isinstance(value, str) else json.dumps(value)
