"""Reads what a search left in an sqlite store of MLflow, with MLflow's own client or straight from
its tables."""

import sqlite3
from pathlib import Path

from search.tracking.mlflow_values import PARENT_TAG


def mlflow_client(uri: str):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs_in(uri: str) -> list:
    experiment = mlflow_client(uri).get_experiment_by_name("digits")
    return list(
        mlflow_client(uri).search_runs(
            [experiment.experiment_id], order_by=["attributes.start_time ASC"]
        )
    )


def parent_in(uri: str):
    (parent,) = [run for run in runs_in(uri) if PARENT_TAG not in run.data.tags]
    return parent


def child_in(uri: str, trial: int):
    (child,) = [run for run in runs_in(uri) if run.data.tags.get("augsearch.trial") == str(trial)]
    return child


def artifacts_of(uri: str, run) -> dict[str, str]:
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    return {
        str(p.relative_to(folder)): p.read_text("utf-8", "replace")
        for p in folder.rglob("*")
        if p.is_file()
    }


def contents(uri: str) -> dict[str, list]:
    """Every row of the tables a search writes to."""
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        tables = ("runs", "metrics", "latest_metrics", "params", "tags", "datasets", "inputs")
        return {
            table: sorted(database.execute(f"select * from {table}"), key=repr) for table in tables
        }
