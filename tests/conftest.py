"""Fixtures that several test modules share, and the option `--pure`."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# As in a search's workers, before TensorFlow is loaded (`search.features.devices.set_threads`).
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

if TYPE_CHECKING:
    from faulty_searches import Faults
    from servers import MlflowServer

    from search.journal.state import SearchResult


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "only tests that need no TensorFlow, server, browser or process"
    parser.addoption("--pure", action="store_true", help=words)


def pytest_configure(config: pytest.Config) -> None:
    starts_workers = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if config.getoption("--pure") and not starts_workers:
        from purity import Purity

        config.pluginmanager.register(Purity())


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


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """An empty run directory, of a search that is sent to MLflow."""
    path = tmp_path / "runs" / "digits"
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[MlflowServer]":
    """A real `mlflow server` on loopback, on PostgreSQL where the system has one and a driver, else
    sqlite."""
    from servers import running_mlflow, running_postgres

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

    from small_search import small_config, undisturbed

    folder = tmp_path_factory.mktemp("finished")
    return undisturbed(small_config(folder / "cache"), folder / "run").run_dir


@pytest.fixture
def copied(finished_run: Path, tmp_path: Path) -> Path:
    """The finished run, for a test to alter."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def bundled(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the finished run, for reading only."""
    from search.verification.bundle import make_bundle

    path = tmp_path_factory.mktemp("bundle") / "anna.zip"
    make_bundle(finished_run, "Anna Nowak", path)
    return path


@pytest.fixture(scope="session")
def of_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures in `photos`, a search over them in `run` and its bundle `ada.zip`."""
    from pictures import write_folders
    from small_search import small_config, undisturbed

    from search.verification.bundle import make_bundle

    folder = tmp_path_factory.mktemp("folder")
    write_folders(folder / "photos", {"cat": 24, "dog": 24})
    config = small_config(
        folder / "cache",
        dataset={"source": "folder", "path": str(folder / "photos"), "image_size": 8},
        evaluation={"folds": 1, "seeds": 1, "confirm": None, "controls": [], "test": False},
        search={"trials": 1},
    )
    make_bundle(undisturbed(config, folder / "run").run_dir, "Ada", folder / "ada.zip")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, in which it is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the searches of a module share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of pictures, two classes in each split."""
    from pictures import SPLIT_COUNTS, write_folders

    write_folders(tmp_path / "data", SPLIT_COUNTS)
    return tmp_path / "data"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> "Faults":
    """Searches train nothing in this test; what befalls their trials instead."""
    from faulty_searches import in_haste

    return in_haste(monkeypatch)


@pytest.fixture(scope="module")
def expected(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> "SearchResult":
    """The search of `faulty_searches`, undisturbed."""
    from faulty_searches import config_of, in_haste
    from small_search import undisturbed

    with pytest.MonkeyPatch.context() as patch:
        in_haste(patch)
        return undisturbed(config_of(cache), tmp_path_factory.mktemp("expected"))


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
