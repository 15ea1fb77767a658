"""Fixtures that several test modules share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from servers import MlflowServer


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sqlite file with MLflow's tables and nothing in them: making one takes seconds, copying
    none."""
    from search.tracking.mlflow_store import Store

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    Store(f"sqlite:///{path}", "unused", path.parent)
    return path


@pytest.fixture
def mlflow_uri(empty_mlflow_database: Path, tmp_path: Path) -> str:
    """An sqlite store of the test's own."""
    shutil.copy(empty_mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[MlflowServer]":
    """A real `mlflow server` on loopback, on PostgreSQL where the system has one and a driver, else
    sqlite."""
    from postgres import running_postgres
    from servers import running_mlflow

    folder = tmp_path_factory.mktemp("server")
    with (
        running_postgres() as postgres,
        running_mlflow(folder, postgres or f"sqlite:///{folder / 'mlflow.db'}") as server,
    ):
        yield server


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.keras` model of raw uint8 images of any size: which channel is strongest, blue, green or
    red?"""
    import keras
    import numpy as np

    inputs = keras.Input((None, None, 3), dtype="uint8")
    small = keras.layers.Rescaling(1 / 255)(keras.layers.Resizing(8, 8, antialias=True)(inputs))
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(inputs, dense(keras.layers.GlobalAveragePooling2D()(small)))
    dense.set_weights([10.0 * np.eye(3, dtype="float32")[::-1], np.zeros(3, "float32")])
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small finished search on digits, for reading only; its cache stands beside
    it."""
    from small_search import EXPERIMENT

    from search.driver.experiment_file import parse_config
    from search.driver.session import SessionOptions, run_search

    folder = tmp_path_factory.mktemp("finished")
    experiment = {
        **EXPERIMENT,
        "tracking": {"uri": None},
        "execution": {"cache_dir": str(folder / "cache")},
    }
    config = parse_config(experiment, "finished_run")
    result = run_search(config, folder / "run", options=SessionOptions(inline=True))
    assert result.outcome == "finished"
    return result.run_dir


@pytest.fixture(scope="session")
def local_leaderboard(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of the search that the cluster's tests run, in worker processes of this machine."""
    from cluster_search import finish, start, table

    folder = tmp_path_factory.mktemp("local")
    execution = {"engine": "local", "cache_dir": str(folder / "cache"), "threads": 1}
    finish(start(folder, execution), folder)
    return table(folder)


# Not for the session: while it is open an event loop runs, and nobody else in this process could
# start one.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Any]":
    """A real Chromium without a window; skips where there is none."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    root = getattr(os, "geteuid", lambda: 1)() == 0
    with api.sync_playwright() as playwright:
        # Chromium refuses to run as root inside its sandbox; containers have nobody else.
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if root else []
        )
        yield started
        started.close()
