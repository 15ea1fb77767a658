"""The search that the cluster's tests run: started as a command, followed by its journal, compared
by its leaderboard."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
EXPERIMENT: dict[str, Any] = {
    "name": "cluster",
    "seed": 3,
    "dataset": {"source": "digits", "image_size": 16},
    "augmentation": {
        "rotation_range": {"min": 0, "max": 30},
        "zoom_range": {"min": 0.0, "max": 0.3},
    },
    "model": {"backbone": "small-cnn", "weights": "random", "head_units": 16},
    "training": {"max_epochs": 4, "patience": 4, "views": 2},
    "search": {
        "algorithm": "asynchronous_halving",
        "trials": 9,
        "min_views": 1,
        "reduction": 2,
        "lookahead": 4,
    },
    "evaluation": {"folds": 2, "seeds": 1, "confirm": {"top": 1, "seeds": 1, "views": 2}},
    "tracking": {"uri": None},
}


def on_ray(address: str) -> dict[str, Any]:
    """The section `execution` of a search on that cluster."""
    return {"engine": "ray", "address": address, "resources": {"cpu": 1}, "workers": 2}


def write_experiment(folder: Path, execution: dict[str, Any]) -> Path:
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**EXPERIMENT, "execution": execution}))
    return file


def start(
    folder: Path, execution: dict[str, Any], prefix: Sequence[str] = (), program: Path = ROOT
) -> "subprocess.Popen[str]":
    """The search in `folder / "run"`, messages going to `folder / "log"`. prefix: a command that
    runs it elsewhere."""
    file = write_experiment(folder, execution)
    command = [sys.executable, str(program / "run_search.py"), "run", str(file)]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [*prefix, *command, "--run-dir", str(folder / "run")],
            stdout=log,
            stderr=log,
            text=True,
            cwd=folder,
        )


def finish(process: "subprocess.Popen[str]", folder: Path) -> None:
    try:
        assert process.wait(600) == 0, said(folder)
    finally:
        process.kill()


def said(folder: Path) -> str:
    return (folder / "log").read_text()[-2000:]


def table(folder: Path) -> list[str]:
    """The leaderboard without its seconds."""
    rows = [line.split(",") for line in (folder / "run" / "trials.csv").read_text().splitlines()]
    skipped = rows[0].index("seconds")
    return [",".join(cell for place, cell in enumerate(row) if place != skipped) for row in rows]


def told(folder: Path) -> list[int]:
    """The numbers of the trials that were told, in the journal's order."""
    journal = folder / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event["trial"] for event in events if event["type"] == "told"]


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", folder: Path) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, said(folder)
        assert time.monotonic() < until, said(folder)
        time.sleep(0.2)
