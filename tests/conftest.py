"""Fixtures that several test modules share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sqlite file with MLflow's tables and nothing in them: making one takes seconds, copying none."""
    from search.tracking_mlflow import Store

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    Store(f"sqlite:///{path}", "unused", path.parent)
    return path


@pytest.fixture
def mlflow_uri(empty_mlflow_database: Path, tmp_path: Path) -> str:
    """An sqlite store of the test's own."""
    shutil.copy(empty_mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts a server or trains for more than a few seconds")
