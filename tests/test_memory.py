"""A long search keeps its parent small: 200 trials, with the oracle, the journal and MLflow,
answered by stand-ins for training."""

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from stand_ins import answer

from search.driver.experiment_file import parse_config
from search.driver.session import run_search
from search.execution.engine import EngineOptions
from search.execution.engines import ENGINES, EngineRecord
from search.execution.local_engine import LocalEngine
from search.execution.worker import private_mb
from search.experiment.trial import TrialRecord
from search.report.terminal import Progress

pytestmark = [
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
]
TRIALS, SETTLED = 200, 10  # the libraries have taken what they take once by the tenth trial
EXPERIMENT: dict[str, Any] = {
    "name": "long",
    "dataset": {"source": "digits", "image_size": 8},
    "augmentation": {
        "rotation_range": {"min": 0, "max": 30},
        "zoom_range": {"min": 0.0, "max": 0.3},
    },
    "model": {"backbone": "small-cnn", "weights": "random"},
    "search": {"algorithm": "random", "trials": TRIALS},
    "evaluation": {"folds": 2, "seeds": 3, "confirm": None, "test": False},
}


class Measured:
    """Progress that notes the parent's memory after each trial of the search phase, in MB."""

    def __init__(self) -> None:
        self.mb: list[float] = []

    def trial_told(self, record: TrialRecord) -> None:
        if record.kind == "trial":
            self.mb.append(private_mb())

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


def stand_in_engine(options: EngineOptions) -> LocalEngine:
    return LocalEngine(replace(options, run=answer, warm_imports=()))


@pytest.mark.slow
def test_two_hundred_trials_grow_the_parent_by_less_than_50_mb_and_leave_no_worker(
    tmp_path: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "local", EngineRecord(stand_in_engine, summary=""))
    others = set(multiprocessing.active_children())
    config = {
        **EXPERIMENT,
        "tracking": {"uri": mlflow_uri},
        "execution": {"cache_dir": str(tmp_path / "cache"), "workers": 2},
    }
    measured = Measured()
    result = run_search(parse_config(config, "test"), tmp_path / "run", cast(Progress, measured))
    assert result.outcome == "finished"
    assert len(measured.mb) == TRIALS
    print(f"grew by {measured.mb[-1] - measured.mb[SETTLED]:.1f} MB")
    assert measured.mb[-1] - measured.mb[SETTLED] < 50
    assert set(multiprocessing.active_children()) <= others
