"""A finished search sent to a real MLflow store again: once, twice, and to nobody."""

import base64
import json
import shutil
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from bundle_mutants import journal_of
from mlflow import MlflowClient
from tampering import events_of
from typer.testing import CliRunner

from data.errors import UserError
from data.secrets import redacted
from run_search import app
from search.commands.command_line import BAD_INPUT, DONE
from search.commands.single_run import sync
from search.driver.run_reading import open_run
from search.driver.winner import EXAMPLE_FILE

pytestmark = [
    # MLflow's own call of SQLAlchemy, which is right until SQLAlchemy takes it away.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    # Said of MLflow's own types while it imports them.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def stored(uri: str) -> tuple[int, int]:
    """How many runs and how many versions of the winning model a store holds."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return len(runs), len(client.search_model_versions("name = 'small'"))


def test_sending_twice_makes_no_duplicates(finished_run: Path, mlflow_uri: str) -> None:
    num_trials = len(open_run(finished_run).state.records)
    for _ in range(2):
        result = CliRunner().invoke(app, ["sync", str(finished_run), "--uri", mlflow_uri, "--json"])
        assert result.exit_code == DONE, result.output
        assert json.loads(result.stdout) == {"where": mlflow_uri, "sent": num_trials}
        assert stored(mlflow_uri) == (num_trials + 1, 1)


def test_where_nobody_answers_the_reason_is_given_with_status_2(finished_run: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        uri = f"http://me:hunter2@127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(app, ["sync", str(finished_run), "--uri", uri])
    assert result.exit_code == BAD_INPUT
    assert "nothing answers there; the journal keeps it" in result.stderr
    assert "hunter2" not in result.output


def test_a_search_that_tracked_nothing_needs_an_address(finished_run: Path) -> None:
    with pytest.raises(UserError, match=r"tracking\.uri null; say where"):
        sync(finished_run)


def test_no_password_goes_to_a_server_that_only_the_journal_names(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = Path(shutil.copytree(finished_run, tmp_path / "run"))
    journal = copied / "journal.jsonl"
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        events = events_of(copied)
        config = open_run(copied).config
        named = {"tracking": config.tracking.model_copy(update={"uri": uri})}
        config = config.model_copy(update=named)
        events[0]["opened"] |= {"config": config.filled, "config_hash": config.hash}
        journal.write_bytes(journal_of(events))
        with pytest.raises(UserError, match="nothing answers there"):
            sync(copied)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2")
        with pytest.raises(UserError, match="MLFLOW_TRACKING_TOKEN would be sent there"):
            sync(copied)
        with pytest.raises(UserError, match="nothing answers there"):
            sync(copied, uri)


def test_a_model_that_is_not_whole_is_named(
    finished_run: Path, tmp_path: Path, mlflow_uri: str
) -> None:
    copied = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (copied / EXAMPLE_FILE).write_bytes(b"")
    with pytest.raises(UserError, match="model is not whole"):
        sync(copied, mlflow_uri)


def test_a_page_of_megabytes_is_cleaned_of_credentials_in_no_time() -> None:
    pictures = base64.b64encode(np.random.default_rng(0).bytes(2_000_000)).decode()
    start = time.process_time()
    assert redacted(f"http://me:hunter2@host {pictures}") == f"http://***@host {pictures}"
    assert time.process_time() - start < 2  # it was half a minute while the scheme was looked for


def test_a_database_that_nobody_answers_at_is_asked_once(finished_run: Path) -> None:
    """MLflow itself asks ten times, for minutes."""
    pytest.importorskip("psycopg", reason="no driver of PostgreSQL")
    began = time.monotonic()
    with pytest.raises(UserError, match="nothing answers there"):
        sync(finished_run, "postgresql+psycopg://me:secret@127.0.0.1:9/runs")
    assert time.monotonic() - began < 30
